"""Penalties against closed forms and finite differences, in float64."""

import functools
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.models import layers
from ich_jax.training import penalties


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _images(seed: int, n: int = 4) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), (n, 2, 3, 2), jnp.float64)


def _between(n: int) -> jax.Array:
    return jax.random.uniform(jax.random.key(0), (n, 1, 1, 1), jnp.float64)


def _smooth(images: jax.Array) -> jax.Array:
    """A non-linear score of each image of its own."""
    weights = jnp.linspace(-1.0, 1.0, 12, dtype=jnp.float64).reshape(1, 2, 3, 2)
    return jnp.sum(jnp.sin(images * weights) + 0.1 * images**3, axis=(1, 2, 3)) ** 2


def test_gradient_square_matches_finite_differences() -> None:
    images, h = np.asarray(_images(0)), 1e-5
    total = np.zeros(4)
    for index in np.ndindex(2, 3, 2):
        step = np.zeros((1, 2, 3, 2))
        step[(0, *index)] = h
        slope = (np.asarray(_smooth(jnp.asarray(images + step))) - np.asarray(_smooth(jnp.asarray(images - step)))) / (
            2 * h
        )
        total += slope**2
    np.testing.assert_allclose(penalties.gradient_square(_smooth, jnp.asarray(images)), total, rtol=1e-7)


def test_r1_of_a_linear_score_is_half_its_squared_norm() -> None:
    slope = _images(1, 1)
    value = penalties.r1(lambda x: jnp.sum(slope * x, axis=(1, 2, 3)), _images(0))
    np.testing.assert_allclose(value, [0.5 * float(jnp.sum(slope**2))] * 4, rtol=1e-12)


def test_r1_r2_is_the_sum_on_real_and_generated() -> None:
    real, fake = _images(0), _images(1)
    expected = penalties.r1(_smooth, real) + penalties.r1(_smooth, fake)
    np.testing.assert_allclose(penalties.r1_r2(_smooth, real, fake), expected, rtol=1e-12)


def test_generated_images_are_constants() -> None:
    real = _images(0)
    for penalty in (
        lambda f: penalties.r1_r2(_smooth, real, f),
        lambda f: penalties.wgan_gp(_between(len(real)), _smooth, real, f),
    ):
        assert not np.any(jax.grad(lambda f, penalty=penalty: penalty(f).sum())(_images(1)))


def test_wgan_gp_of_a_linear_score() -> None:
    slope = 3.0 * _images(1, 1) / jnp.sqrt(jnp.sum(_images(1, 1) ** 2))
    value = penalties.wgan_gp(_between(4), lambda x: jnp.sum(slope * x, axis=(1, 2, 3)), _images(0), _images(2))
    np.testing.assert_allclose(value, [4.0] * 4, rtol=1e-9)  # (3 - 1)^2


def test_wgan_gp_is_taken_between_the_pair() -> None:
    """For the score |x|^2 / 2 the gradient is x itself, so the penalty tells where it was taken."""
    real, fake = jnp.full((64, 1, 1, 1), 5.0, jnp.float64), jnp.full((64, 1, 1, 1), 2.0, jnp.float64)
    value = penalties.wgan_gp(_between(64), lambda x: 0.5 * jnp.sum(x**2, axis=(1, 2, 3)), real, fake)
    place = 1 + np.sqrt(np.asarray(value))
    assert place.min() >= 2
    assert place.max() <= 5
    assert np.unique(place).size == 64
    np.testing.assert_allclose(place.mean(), 3.5, atol=0.4)


def test_a_flat_score_has_finite_gradients() -> None:
    def total(scale: jax.Array) -> jax.Array:
        def score(x: jax.Array) -> jax.Array:
            return scale * jnp.sum(x, axis=(1, 2, 3))

        return penalties.wgan_gp(_between(4), score, _images(0), _images(1)).sum()

    value, gradient = jax.value_and_grad(total)(jnp.zeros((), jnp.float64))
    np.testing.assert_allclose(value, 4.0, rtol=1e-5)
    assert np.isfinite(gradient)


def test_derivative_of_the_penalty_reaches_the_parameters() -> None:
    """d/dw of (1/2) |w a|^2 = w |a|^2: the penalty is differentiated, not a constant."""
    slope = _images(1, 1)

    def total(w: jax.Array) -> jax.Array:
        return penalties.r1(lambda x: w * jnp.sum(slope * x, axis=(1, 2, 3)), _images(0)).mean()

    gradient = jax.grad(total)(jnp.asarray(1.5, jnp.float64))
    np.testing.assert_allclose(gradient, 1.5 * float(jnp.sum(slope**2)), rtol=1e-12)


@pytest.mark.parametrize(
    ("batch", "share", "n"), [(32, 0.125, 4), (32, 1.0, 32), (8, 0.0, 1), (4, 0.3, 1), (1, 0.5, 1)]
)
def test_n_penalised(batch: int, share: float, n: int) -> None:
    assert penalties.n_penalised(batch, share) == n


def test_a_part_of_the_batch_is_unbiased() -> None:
    """Over all orders of the batch, here all rotations, the mean over the first images has the mean of the whole."""
    images = _images(3, 8)
    n = penalties.n_penalised(8, 0.25)
    parts = [penalties.r1(_smooth, jnp.roll(images, i, axis=0)[:n]).mean() for i in range(8)]
    np.testing.assert_allclose(np.mean(parts), penalties.r1(_smooth, images).mean(), rtol=1e-12)


# ---------------------------------------------------------------- scores and penalty of all images together


class _Network(nn.Module):
    """A discriminator in miniature, float64 throughout: convolution, both activations, biases, a second output."""

    activation: str

    @nn.compact
    def __call__(self, images: jax.Array, given: jax.Array) -> tuple[jax.Array, jax.Array]:
        act = layers.activation(self.activation)
        h = layers.Conv3x3(5, resample="down", dtype=jnp.float64)(images)
        h = h + layers.Conv3x3(5, dtype=jnp.float64)(act(h))
        h = nn.Dense(6, dtype=jnp.float64)(act(h).reshape(h.shape[0], -1))
        told = nn.Dense(6, use_bias=False, dtype=jnp.float64, name="told")(given)
        return nn.Dense(1, dtype=jnp.float64)(act(h))[:, 0] + jnp.sum(told * h, -1), nn.Dense(
            2, dtype=jnp.float64, name="rest"
        )(h)


def _case(activation: str, *, with_rest: bool) -> Any:
    module = _Network(activation)
    images, draws = jax.random.normal(jax.random.key(1), (4, 6, 6, 2), jnp.float64), jnp.arange(1.0, 5.0)
    given = jax.random.normal(jax.random.key(2), (4, 3), jnp.float64)
    params = jax.tree.map(
        lambda x: jax.random.normal(jax.random.fold_in(jax.random.key(3), x.size), x.shape, jnp.float64),
        module.init(jax.random.key(0), images, given)["params"],
    )

    def network(params: Any, x: jax.Array, given: jax.Array) -> Any:
        return module.apply({"params": params}, x, given)

    def prepare(x: jax.Array, draws: jax.Array) -> jax.Array:  # affine: contrast, brightness and a shift
        return jnp.roll(x * draws[:, None, None, None] + 0.3, 1, axis=1)

    def loss(rule: Any, params: Any, images: jax.Array) -> jax.Array:
        score, rest, square = rule(network, prepare, params, images, draws, given)
        total = jnp.sum(jax.nn.softplus(-score * draws)) + jnp.sum(0.7 * square * draws)
        return total + jnp.sum(jnp.sin(rest)) if with_rest else total

    return loss, params, images


@pytest.mark.parametrize("with_rest", [False, True])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_exact_rule_is_the_gradient_of_the_definition(activation: str, with_rest: bool) -> None:
    """Loss and gradients, the penalty's (second order) included, as `jax.grad` has them."""
    loss, params, images = _case(activation, with_rest=with_rest)
    plain, exact = (
        jax.value_and_grad(functools.partial(loss, rule), (0, 1))(params, images)
        for rule in (penalties.by_autodiff, penalties.exact)
    )
    for a, b in zip(jax.tree.leaves(exact), jax.tree.leaves(plain), strict=True):
        assert a.dtype == jnp.float64
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.abs(b).max())


def test_exact_rule_takes_four_passes_instead_of_six() -> None:
    """Operations of the compiled gradients with both penalties, over those of the score alone (three passes)."""
    loss, params, images = _case("leaky_relu", with_rest=False)

    def alone(network: Any, prepare: Any, params: Any, images: Any, draws: Any, given: Any) -> Any:
        score, rest = network(params, prepare(images, draws), given)
        return score, rest, jnp.zeros_like(score)

    base, six, four = (
        jax.jit(jax.grad(functools.partial(loss, rule), (0, 1)))
        .lower(params, images)
        .compile()
        .cost_analysis()["flops"]
        for rule in (alone, penalties.by_autodiff, penalties.exact)
    )
    assert six / base > 1.8
    assert four / base < 1.5


def test_what_the_exact_rule_cannot_do_is_refused() -> None:
    loss, params, images = _case("silu", with_rest=False)
    with pytest.raises(errors.ConfigError, match=r"piecewise linear discriminators only, and 'silu' is not"):
        loss(penalties.exact, params, images)


def _config(activation: str = "leaky_relu", reading_d: float = 0.0, rule: str = "auto", **objective: Any) -> Any:
    return config_lib.Config(
        discriminator=config_lib.DiscriminatorConfig(activation=activation),
        objective=config_lib.ObjectiveConfig(**{"penalty_share": 1.0, "reading_d": reading_d} | objective),
        compute=config_lib.ComputeConfig(penalty_rule=rule),
    )


def test_the_rule_is_taken_where_it_holds_and_saves() -> None:
    assert penalties.of_all(_config()) is penalties.exact
    assert penalties.of_all(_config("silu")) is penalties.by_autodiff
    assert penalties.of_all(_config(reading_d=1.0)) is penalties.by_autodiff
    assert penalties.of_all(_config(reading_d=1.0, rule="exact")) is penalties.exact
    assert penalties.of_all(_config(rule="autodiff")) is penalties.by_autodiff
    for others in ({"penalty_share": 0.5}, {"penalty": "wgan_gp"}, {"penalty": "none"}, {"penalty_interval": 4}):
        assert penalties.of_all(_config(**others)) is None
    with pytest.raises(
        errors.ConfigError, match=r"needs --config.objective.penalty 'r1' or 'r1_r2', penalty_share=1.0"
    ):
        penalties.of_all(_config(rule="exact", penalty_share=0.5))
    with pytest.raises(errors.ConfigError, match=r"set --config.discriminator.activation to one of leaky_relu, relu"):
        penalties.of_all(_config("gelu", rule="exact"))
