"""Every objective against numbers worked out by hand, and the direction in which each side pulls its scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import adversarial, config

LOG_3 = np.log(3.0)  # sigmoid(log 3) = 3/4, softplus(log 3) = log 4, softplus(-log 3) = log 4/3


BY_HAND = [
    ("minimax", LOG_3, -LOG_3, 2 * np.log(4 / 3), -np.log(4 / 3)),  # log(1 - D(G)) = log 3/4
    ("minimax", 0.0, LOG_3, np.log(2) + np.log(4), -np.log(4)),  # log(1 - D(G)) = log 1/4
    ("non_saturating", LOG_3, -LOG_3, 2 * np.log(4 / 3), np.log(4)),  # -log D(G) = -log 1/4
    ("non_saturating", 0.0, LOG_3, np.log(2) + np.log(4), np.log(4 / 3)),
    ("hinge", 0.25, -0.5, 0.75 + 0.5, 0.5),
    ("hinge", 2.0, -3.0, 0.0, 3.0),
    ("wasserstein", 2.0, -3.0, -5.0, 3.0),
    ("relativistic", 1.0 + LOG_3, 1.0, np.log(4 / 3), np.log(4)),
    ("relativistic", -5.0, -5.0, np.log(2), np.log(2)),
]


@pytest.mark.parametrize(("name", "real", "fake", "d_loss", "g_loss"), BY_HAND)
def test_by_hand(name: str, real: float, fake: float, d_loss: float, g_loss: float) -> None:
    objective = adversarial.OBJECTIVES[name]
    scores = jnp.array([real, 0.3], jnp.float32), jnp.array([fake, -0.2], jnp.float32)
    for side, expected in ((objective.discriminator, d_loss), (objective.generator, g_loss)):
        value = side(*scores)
        assert value.shape == (2,)
        np.testing.assert_allclose(value[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", adversarial.OBJECTIVES)
def test_signs(name: str) -> None:
    """Descent raises D's real score and lowers its fake score; the generator's descent raises its own score."""
    objective = adversarial.OBJECTIVES[name]
    real, fake = jnp.array([0.4]), jnp.array([-0.1])
    d_real, d_fake = jax.grad(lambda r, f: objective.discriminator(r, f).sum(), (0, 1))(real, fake)
    assert d_real[0] < 0 < d_fake[0]
    assert jax.grad(lambda f: objective.generator(real, f).sum())(fake)[0] < 0


@pytest.mark.parametrize("name", adversarial.OBJECTIVES)
def test_finite_for_huge_scores(name: str) -> None:
    objective = adversarial.OBJECTIVES[name]
    for side in objective:
        value, gradient = jax.value_and_grad(lambda r, side=side: side(r, -r).sum())(jnp.array([1e4, -1e4]))
        assert np.isfinite(value)
        assert np.all(np.isfinite(gradient))


def test_minimax_saturates_where_non_saturating_does_not() -> None:
    def slope(name: str) -> float:
        generator = adversarial.OBJECTIVES[name].generator
        return float(jax.grad(lambda fake: generator(fake, fake).sum())(jnp.array([-8.0]))[0])

    assert -1e-3 < slope("minimax") < 0
    np.testing.assert_allclose(slope("non_saturating"), -1, atol=1e-3)


def test_relativistic_pairs_by_index() -> None:
    real, fake = jnp.array([1.0, -2.0]), jnp.array([0.0, 5.0])
    np.testing.assert_allclose(adversarial.relativistic_d(real, fake), np.log1p(np.exp([-1.0, 7.0])), rtol=1e-6)
    np.testing.assert_allclose(adversarial.relativistic_g(real, fake), np.log1p(np.exp([1.0, -7.0])), rtol=1e-5)


def test_every_objective_is_worked_out_by_hand_and_is_a_choice_of_the_config() -> None:
    assert {row[0] for row in BY_HAND} == adversarial.OBJECTIVES.keys() == set(config.LOSSES)
