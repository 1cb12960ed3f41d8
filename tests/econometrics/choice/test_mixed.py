"""Mixed logit agrees with a direct sum over draws and with xlogit at equal draws, and does not hang on units."""

import dataclasses

import numpy as np
import pytest
from scipy import special

from ich_jax import errors
from ich_jax.econometrics import choice
from ich_jax.econometrics.choice import likelihood, mixed, point_sets
from ich_jax.uncertainty import float64
from tests.econometrics import made

STORED = made.reference("choice")
DRAWS = STORED["draws"]


def table(scale: float = 1.0) -> choice.Choices:
    chosen = np.eye(3)[STORED["chosen"]].ravel()
    task = np.repeat(np.arange(len(STORED["chosen"])), 3)
    attributes = {"light": np.array(STORED["light"]), "price": scale * np.array(STORED["price"])}
    return choice.from_long(task, np.tile(["a", "b", "c"], len(task) // 3), chosen, attributes, person=task // 5)


@pytest.fixture(scope="module")
def choices() -> choice.Choices:
    return table()


@pytest.fixture(scope="module")
def fit(choices: choice.Choices) -> choice.MixedFit:
    return choice.mixed_logit(choices, {"light": "normal"}, points="halton", n_draws=DRAWS, n_starts=2)


def test_equal_to_xlogit_at_equal_draws(choices: choice.Choices, fit: choice.MixedFit) -> None:
    plain = choice.conditional_logit(choices)
    assert plain.log_likelihood == pytest.approx(STORED["conditional"]["log_likelihood"], abs=1e-5)
    np.testing.assert_allclose(plain.theta, STORED["conditional"]["theta"], atol=1e-4)
    assert fit.names == ("light", "price", "sd: light")
    assert fit.log_likelihood >= STORED["mixed"]["log_likelihood"] - 1e-5
    at = mixed._arrays(choices, np.ones(2), fit.spec, True, DRAWS, "halton", 0, False)
    with float64.enabled():
        log_p, _ = likelihood.log_likelihoods(np.array(STORED["mixed"]["theta"]), at, spec=fit.spec)
    assert float(np.asarray(log_p).sum()) == pytest.approx(STORED["mixed"]["log_likelihood"], abs=1e-5)
    np.testing.assert_allclose(np.abs(fit.theta), np.abs(STORED["mixed"]["theta"]), atol=1e-3)


def test_units_of_an_attribute_do_not_matter(fit: choice.MixedFit) -> None:
    again = choice.mixed_logit(table(1e3), {"light": "normal"}, points="halton", n_draws=DRAWS, n_starts=2)
    assert again.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-6)
    np.testing.assert_allclose(again.theta * [1, 1e3, 1], fit.theta, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(again.table.t, fit.table.t, rtol=1e-3)


@pytest.mark.parametrize(
    "spec",
    [
        likelihood.Spec(("lognormal", "normal"), True, -1),
        likelihood.Spec(("censored", "lognormal"), False, 1),
    ],
)
def test_probabilities_are_sums_over_draws(choices: choice.Choices, spec: likelihood.Spec) -> None:
    data = mixed._arrays(choices, np.ones(2), spec, True, 16, "sobol", 3, False)
    theta = np.array([0.2, -0.3, 0.5, 0.4, 0.6] if spec.correlated else [0.2, -0.3, 0.5, 0.4])
    with float64.enabled():
        log_p, slope = (np.asarray(v) for v in likelihood.log_likelihoods(theta, data, spec=spec))
        up, _ = (
            np.asarray(v)
            for v in likelihood.log_likelihoods(theta + 1e-6 * (np.arange(len(theta)) == 0), data, spec=spec)
        )
    z = point_sets.standardised(point_sets.uniforms("sobol", 60, 2, 16, seed=3), spec.kinds)
    if spec.correlated:
        a = np.exp(theta[0] + theta[2] * z[..., 0])
        b = theta[1] + theta[3] * z[..., 0] + theta[4] * z[..., 1]
    else:
        price = np.exp(theta[1] + theta[3] * z[..., 1])
        a, b = price * np.maximum(theta[0] + theta[2] * z[..., 0], 0.0), -price
    x = choices.attributes.reshape(60, 5, 3, 2)
    v = a[:, :, None, None] * x[:, None, ..., 0] + b[:, :, None, None] * x[:, None, ..., 1]
    chosen = choices.chosen.reshape(60, 1, 5, 1)
    each = np.take_along_axis(v - special.logsumexp(v, axis=-1, keepdims=True), chosen, axis=-1)[..., 0].sum(axis=2)
    np.testing.assert_allclose(log_p, special.logsumexp(each, axis=1) - np.log(16), rtol=1e-9)
    np.testing.assert_allclose((up - log_p) / 1e-6, slope[:, 0], rtol=1e-3, atol=1e-4)


def test_one_task_a_person_is_a_cross_section(choices: choice.Choices) -> None:
    alone = dataclasses.replace(choices, person=np.arange(300), persons=tuple(map(str, range(300))))
    found = choice.mixed_logit(alone, {"light": "normal"}, n_draws=64, n_starts=1)
    assert "cross-section" in found.notes[0] and found.scores.shape == (300, 3)


@pytest.mark.parametrize("kind", point_sets.POINT_SETS)
def test_points_fill_the_interval(kind: str) -> None:
    points = point_sets.uniforms(kind, 4, 3, 64, seed=1, antithetic=kind != "halton")
    assert points.shape == (4, 64, 3) and (points > 0).all() and (points < 1).all()
    np.testing.assert_allclose(points.mean(axis=(0, 1)), 0.5, atol=0.1)


def test_what_cannot_be_asked_is_refused(choices: choice.Choices) -> None:
    for random, options, message in (
        ({}, {}, "no coefficient differs"),
        ({"light": "gamma"}, {}, "distribution of light"),
        ({"light": "uniform"}, {"correlated": True}, "correlated"),
        ({"light": "normal"}, {"wtp_price": "price"}, "must be lognormal"),
        ({"light": "normal"}, {"n_draws": 25, "antithetic": True, "points": "nets"}, "nets"),
    ):
        with pytest.raises(errors.ConfigError, match=message):
            choice.mixed_logit(choices, random, **options)
