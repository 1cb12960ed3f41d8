"""Least squares, weighted or not, with fixed effects absorbed exactly.

`fit` takes NumPy arrays and names and refuses or reports what cannot be estimated; covariances of its result are in
`covariance`. `least_squares` and `demean` are the kernels below it: pure, float64, differentiable, batched by `vmap`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

INTERCEPT = "(Intercept)"
COLLINEAR = ("drop", "error")
# A column of which the earlier ones explain all but this share (of its sum of squares) has five digits left or fewer.
_COLLINEAR = 1e-10
_DUMMIES = 2**27  # entries (1 GiB) of the dense indicators of all fixed effects but the largest


class LeastSquares(NamedTuple):
    """Result of the kernel, for N rows and K columns.

    Attributes:
        beta: `[K]` coefficients.
        residuals: `[N]` y - x beta.
        scores: `[N, K]` x times weight times residual, of each row.
        bread: `[K, K]` inverse of x'Wx.
        leverage: `[N]` diagonal of the hat matrix.
    """

    beta: jax.Array
    residuals: jax.Array
    scores: jax.Array
    bread: jax.Array
    leverage: jax.Array


@dataclasses.dataclass(frozen=True, slots=True)
class Absorbed:
    """A fixed effect that was taken out of y and x.

    Attributes:
        name: Its name.
        codes: `[N]` level of each row, from 0.
        levels: Number of levels.
    """

    name: str
    codes: npt.NDArray[np.int64]
    levels: int


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class LinearFit(Result):
    """A fitted linear model of N rows and K estimated coefficients.

    Attributes:
        names: K names of the columns that were estimated.
        dropped: Names of the columns that earlier columns or the fixed effects explain entirely; not in `names`.
        beta: `[K]`.
        residuals: `[N]`.
        scores: `[N, K]`.
        bread: `[K, K]`.
        leverage: `[N]` within the absorbed model (leverage of the fixed effects is not in it).
        x: `[N, K]` after absorption.
        y: `[N]` after absorption.
        weights: `[N]`, ones without weights.
        absorbed: The fixed effects.
        r2: Share of the weighted variance of y (about its mean if there is an intercept or fixed effect) explained.
        r2_within: The same after absorption.
        rows: Names of the rows if they came from a data frame; labels that are given later must have the same.
    """

    columns = ("names", "beta")

    names: tuple[str, ...]
    dropped: tuple[str, ...]
    beta: Array
    residuals: Array
    scores: Array
    bread: Array
    leverage: Array
    x: Array
    y: Array
    weights: Array
    absorbed: tuple[Absorbed, ...]
    r2: float
    r2_within: float
    rows: Any = None

    def _sizes(self) -> dict[str, Any]:
        return {"rows": len(self.y)} | {effect.name: f"{effect.levels} levels" for effect in self.absorbed}


def fit(
    y: npt.ArrayLike,
    x: Mapping[str, npt.ArrayLike],
    *,
    weights: npt.ArrayLike | None = None,
    absorb: Mapping[str, npt.ArrayLike] | None = None,
    intercept: bool | None = None,
    collinear: str = "drop",
) -> LinearFit:
    """Fits y = x beta + fixed effects by (weighted) least squares.

    Example:
        >>> from ich_jax.econometrics import regression
        >>> regression.fit([1.0, 3.0, 5.0], {"one": [1, 1, 1], "x": [0, 1, 2]}).beta.round(6).tolist()
        [1.0, 2.0]

    Args:
        y: `[N]` outcome.
        x: Columns `[N]` by name, in the order in which collinear ones are kept.
        weights: `[N]` positive analytic weights (inverse variances); None: equal.
        absorb: Labels `[N]` of fixed effects by name. Levels with a single row are kept: they fit that row exactly.
        intercept: Whether a column of ones stands first; None: unless fixed effects are absorbed.
        collinear: "drop" leaves collinear columns out and lists them in the result; "error" refuses them by name.

    Raises:
        ConfigError: Another value of `collinear`, or an intercept beside fixed effects.
        DataError: Shapes or orders of rows that differ, values that are not finite, weights that are not positive, no
            more rows than coefficients, collinear columns under "error", or none left to estimate.

    References:
        Frisch and Waugh (1933), Partial time regressions as compared with individual trends; Lovell (1963).
    """
    # Half of this function is its options and their documentation.
    errors.require(collinear, COLLINEAR, "linear.fit: collinear")
    rows = float64.one_order({"y": y, **x, "weights": weights, **(absorb or {})}, "linear.fit")
    y = float64.finite(y, "linear.fit: y", ndim=1)
    n = len(y)
    absorbed = _absorbed(absorb or {}, n)
    if intercept is None:
        intercept = not absorbed
    elif intercept and absorbed:
        raise errors.ConfigError("linear.fit: intercept=True is not identified beside fixed effects; leave it out.")
    columns = _columns(x, n, intercept)
    w = _weights(weights, n)
    raw = np.stack(list(columns.values()), axis=1)
    inner = take_out(np.column_stack([y, raw]), w, absorbed) if absorbed else np.column_stack([y, raw])
    keep = independent_columns(inner[:, 1:] * np.sqrt(w)[:, None], (np.square(raw) * w[:, None]).sum(axis=0))
    names = tuple(name for name, kept in zip(columns, keep, strict=True) if kept)
    dropped = tuple(name for name, kept in zip(columns, keep, strict=True) if not kept)
    _check_estimable(names, dropped, absorbed, n, collinear)
    x_in, y_in = inner[:, 1:][:, keep], inner[:, 0]
    with float64.enabled():
        result = jax.tree.map(np.asarray, _least_squares(x_in, y_in, w))
    rss = float(w @ np.square(result.residuals))
    centred = y - (w @ y / w.sum() if intercept or absorbed else 0.0)
    within = y_in - (w @ y_in / w.sum() if intercept else 0.0)
    return LinearFit(
        names=names,
        dropped=dropped,
        **result._asdict(),
        x=x_in,
        y=y_in,
        weights=w,
        absorbed=absorbed,
        r2=_share_explained(rss, float(w @ np.square(centred))),
        r2_within=_share_explained(rss, float(w @ np.square(within))),
        rows=rows,
    )


def least_squares(x: jax.Array, y: jax.Array, weights: jax.Array | None = None) -> LeastSquares:
    """Weighted least squares by QR; a kernel: pure, float64, for `jit`, `vmap` and `grad`.

    Args:
        x: `[N, K]` of full column rank.
        y: `[N]`.
        weights: `[N]`, not negative; None: equal. A row of weight 0 counts for nothing.

    Raises:
        DataError: An argument is not float64.
    """
    x, y = float64.kernel_array(x, "least_squares: x"), float64.kernel_array(y, "least_squares: y")
    w = jnp.ones_like(y) if weights is None else float64.kernel_array(weights, "least_squares: weights")
    root = jnp.sqrt(w)[:, None]
    q, r = jnp.linalg.qr(root * x)
    inverse = jax.scipy.linalg.solve_triangular(r, jnp.eye(x.shape[1], dtype=x.dtype))
    beta = inverse @ (q.T @ (root[:, 0] * y))
    residuals = y - x @ beta
    return LeastSquares(
        beta=beta,
        residuals=residuals,
        scores=x * (w * residuals)[:, None],
        bread=inverse @ inverse.T,
        leverage=jnp.square(q).sum(axis=1),
    )


def demean(values: jax.Array, weights: jax.Array, codes: Sequence[jax.Array], levels: Sequence[int]) -> jax.Array:
    """Residuals of a weighted regression on sets of fixed effects; exact, also when the panel is unbalanced.

    The first set is taken out by group means, the others by their dense indicators after that; so put the set with the
    most levels first. A kernel: pure, float64.

    Args:
        values: `[N, P]` columns.
        weights: `[N]`, not negative; rows of weight 0 count for nothing.
        codes: One `[N]` array of levels, from 0, for each set.
        levels: Number of levels of each set (fixed when compiled).

    Returns:
        `[N, P]`.

    Raises:
        DataError: An argument is not float64.
    """
    values = float64.kernel_array(values, "demean: values")
    weights = float64.kernel_array(weights, "demean: weights")
    mass = jax.ops.segment_sum(weights, codes[0], levels[0])

    def within(columns: jax.Array) -> jax.Array:
        sums = jax.ops.segment_sum(columns * weights[:, None], codes[0], levels[0])
        return columns - (sums / jnp.where(mass > 0, mass, 1.0)[:, None])[codes[0]]

    values = within(values)
    if len(codes) == 1:
        return values
    indicators = [jax.nn.one_hot(code, level, dtype=values.dtype) for code, level in zip(codes, levels, strict=True)]
    dummies = within(jnp.concatenate(indicators[1:], axis=1))
    weighted = dummies * weights[:, None]
    # One level of each set is a combination of the others; the pseudo-inverse gives the same fitted values.
    return values - dummies @ (jnp.linalg.pinv(weighted.T @ dummies, hermitian=True) @ (weighted.T @ values))


def take_out(values: Array, weights: Array, absorbed: tuple[Absorbed, ...]) -> Array:
    """Residuals of columns on fixed effects, on the host: `demean` with the largest set first.

    Args:
        values: `[N, P]`.
        weights: `[N]` positive.
        absorbed: The fixed effects.

    Returns:
        `[N, P]`.

    Raises:
        DataError: More indicators than memory is meant for.
    """
    ordered = sorted(absorbed, key=lambda a: -a.levels)
    entries = len(values) * sum(a.levels for a in ordered[1:])
    if entries > _DUMMIES:
        raise errors.DataError(
            f"linear.fit: {len(values)} rows times the levels of {', '.join(a.name for a in ordered[1:])} need "
            f"{entries * 8 / 2**30:.1f} GiB; this room is made for panels of some thousand units and periods. "
            "Aggregate first (weeks instead of days), or absorb fewer levels."
        )
    with float64.enabled():
        taken_out = _demean(values, weights, tuple(a.codes for a in ordered), levels=tuple(a.levels for a in ordered))
        return np.asarray(taken_out)


def independent_columns(x: Array, squares: Array | None = None) -> npt.NDArray[np.bool_]:
    """Finds the columns that are not linear combinations of the columns before them.

    Args:
        x: `[N, K]`.
        squares: `[K]` sums of squares before anything was removed from the columns, to which the remainder is compared;
            None: those of x.

    Returns:
        `[K]` booleans.
    """
    squares = np.square(x).sum(axis=0) if squares is None else squares
    basis = np.zeros((len(x), 0))
    keep = np.zeros(x.shape[1], bool)
    for k, column in enumerate(x.T):
        left = column - basis @ (basis.T @ column)
        left = left - basis @ (basis.T @ left)  # twice is enough (Kahan): rounding of the first pass is taken out
        size = left @ left
        if size > _COLLINEAR * squares[k]:
            keep[k] = True
            basis = np.column_stack([basis, left / np.sqrt(size)])
    return keep


_least_squares = programs.jit(least_squares)


@programs.jit(static_argnames=("levels",))
def _demean(
    values: jax.Array, weights: jax.Array, codes: tuple[jax.Array, ...], *, levels: tuple[int, ...]
) -> jax.Array:
    return demean(values, weights, codes, levels)


def _columns(x: Mapping[str, npt.ArrayLike], n: int, intercept: bool) -> dict[str, Array]:
    """Finite columns `[N]` by name, the intercept first."""
    columns = {INTERCEPT: np.ones(n)} if intercept else {}
    columns |= {name: float64.finite(value, f"linear.fit: x[{name!r}]", ndim=1) for name, value in x.items()}
    wrong = [f"{name}: {len(value)}" for name, value in columns.items() if len(value) != n]
    if wrong:
        raise errors.DataError(f"linear.fit: y has {n} rows, but x has other numbers: {', '.join(wrong)}.")
    if not columns:
        raise errors.DataError("linear.fit: x has no columns; there is nothing to estimate.")
    return columns


def _weights(weights: npt.ArrayLike | None, n: int) -> Array:
    w = np.ones(n) if weights is None else float64.finite(weights, "linear.fit: weights", ndim=1)
    if w.shape != (n,) or not (w > 0).all():
        raise errors.DataError(
            f"linear.fit: weights must be {n} numbers above 0; got {len(w)}, the least {w.min(initial=np.inf):g}. "
            "Leave rows without weight out."
        )
    return w


def _check_estimable(
    names: tuple[str, ...], dropped: tuple[str, ...], absorbed: tuple[Absorbed, ...], n: int, collinear: str
) -> None:
    """Refuses collinear columns if asked to, a fit without columns, and one with too few rows."""
    if dropped and collinear == "error":
        raise errors.DataError(
            f"linear.fit: collinear columns: {', '.join(dropped)}; the columns before them"
            f"{' and the fixed effects ' + ', '.join(a.name for a in absorbed) if absorbed else ''} explain them "
            'entirely. Leave them out, or pass collinear="drop".'
        )
    if not names:
        raise errors.DataError(
            f"linear.fit: no column is left to estimate: the fixed effects explain {', '.join(dropped)} entirely."
        )
    parameters = len(names) + sum(a.levels for a in absorbed) - max(len(absorbed) - 1, 0)
    if n <= parameters:
        raise errors.DataError(
            f"linear.fit: {n} rows cannot estimate {parameters} parameters ({len(names)} columns"
            f"{''.join(f', {a.levels} levels of {a.name}' for a in absorbed)}) and their errors; more rows are needed."
        )


def _absorbed(absorb: Mapping[str, npt.ArrayLike], n: int) -> tuple[Absorbed, ...]:
    effects = []
    for name, labels in absorb.items():
        codes, levels = float64.codes(labels, n, f"linear.fit: absorb[{name!r}]")
        effects.append(Absorbed(name, codes, len(levels)))
    return tuple(effects)


def _share_explained(rss: float, total: float) -> float:
    return 1.0 - rss / total if total > 0 else float("nan")
