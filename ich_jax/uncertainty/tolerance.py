"""Nonparametric tolerance limits: statements from a sample about the share of all future values.

The share of the population between two order statistics of n independent draws has a beta distribution, whatever the
population (if it is continuous; otherwise the statements err on the safe side). So "none of n designs was beyond 0.5"
is a statement about the share of all designs, with a confidence.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.results import Result

SIDES = ("upper", "lower", "two-sided")


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Content(Result):
    """With `confidence`, at least a share `content` of the population lies within a limit.

    Attributes:
        content: Share of the population, in [0, 1).
        confidence: Confidence of the statement.
        n: Number of independent values.
        beyond: Values of the sample that lay beyond the limit.
    """

    content: float
    confidence: float
    n: int
    beyond: int


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class ToleranceLimits(Result):
    """Order statistics between which lies at least a share `content`, with at least `confidence`.

    Attributes:
        low: Lower limit, -inf for "upper".
        high: Upper limit, inf for "lower".
        content: The requested share.
        confidence: The requested confidence.
        attained: Confidence of the chosen order statistics, at least the requested one.
        n: Size of the sample.
    """

    low: float
    high: float
    content: float
    confidence: float
    attained: float
    n: int


def content(n: int, *, beyond: int = 0, confidence: float = 0.95) -> Content:
    """Share of the population within a limit that was fixed beforehand, when `beyond` of `n` values lay beyond it.

    With no value beyond, the content p solves 1 - p^n = confidence: 59 values give 95 % with 95 % confidence, 299 give
    99 %. Otherwise it is 1 minus the one-sided Clopper-Pearson upper limit of the share beyond.

    Example:
        >>> from ich_jax.uncertainty import tolerance
        >>> round(tolerance.content(59).content, 3)  # 0.05^(1 / 59)
        0.95

    Args:
        n: Independent values; several readings of one design, or of one trained network, are not independent.
        beyond: Number of them beyond the limit.
        confidence: Inside (0, 1).

    Raises:
        ConfigError: `confidence` is not inside (0, 1).
        DataError: `beyond` is not from 0 to n, or there are no values.

    References:
        Wilks (1941), Determination of sample sizes for setting tolerance limits.
    """
    _inside(confidence, "confidence")
    if n < 1 or not 0 <= beyond <= n:
        raise errors.DataError(f"content: needs n >= 1 and 0 <= beyond <= n, got n={n}, beyond={beyond}.")
    if beyond == 0:
        share = (1.0 - confidence) ** (1.0 / n)
    else:
        share = 0.0 if beyond == n else float(stats.beta.ppf(1.0 - confidence, n - beyond, beyond + 1))
    return Content(content=share, confidence=confidence, n=n, beyond=beyond)


def confidence_of(n: int, content: float, *, beyond: int = 0) -> float:
    """Confidence with which at least a share `content` lies within a limit that `beyond` of `n` values exceeded.

    1 - content^n when none did; in general P(Binomial(n, 1 - content) > beyond).

    Args:
        n: Independent values.
        content: Share, inside (0, 1).
        beyond: Values beyond the limit.

    Raises:
        ConfigError: `content` is not inside (0, 1).
        DataError: `beyond` is not from 0 to n, or there are no values.
    """
    _inside(content, "content")
    if n < 1 or not 0 <= beyond <= n:
        raise errors.DataError(f"confidence_of: needs n >= 1 and 0 <= beyond <= n, got n={n}, beyond={beyond}.")
    return float(stats.binom.sf(beyond, n, 1.0 - content))


def sample_size(content: float, *, confidence: float = 0.95, beyond: int = 0) -> int:
    """Least n for which `beyond` values beyond a limit still establish `content` with `confidence`.

    Example:
        >>> from ich_jax.uncertainty import tolerance
        >>> tolerance.sample_size(0.95)
        59

    Args:
        content: Share, inside (0, 1).
        confidence: Inside (0, 1).
        beyond: Values beyond the limit that are allowed for; 1 is also the size that a two-sided interval from the
            smallest to the largest value needs.

    Raises:
        ConfigError: A share or confidence that is not inside (0, 1), or a negative `beyond`.
    """
    _inside(content, "content")
    _inside(confidence, "confidence")
    if beyond < 0:
        raise errors.ConfigError(f"beyond: expected 0 or more, got {beyond}.")
    low, high = beyond, beyond + 1
    while confidence_of(high, content, beyond=beyond) < confidence:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = middle > beyond and confidence_of(middle, content, beyond=beyond) >= confidence
        low, high = (low, middle) if enough else (middle, high)
    return high


def limits(
    values: npt.ArrayLike, *, content: float = 0.95, confidence: float = 0.95, side: str = "two-sided"
) -> ToleranceLimits:
    """Narrowest order statistics that hold `content` with `confidence`.

    Example:
        The smallest and the largest of 93 values hold 95 % of the population, with 95 % confidence (Wilks 1941).

        >>> from ich_jax.uncertainty import tolerance
        >>> limits = tolerance.limits(range(93))
        >>> limits.low, limits.high
        (0.0, 92.0)

    Args:
        values: `[n]` independent values.
        content: Share, inside (0, 1).
        confidence: Inside (0, 1).
        side: "upper", "lower" or "two-sided" (as many values cut off below as above, one more below if odd).

    Raises:
        ConfigError: An unknown side, or a share or confidence that is not inside (0, 1).
        DataError: Too few values; says how many would do.

    References:
        Wilks (1941). Conover (1999), Practical nonparametric statistics, section 3.3.
    """
    errors.require(side, SIDES, "limits: side")
    _inside(content, "content")
    _inside(confidence, "confidence")
    ordered = np.sort(float64.finite(values, "limits: values", ndim=1))
    n = len(ordered)
    least = sample_size(content, confidence=confidence, beyond=1 if side == "two-sided" else 0)
    if n < least:
        raise errors.DataError(
            f"limits: {n} values cannot hold {content:g} of the population with confidence {confidence:g}; "
            f"{least} would do."
        )
    # `cut` intervals between neighbouring values (or the ends) lie outside; the content within is Beta(n+1-cut, cut).
    cut = int(stats.binom.ppf(1.0 - confidence, n, 1.0 - content)) + 1
    while cut > 1 and stats.binom.sf(cut - 1, n, 1.0 - content) < confidence:
        cut -= 1
    below = {"upper": 0, "lower": cut, "two-sided": math.ceil(cut / 2)}[side]
    above = cut - below
    return ToleranceLimits(
        low=float(ordered[below - 1]) if below else -math.inf,
        high=float(ordered[n - above]) if above else math.inf,
        content=content,
        confidence=confidence,
        attained=float(stats.binom.sf(cut - 1, n, 1.0 - content)),
        n=n,
    )


def _inside(value: float, name: str) -> None:
    if not 0.0 < value < 1.0:
        raise errors.ConfigError(f"{name}: expected a number inside (0, 1), got {value!r}.")
