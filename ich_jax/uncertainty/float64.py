"""Float64 inside a computation, without switching it on for the process.

JAX computes in float32 by default. A statistic needs float64, training does not, and both run in one
process. Functions that take NumPy arrays or lists enter `enabled()` themselves, convert their arguments, and return
NumPy float64 arrays. Numerical kernels that can be differentiated or batched by the caller take JAX arrays; they refuse
anything that is not float64 rather than compute with half the digits.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors

Array = npt.NDArray[np.float64]


def enabled() -> contextlib.AbstractContextManager[Any]:
    """Context in which JAX arrays may be float64; programs compiled outside it are unaffected.

    To differentiate a kernel:

        with float64.enabled():
            gradient = jax.grad(loss)(jnp.asarray(beta))
    """
    return jax.enable_x64(True)


def kernel_array(value: npt.ArrayLike, what: str) -> jax.Array:
    """Returns `value` as the float64 JAX array that a kernel computes with.

    Args:
        value: Array of any shape, or a traced value.
        what: Function and argument, for the message: "least_squares: x".

    Raises:
        DataError: The value is not float64, for example because `enabled()` was not entered.
    """
    array = jnp.asarray(value)
    if array.dtype != jnp.float64:
        raise errors.DataError(
            f"{what} is {array.dtype}, and the result would have fewer digits than it claims. Call it inside "
            "`with float64.enabled():` and pass float64 values (convert with jnp.asarray(x, jnp.float64) there)."
        )
    return array


def finite(value: npt.ArrayLike, what: str, *, ndim: int | None = None) -> Array:
    """Returns `value` as a NumPy float64 array whose entries are all finite.

    Args:
        value: Numbers of any shape.
        what: Function and argument, for the message.
        ndim: Number of axes it must have; None: any.

    Raises:
        DataError: Not numbers, another number of axes, or an entry that is not finite; names the first one.
    """
    if isinstance(value, jax.core.Tracer):
        raise errors.DataError(
            f"{what} is traced by JAX, but this function works on finished arrays; call it outside jit, grad and vmap, "
            "or use the kernel that its docstring names."
        )
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError) as cause:
        raise errors.DataError(f"{what}: expected numbers, got {type(value).__name__} ({cause}).") from cause
    if ndim is not None and array.ndim != ndim:
        raise errors.DataError(f"{what}: expected {ndim} axes, got shape {list(array.shape)}.")
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        raise errors.DataError(
            f"{what}: {len(bad)} of {array.size} values are not finite, the first at index {bad[0].tolist()}; "
            "drop or fill them before the call."
        )
    return array


def codes(labels: npt.ArrayLike, n: int, what: str, rows: Any = None) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Numbers the distinct labels in their sorted order.

    Args:
        labels: `[n]` numbers or strings.
        n: Number of rows that there must be.
        what: Function and argument, for the message.
        rows: Index that labels from a data frame must have; None: any.

    Returns:
        Codes `[n]` from 0 to G - 1, and the G distinct labels.

    Raises:
        DataError: Another shape or index, or a label that is missing (NaN, NaT or None).
    """
    one_order({"the labels": labels}, what, rows)
    array = np.asarray(labels)
    if array.shape != (n,):
        raise errors.DataError(f"{what}: expected one label for each of {n} rows, got shape {list(array.shape)}.")
    # Only NaN and NaT differ from themselves.
    missing = np.array([value is None for value in array]) if array.dtype == object else np.zeros(n, bool)
    missing |= np.asarray(array != array, bool)
    if missing.any():
        raise errors.DataError(
            f"{what}: {missing.sum()} of {n} labels are missing, the first at row {missing.argmax()}."
        )
    distinct, inverse = np.unique(array, return_inverse=True)
    return inverse.reshape(n).astype(np.int64), distinct


def row_index(column: Any) -> Any:
    """Returns the row index of a column of a data frame, None for anything else."""
    index = getattr(column, "index", None)
    return None if callable(index) else index  # that of a list is a method


def one_order(columns: Mapping[str, Any], what: str, index: Any = None) -> Any:
    """Refuses columns of data frames whose rows are ordered differently: rows are matched by position.

    Args:
        columns: By their names in the call. Arrays and lists have no row index and pass.
        what: Function, for the message.
        index: Of columns seen before; None: none of them has an index.

    Returns:
        The index that all share, None if none has one.

    Raises:
        DataError: Two of them differ.
    """
    for name, column in columns.items():
        column_index = row_index(column)
        if column_index is not None and index is not None and not index.equals(column_index):
            raise errors.DataError(
                f"{what}: the rows of {name} have other names than those of the other columns, or stand in another "
                "order, and rows are taken by position. Bring them into one order (.reindex), or pass .to_numpy() if "
                "they are in order."
            )
        index = column_index if index is None else index
    return index
