"""Tables of estimates with tests and intervals, from estimates and their covariance."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Coefficients(Result):
    """Estimates with their uncertainty.

    Attributes:
        names: K names.
        estimate: `[K]`.
        standard_error: `[K]`.
        t: `[K]` estimate over standard error.
        p: `[K]` two-sided, from Student's t with `df` degrees of freedom.
        low: `[K]` lower limit of the interval.
        high: `[K]` upper limit.
        df: Degrees of freedom; inf means the normal distribution.
        confidence: Coverage of the interval.
        covariance: Name of the covariance estimator.
    """

    columns = ("names", "estimate", "standard_error", "t", "p", "low", "high")
    curve = ("names", "estimate", "low", "high")

    names: tuple[str, ...]
    estimate: Array
    standard_error: Array
    t: Array
    p: Array
    low: Array
    high: Array
    df: float
    confidence: float
    covariance: str

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draws the estimates with their intervals, without the intercept, which has a different scale.

        Args:
            ax: Axes to draw into; None: those of a new figure.
        """
        kept = [k for k, name in enumerate(self.names) if name != "(Intercept)" or len(self.names) == 1]
        rows: dict[str, Any] = {name: np.asarray(getattr(self, name))[kept] for name in self.columns}
        return Result.plot(dataclasses.replace(self, **rows), ax)


def coefficients(
    names: Sequence[str],
    estimate: npt.ArrayLike,
    covariance: npt.ArrayLike,
    *,
    df: float,
    kind: str,
    confidence: float = 0.95,
) -> Coefficients:
    """Tests and intervals from estimates and their covariance.

    Example:
        >>> from ich_jax.econometrics import regression
        >>> table = regression.coefficients(["x"], [2.0], [[1.0]], df=float("inf"), kind="iid")
        >>> round(float(table.low[0]), 2), round(float(table.p[0]), 4)
        (0.04, 0.0455)

    Args:
        names: K names.
        estimate: `[K]`.
        covariance: `[K, K]`.
        df: Degrees of freedom of t; inf for the normal distribution.
        kind: Name of the covariance estimator, carried along.
        confidence: Coverage of the intervals, inside (0, 1).

    Raises:
        ConfigError: `confidence` is not inside (0, 1).
        DataError: A variance is negative (a two-way covariance can be), named by its coefficient.
    """
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    beta, v = np.asarray(estimate, np.float64), np.asarray(covariance, np.float64)
    variance = np.diag(v)
    if (variance < 0).any():
        raise errors.DataError(
            f"coefficients: the {kind} variance of {names[int((variance < 0).argmax())]} is negative; cluster one way, "
            "along the dimension with fewer clusters."
        )
    se = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):  # an estimate without error has t = inf, or nan if it is zero
        t = beta / se
    half = stats.t.isf((1.0 - confidence) / 2.0, df) * se
    return Coefficients(
        names=tuple(names),
        estimate=beta,
        standard_error=se,
        t=t,
        p=2.0 * stats.t.sf(np.abs(t), df),
        low=beta - half,
        high=beta + half,
        df=float(df),
        confidence=confidence,
        covariance=kind,
    )
