"""Covariances of an estimate from its scores and bread: robust, clustered, jackknifed, and robust to autocorrelation.

V = bread meat bread, where the meat is the covariance of the summed scores under the dependence that is allowed for.
Small-sample corrections are named as in pyfixest and default to the same values.
"""

import dataclasses
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.regression import coefficient_table, linear
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

HC = ("HC0", "HC1", "HC2", "HC3")
K_FIXEF = ("none", "nonnested", "full")
G_DF = ("min", "conventional")


class Fitted(Protocol):
    """The parts of an estimate with N rows and K coefficients from which covariances are computed."""

    @property
    def scores(self) -> Array:
        """`[N, K]`."""

    @property
    def bread(self) -> Array:
        """`[K, K]`."""

    @property
    def absorbed(self) -> tuple[linear.Absorbed, ...]:
        """Fixed effects that were taken out."""


@dataclasses.dataclass(frozen=True, slots=True)
class SmallSample:
    """Small-sample correction of a covariance.

    Attributes:
        k_adj: Multiply by (N - 1) / (N - K), and for heteroskedasticity by N / (N - K).
        k_fixef: Fixed effects that count in K: "none", "nonnested" (all that no cluster contains) or "full".
        G_adj: Multiply by G / (G - 1) for G clusters (periods, under autocorrelation).
        G_df: G of several clusterings: "min" takes the smallest for all terms, "conventional" that of each term.
    """

    k_adj: bool = True
    k_fixef: str = "nonnested"
    G_adj: bool = True
    G_df: str = "min"

    def __post_init__(self) -> None:
        errors.require(self.k_fixef, K_FIXEF, "SmallSample: k_fixef")
        errors.require(self.G_df, G_DF, "SmallSample: G_df")


DEFAULT = SmallSample()
UNCORRECTED = SmallSample(k_adj=False, G_adj=False)


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Covariance(Result):
    """A covariance of K estimates.

    Attributes:
        matrix: `[K, K]`.
        kind: Name of the estimator: "iid", "HC1", "CRV1", "CRV3", "Newey-West", "Driscoll-Kraay", ...
        factor: Small-sample factors that were applied, one for each term.
        df: Degrees of freedom for t: N - K, or the least number of clusters minus 1.
        clusters: Number of clusters of each clustering.
    """

    matrix: Array
    kind: str
    factor: tuple[float, ...]
    df: float
    clusters: tuple[int, ...] = ()


def iid(fit: linear.LinearFit, *, small_sample: SmallSample = DEFAULT) -> Covariance:
    """Covariance under equal, independent errors: s^2 (x'Wx)^-1 with s^2 = u'Wu / (N - 1) times the correction.

    Example:
        >>> from ich_jax.econometrics import regression
        >>> fit = regression.fit([1.0, 2.0, 4.0, 5.0], {}, intercept=True)
        >>> round(float(regression.iid(fit).matrix[0, 0]), 4)  # s^2 / n = (10 / 3) / 4
        0.8333

    Args:
        fit: Linear fit.
        small_sample: By default s^2 has the divisor N - K.
    """
    n, k = len(fit.residuals), _parameters(fit, [], small_sample)
    factor = (n - 1.0) / (n - k) if small_sample.k_adj else 1.0
    sigma2 = fit.weights @ np.square(fit.residuals) / (n - 1.0)
    return Covariance(factor * sigma2 * fit.bread, "iid", (factor,), n - k)


def heteroskedastic(fit: Fitted, kind: str = "HC1", *, small_sample: SmallSample = DEFAULT) -> Covariance:
    """Covariance that is robust to unequal error variances.

    HC0 is never corrected. HC1 is HC0 times N / (N - K). HC2 and HC3 divide squared residuals by 1 - leverage and its
    square; pyfixest multiplies them by N / (N - K) too, statsmodels does not (`small_sample=UNCORRECTED`).

    Example:
        >>> from ich_jax.econometrics import regression
        >>> fit = regression.fit([1.0, 2.0, 4.0, 5.0], {}, intercept=True)
        >>> float(regression.heteroskedastic(fit, "HC0").matrix[0, 0].round(4))  # 10 / n^2
        0.625

    Args:
        fit: A fit; HC2 and HC3 need a linear one without absorbed effects.
        kind: "HC0" to "HC3".
        small_sample: Correction.

    Raises:
        ConfigError: Another kind, or HC2 or HC3 where leverage is not known.
        DataError: A row with leverage 1: its residual is 0 whatever its error.

    References:
        MacKinnon and White (1985), Some heteroskedasticity-consistent covariance matrix estimators.
    """
    errors.require(kind, HC, "heteroskedastic: kind")
    n, k = len(fit.scores), _parameters(fit, [], small_sample)
    scores = fit.scores
    if kind in ("HC2", "HC3"):
        if not isinstance(fit, linear.LinearFit) or fit.absorbed:
            raise errors.ConfigError(
                f"heteroskedastic: {kind} needs the leverage of a linear fit without fixed effects."
            )
        left = 1.0 - fit.leverage
        if (left < 1e-10).any():
            raise errors.DataError(
                f"heteroskedastic: row {(left < 1e-10).argmax()} has leverage 1, so {kind} is undefined; use HC1, or "
                "leave out the column that only this row determines."
            )
        scores = scores / (np.sqrt(left) if kind == "HC2" else left)[:, None]
    factor = n / (n - k) if kind != "HC0" and small_sample.k_adj else 1.0
    return Covariance(factor * _sandwich(fit.bread, scores.T @ scores), kind, (factor,), n - k)


def cluster(fit: Fitted, *clusterings: npt.ArrayLike, small_sample: SmallSample = DEFAULT) -> Covariance:
    """CRV1: any dependence within clusters, none between them; one or two ways.

    Two ways: V1 + V2 - V12, where V12 clusters by the intersections.

    Example:
        >>> from ich_jax.econometrics import regression
        >>> fit = regression.fit([1.0, 2.0, 4.0, 5.0], {}, intercept=True)
        >>> float(regression.cluster(fit, ["a", "a", "b", "b"]).matrix[0, 0].round(4))  # 2 (9 + 9) / n^2
        2.25

    Args:
        fit: A fit of N rows.
        *clusterings: One or two arrays `[N]` of labels.
        small_sample: Correction.

    Raises:
        ConfigError: Neither one nor two clusterings.
        DataError: A clustering with fewer than two clusters, or labels that do not fit.

    References:
        Liang and Zeger (1986). Cameron, Gelbach and Miller (2011), Robust inference with multiway clustering, eq. 2.11.
    """
    if len(clusterings) not in (1, 2):
        raise errors.ConfigError(f"cluster: takes one or two clusterings, got {len(clusterings)}.")
    codes, sizes = clusterings_of(fit, clusterings, "cluster")
    terms = list(zip(codes, sizes, (1.0,) * len(codes), strict=True))
    if len(codes) == 2:
        both, pairs = float64.codes(codes[0] * sizes[1] + codes[1], len(codes[0]), "cluster")
        terms.append((both, len(pairs), -1.0))
    least = min(size for _, size, _ in terms)
    factors, matrix = [], np.zeros_like(fit.bread)
    for code, size, sign in terms:
        g = least if small_sample.G_df == "min" else size
        factors.append(cluster_factor(fit, codes, g, small_sample))
        matrix = matrix + sign * factors[-1] * _sandwich(fit.bread, _meat(fit.scores, code, size))
    kind = "CRV1" if len(codes) == 1 else "CRV1 two-way"
    return Covariance(matrix, kind, tuple(factors), least - 1.0, tuple(sizes))


def newey_west(
    fit: Fitted, lags: int, *, time: npt.ArrayLike | None = None, small_sample: SmallSample = DEFAULT
) -> Covariance:
    """Robust to autocorrelation of one series up to `lags`, with Bartlett weights 1 - l / (lags + 1).

    Args:
        fit: A fit whose rows are the periods of one series.
        lags: Number of lags; 0 is heteroskedasticity alone.
        time: `[N]` distinct and equally spaced; None: the rows are in the order of time.
        small_sample: Correction; by default N / (N - K), as statsmodels with `use_correction=True`.

    Raises:
        ConfigError: `lags` is negative or not below N.
        DataError: Two rows of one period.

    References:
        Newey and West (1987), A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent
        covariance matrix.
    """
    n = len(fit.scores)
    scores = fit.scores
    if time is not None:
        when, distinct = float64.codes(time, n, "newey_west: time", getattr(fit, "rows", None))
        if len(distinct) != n:
            raise errors.DataError(
                f"newey_west: {n} rows share {len(distinct)} periods; for a panel use driscoll_kraay."
            )
        scores = scores[np.argsort(when)]
    _check_lags(lags, n, "newey_west")
    k = _parameters(fit, [], small_sample)
    factor = (n - 1.0) / (n - k) if small_sample.k_adj else 1.0
    factor *= n / (n - 1.0) if small_sample.G_adj else 1.0
    return Covariance(factor * _sandwich(fit.bread, _bartlett(scores, lags)), "Newey-West", (factor,), n - k)


def driscoll_kraay(fit: Fitted, time: npt.ArrayLike, lags: int, *, small_sample: SmallSample = DEFAULT) -> Covariance:
    """Robust to any dependence between units of one period, and to autocorrelation up to `lags` periods.

    Args:
        fit: A fit of a panel.
        time: `[N]` period of each row; sorts into the order of time.
        lags: Number of lags, in periods that occur in the data.
        small_sample: Correction; G is the number of periods.

    Raises:
        ConfigError: `lags` is negative or not below the number of periods.
        DataError: Fewer than two periods, or labels that do not fit.

    References:
        Driscoll and Kraay (1998), Consistent covariance matrix estimation with spatially dependent panel data.
    """
    (code,), (size,) = clusterings_of(fit, (time,), "driscoll_kraay")
    _check_lags(lags, size, "driscoll_kraay")
    summed = np.zeros((size, fit.scores.shape[1]))
    np.add.at(summed, code, fit.scores)
    n, k = len(fit.scores), _parameters(fit, [], small_sample)
    factor = (n - 1.0) / (n - k) if small_sample.k_adj else 1.0
    factor *= size / (size - 1.0) if small_sample.G_adj else 1.0
    matrix = factor * _sandwich(fit.bread, _bartlett(summed, lags))
    return Covariance(matrix, "Driscoll-Kraay", (factor,), size - 1.0, (size,))


def nested(effect: linear.Absorbed, clusters: npt.NDArray[np.int64]) -> bool:
    """Returns whether every level of a fixed effect lies inside one cluster.

    Args:
        effect: Fixed effect of N rows.
        clusters: `[N]` codes from 0.
    """
    first = np.zeros(effect.levels, np.int64)
    first[effect.codes] = clusters
    return bool((first[effect.codes] == clusters).all())


def table(fit: linear.LinearFit, covariance: Covariance, *, confidence: float = 0.95) -> coefficient_table.Coefficients:
    """Estimates, standard errors, tests and intervals.

    Args:
        fit: The fit.
        covariance: One of its covariances.
        confidence: Coverage of the intervals.
    """
    return coefficient_table.coefficients(
        fit.names, fit.beta, covariance.matrix, df=covariance.df, kind=covariance.kind, confidence=confidence
    )


def clusterings_of(
    fit: Fitted, clusterings: tuple[npt.ArrayLike, ...], name: str
) -> tuple[list[npt.NDArray[np.int64]], list[int]]:
    """Codes `[N]` from 0 and number of clusters of each clustering; `name` is that of the caller, for messages."""
    codes, sizes = [], []
    for labels in clusterings:
        code, distinct = float64.codes(labels, len(fit.scores), f"{name}: clusters", getattr(fit, "rows", None))
        if len(distinct) < 2:
            raise errors.DataError(f"{name}: needs at least two clusters, all rows have the label {distinct[0]!r}.")
        codes.append(code)
        sizes.append(len(distinct))
    return codes, sizes


def _meat(scores: Array, code: npt.NDArray[np.int64], size: int) -> Array:
    summed = np.zeros((size, scores.shape[1]))
    np.add.at(summed, code, scores)
    return np.asarray(summed.T @ summed)


def _bartlett(scores: Array, lags: int) -> Array:
    meat = scores.T @ scores
    for lag in range(1, lags + 1):
        gamma = scores[lag:].T @ scores[:-lag]
        meat = meat + (1.0 - lag / (lags + 1.0)) * (gamma + gamma.T)
    return np.asarray(meat)


def _sandwich(bread: Array, meat: Array) -> Array:
    return np.asarray(bread @ meat @ bread.T)


def cluster_factor(fit: Fitted, codes: list[npt.NDArray[np.int64]], g: int, small_sample: SmallSample) -> float:
    """Small-sample factor of a sum over g of the clusters of `codes`."""
    n = len(fit.scores)
    factor = (n - 1.0) / (n - _parameters(fit, codes, small_sample)) if small_sample.k_adj else 1.0
    return factor * (g / (g - 1.0) if small_sample.G_adj else 1.0)


def _parameters(fit: Fitted, codes: list[npt.NDArray[np.int64]], small_sample: SmallSample) -> int:
    """Number K of parameters that the correction counts, by the rule of fixest."""
    k, effects = fit.scores.shape[1], fit.absorbed
    if not effects or small_sample.k_fixef == "none":
        return k
    levels = sum(a.levels for a in effects) - (len(effects) - 1)
    if small_sample.k_fixef == "full":
        return k + levels
    inside = [a for a in effects if any(nested(a, code) for code in codes)]
    return k + levels - sum(a.levels for a in inside) + len(inside)


def _check_lags(lags: int, periods: int, name: str) -> None:
    if not 0 <= lags < periods or lags != int(lags):
        raise errors.ConfigError(f"{name}: lags: expected a whole number from 0 to {periods - 1}, got {lags!r}.")
