"""Bootstrap of a diffusion fit, all resamples in one program, and forecasts with their bands."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.diffusion import curves, fits
from ich_jax.econometrics.diffusion.curves import Shape
from ich_jax.econometrics.diffusion.fits import DiffusionFit
from ich_jax.uncertainty import draws, float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Bands(Result):
    """Bootstrap of a fit with P parameters and T periods.

    Attributes:
        names: P parameters.
        estimate: `[P]`.
        low: `[P]` lower limits (percentiles).
        high: `[P]` upper limits.
        fitted_low: `[T]` limits of the expected units.
        fitted_high: `[T]`.
        theta: `[B, P]` replicates on the free scale.
        runaway: Share of resamples whose market has no limit.
        confidence: Coverage of the limits.
    """

    columns = ("names", "estimate", "low", "high")
    hidden = ("theta",)

    names: tuple[str, ...]
    estimate: Array
    low: Array
    high: Array
    fitted_low: Array
    fitted_high: Array
    theta: Array
    runaway: float
    confidence: float


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Forecast(Result):
    """Sales of the next H periods.

    Attributes:
        period: `[H]` counted from the launch.
        units: `[H]` expected at the estimates.
        low: `[H]` lower limits of the sales, of which each period's error is part.
        high: `[H]` upper limits.
        total: Units of all H periods: expected, lower and upper limit.
        paths: `[B, H]` drawn sales.
        confidence: Coverage of the limits, each period by itself.
    """

    columns = ("period", "units", "low", "high")
    curve = ("period", "units", "low", "high")
    hidden = ("paths",)

    period: npt.NDArray[np.int64]
    units: Array
    low: Array
    high: Array
    total: tuple[float, float, float]
    paths: Array
    confidence: float


def bootstrap(fit: DiffusionFit, key: jax.Array, *, n_resamples: int = 9999, confidence: float = 0.95) -> Bands:
    """Refits series whose errors are drawn anew: residuals of least squares with replacement, normal ones of counts.

    Residuals are centred and widened by T / (T - P), since a fit makes them too small.

    Args:
        fit: The fit.
        key: Random key; a resample does not hang on how many there are.
        n_resamples: Number B.
        confidence: Coverage of the limits.

    Raises:
        ConfigError: Fewer than two resamples.

    References:
        Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 9.
    """
    if n_resamples < 2:
        raise errors.ConfigError(f"diffusion.bootstrap: n_resamples: expected at least 2, got {n_resamples}.")
    with float64.enabled():
        theta = np.asarray(
            replicates(key, fit.theta, fit.units, np.ones(len(fit.units)), fit.drivers, shape=fit.shape, n=n_resamples)
        )
        mean = np.asarray(paths_of(theta, fit.drivers, shape=fit.shape))
    natural = fits.natural_of(theta, fit.shape.model)
    limits = [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0]
    low, high = np.quantile(natural, limits, axis=0)
    fitted_low, fitted_high = np.quantile(mean, limits, axis=0)
    runaway = float((theta[:, 0] - np.log(fit.units.sum()) > curves.FAR).mean())
    return Bands(fit.names, fit.estimate, low, high, fitted_low, fitted_high, theta, runaway, confidence)


def forecast(fit: DiffusionFit, bands: Bands, horizon: int, key: jax.Array) -> Forecast:
    """Sales beyond the series, with what is uncertain in the parameters and in each period; drivers stay as they are.

    Args:
        fit: The fit.
        bands: Its bootstrap.
        horizon: Number H of periods.
        key: Random key of the errors of the periods.

    Raises:
        ConfigError: A horizon below 1.
    """
    if horizon < 1:
        raise errors.ConfigError(f"diffusion.forecast: horizon: expected at least 1 period, got {horizon}.")
    t = len(fit.units)
    later = np.concatenate([fit.drivers, np.zeros((horizon, fit.drivers.shape[1]))])
    with float64.enabled():
        paths = np.asarray(paths_of(np.concatenate([fit.theta[None], bands.theta]), later, shape=fit.shape))[:, t:]
        drawn = np.asarray(jax.random.uniform(key, (len(paths) - 1, horizon), jnp.float64))
    errors_ = _errors(fit)
    noise = errors_[np.minimum((drawn * len(errors_)).astype(np.int64), len(errors_) - 1)]
    if fit.shape.likelihood == "poisson":
        noise = noise * np.sqrt(np.maximum(paths[1:], 0.0))
    sales = np.maximum(paths[1:] + noise, 0.0)
    limits = [(1.0 - bands.confidence) / 2.0, (1.0 + bands.confidence) / 2.0]
    low, high = np.quantile(sales, limits, axis=0)
    total_low, total_high = np.quantile(sales.sum(axis=1), limits)
    return Forecast(
        period=np.arange(t + 1, t + horizon + 1),
        units=paths[0],
        low=low,
        high=high,
        total=(float(paths[0].sum()), float(total_low), float(total_high)),
        paths=sales,
        confidence=bands.confidence,
    )


def expected_units(theta: Array, drivers: Array, shape: Shape) -> Array:
    """Expected units `[B, T]` of many parameters, such as the replicates of a bootstrap.

    Args:
        theta: `[B, P]` on the free scale.
        drivers: `[T, D]` relative changes; zeros where nothing changes.
        shape: What was fitted.
    """
    with float64.enabled():
        return np.asarray(paths_of(theta, drivers, shape=shape))


def _errors(fit: DiffusionFit) -> Array:
    """Residuals to draw from: centred, widened, and of counts in units of the root of the expected ones."""
    n, p = len(fit.units), len(fit.names)
    e = fit.units - fit.fitted
    if fit.shape.likelihood == "poisson":
        e = e / np.sqrt(np.maximum(fit.fitted, 1e-12))
    return np.asarray((e - e.mean()) * np.sqrt(n / (n - p)))


def refit_resampled(
    key: jax.Array,
    theta: jax.Array,
    units: jax.Array,
    observed: jax.Array,
    drivers: jax.Array,
    index: jax.Array,
    shape: Shape,
) -> jax.Array:
    """Kernel: parameters `[P]` of one resample.

    Args:
        key: Random key, the same for all resamples.
        theta: `[P]` of the fit.
        units: `[T]`.
        observed: `[T]` 1 for the first periods, which count, then 0.
        drivers: `[T, D]`.
        index: Scalar, of the resample.
        shape: What is fitted.
    """
    n = observed @ observed
    mean = curves.expected(theta, drivers, shape)
    widened = jnp.sqrt(n / jnp.maximum(n - theta.shape[0], 1.0))
    own = jax.random.fold_in(key, index)
    if shape.likelihood == "poisson":
        pearson = (units - mean) / jnp.sqrt(jnp.maximum(mean, 1e-12))
        spread = widened * jnp.sqrt(observed @ jnp.square(pearson) / n)
        normal = jax.random.normal(own, units.shape, units.dtype)
        drawn = jnp.maximum(spread, 1.0) * normal * jnp.sqrt(jnp.maximum(mean, 0.0))
        resampled = jnp.maximum(mean + drawn, 0.0)
    else:
        e = units - mean
        e = (e - (observed @ e) / n) * widened
        uniform = jax.random.uniform(own, units.shape, units.dtype)
        resampled = mean + e[jnp.minimum(jnp.floor(uniform * n), n - 1.0).astype(jnp.int32)]
    return curves.fit_from(theta, resampled, observed, drivers, shape=shape).theta


@programs.jit(static_argnames=("shape", "n"))
def replicates(
    key: jax.Array,
    theta: jax.Array,
    units: jax.Array,
    observed: jax.Array,
    drivers: jax.Array,
    *,
    shape: Shape,
    n: int,
) -> jax.Array:
    """Program: parameters `[n, P]` of resamples; arguments as for `refit_resampled`."""

    def one(index: jax.Array) -> jax.Array:
        return refit_resampled(key, theta, units, observed, drivers, index, shape)

    return jnp.asarray(draws.each(one, n, 4096))  # small chunks: each takes as many steps as its slowest lane


@programs.jit(static_argnames=("shape",))
def paths_of(theta: jax.Array, drivers: jax.Array, *, shape: Shape) -> jax.Array:
    """Program: expected units `[B, T]` of many parameters `[B, P]`."""
    return jax.vmap(lambda t: curves.expected(t, drivers, shape))(theta)
