"""Tolerance statements against the sizes in the literature, scipy and simulation."""

import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import intervals, tolerance


@pytest.mark.parametrize(
    ("share", "confidence", "beyond", "n"),
    [(0.95, 0.95, 0, 59), (0.99, 0.95, 0, 299), (0.99, 0.99, 0, 459), (0.95, 0.95, 1, 93), (0.9, 0.95, 1, 46)],
)
def test_sample_sizes_of_wilks(share, confidence, beyond, n):
    """Sizes of Wilks (1941) and of the tables in Conover (1999), A5 and A6."""
    assert tolerance.sample_size(share, confidence=confidence, beyond=beyond) == n
    assert tolerance.confidence_of(n, share, beyond=beyond) >= confidence
    assert tolerance.confidence_of(n - 1, share, beyond=beyond) < confidence


def test_no_value_beyond():
    statement = tolerance.content(299)
    np.testing.assert_allclose(statement.content, 0.05 ** (1 / 299), rtol=1e-14)
    np.testing.assert_allclose(tolerance.confidence_of(299, statement.content), 0.95, rtol=1e-12)
    assert (statement.n, statement.beyond, statement.confidence) == (299, 0, 0.95)


@pytest.mark.parametrize(("n", "beyond"), [(20, 1), (300, 7), (5, 4), (5, 5)])
def test_content_is_the_clopper_pearson_limit(n, beyond):
    upper = intervals.clopper_pearson(beyond, n, confidence=0.9).high
    np.testing.assert_allclose(tolerance.content(n, beyond=beyond, confidence=0.95).content, 1 - upper, atol=1e-12)


@pytest.mark.parametrize("side", tolerance.SIDES)
@pytest.mark.parametrize("n", [46, 100, 473])
def test_limits_hold_what_they_say(side, n):
    """The attained confidence is the chance of the content, and one value further in would not do."""
    values = np.arange(1.0, n + 1)
    result = tolerance.limits(values[::-1], content=0.9, confidence=0.95, side=side)
    below = 0 if result.low == -np.inf else int(result.low)
    above = 0 if result.high == np.inf else int(n + 1 - result.high)
    cut = below + above
    chance = stats.beta.sf(0.9, n + 1 - cut, cut)
    np.testing.assert_allclose(result.attained, chance, rtol=1e-10)
    assert chance >= 0.95 > stats.beta.sf(0.9, n - cut, cut + 1)
    assert (below == 0) == (side == "upper") and (above == 0) == (side == "lower")


def test_coverage_by_simulation():
    draws = np.random.default_rng(0).exponential(size=(500, 60))
    held = [stats.expon.cdf(tolerance.limits(row, side="upper").high) >= 0.95 for row in draws]
    nominal = tolerance.limits(draws[0], side="upper").attained
    assert abs(np.mean(held) - nominal) < 4 * np.sqrt(nominal * (1 - nominal) / 500)


def test_bad_input_is_refused():
    with pytest.raises(errors.DataError, match="93 would do"):
        tolerance.limits(np.zeros(92))
    with pytest.raises(errors.DataError, match="beyond=4"):
        tolerance.content(3, beyond=4)
    with pytest.raises(errors.DataError, match="n=0"):
        tolerance.confidence_of(0, 0.5)
    with pytest.raises(errors.ConfigError, match="content"):
        tolerance.sample_size(1.0)
    with pytest.raises(errors.ConfigError, match="beyond"):
        tolerance.sample_size(0.9, beyond=-1)
    with pytest.raises(errors.ConfigError, match="upper"):
        tolerance.limits(np.zeros(100), side="both")
