"""Fits of curves of adoption to a series of sales."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
import numpy.typing as npt
from scipy import special

from ich_jax import errors
from ich_jax.econometrics.diffusion import curves
from ich_jax.econometrics.diffusion.curves import Shape
from ich_jax.econometrics.regression import coefficient_table
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

LEAST = 4
"""Periods that a series needs."""
NAMES = {"bass": ("m", "p", "q"), "gompertz": ("m", "rate", "inflection"), "logistic": ("m", "rate", "inflection")}


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class DiffusionFit(Result):
    """A curve of adoption fitted to T periods, with P parameters.

    Attributes:
        shape: What was fitted.
        names: P parameters: market m, then p (innovation) and q (imitation) of Bass, or rate and inflection; then the
            weights of the drivers.
        theta: `[P]` on the free scale of the kernels.
        table: Estimates on their natural scale, with errors and intervals.
        units: `[T]` the series.
        drivers: `[T, D]`.
        fitted: `[T]` expected units.
        residual_error: Root of the mean squared residual, with T - P degrees of freedom.
        log_likelihood: Normal errors, or Poisson.
        criterion: Akaike's, corrected for the number of periods (AICc).
        bic: Schwarz's criterion.
        peak: Period of the largest expected sales, without drivers.
        peaked: Whether it lies inside the series.
        runaway: Whether the market has no limit in these data: its estimate ran to the bound.
        notes: What a reader has to know, in words.
    """

    part = "table"

    shape: Shape
    names: tuple[str, ...]
    theta: Array
    table: coefficient_table.Coefficients
    units: Array
    drivers: Array
    fitted: Array
    residual_error: float
    log_likelihood: float
    criterion: float
    bic: float
    peak: float
    peaked: bool
    runaway: bool
    notes: tuple[str, ...]

    @property
    def estimate(self) -> Array:
        """`[P]` on the natural scale."""
        return self.table.estimate


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Comparison(Result):
    """Curves side by side, the best first.

    Attributes:
        model: Names.
        criterion: `[M]` AICc.
        bic: `[M]`.
        weight: `[M]` Akaike weights: how the data divide belief among these curves.
        market: `[M]` estimate of m.
        fits: The fits.
    """

    columns = ("model", "criterion", "bic", "weight", "market")

    model: tuple[str, ...]
    criterion: Array
    bic: Array
    weight: Array
    market: Array
    fits: tuple[DiffusionFit, ...]


def fit(
    units: npt.ArrayLike,
    model: str = "bass",
    *,
    form: str = "increments",
    likelihood: str = "least_squares",
    price: npt.ArrayLike | None = None,
    advertising: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> DiffusionFit:
    """Fits a curve of adoption to the units sold in each period from the launch on.

    Example:
        Sales of video recorders in ten years.

        >>> from ich_jax.econometrics import diffusion
        >>> vcr = [840, 1470, 2110, 4000, 7590, 10950, 10530, 9470, 7790, 5890]
        >>> found = diffusion.fit(vcr, form="density")
        >>> found.estimate.round(3).tolist()
        [67980.908, 0.007, 0.638]

    Args:
        units: `[T]` sold in each period, in order, the first that of the launch.
        model: "bass", "gompertz" or "logistic".
        form: "increments": of the cumulative curve over a period (Srinivasan and Mason); "density": the curve's slope
            at its end, which is biased if sales change much within a period but is what textbooks fit.
        likelihood: "least_squares", or "poisson": the likelihood of the periods in which buyers adopt.
        price: `[T]` above 0: the generalised Bass model, whose effort changes with the relative change of price.
        advertising: `[T]` above 0: likewise.
        confidence: Of the intervals.

    Raises:
        ConfigError: Another model, form or likelihood; drivers with another model than Bass.
        DataError: Fewer than four periods, or fewer than parameters + 1; sales that are negative, all zero or not
            finite; drivers that are not above 0 or do not change.

    References:
        Srinivasan and Mason (1986), Nonlinear least squares estimation of new product diffusion models. Schmittlein and
        Mahajan (1982), Maximum likelihood estimation for an innovation diffusion model of new product acceptance.
    """
    errors.require(model, curves.MODELS, "diffusion: model")
    errors.require(form, curves.FORMS, "diffusion: form")
    errors.require(likelihood, curves.LIKELIHOODS, "diffusion: likelihood")
    y = checked(units)
    drivers, named = _drivers(len(y), {"price": price, "advertising": advertising})
    if named and model != "bass":
        raise errors.ConfigError(f"diffusion: drivers belong to the generalised Bass model, not to {model!r}.")
    names = (*NAMES[model], *(f"effect of {name}" for name in named))
    if len(y) <= len(names):
        raise errors.DataError(f"diffusion: {len(y)} periods are too few for {len(names)} parameters.")
    shape = Shape(model, form, likelihood)
    with float64.enabled():
        found = jax.tree.map(np.asarray, estimated(y, np.ones(len(y)), drivers, shape=shape))
    return _result(shape, names, found, y, drivers, confidence)


def _result(
    shape: Shape, names: tuple[str, ...], found: curves.Fitted, y: Array, drivers: Array, confidence: float
) -> DiffusionFit:
    """The fit with its errors."""
    theta, mean = np.asarray(found.theta), np.asarray(found.mean)
    at = peak(theta, shape.model)
    n, p = len(y), len(names)
    squares = float(np.square(y - mean).sum())
    variance = squares / (n - p)
    if shape.likelihood == "poisson":
        log_likelihood = float((special.xlogy(y, np.maximum(mean, 1e-300)) - mean - special.gammaln(y + 1)).sum())
        # Counts of real sales vary more than Poisson: errors are inflated by Pearson's dispersion, if above 1.
        spread = max(1.0, float((np.square(y - mean) / np.maximum(mean, 1e-12)).sum()) / (n - p))
        parameters = p
    else:
        spread, parameters = variance, p + 1
        log_likelihood = -0.5 * n * (np.log(2.0 * np.pi * max(squares, 1e-300) / n) + 1.0)
    # By the natural parameters: the free scale is their logarithm, but for the inflection and the drivers.
    natural = natural_of(theta[None], shape.model)[0]
    logs = np.arange(p) < (3 if shape.model == "bass" else 2)
    inner = np.where(logs, natural, 1.0)
    normal = np.asarray(found.normal) / np.outer(inner, inner)
    size = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    covariance = spread * np.linalg.pinv(normal / np.outer(size, size)) / np.outer(size, size)
    runaway = bool(theta[0] - np.log(y.sum()) > curves.FAR)
    table = coefficient_table.coefficients(
        names, natural, covariance, df=n - p, kind=shape.likelihood, confidence=confidence
    )
    notes = []
    if runaway:
        notes.append("The market ran to the bound of the search: these data set it no limit, and no forecast holds.")
    elif at > n:
        notes.append(
            f"The fitted peak (period {at:.1f}) lies beyond the {n} periods: before the peak, market and imitation can "
            "hardly be told apart, and estimates change with every new period."
        )
    corrected = (
        2.0 * parameters + 2.0 * parameters * (parameters + 1) / (n - parameters - 1) if n > parameters + 1 else np.inf
    )
    return DiffusionFit(
        shape=shape,
        names=names,
        theta=theta,
        table=table,
        units=y,
        drivers=drivers,
        fitted=mean,
        residual_error=float(np.sqrt(variance)),
        log_likelihood=float(log_likelihood),
        criterion=float(corrected - 2.0 * log_likelihood),
        bic=float(np.log(n) * parameters - 2.0 * log_likelihood),
        peak=at,
        peaked=at <= n and not runaway,
        runaway=runaway,
        notes=tuple(notes),
    )


def compare(
    units: npt.ArrayLike,
    models: Sequence[str] = curves.MODELS,
    *,
    form: str = "increments",
    likelihood: str = "least_squares",
    confidence: float = 0.95,
) -> Comparison:
    """Fits several curves to a series and orders them by the corrected Akaike criterion.

    Args:
        units: `[T]`.
        models: Names.
        form: As for `fit`.
        likelihood: As for `fit`.
        confidence: Of the intervals.

    References:
        Burnham and Anderson (2002), Model selection and multimodel inference, chapter 2.
    """
    found = sorted(
        (fit(units, model, form=form, likelihood=likelihood, confidence=confidence) for model in models),
        key=lambda f: (f.criterion, f.bic),
    )
    criterion = np.array([f.criterion for f in found])
    by = criterion if np.isfinite(criterion).all() else np.array([f.bic for f in found])
    return Comparison(
        model=tuple(f.shape.model for f in found),
        criterion=criterion,
        bic=np.array([f.bic for f in found]),
        weight=special.softmax(-0.5 * by),
        market=np.array([f.estimate[0] for f in found]),
        fits=tuple(found),
    )


def natural_of(theta: Array, model: str) -> Array:
    """Parameters `[..., P]` on their natural scale."""
    logs = 3 if model == "bass" else 2
    return np.concatenate([np.exp(theta[..., :logs]), theta[..., logs:]], axis=-1)


def checked(units: npt.ArrayLike) -> Array:
    """Returns a series of sales as an array.

    Raises:
        DataError: Too short, negative, not finite, or nothing sold.
    """
    y = float64.finite(units, "diffusion: units", ndim=1)
    if len(y) < LEAST:
        raise errors.DataError(f"diffusion: a series needs at least {LEAST} periods, got {len(y)}.")
    if (y < 0).any():
        raise errors.DataError(f"diffusion: sales of period {int((y < 0).argmax()) + 1} are negative.")
    if not y.any():
        raise errors.DataError("diffusion: nothing was sold in any period.")
    return y


def _drivers(n: int, given: dict[str, npt.ArrayLike | None]) -> tuple[Array, list[str]]:
    """Relative changes `[T, D]`; those of the first period are 0."""
    columns, names = [], []
    for name, values in given.items():
        if values is None:
            continue
        v = float64.finite(values, f"diffusion: {name}", ndim=1)
        if v.shape != (n,) or (v <= 0).any() or np.ptp(v) == 0:
            raise errors.DataError(f"diffusion: {name} needs {n} values above 0 that are not all the same.")
        columns.append(np.append(0.0, np.diff(v) / v[:-1]))
        names.append(name)
    return np.stack(columns, axis=1) if columns else np.zeros((n, 0)), names


def peak(theta: Array, model: str) -> float:
    """Time of the largest sales, in periods from the start, without drivers; 0 if sales fall from the start.

    Args:
        theta: `[P]` on the free scale.
        model: One of `curves.MODELS`.
    """
    if model != "bass":
        return max(float(theta[2]), 0.0)
    p, q = np.exp(theta[1:3])
    return max(float(np.log(q / p) / (p + q)), 0.0)


@programs.jit(static_argnames=("shape",))
def estimated(units: jax.Array, observed: jax.Array, drivers: jax.Array, *, shape: Shape) -> curves.Fitted:
    """Program: the fit from the best start on a grid.

    Args:
        units: `[T]`.
        observed: `[T]` 1 where a period counts, else 0.
        drivers: `[T, D]`.
        shape: What is fitted.
    """
    start = curves.best_start(units, observed, drivers, shape=shape)
    return curves.fit_from(start, units, observed, drivers, shape=shape, steps=300)
