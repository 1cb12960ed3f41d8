"""Event study around launches that few units make: the gap to the untreated units by time since the launch."""

import dataclasses
from typing import TYPE_CHECKING

import jax
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics.panel import Panel
from ich_jax.uncertainty import intervals
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Path(Result):
    """Effects by time since the launch, and as placebos before it.

    Attributes:
        relative: `[E]` periods since the launch, 0 the first one.
        estimate: `[E]` treated minus untreated, minus the mean of that difference over all periods before the launch.
        standard_error: `[E]` from the variation of the untreated units about their mean.
        low: `[E]` lower limit of a simultaneous band over all E.
        high: `[E]` upper limit.
        confidence: Probability that the band covers all E.
        critical: Limits lie this many standard errors from the estimates.
        df: Degrees of freedom: untreated units minus 1.
        treated: `[E]` number of treated units observed in that period.
        filled: Unobserved unit-periods of the untreated, set to the mean of the untreated in that period.
    """

    columns = ("relative", "estimate", "standard_error", "low", "high", "treated")
    curve = ("relative", "estimate", "low", "high")

    relative: npt.NDArray[np.int64]
    estimate: Array
    standard_error: Array
    low: Array
    high: Array
    confidence: float
    critical: float
    df: int
    treated: npt.NDArray[np.int64]
    filled: int

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draws the path with its simultaneous band; a dashed line stands just before the launch.

        Args:
            ax: Axes to draw into; None: those of a new figure.
        """
        ax = Result.plot(self, ax)
        ax.axvline(-0.5, linewidth=0.8, linestyle="--", color="0.6", zorder=0)
        ax.set_xlabel("periods since the launch")
        ax.set_ylabel("effect, relative to the mean before the launch")
        return ax


def gaps(data: Panel) -> tuple[npt.NDArray[np.int64], Array, npt.NDArray[np.int64]]:
    """Treated minus untreated by time since the launch, minus the mean of that difference before it.

    Args:
        data: Panel, with or without gaps.

    Returns:
        Periods since the launch `[E]`; mean over the treated units `[E]`, NaN where none is observed; number of treated
        units observed `[E]`.

    Raises:
        DataError: A treated unit that is not observed before its launch together with untreated ones.
    """
    untreated = ~data.ever_treated
    count = (data.observed & untreated[:, None]).sum(axis=0)
    mean = np.where(data.observed[untreated], data.outcome[untreated], 0.0).sum(axis=0) / np.maximum(count, 1)
    start, periods = data.start[data.ever_treated], len(data.periods)
    relative = np.arange(-start.max(), periods - start.min())
    total, treated = np.zeros(len(relative)), np.zeros(len(relative), np.int64)
    for unit in np.flatnonzero(data.ever_treated):
        seen, before = _observed_periods(data, int(unit), count)
        gap = data.outcome[unit] - mean
        row = np.flatnonzero(seen) - data.start[unit] - relative[0]
        total[row] += gap[seen] - gap[before].mean()
        treated[row] += 1
    return relative, np.where(treated > 0, total / np.maximum(treated, 1), np.nan), treated


def path(data: Panel, key: jax.Array, *, confidence: float = 0.95) -> Path:
    """Event study whose band uses the variation of the untreated units, since few treated units show none themselves.

    Assumes that treated units vary about their mean as untreated ones do, and that units are independent. The band's
    normal quantile is replaced by that of t with n0 - 1 degrees of freedom, for n0 untreated units.

    Example:
        >>> import jax
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import did
        >>> panel = econometrics.from_matrix([[3.0, 4.0, 9.0], [1.0, 2.0, 4.0], [2.0, 3.0, 4.0]], start=[2, 3, 3])
        >>> path = did.path(panel, jax.random.key(0))
        >>> path.relative.tolist(), path.estimate.tolist()
        ([-2, -1, 0], [0.0, 0.0, 3.5])

    Args:
        data: Panel, with or without gaps; at least two units that are never treated.
        key: Random key of the band.
        confidence: Probability that the band covers all periods.

    Raises:
        ConfigError: A confidence outside (0, 1).
        DataError: Fewer than two untreated units, or as for `gaps`.

    References:
        Conley and Taber (2011) for the spread of the untreated. Montiel Olea and Plagborg-Møller (2019) for the band.
    """
    untreated = ~data.ever_treated
    n0 = int(untreated.sum())
    if n0 < 2:
        raise errors.DataError(f"event study: {n0} untreated units show no spread; at least two are needed.")
    relative, estimate, treated = gaps(data)
    present = treated > 0
    weights = _weights(data, relative, treated)[:, present]
    seen = data.observed[untreated]
    values = np.where(seen, data.outcome[untreated], 0.0)
    count = np.maximum(seen.sum(axis=0), 1)
    residual = np.where(seen, values - values.sum(axis=0) / count, 0.0)
    sigma = residual.T @ residual / (n0 - 1)
    shared = weights.sum(axis=0)
    covariance = np.einsum("iet,ts,ifs->ef", weights, sigma, weights, optimize=True) + shared @ sigma @ shared.T / n0
    band = intervals.sup_t(estimate[present], covariance, key, confidence=confidence)
    critical = float(stats.t.isf(stats.norm.sf(band.critical), n0 - 1))
    error = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return Path(
        relative=relative[present],
        estimate=estimate[present],
        standard_error=error,
        low=estimate[present] - critical * error,
        high=estimate[present] + critical * error,
        confidence=confidence,
        critical=critical,
        df=n0 - 1,
        treated=treated[present],
        filled=int((~seen).sum()),
    )


def _observed_periods(
    data: Panel, unit: int, count: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Periods in which a treated unit and some untreated unit are observed; and those of them before its launch."""
    seen = data.observed[unit] & (count > 0)
    before = seen & (np.arange(len(count)) < data.start[unit])
    if not before.any():
        raise errors.DataError(
            f"event study: unit {data.units[unit]} is not observed before its launch together with untreated units."
        )
    return seen, before


def _weights(data: Panel, relative: npt.NDArray[np.int64], treated: npt.NDArray[np.int64]) -> Array:
    """`[K, E, T]` weights of the K treated series in the path; the mean of the untreated has minus their sum."""
    count = (data.observed & ~data.ever_treated[:, None]).sum(axis=0)
    launched = np.flatnonzero(data.ever_treated)
    weights = np.zeros((len(launched), len(relative), len(data.periods)))
    for i, unit in enumerate(launched):
        seen, before = _observed_periods(data, int(unit), count)
        column = np.flatnonzero(seen)
        row = column - data.start[unit] - relative[0]
        weights[i, row, column] += 1.0
        weights[i, row] -= before / before.sum()
    return weights / np.maximum(treated, 1)[None, :, None]
