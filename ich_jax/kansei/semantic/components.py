"""Number of dimensions in a table of scores: KMO, Bartlett's test, principal components, parallel analysis."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import draws, float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

COPIED = 1e-10
"""Correlations closer to 1 or -1 than this belong to a copied column."""


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Adequacy(Result):
    """Whether words correlate enough to have common factors.

    Attributes:
        word: `[p]` the words.
        kmo_word: `[p]` sampling adequacy of each word.
        kmo: Sampling adequacy of all words (Kaiser, Meyer and Olkin); values below .6 are usually called too low.
        bartlett: Chi-squared statistic of Bartlett's test that the correlations are all zero.
        df: Its degrees of freedom.
        p: Its p-value.
        n: Rows of the table.
    """

    columns = ("word", "kmo_word")

    word: tuple[str, ...]
    kmo_word: Array
    kmo: float
    bartlett: float
    df: int
    p: float
    n: int


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Components(Result):
    """Principal components of a correlation matrix, beside those of noise.

    Attributes:
        component: `[p]` numbers from 1.
        eigenvalue: `[p]` eigenvalues in descending order.
        share: `[p]` shares of the variance.
        cumulative: `[p]` cumulative shares.
        noise_mean: `[p]` mean eigenvalues of independent normal tables of this size; NaN without parallel analysis.
        noise_quantile: `[p]` quantiles of these eigenvalues.
        loadings: `[p, p]` correlations of words and components; each column sums to a positive number.
        correlation: `[p, p]` correlations of the words.
        retained: Number of leading components above `noise_quantile`; -1 without parallel analysis.
        retained_by_mean: Number above `noise_mean`, a rule that keeps a component of pure noise about half the time.
        above_one: Number of eigenvalues above 1 (Kaiser's rule), for comparison only.
        quantile: Level of the quantile.
        n: Rows of the table.
    """

    columns = ("component", "eigenvalue", "share", "cumulative", "noise_mean", "noise_quantile")
    curve = ("component", "eigenvalue")

    component: npt.NDArray[np.int64]
    eigenvalue: Array
    share: Array
    cumulative: Array
    noise_mean: Array
    noise_quantile: Array
    loadings: Array
    correlation: Array
    retained: int
    retained_by_mean: int
    above_one: int
    quantile: float
    n: int


def adequacy(table: npt.ArrayLike, words: Sequence[str] | None = None) -> Adequacy:
    """Kaiser-Meyer-Olkin measure and Bartlett's test.

    Args:
        table: `[n, p]` scores.
        words: `[p]` names; None: "1", "2", ...

    Raises:
        DataError: A constant or copied column (named), or a correlation matrix without inverse.

    References:
        Kaiser and Rice (1974), Little jiffy, mark IV. Bartlett (1951), The effect of standardization on a chi-square
        approximation in factor analysis.
    """
    x, r, names = correlation(table, words, "adequacy")
    n, p = x.shape
    close = np.argwhere(np.triu(np.abs(r) > 1.0 - COPIED, 1))
    if len(close):
        pairs = "; ".join(f"{names[i]!r} and {names[j]!r}" for i, j in close)
        raise errors.DataError(
            f"adequacy: copied columns ({pairs}): KMO would be determined by rounding. Drop one of each pair."
        )
    sign, log_det = np.linalg.slogdet(r)
    if n <= p or sign <= 0 or np.linalg.cond(r) > 1e12:
        raise errors.DataError(
            f"adequacy: the correlations of {p} words over {n} rows have no inverse; needs more rows than words, and "
            "no word that is a sum of others."
        )
    inverse = np.linalg.inv(r)
    scale = np.sqrt(np.diag(inverse))
    partial = -inverse / (scale[:, None] * scale[None, :])
    off = ~np.eye(p, dtype=bool)
    squares, partials = np.where(off, r, 0.0) ** 2, np.where(off, partial, 0.0) ** 2
    chi2 = -(n - 1 - (2 * p + 5) / 6) * log_det
    df = p * (p - 1) // 2
    return Adequacy(
        word=names,
        kmo_word=squares.sum(axis=0) / (squares.sum(axis=0) + partials.sum(axis=0)),
        kmo=float(squares.sum() / (squares.sum() + partials.sum())),
        bartlett=float(chi2),
        df=df,
        p=float(stats.chi2.sf(chi2, df)),
        n=n,
    )


def principal_components(table: npt.ArrayLike) -> Components:
    """Principal components of the correlations; `parallel_analysis` adds the comparison with noise.

    Args:
        table: `[n, p]` scores.

    Raises:
        DataError: Fewer than two rows or columns, values that are not finite, or a constant column.

    References:
        Hotelling (1933), Analysis of a complex of statistical variables into principal components.
    """
    x, r, _ = correlation(table, None, "principal_components")
    p = len(r)
    values, vectors = np.linalg.eigh(r)
    values, vectors = values[::-1], vectors[:, ::-1]
    loadings = vectors * np.sqrt(np.maximum(values, 0.0))
    loadings = loadings * np.where(loadings.sum(axis=0) < 0, -1.0, 1.0)
    return Components(
        component=np.arange(1, p + 1),
        eigenvalue=values,
        share=values / p,
        cumulative=np.cumsum(values) / p,
        noise_mean=np.full(p, np.nan),
        noise_quantile=np.full(p, np.nan),
        loadings=loadings,
        correlation=r,
        retained=-1,
        retained_by_mean=-1,
        above_one=int((values > 1).sum()),
        quantile=np.nan,
        n=len(x),
    )


def parallel_analysis(
    table: npt.ArrayLike, *, key: jax.Array, quantile: float = 0.95, n_draws: int = 2000
) -> Components:
    """Principal components with parallel analysis, which retains those that exceed the components of noise.

    With the 95th percentile about 5 % of tables of pure noise keep a component, with the mean about half of them.

    Args:
        table: `[n, p]` scores.
        key: Random key.
        quantile: Level of the quantile of eigenvalues of independent normal tables.
        n_draws: Number of such tables.

    Raises:
        ConfigError: `quantile` is not inside (0, 1), or fewer than 20 draws.
        DataError: As for `principal_components`.

    References:
        Horn (1965), A rationale and test for the number of factors. Glorfeld (1995), An improvement on Horn's parallel
        analysis methodology.
    """
    if not 0.0 < quantile < 1.0 or n_draws < 20:
        raise errors.ConfigError(f"parallel_analysis: got quantile={quantile!r} and {n_draws} draws; needs 20.")
    components = principal_components(table)
    p = len(components.eigenvalue)
    with float64.enabled():
        noise = np.asarray(_noise(key, n=components.n, p=p, n_draws=n_draws))
    mean, limit = noise.mean(axis=0), np.quantile(noise, quantile, axis=0)
    return dataclasses.replace(
        components,
        noise_mean=mean,
        noise_quantile=limit,
        retained=_leading(components.eigenvalue > limit),
        retained_by_mean=_leading(components.eigenvalue > mean),
        quantile=quantile,
    )


@programs.jit(static_argnames=("n", "p", "n_draws"))
def _noise(key: jax.Array, *, n: int, p: int, n_draws: int) -> jax.Array:
    def eigenvalues(index: jax.Array) -> jax.Array:
        x = jax.random.normal(jax.random.fold_in(key, index), (n, p), jnp.float64)
        return jnp.linalg.eigvalsh(correlation_matrix(x))[::-1]

    result: jax.Array = draws.each(eigenvalues, n_draws, n * p)
    return result


def correlation_matrix(x: jax.Array) -> jax.Array:
    """Kernel: Pearson correlations `[p, p]` of the columns of `[n, p]` float64."""
    x = x - x.mean(axis=0, keepdims=True)
    x = x / jnp.sqrt(jnp.square(x).sum(axis=0, keepdims=True))
    return x.T @ x


def correlation(table: npt.ArrayLike, words: Sequence[str] | None, name: str) -> tuple[Array, Array, tuple[str, ...]]:
    """Checks a table of scores and returns it with its correlations and the names of its columns.

    Raises:
        DataError: Fewer than three rows or two columns, values that are not finite, or a constant column.
    """
    x = float64.finite(table, f"{name}: table", ndim=2)
    n, p = x.shape
    names = tuple(words) if words is not None else tuple(str(k + 1) for k in range(p))
    if n < 3 or p < 2 or len(names) != p:
        raise errors.DataError(f"{name}: {n} rows, {p} columns and {len(names)} names; needs three rows, two columns.")
    constant = np.ptp(x, axis=0) == 0
    if constant.any():
        raise errors.DataError(f"{name}: word {names[int(constant.argmax())]!r} has one score throughout; drop it.")
    return x, np.atleast_2d(np.corrcoef(x, rowvar=False)), names


def _leading(above: npt.NDArray[np.bool_]) -> int:
    return int(np.cumprod(above).sum())
