"""One series before and after a launch: segmented regression with autoregressive errors.

Without a comparison series, whatever else changed at the launch counts as its effect. What can be done well is the
error: Prais-Winsten stands first, because least squares with Newey-West errors rejects too often in short series.
"""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics.regression import coefficient_table, covariance, linear
from ich_jax.econometrics.series import autoregression
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

METHODS = ("prais_winsten", "cochrane_orcutt")
_CONVERGED = 1e-8


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class AutoregressiveFit(Result):
    """A series of T periods regressed on K columns, with AR(k) errors.

    Attributes:
        table: Coefficients, conditional on `rho`; t with the degrees of freedom of the whitened regression.
        newey_west: The same columns by least squares with Newey-West errors, as a check and no more.
        lags: Lags of the latter.
        covariance: `[K, K]` behind `table`.
        rho: `[k]`.
        innovation_error: Standard deviation of the innovations.
        ljung_box_p: P-value against autocorrelation that is left in the innovations (10 lags, or T / 5); a small one
            asks for a higher order.
        fitted: `[T]` x beta.
        dropped: Names of columns that earlier ones explain entirely.
        method: "prais_winsten" or "cochrane_orcutt".
    """

    part = "table"

    table: coefficient_table.Coefficients
    newey_west: coefficient_table.Coefficients
    lags: int
    covariance: Array
    rho: Array
    innovation_error: float
    ljung_box_p: float
    fitted: Array
    dropped: tuple[str, ...]
    method: str


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Interrupted(Result):
    """Level and slope of one series before and after a launch.

    Attributes:
        fit: The regression; its columns are "(Intercept)", "trend", "level", "slope" and the caller's.
        level: Jump at the launch.
        slope: Change of the slope, per period.
        counterfactual: `[T]` fitted values without level and slope: the trend of before, continued.
        effect: `[T1]` level + slope x periods since the launch.
        effect_low: `[T1]` lower pointwise limit.
        effect_high: `[T1]`.
        average: Mean effect after the launch, with its uncertainty ("average effect").
        start: Index of the first period after the launch.
    """

    part = "average"

    fit: AutoregressiveFit
    level: float
    slope: float
    counterfactual: Array
    effect: Array
    effect_low: Array
    effect_high: Array
    average: coefficient_table.Coefficients
    start: int


def segmented(
    outcome: npt.ArrayLike,
    start: int,
    *,
    controls: Mapping[str, npt.ArrayLike] | None = None,
    order: int = 1,
    method: str = "prais_winsten",
    lags: int | None = None,
    confidence: float = 0.95,
) -> Interrupted:
    """Interrupted time series: a straight line before the launch and a different one after it.

    Example:
        A line, a jump of 3 at the seventh period, and an error that alternates.

        >>> from ich_jax.econometrics import series
        >>> error = [0.1, -0.1] * 6
        >>> y = [t + 3.0 * (t >= 6) + error[t] for t in range(12)]
        >>> round(series.segmented(y, 6).level, 1)
        3.0

    Args:
        outcome: `[T]` of equally spaced periods.
        start: Index of the first period after the launch; three periods on each side are the least.
        controls: Further columns `[T]`, for example `holidays.terms`.
        order: Order k of the autoregressive errors.
        method: "prais_winsten" or "cochrane_orcutt" (drops the first k periods; statsmodels calls it GLSAR).
        lags: Lags of Newey-West; None: 4 (T / 100)^(2/9), rounded down.
        confidence: Coverage of the intervals.

    Raises:
        ConfigError: Another method, an order or lags that do not fit, a start without periods on both sides, a
            confidence outside (0, 1).
        DataError: Values that are not finite (gaps must be filled or modelled first), a constant outcome, or too few
            periods.

    References:
        Turner et al. (2021), Evaluation of statistical methods used in the analysis of interrupted time series studies.
        Linden (2015), Conducting interrupted time-series analysis for single- and multiple-group comparisons.
    """
    # Half of this function is its options and their documentation.
    y = float64.finite(outcome, "segmented: outcome", ndim=1)
    n = len(y)
    if start != int(start) or not 3 <= start <= n - 3:
        raise errors.ConfigError(
            f"segmented: start: got {start!r}; a line on each side needs three periods, so expected 3 to {n - 3} for "
            f"{n} periods."
        )
    time = np.arange(n, dtype=np.float64)
    after = (time >= start).astype(np.float64)
    segments = {"trend": time, "level": after, "slope": after * (time - start)}
    extra = dict(controls or {})
    if taken := sorted(segments.keys() & extra.keys()):
        raise errors.ConfigError(f"segmented: controls may not be called {', '.join(taken)}; rename them.")
    fit = autoregressive(y, segments | extra, order=order, method=method, lags=lags, confidence=confidence)
    names = fit.table.names
    if lost := [name for name in segments if name not in names]:
        raise errors.DataError(f"segmented: {', '.join(lost)} cannot be estimated beside the columns before it.")
    effects, average = _effects(fit, time[start:] - start, confidence)
    counterfactual = fit.fitted.copy()
    counterfactual[start:] -= effects.estimate
    return Interrupted(
        fit=fit,
        level=float(fit.table.estimate[names.index("level")]),
        slope=float(fit.table.estimate[names.index("slope")]),
        counterfactual=counterfactual,
        effect=effects.estimate,
        effect_low=effects.low,
        effect_high=effects.high,
        average=average,
        start=int(start),
    )


def _effects(
    fit: AutoregressiveFit, since: Array, confidence: float
) -> tuple[coefficient_table.Coefficients, coefficient_table.Coefficients]:
    """Level + slope x periods since the launch: of each period `[T1]`, and their mean."""
    names = fit.table.names
    level, slope = names.index("level"), names.index("slope")
    gradient = np.zeros((len(since) + 1, len(names)))
    gradient[:-1, level], gradient[:-1, slope] = 1.0, since
    gradient[-1, level], gradient[-1, slope] = 1.0, since.mean()
    estimate = gradient @ fit.table.estimate
    labels = [*(f"{t:+.0f}" for t in since), "average effect"]

    def table(rows: slice) -> coefficient_table.Coefficients:
        return coefficient_table.coefficients(
            labels[rows],
            estimate[rows],
            gradient[rows] @ fit.covariance @ gradient[rows].T,
            df=fit.table.df,
            kind=fit.table.covariance,
            confidence=confidence,
        )

    return table(slice(0, -1)), table(slice(-1, None))


def autoregressive(
    outcome: npt.ArrayLike,
    columns: Mapping[str, npt.ArrayLike],
    *,
    order: int = 1,
    method: str = "prais_winsten",
    lags: int | None = None,
    confidence: float = 0.95,
) -> AutoregressiveFit:
    """Regresses one series on columns and an intercept, with autoregressive errors.

    The order is stated by the caller; `ljung_box_p` says whether it was enough.

    Example:
        >>> from ich_jax.econometrics import series
        >>> fit = series.autoregressive([1.1, 1.9, 3.1, 3.9, 5.1, 5.9, 7.1, 7.9], {"t": range(8)})
        >>> round(float(fit.table.estimate[1]), 2), float(fit.rho[0]) < 0  # errors alternate
        (1.0, True)

    Args:
        outcome: `[T]` of equally spaced periods.
        columns: `[T]` by name; collinear ones are dropped and listed.
        order: Order k of the errors, at least 1.
        method: "prais_winsten" or "cochrane_orcutt".
        lags: Lags of Newey-West; None: 4 (T / 100)^(2/9), rounded down.
        confidence: Coverage of the intervals.

    Raises:
        ConfigError: Another method, an order or lags that do not fit, a confidence outside (0, 1).
        DataError: As for `linear.fit`; a constant outcome; an exact fit; passes that do not converge.

    References:
        Prais and Winsten (1954), Trend estimators and serial correlation. Newey and West (1994) for the lags.
    """
    # Half of this function is its options and their documentation.
    errors.require(method, METHODS, "autoregressive: method")
    y = float64.finite(outcome, "autoregressive: outcome", ndim=1)
    n = len(y)
    if n and y.min() == y.max():
        raise errors.DataError(f"autoregressive: the outcome is {y[0]:g} in every period; there is nothing to explain.")
    ols = linear.fit(y, columns)
    _check_order(y, ols, order)
    lags = int(4.0 * (n / 100.0) ** (2.0 / 9.0)) if lags is None else lags
    check = covariance.table(ols, covariance.newey_west(ols, lags), confidence=confidence)
    keep_first = method == "prais_winsten"
    with float64.enabled():
        kernel = jax.tree.map(np.asarray, _autoregressive(ols.x, y, order=int(order), keep_first=keep_first))
    if not kernel.change < _CONVERGED:
        raise errors.DataError(
            f"autoregressive: the coefficients still change by {kernel.change:.1g} of their size after 100 passes; "
            "the order is too high for this series, or the columns leave almost no error."
        )
    df = len(kernel.innovations) - len(ols.names)
    variance = float(kernel.innovations @ kernel.innovations) / df
    kind = f"{'Prais-Winsten' if keep_first else 'Cochrane-Orcutt'} AR({order})"
    return AutoregressiveFit(
        table=coefficient_table.coefficients(
            ols.names, kernel.beta, variance * kernel.bread, df=df, kind=kind, confidence=confidence
        ),
        newey_west=check,
        lags=int(lags),
        covariance=variance * kernel.bread,
        rho=kernel.rho,
        innovation_error=variance**0.5,
        ljung_box_p=_ljung_box(kernel.innovations, int(order)),
        fitted=ols.x @ kernel.beta,
        dropped=ols.dropped,
        method=method,
    )


def _check_order(y: Array, ols: linear.LinearFit, order: int) -> None:
    """Refuses orders that the series is too short for, and fits without an error."""
    n = len(y)
    if order != int(order) or not 1 <= order < (n - len(ols.names)) / 2:
        raise errors.ConfigError(
            f"autoregressive: order: got {order!r}; {n} periods and {len(ols.names)} columns allow whole numbers from "
            f"1 to below {(n - len(ols.names)) / 2:g}."
        )
    if np.square(ols.residuals).sum() <= 1e-20 * np.square(y).sum():
        raise errors.DataError(
            "autoregressive: the columns explain the outcome exactly, so that no error is left to judge by; was the "
            "outcome computed from them?"
        )


def _ljung_box(innovations: Array, order: int) -> float:
    n = len(innovations)
    lags = max(min(10, n // 5), order + 1)
    centred = innovations - innovations.mean()
    r = np.array([centred[k:] @ centred[:-k] for k in range(1, lags + 1)]) / (centred @ centred)
    statistic = n * (n + 2.0) * float((np.square(r) / (n - np.arange(1, lags + 1))).sum())
    return float(stats.chi2.sf(statistic, lags - order))


@programs.jit(static_argnames=("order", "keep_first"))
def _autoregressive(x: jax.Array, y: jax.Array, *, order: int, keep_first: bool) -> autoregression.Autoregressive:
    return autoregression.feasible_gls(x, y, order=order, keep_first=keep_first)
