"""Category scores by partial least squares, for fewer samples than parameters."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.kansei.quantification import morphology
from ich_jax.kansei.quantification.theory import CategoryScores, partial_correlations
from ich_jax.types import Element
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array

_MOST = 10  # largest number of latent components that "auto" tries


class LatentFit(NamedTuple):
    """Result of the kernel `fit_latent`; batched by `vmap` over words or left-out samples."""

    coefficient: jax.Array
    constant: jax.Array
    centre: jax.Array


def fit_latent(x: jax.Array, y: jax.Array, weight: jax.Array, n_components: int) -> LatentFit:
    """Kernel: partial least squares of one word, for `jit` and `vmap`.

    Args:
        x: `[n, K]` float64.
        y: `[n]`.
        weight: `[n]`, 1 for included samples and 0 for those left out.
        n_components: Number A of components.

    Returns:
        Coefficients `[A, K]` for 1 to A components; the mean of y; the means `[K]` of x.
    """
    weight = float64.kernel_array(weight, "fit_latent: weight")
    share = weight / weight.sum()
    centre, constant = share @ x, share @ y
    left, right = (x - centre[None, :]) * weight[:, None], (y - constant) * weight
    coefficients: list[jax.Array] = []
    weights_of_x: list[jax.Array] = []
    slopes: list[jax.Array] = []
    total = jnp.zeros_like(centre)
    size = jnp.square(left).sum() * jnp.square(right).sum()
    for _ in range(n_components):
        direction = left.T @ right
        length = jnp.sqrt(jnp.square(direction).sum())
        varies = jnp.square(length) > 1e-20 * size  # False once y is fully explained or x exhausted
        direction = jnp.where(varies, direction / jnp.where(varies, length, 1.0), 0.0)
        t = left @ direction
        square = jnp.where(varies, jnp.square(t).sum(), 1.0)
        slope, part = left.T @ t / square, right @ t / square
        turn = direction
        for earlier, load in zip(weights_of_x, slopes, strict=True):
            turn = turn - (load @ direction) * earlier
        weights_of_x.append(turn)
        slopes.append(slope)
        total = total + part * turn
        coefficients.append(total)
        left = left - t[:, None] * slope[None, :]
        right = right - part * t
    return LatentFit(jnp.stack(coefficients), constant, centre)


@programs.jit(static_argnames=("n_components",))
def _fits(x: jax.Array, y: jax.Array, weights: jax.Array, *, n_components: int) -> LatentFit:
    return jax.vmap(lambda w: fit_latent(x, y, w, n_components))(weights)


def partial_least_squares(
    codes: npt.ArrayLike, elements: Sequence[Element], scores: npt.ArrayLike, *, components: int | str = "auto"
) -> CategoryScores:
    """Estimates category scores of one word by regression on a few latent components of the elements.

    Args:
        codes: `[n, E]` category of every element for each sample, as `encode` gives them.
        elements: `[E]` elements with their categories; each category occurs.
        scores: `[n]` mean scores of the samples on the word.
        components: Number of components; "auto": the number up to 10 that predicts left-out samples best.

    Returns:
        The same as `quantification_1`, but without limits, as there are no exact ones.

    Raises:
        ConfigError: The samples do not allow this number of components.
        DataError: Fewer than three samples, scores that do not vary, or codes that `quantification_1` also refuses.

    References:
        Wold, Sjöström and Eriksson (2001), PLS-regression: a basic tool of chemometrics. Indicators are centred but not
        scaled, so that rare categories do not get more weight.
    """
    y = float64.finite(scores, "partial_least_squares: scores", ndim=1)
    table = morphology.checked(codes, elements, "partial_least_squares")
    n = len(y)
    if len(table) != n or n < 3 or np.ptp(y) == 0:
        raise errors.DataError(f"partial_least_squares: {len(table)} rows of codes for {n} scores, which must differ.")
    x = morphology.indicators(table, elements)
    rank = int(np.linalg.matrix_rank(x - x.mean(axis=0), tol=1e-8))
    most = min(rank, n - 2)
    if components != "auto" and (isinstance(components, str) or not 1 <= components <= most):
        raise errors.ConfigError(
            f'partial_least_squares: components: got {components!r}; expected "auto" or 1 to {most}.'
        )
    tried = min(most, _MOST) if components == "auto" else int(components)
    weights = np.concatenate([np.ones((1, n)), 1.0 - np.eye(n)])
    with float64.enabled():
        coefficient, constant, centre = (np.asarray(v) for v in _fits(x, y, weights, n_components=tried))
    left_out = constant[1:, None] + np.einsum("iak,ik->ia", coefficient[1:], x - centre[1:])
    press = np.square(y[:, None] - left_out).sum(axis=0)
    chosen = int(press.argmin()) + 1 if components == "auto" else tried
    return _scores(table, elements, x, y, coefficient[0, chosen - 1], float(press[chosen - 1]), rank, chosen)


def _scores(
    table: morphology.Codes,
    elements: Sequence[Element],
    x: Array,
    y: Array,
    score: Array,
    press: float,
    rank: int,
    components: int,
) -> CategoryScores:
    """Returns the result with scores centred within each element, which changes no prediction."""
    n, where = len(table), morphology.blocks(elements)
    fitted = y.mean() + (x - x.mean(axis=0)) @ score
    score = np.concatenate([score[block] - x[:, block].mean(axis=0) @ score[block] for block in where])
    total, error = float(np.square(y - y.mean()).sum()), float(np.square(y - fitted).sum())
    unknown = np.full(len(score), np.nan)
    return CategoryScores(
        item=tuple(element.name for element in elements for _ in element.categories),
        category=tuple(category for element in elements for category in element.categories),
        count=x.sum(axis=0).astype(np.int64),
        score=score,
        low=unknown,
        high=unknown,
        constant=float(y.mean()),
        elements=tuple(elements),
        range=np.array([np.ptp(score[block]) for block in where]),
        partial=partial_correlations(np.stack([x[:, block] @ score[block] for block in where], axis=1), y),
        fitted=fitted,
        residual_sd=float("nan"),
        r2=1.0 - error / total,
        r2_adjusted=float("nan"),
        r2_left_out=1.0 - press / (total * (n / (n - 1)) ** 2),
        rank=rank,
        df=float("nan"),
        penalty=0.0,
        covariance=np.zeros((len(score), len(score))),
        components=components,
    )
