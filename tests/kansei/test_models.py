"""Mixed, ordinal and latent models: equal to statsmodels and scikit-learn, and to brute force."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from ich_jax import errors
from ich_jax.kansei import quantification, review, semantic
from ich_jax.kansei.quantification import morphology
from ich_jax.kansei.review import ordinal
from ich_jax.types import Element
from ich_jax.uncertainty import float64

REFERENCE = json.loads((Path(__file__).resolve().parents[1] / "reference" / "kansei_models.json").read_text())
SCORE = np.array(REFERENCE["score"], np.float64)
SAMPLES = [f"s{k}" for k in range(SCORE.shape[1])]
ELEMENTS = (Element("shape", ("round", "square", "flared")), Element("trim", ("bare", "gilt")))
CODES, Y = np.array(REFERENCE["codes"]), np.array(REFERENCE["y"])
ORDINAL = np.array(REFERENCE["ordinal"], np.float64)
RATERS = list("abcde")


@pytest.fixture(scope="module")
def mixed():
    return semantic.mixed_model(SCORE, SAMPLES)


@pytest.fixture(scope="module")
def fitted():
    return review.ordinal_review(ORDINAL[:7], ORDINAL[7:], RATERS)


def test_the_mixed_model_is_that_of_statsmodels(mixed):
    np.testing.assert_allclose(mixed.mean, REFERENCE["mean"], atol=1e-7)
    np.testing.assert_allclose([mixed.variance_rater, mixed.variance_error], REFERENCE["variances"], rtol=1e-6)
    assert mixed.log_likelihood == pytest.approx(REFERENCE["log_likelihood"], abs=1e-9)


def test_errors_and_raters_of_the_mixed_model_are_those_of_generalised_least_squares(mixed):
    rater, sample = np.nonzero(~np.isnan(SCORE))
    x, z = np.eye(6)[sample], np.eye(12)[rater]
    v = mixed.variance_rater * z @ z.T + mixed.variance_error * np.eye(len(x))
    covariance = np.linalg.inv(x.T @ np.linalg.solve(v, x))
    np.testing.assert_allclose(mixed.standard_error, np.sqrt(np.diag(covariance)), rtol=1e-9)
    residual = SCORE[rater, sample] - x @ mixed.mean
    np.testing.assert_allclose(mixed.rater, mixed.variance_rater * z.T @ np.linalg.solve(v, residual), rtol=1e-8)


def test_of_complete_ratings_the_test_is_that_of_two_ways():
    y = np.where(np.isnan(SCORE), 0.3, SCORE)
    found = semantic.mixed_model(y, SAMPLES)
    by_rater, by_sample = y.mean(axis=1, keepdims=True), y.mean(axis=0, keepdims=True)
    error = np.square(y - by_rater - by_sample + y.mean()).sum() / 55
    assert found.f == pytest.approx(12 * by_sample.var(ddof=1) / error, rel=1e-6) and (found.df1, found.df2) == (5, 55)
    np.testing.assert_allclose(found.mean, by_sample[0], rtol=1e-9)
    difference = y[:, 0] - y[:, 1]
    assert found.difference[0] == pytest.approx(difference.mean(), rel=1e-9)
    assert (found.p_holm >= found.p).all() and len(found.p) == 15
    # Raters in another order, samples under other names, an affine change of the scale.
    moved = semantic.mixed_model(2.0 * y[::-1] + 5.0, [name.upper() for name in SAMPLES])
    np.testing.assert_allclose(moved.mean, 2.0 * found.mean + 5.0, rtol=1e-7)
    np.testing.assert_allclose(moved.p, found.p, rtol=1e-5)
    assert moved.icc == pytest.approx(found.icc, rel=1e-5)


def test_raters_that_do_not_differ_have_no_variance():
    y = np.random.default_rng(3).normal(size=(6, 4))
    y -= y.mean(axis=1, keepdims=True)  # they vary less than chance would make them
    found = semantic.mixed_model(y, SAMPLES[:4])
    assert found.variance_rater == 0.0 and not found.rater.any()
    assert found.variance_error == pytest.approx(np.square(y - y.mean(axis=0)).sum() / 20)


@pytest.mark.parametrize("components", [1, 2, 3])
def test_partial_least_squares_is_that_of_scikit_learn(components):
    found = quantification.partial_least_squares(CODES, ELEMENTS, Y, components=components)
    np.testing.assert_allclose(found.fitted, REFERENCE["pls"][str(components)], atol=1e-12)
    x = morphology.indicators(CODES, ELEMENTS)
    np.testing.assert_allclose(found.constant + x @ found.score, found.fitted, atol=1e-12)
    np.testing.assert_allclose([found.count[:3] @ found.score[:3], found.count[3:] @ found.score[3:]], 0, atol=1e-12)
    left_out = []
    for k in range(15):
        kept = np.arange(15) != k
        refit = quantification.partial_least_squares(CODES[kept], ELEMENTS, Y[kept], components=components)
        left_out.append(refit.constant + x[k] @ refit.score)
    expected = 1 - np.square(Y - left_out).sum() / (np.square(Y - Y.mean()).sum() * (15 / 14) ** 2)
    assert found.r2_left_out == pytest.approx(expected, rel=1e-9)


def test_all_components_are_least_squares_and_few_serve_many_categories():
    least = quantification.quantification_1(CODES, ELEMENTS, Y)
    found = quantification.partial_least_squares(CODES, ELEMENTS, Y, components=3)
    np.testing.assert_allclose(found.score, least.score, atol=1e-10)
    auto = quantification.partial_least_squares(CODES, ELEMENTS, Y)
    single = [quantification.partial_least_squares(CODES, ELEMENTS, Y, components=k).r2_left_out for k in (1, 2, 3)]
    assert auto.r2_left_out == max(single)
    codes = np.array([[0, 0], [1, 0], [2, 1], [0, 1]])  # as many samples as parameters
    few = quantification.partial_least_squares(codes, ELEMENTS, Y[:4], components=1)
    profiles = quantification.score_profiles({"warm": few}, {"warm": 1.0})
    assert np.isnan(profiles.low).all() and profiles.brief(0).keys() == {"shape", "trim"}
    for bad in (0, 9, "best"):
        with pytest.raises(errors.ConfigError, match="components"):
            quantification.partial_least_squares(CODES, ELEMENTS, Y, components=bad)


def _design():
    contrast = np.concatenate([np.eye(4), -np.ones((1, 4))])
    return np.column_stack([np.repeat(np.repeat([0.5, -0.5], 7), 5), np.tile(contrast, (14, 1))])


def test_without_random_intercepts_it_is_the_ordered_model_of_statsmodels(fitted):
    assert fitted.log_likelihood_fixed == pytest.approx(REFERENCE["ordinal_log_likelihood"], abs=1e-8)
    thresholds = np.array(REFERENCE["thresholds"])
    start = [thresholds[0], *np.log(np.diff(thresholds)), *REFERENCE["effects"], -np.inf]
    data = (ORDINAL.ravel() - 1).astype(np.int32), _design(), np.repeat(np.arange(14, dtype=np.int32), 5)
    with float64.enabled():
        value, slope = jax.value_and_grad(lambda v: ordinal.log_likelihood(v, *data, sizes=(5, 14, 41)))(
            jnp.asarray(start, jnp.float64)
        )
    assert float(value) == pytest.approx(REFERENCE["ordinal_log_likelihood"], abs=1e-8)
    np.testing.assert_allclose(slope[:-1], 0.0, atol=1e-4)  # where statsmodels stopped


def test_the_likelihood_is_that_of_brute_force_quadrature(fitted):
    assert fitted.sd > 0.3 and fitted.p_sd < 0.05 and fitted.log_likelihood > fitted.log_likelihood_fixed
    edges = np.concatenate([[-np.inf], fitted.threshold, [np.inf]])
    shift = (_design() @ fitted.estimate).reshape(14, 5)
    total = 0.0
    for work in range(14):
        low, high = (edges[ORDINAL[work].astype(int) + k] for k in (-1, 0))

        def product(u, low=low, high=high, own=shift[work]):
            p = special.expit(high - own - u) - special.expit(low - own - u)
            return p.prod() * stats.norm.pdf(u, scale=fitted.sd)

        total += np.log(integrate.quad(product, -9 * fitted.sd, 9 * fitted.sd, epsabs=1e-14, limit=200)[0])
    assert fitted.log_likelihood == pytest.approx(total, abs=1e-7)


def test_it_is_the_same_arm_whatever_raters_are_called_and_scores_are_turned(fitted):
    assert (fitted.low < fitted.estimate).all() and fitted.estimate[0] > 0
    other = review.ordinal_review(ORDINAL[6::-1, ::-1], ORDINAL[:6:-1, ::-1], list("vwxyz"))
    assert other.estimate[0] == pytest.approx(fitted.estimate[0], abs=1e-5)
    assert other.standard_error[0] == pytest.approx(fitted.standard_error[0], rel=1e-4)
    turned = review.ordinal_review(6 - ORDINAL[:7], 6 - ORDINAL[7:], RATERS)
    assert turned.estimate[0] == pytest.approx(-fitted.estimate[0], abs=1e-5)
    np.testing.assert_allclose(turned.threshold, -fitted.threshold[::-1], atol=1e-4)
    # A score that nobody gave is no category: 4 becomes 7, and nothing else changes.
    gap = review.ordinal_review(*(np.where(arm >= 4, arm + 3, arm) for arm in (ORDINAL[:7], ORDINAL[7:])), RATERS)
    assert gap.category == (1, 2, 3, 7, 8)
    np.testing.assert_array_equal(gap.estimate, fitted.estimate)


def test_ordinal_scores_that_do_not_overlap_are_refused():
    with pytest.raises(errors.DataError, match="no limit"):
        review.ordinal_review(np.tile([5, 4, 5, 5, 4], (7, 1)), np.tile([1, 2, 2, 1, 1], (7, 1)), RATERS)
    with pytest.raises(errors.DataError, match="two different scores"):
        review.ordinal_review(np.full((4, 5), 3), np.full((4, 5), 3), RATERS)


def test_severity_is_that_of_the_analysis_of_variance():
    found = review.rater_severity(ORDINAL, RATERS)
    np.testing.assert_allclose(found.severity, ORDINAL.mean() - ORDINAL.mean(axis=0))
    assert found.severity.sum() == pytest.approx(0.0, abs=1e-12)
    table = semantic.icc(ORDINAL)
    works = ORDINAL - ORDINAL.mean(axis=1, keepdims=True)
    error = np.square(works - works.mean(axis=0)).sum() / 52
    assert found.f == pytest.approx(14 * ORDINAL.mean(axis=0).var(ddof=1) / error) and table.raters == 5
    half = stats.t.ppf(0.975, 52) * np.sqrt(error * 4 / (5 * 14))
    np.testing.assert_allclose(found.high - found.severity, half)
    strict = review.rater_severity(ORDINAL - np.array([0, 0, 2, 0, 0]), RATERS)
    assert strict.severity.argmax() == 2 and strict.severity[2] - found.severity[2] == pytest.approx(1.6)
    np.testing.assert_allclose(strict.agreement, found.agreement)
    assert np.isnan(review.rater_severity(np.column_stack([ORDINAL, np.full(14, 3)]), [*RATERS, "f"]).agreement[5])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: semantic.mixed_model(SCORE[:, :2], SAMPLES), "for 6 samples"),
        (lambda: semantic.mixed_model(np.where(np.arange(6) == 2, np.nan, SCORE), SAMPLES), "nobody rated 's2'"),
        (lambda: semantic.mixed_model(np.tile(np.arange(6.0), (3, 1)), SAMPLES), "no residual variance"),
        (lambda: quantification.partial_least_squares(CODES, ELEMENTS, np.ones(15)), "must differ"),
        (lambda: review.rater_severity(np.ones((3, 5)), RATERS), "two works that differ"),
    ],
)
def test_what_cannot_be_fitted_is_refused(call, message):
    with pytest.raises(errors.DataError, match=message):
        call()
