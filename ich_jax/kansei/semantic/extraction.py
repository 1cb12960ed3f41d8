"""Common factors: least residuals and maximum likelihood, scores of samples, McDonald's omega."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.kansei.semantic import rotation as rotations
from ich_jax.kansei.semantic.components import correlation
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

METHODS = ("minres", "ml")
LEAST = 0.005
"""Lower limit of uniquenesses; a word that reaches it is a Heywood case."""
_STEPS = 300


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class FactorAnalysis(Result):
    """A factor model of the correlations.

    Attributes:
        word: `[p]` the words.
        communality: `[p]` share of a word's variance that the factors explain.
        uniqueness: `[p]` one minus the communality.
        loadings: `[p, m]` rotated pattern.
        structure: `[p, m]` correlations of words and factors.
        phi: `[m, m]` correlations of the factors.
        weights: `[p, m]` weights of standardised words in the factor scores (regression method).
        explained: `[m]` share of the total variance that each factor explains.
        method: "minres" or "ml".
        rotation: Name of the rotation.
        normalised: Whether words were scaled to equal communality before it (Kaiser); programs differ in this.
        discrepancy: Maximum likelihood discrepancy of the model, whatever the method of fitting.
        chi2: Statistic of the test of the model; NaN without degrees of freedom.
        df: Its degrees of freedom.
        p: Its p-value.
        residual: Root mean square of the residual correlations.
        heywood: Words whose uniqueness is at its limit.
        converged: Whether the fit has met its tolerance.
        n: Rows of the table.
    """

    columns = ("word", "communality", "uniqueness")

    word: tuple[str, ...]
    communality: Array
    uniqueness: Array
    loadings: Array
    structure: Array
    phi: Array
    weights: Array
    explained: Array
    method: str
    rotation: str
    normalised: bool
    discrepancy: float
    chi2: float
    df: int
    p: float
    residual: float
    heywood: tuple[str, ...]
    converged: bool
    n: int

    def scores(self, table: npt.ArrayLike, *, like: npt.ArrayLike | None = None) -> Array:
        """Factor scores of samples: the perceptual axes.

        Args:
            table: `[N, p]` scores on the words.
            like: Table whose means and standard deviations standardise the words; None: `table` itself.

        Returns:
            `[N, m]`, in standard deviations of the words' common part.
        """
        x = float64.finite(table, "scores: table", ndim=2)
        base = x if like is None else float64.finite(like, "scores: like", ndim=2)
        return ((x - base.mean(axis=0)) / base.std(axis=0, ddof=1)) @ self.weights


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class McDonaldOmega(Result):
    """McDonald's omega of a scale with one common factor.

    Attributes:
        omega: Share of the variance of the standardised sum that the factor explains.
        loadings: `[p]` loadings on that factor.
        n: Number of people.
    """

    omega: float
    loadings: Array
    n: int


class Extraction(NamedTuple):
    """Result of the kernel `extract`; batched by `vmap`."""

    loadings: jax.Array
    uniqueness: jax.Array
    objective: jax.Array
    gradient: jax.Array
    steps: jax.Array


def factor_analysis(
    table: npt.ArrayLike,
    n_factors: int,
    words: Sequence[str] | None = None,
    *,
    method: str = "minres",
    rotation: str = "varimax",
    normalise: bool = True,
) -> FactorAnalysis:
    """Fits common factors to the correlations of a table of scores.

    Args:
        table: `[n, p]` scores of samples (or people) on words.
        n_factors: Number m of factors.
        words: `[p]` names; None: "1", "2", ...
        method: "minres" (least squares of the residual correlations) or "ml".
        rotation: "none", "varimax", "promax" or "oblimin".
        normalise: Kaiser's normalisation before the rotation.

    Raises:
        ConfigError: Unknown method or rotation, or a number of factors that the words do not identify.
        DataError: A table without enough rows, with a constant word, or for "ml" with singular correlations.

    References:
        Harman and Jones (1966), Factor analysis by minimizing residuals. Jöreskog (1967), Some contributions to maximum
        likelihood factor analysis; (1977), Factor analysis by least-squares and maximum-likelihood methods, for the
        Gauss-Newton steps.
    """
    errors.require(method, METHODS, "factor_analysis: method")
    errors.require(rotation, rotations.ROTATIONS, "factor_analysis: rotation")
    x, r, names = correlation(table, words, "factor_analysis")
    n, p = x.shape
    df = ((p - n_factors) ** 2 - (p + n_factors)) // 2
    if not 1 <= n_factors < p or df < 0:
        raise errors.ConfigError(
            f"factor_analysis: {n_factors} factors of {p} words are not identified (degrees of freedom {df})."
        )
    positive = np.linalg.eigvalsh(r).min() > 1e-12
    if method == "ml" and not positive:
        raise errors.DataError(
            f"factor_analysis: the correlations of {p} words over {n} rows are singular, so there is no likelihood; "
            'use method="minres" or more rows.'
        )
    with float64.enabled():
        fit = [np.asarray(value) for value in _extract(r, n_factors=n_factors, method=method)]
    plain, unique, _, slope, _ = fit
    rotated = rotations.rotate(plain, rotation, normalise=normalise)
    model = plain @ plain.T + np.diag(unique)
    residual = (r - model)[~np.eye(p, dtype=bool)]
    discrepancy = _discrepancy(r, model) if positive else np.nan
    chi2 = (n - 1 - (2 * p + 5) / 6 - 2 * n_factors / 3) * discrepancy if df > 0 else np.nan
    structure = rotated.loadings @ rotated.phi
    explained = np.diag(rotated.phi @ rotated.loadings.T @ rotated.loadings) / p
    return FactorAnalysis(
        word=names,
        communality=1.0 - unique,
        uniqueness=unique,
        loadings=rotated.loadings,
        structure=structure,
        phi=rotated.phi,
        weights=np.asarray(np.linalg.lstsq(r, structure, rcond=None)[0], np.float64),
        explained=explained,
        method=method,
        rotation=rotation,
        normalised=rotated.normalised,
        discrepancy=float(discrepancy),
        chi2=float(chi2),
        df=int(df),
        p=float(stats.chi2.sf(chi2, df)) if df > 0 else float("nan"),
        residual=float(np.sqrt(np.mean(residual**2))),
        heywood=tuple(w for w, u in zip(names, unique, strict=True) if u <= LEAST * (1 + 1e-9)),
        converged=bool(slope < 1e-7),
        n=n,
    )


def omega(items: npt.ArrayLike) -> McDonaldOmega:
    """McDonald's omega total of items with one common factor, fitted by least residuals.

    Args:
        items: `[n, p]` people by items, at least three items.

    Raises:
        DataError: As for `factor_analysis`.

    References:
        McDonald (1999), Test theory, chapter 6.
    """
    model = factor_analysis(items, 1, rotation="none")
    common = model.loadings.sum() ** 2
    return McDonaldOmega(
        omega=float(common / (common + model.uniqueness.sum())), loadings=model.loadings[:, 0], n=model.n
    )


def _discrepancy(r: Array, model: Array) -> float:
    ratio = np.linalg.solve(model, r)
    return float(np.trace(ratio) - np.linalg.slogdet(ratio)[1] - len(r))


def extract(correlations: jax.Array, n_factors: int, method: str) -> Extraction:
    """Kernel: unrotated loadings of a correlation matrix, for `jit` and `vmap` over resamples.

    The objective is a function of the uniquenesses alone, through the smallest p - m eigenvalues. Steps are Jöreskog's
    Gauss-Newton steps, halved until they lower the objective; uniquenesses at a limit are held there.

    Args:
        correlations: `[p, p]` float64 JAX array.
        n_factors: Number m of factors.
        method: "minres" or "ml".
    """
    # Longer than other functions: the parts of the search share the matrix, its sizes, the limits and the method.
    r = float64.kernel_array(correlations, "extract: correlations")
    p, m = r.shape[0], n_factors
    ml = method == "ml"
    low, high = (np.log(LEAST), 0.0) if ml else (LEAST, 1.0)
    inverse = jnp.linalg.inv(r + 1e-8 * jnp.eye(p, dtype=r.dtype))
    start = jnp.clip((1.0 - 0.5 * m / p) / jnp.diag(inverse), LEAST, 1.0)

    def spectrum(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        if ml:
            root = jnp.exp(-0.5 * x)
            return jnp.linalg.eigh(r * root[:, None] * root[None, :])
        return jnp.linalg.eigh(r - jnp.diag(x))

    def objective(values: jax.Array) -> jax.Array:
        small = values[: p - m]
        return (small - jnp.log(small) - 1.0).sum() if ml else 0.5 * jnp.square(small).sum()

    def derivatives(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        values, vectors = spectrum(x)
        small, eigenvectors = values[: p - m], vectors[:, : p - m]
        slope = 1.0 - small if ml else -small
        return objective(values), jnp.square(eigenvectors) @ slope, jnp.square(eigenvectors @ eigenvectors.T)

    def projected(x: jax.Array, gradient: jax.Array) -> jax.Array:
        free = ~(((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0)))
        return jnp.where(free, gradient, 0.0)

    def step(state: tuple[Any, ...]) -> tuple[Any, ...]:
        x, f, gradient, curvature, k, _ = state
        held = projected(x, gradient) == 0.0
        fixed = held[:, None] | held[None, :]
        eye = jnp.eye(p, dtype=r.dtype)
        matrix = jnp.where(fixed, eye, curvature + 1e-12 * eye)
        direction = jnp.where(held, 0.0, -jnp.linalg.solve(matrix, gradient[:, None])[:, 0])

        def shorter(search: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
            size = 0.5 * search[0]
            moved = jnp.clip(x + size * direction, low, high)
            return size, moved, objective(spectrum(moved)[0])

        def too_far(search: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
            return ~(search[2] <= f) & (search[0] > 1e-8)

        size = jnp.asarray(2.0, r.dtype)
        accepted = jax.lax.while_loop(too_far, shorter, shorter((size, x, f)))
        moved = jnp.where(accepted[2] <= f, accepted[1], x)
        return (moved, *derivatives(moved), k + 1, jnp.abs(moved - x).max())

    def unfinished(state: tuple[Any, ...]) -> jax.Array:
        x, _, gradient, _, k, moved = state
        return (jnp.abs(projected(x, gradient)).max() > 1e-11) & (k < _STEPS) & (moved > 1e-15)

    x0 = jnp.log(start) if ml else start
    state = (x0, *derivatives(x0), jnp.zeros((), jnp.int32), jnp.ones((), r.dtype))
    x, f, gradient, _, steps, _ = jax.lax.while_loop(unfinished, step, state)
    values, vectors = spectrum(x)
    large, eigenvectors = values[::-1][:m], vectors[:, ::-1][:, :m]
    loadings = eigenvectors * jnp.sqrt(jnp.maximum(large - 1.0 if ml else large, 0.0))[None, :]
    if ml:
        loadings = loadings * jnp.exp(0.5 * x)[:, None]
    loadings = loadings * jnp.where(loadings.sum(axis=0) < 0.0, -1.0, 1.0)[None, :]
    return Extraction(loadings, jnp.exp(x) if ml else x, f, jnp.abs(projected(x, gradient)).max(), steps)


_extract = programs.jit(extract, static_argnames=("n_factors", "method"))
