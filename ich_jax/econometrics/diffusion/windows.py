"""How little of a series identifies a diffusion: refits of its first periods, and coverage by simulation."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.diffusion import bands, curves, fits
from ich_jax.econometrics.diffusion.curves import Shape
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Windows(Result):
    """What would have been estimated after the first periods, W windows of P parameters.

    Attributes:
        length: `[W]` periods.
        names: P parameters.
        estimate: `[W, P]`.
        low: `[W, P]` lower limits.
        high: `[W, P]` upper limits.
        peak: `[W]` fitted period of the largest sales.
        runaway: `[W]` share of resamples whose market has no limit.
        bounded: `[W]` whether the limits of the market lie within a factor of two and no resample ran away.
        confidence: Coverage of the limits.
    """

    columns = ("length", "market", "market_low", "market_high", "peak", "runaway", "bounded")

    length: npt.NDArray[np.int64]
    names: tuple[str, ...]
    estimate: Array
    low: Array
    high: Array
    peak: Array
    runaway: Array
    bounded: npt.NDArray[np.bool_]
    confidence: float

    @property
    def market(self) -> Array:
        """`[W]` estimates of m."""
        return self.estimate[:, 0]

    @property
    def market_low(self) -> Array:
        """`[W]`."""
        return self.low[:, 0]

    @property
    def market_high(self) -> Array:
        """`[W]`."""
        return self.high[:, 0]


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Coverage(Result):
    """How often limits hold the truth, of S SIMULATED series at each of W windows.

    Attributes:
        length: `[W]` periods that are seen.
        market: `[W]` share of series whose limits hold the true m.
        p: `[W]` the same of p.
        q: `[W]` the same of q.
        next_sales: `[W]` share whose limits of the sales of the next period hold them.
        runaway: `[W]` share of series whose estimate of m ran away.
        error: `[W]` median of the absolute relative error of the estimate of m.
        n_simulations: Number S; a share of .95 has a Monte Carlo error of sqrt(.0475 / S).
        confidence: Nominal coverage.
    """

    columns = ("length", "market", "p", "q", "next_sales", "runaway", "error")

    length: npt.NDArray[np.int64]
    market: Array
    p: Array
    q: Array
    next_sales: Array
    runaway: Array
    error: Array
    n_simulations: int
    confidence: float


def early_windows(
    units: npt.ArrayLike,
    model: str = "bass",
    *,
    key: jax.Array,
    lengths: Sequence[int] = (),
    form: str = "increments",
    n_resamples: int = 499,
    confidence: float = 0.95,
) -> Windows:
    """Refits the first periods of a series.

    Args:
        units: `[T]`.
        model: Curve.
        key: Random key.
        lengths: Windows; none: every length from parameters + 1 to T.
        form: As for `fits.fit`.
        n_resamples: Of the bootstrap in each window.
        confidence: Coverage of the limits.

    Raises:
        DataError: A series that cannot be used.
        ConfigError: A window that is too short or longer than the series.

    References:
        Van den Bulte and Lilien (1997), Bias and systematic change in the parameter estimates of macro-level diffusion
        models.
    """
    errors.require(model, curves.MODELS, "early_windows: model")
    errors.require(form, curves.FORMS, "early_windows: form")
    y = fits.checked(units)
    sizes = np.array(tuple(lengths) or range(max(fits.LEAST, 4), len(y) + 1))
    if (sizes < fits.LEAST).any() or (sizes > len(y)).any():
        raise errors.ConfigError(f"early_windows: lengths: expected {fits.LEAST} to {len(y)}, got {sizes.tolist()}.")
    observed = (np.arange(len(y)) < sizes[:, None]).astype(np.float64)
    shape = Shape(model, form, "least_squares")
    found = [_window(key, y, mask, shape, n_resamples) for mask in observed]
    theta, replicates = (np.stack(parts) for parts in zip(*found, strict=True))
    natural, many = (fits.natural_of(v, model) for v in (theta, replicates))
    peak = np.array([fits.peak(t, model) for t in theta])
    low, high = np.quantile(many, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0], axis=1)
    sold = np.log(np.maximum(observed @ y, 1e-12))
    runaway = (replicates[:, :, 0] - sold[:, None] > curves.FAR).mean(axis=1)
    bounded = (high[:, 0] < 2.0 * low[:, 0]) & (runaway == 0.0)
    return Windows(sizes, fits.NAMES[model], natural, low, high, peak, runaway, bounded, confidence)


def coverage(
    key: jax.Array,
    *,
    market: float,
    p: float,
    q: float,
    noise: float,
    periods: int,
    lengths: Sequence[int],
    n_simulations: int = 500,
    n_resamples: int = 199,
    confidence: float = 0.95,
) -> Coverage:
    """Simulates Bass series and counts how often the bootstrap's limits hold the truth.

    Args:
        key: Random key.
        market: True m.
        p: True coefficient of innovation.
        q: True coefficient of imitation.
        noise: Standard deviation of the error of a period over the mean of the expected units of all periods.
        periods: Of the series, which is longer than the windows.
        lengths: Periods that are seen.
        n_simulations: Number S.
        n_resamples: Of each bootstrap.
        confidence: Nominal coverage.

    Raises:
        ConfigError: Windows that do not leave a period to predict, or parameters that are not above 0.
    """
    sizes = np.array(lengths, np.int64)
    if min(market, p, q) <= 0 or noise < 0 or (sizes < fits.LEAST).any() or (sizes >= periods).any():
        raise errors.ConfigError(
            f"diffusion.coverage: expected m, p, q above 0, noise from 0, windows from {fits.LEAST} to {periods - 1}."
        )
    shape, none = Shape("bass", "increments", "least_squares"), np.zeros((periods, 0))
    truth = np.log([market, p, q])
    limits = [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0]
    held, away, error = [], [], []
    with float64.enabled():
        mean = np.asarray(bands.paths_of(truth[None], none, shape=shape))[0]
    for s in range(n_simulations):
        own = jax.random.fold_in(key, s)
        rng = np.random.default_rng(np.asarray(jax.random.key_data(own)))
        units = np.maximum(mean + noise * mean.mean() * rng.normal(size=periods), 0.0)
        for k in sizes.tolist():
            theta, many = _window(own, units, (np.arange(periods) < k).astype(np.float64), shape, n_resamples)
            with float64.enabled():
                paths = np.asarray(bands.paths_of(np.concatenate([theta[None], many]), none, shape=shape))
            residual = (units - paths[0])[:k] * np.sqrt(k / max(k - 3, 1))
            ahead = paths[1:, k] + rng.choice(residual - residual.mean(), n_resamples)
            low, high = np.quantile(np.concatenate([many, ahead[:, None]], axis=1), limits, axis=0)
            target = np.append(truth, units[k])
            held.append((low <= target) & (target <= high))
            away.append(theta[0] - np.log(max(units[:k].sum(), 1e-12)) > curves.FAR)
            error.append(abs(np.exp(theta[0] - truth[0]) - 1.0))
    each = n_simulations, len(sizes)
    share = np.reshape(held, (*each, 4)).mean(axis=0)
    return Coverage(
        length=sizes,
        market=share[:, 0],
        p=share[:, 1],
        q=share[:, 2],
        next_sales=share[:, 3],
        runaway=np.reshape(away, each).mean(axis=0),
        error=np.median(np.reshape(error, each), axis=0),
        n_simulations=n_simulations,
        confidence=confidence,
    )


def _window(key: jax.Array, units: Array, mask: Array, shape: Shape, n: int) -> tuple[Array, Array]:
    """Estimates `[3]` and replicates `[n, 3]`, by the programs of `fit` and `bootstrap`: none is compiled anew."""
    none = np.zeros((len(units), 0))
    with float64.enabled():
        theta = np.asarray(fits.estimated(units, mask, none, shape=shape).theta)
        return theta, np.asarray(bands.replicates(key, theta, units, mask, none, shape=shape, n=n))
