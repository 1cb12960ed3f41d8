"""Work of a program, counted from its jaxpr: nothing is compiled, and the counts are the same on every machine.

XLA's own counts (`cost_analysis`) change with its release, leave out the work of custom calls and count the body of a
loop once. The counts of this module are meant to stand beside them.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var  # type: ignore[attr-defined]  # they are public

from ich_jax import jaxprs

_FREE = {"reshape", "squeeze", "expand_dims", "stop_gradient", "optimization_barrier", "sharding_constraint", "copy"}
# Compilers fuse these into the loop of the operation that reads them, if there is only one.
_FUSED = _FREE | {
    *("broadcast_in_dim", "iota", "convert_element_type", "slice", "pad", "rev", "select_n", "clamp"),
    *("add", "sub", "mul", "div", "neg", "max", "min", "sign", "abs", "square", "sqrt", "rsqrt", "integer_pow", "pow"),
    *("exp", "exp2", "expm1", "log", "log1p", "logistic", "tanh", "erf", "erf_inv", "sin", "cos", "floor", "round"),
    *("and", "or", "not", "xor", "eq", "ne", "lt", "le", "gt", "ge", "is_finite", "add_any", "one_minus_square"),
    *("shift_left", "shift_right_logical", "bitcast_convert_type"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """The work of one call of a program.

    Attributes:
        dot_flops: Operations of matrix products, two for each multiplication and addition.
        conv_flops: Operations of convolutions, counted alike; taps on padding and on the holes of a dilation are not
            counted.
        other_flops: One for each number that any other arithmetic operation returns.
        dots: Matrix products that are run.
        convolutions: Convolutions that are run.
        operand_bytes: Read and written by matrix products and convolutions: operands and results, once each.
        exact: False if there is a loop of unknown length, whose body is counted once.
    """

    dot_flops: float = 0.0
    conv_flops: float = 0.0
    other_flops: float = 0.0
    dots: int = 0
    convolutions: int = 0
    operand_bytes: float = 0.0
    exact: bool = True

    @property
    def flops(self) -> float:
        """Operations of matrix products and convolutions: the unit in which the peak of a machine is stated."""
        return self.dot_flops + self.conv_flops

    def __add__(self, other: "Counts") -> "Counts":
        sums = {name: getattr(self, name) + getattr(other, name) for name in _SUMMED}
        return dataclasses.replace(self, **sums, exact=self.exact and other.exact)

    def times(self, n: int) -> "Counts":
        """Returns the counts of n calls."""
        return dataclasses.replace(self, **{name: getattr(self, name) * n for name in _SUMMED})


_SUMMED = [field.name for field in dataclasses.fields(Counts) if field.name != "exact"]


def count(program: ClosedJaxpr) -> Counts:
    """Counts the work of one call of a program, bodies of scans as often as they run.

    Operations on which no result depends, and repetitions of earlier ones on the same values, are not counted:
    automatic differentiation leaves many of both, and compilers remove them.

    Args:
        program: From `jax.make_jaxpr(function)(*arguments)` or `jitted.trace(*arguments).jaxpr`.
    """
    return _count(program.jaxpr)


def convolutions(program: ClosedJaxpr) -> list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Lists the shapes of the operands and the result of each convolution, each equation once."""
    return [
        tuple(_shape(var) for var in (*equation.invars, *equation.outvars))  # type: ignore[misc]
        for equation in jaxprs.equations(program.jaxpr)
        if equation.primitive.name == "conv_general_dilated"
    ]


def argument_bytes(program: ClosedJaxpr) -> int:
    """Bytes of the arguments."""
    return sum(_bytes(var) for var in program.jaxpr.invars)


def result_bytes(program: ClosedJaxpr) -> int:
    """Bytes of the results."""
    return sum(_bytes(var) for var in program.jaxpr.outvars)


def arguments_read(program: ClosedJaxpr) -> list[bool]:
    """Returns for each flat argument whether it is read or returned; `jax.jit` leaves the others out."""
    jaxpr = program.jaxpr
    read = {var for equation in jaxpr.eqns for var in equation.invars if not isinstance(var, Literal)}
    read |= {var for var in jaxpr.outvars if not isinstance(var, Literal)}
    return [var in read for var in jaxpr.invars]


def memory_bytes(program: ClosedJaxpr, donated: Sequence[bool] = ()) -> int:
    """Estimates the device memory that a program needs: the most that lives at once, in the order of its equations.

    An array lives from the operation that makes it to the last one that reads it, arguments from the start, and to the
    end unless they are donated. Elementwise results that one operation reads are taken to be fused into it and to need
    no memory, and layouts to need no padding. Compilers reorder, recompute and pad, so this is an estimate, meant to
    tell whether a config fits a device at all.

    Args:
        program: As for `count`.
        donated: Whether each flat argument may be overwritten; by default none.
    """
    operations, arguments, results = _flatten(program.jaxpr)
    kept = [x for x, given in zip(arguments, donated or [False] * len(arguments), strict=True) if not given]
    constants = sum(constant.nbytes for constant in program.consts if hasattr(constant, "nbytes"))
    return constants + _peak(_needed(operations, results), arguments, {*kept, *results})


# ---------------------------------------------------------------- operations


def _count(jaxpr: Jaxpr) -> Counts:
    total = Counts()
    operations, _, results = _flatten(jaxpr)
    for operation in _needed(operations, results):
        name, equation = operation.name, operation.equation
        if name == "dot_general":
            total += _dot(equation)
        elif name == "conv_general_dilated":
            total += _convolution(equation)
        elif name == "scan":
            total += _count(equation.params["jaxpr"].jaxpr).times(equation.params["length"])
        elif name == "while":
            once = sum((_count(body) for body in jaxprs.bodies(equation)), Counts())
            total += dataclasses.replace(once, exact=False)
        elif name == "cond":
            total += max((_count(body) for body in jaxprs.bodies(equation)), key=lambda counts: counts.flops)
        elif bodies := list(jaxprs.bodies(equation)):
            total += sum((_count(body) for body in bodies), Counts())
        elif name not in _FREE:
            total += Counts(other_flops=sum(_size(var) for var in equation.outvars))
    return total


def _dot(equation: JaxprEqn) -> Counts:
    (contracted, _), _ = equation.params["dimension_numbers"]
    shape = _shape(equation.invars[0])
    products = _size(equation.outvars[0]) * math.prod(shape[i] for i in contracted)
    return Counts(dot_flops=2.0 * products, dots=1, operand_bytes=_traffic(equation))


def _convolution(equation: JaxprEqn) -> Counts:
    parameters = equation.params
    left, right = (_shape(var) for var in equation.invars)
    out = _shape(equation.outvars[0])
    numbers = parameters["dimension_numbers"]
    # Each output channel reads the input channels of its own group, which the kernel's shape says.
    products = out[numbers.out_spec[0]] * out[numbers.out_spec[1]] * right[numbers.rhs_spec[1]]
    for i, axis in enumerate(numbers.lhs_spec[2:]):
        products *= _taps(
            left[axis],
            right[numbers.rhs_spec[2 + i]],
            out[numbers.out_spec[2 + i]],
            parameters["window_strides"][i],
            parameters["padding"][i][0],
            parameters["lhs_dilation"][i],
            parameters["rhs_dilation"][i],
        )
    return Counts(conv_flops=2.0 * products, convolutions=1, operand_bytes=_traffic(equation))


def _taps(n: int, kernel: int, out: int, stride: int, before: int, holes: int, spread: int) -> int:
    """Pairs of an output position and a tap along one axis that meet an input, neither padding nor a hole."""
    place = np.arange(out)[:, None] * stride + np.arange(kernel)[None, :] * spread - before
    return int(((place >= 0) & (place <= (n - 1) * holes) & (place % holes == 0)).sum())


def _size(var: Var | Literal) -> int:
    return math.prod(_shape(var))


def _shape(var: Var | Literal) -> tuple[int, ...]:
    shape: tuple[int, ...] = getattr(var.aval, "shape", ())  # a token has none
    return shape


def _traffic(equation: JaxprEqn) -> float:
    return float(sum(_bytes(var) for var in (*equation.invars, *equation.outvars)))


def _bytes(var: Var | Literal) -> int:
    dtype = getattr(var.aval, "dtype", None)
    if dtype is None:
        return 0
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return 8 * _size(var)  # two words each
    return _size(var) * np.dtype(dtype).itemsize


# ---------------------------------------------------------------- operations in a row


class _Value:
    """An array, one for each place where a called jaxpr makes it."""

    __slots__ = ("bytes",)

    def __init__(self, bytes_: int) -> None:
        self.bytes = bytes_


@dataclasses.dataclass(frozen=True, slots=True)
class _Operation:
    name: str
    reads: tuple[_Value, ...]
    makes: tuple[_Value, ...]
    equation: JaxprEqn


def _flatten(jaxpr: Jaxpr) -> tuple[list[_Operation], list[_Value], list[_Value]]:
    """Returns the operations in order, calls replaced by the programs that they call, and the arguments and results.

    An operation that is repeated on the same values appears once, as compilers eliminate common subexpressions.
    """
    arguments = [_Value(_bytes(var)) for var in jaxpr.invars]
    operations: list[_Operation] = []
    results = _append(jaxpr, arguments, operations, {})
    return operations, arguments, [x for x in results if isinstance(x, _Value)]


def _append(
    jaxpr: Jaxpr, inputs: Sequence[Any], operations: list[_Operation], made_of: dict[Any, list[Any]]
) -> list[Any]:
    """Appends the operations of a jaxpr, called with `inputs`, and returns its results; literals are tuples."""
    values: dict[Any, Any] = {var: _Value(_bytes(var)) for var in jaxpr.constvars}
    values |= dict(zip(jaxpr.invars, inputs, strict=True))

    def known(var: Var | Literal) -> Any:
        return (repr(var.val), str(var.aval)) if isinstance(var, Literal) else values[var]

    for equation in jaxpr.eqns:
        given = tuple(known(var) for var in equation.invars)
        body = jaxprs.called_in_place(equation)
        if body is not None:
            results = _append(body, given, operations, made_of)
        else:
            key = _identity(equation, given)
            results = made_of.get(key, [])
            if not results:
                results = [_Value(_bytes(var)) for var in equation.outvars]
                reads = tuple(x for x in given if isinstance(x, _Value))
                operations.append(_Operation(equation.primitive.name, reads, tuple(results), equation))
                if key is not None:
                    made_of[key] = results
        values |= dict(zip(equation.outvars, results, strict=True))
    return [known(var) for var in jaxpr.outvars]


def _identity(equation: JaxprEqn, given: tuple[Any, ...]) -> Any:
    """Returns a key that is equal for equal operations on the same values; None where equality is not known."""
    if equation.effects or next(jaxprs.bodies(equation), None) is not None:
        return None
    return equation.primitive.name, given, repr(sorted(equation.params.items())), str(equation.outvars[0].aval)


def _needed(operations: Sequence[_Operation], results: Sequence[_Value]) -> list[_Operation]:
    """Returns the operations on which the results depend, or which have side effects."""
    wanted = set(results)
    kept = []
    for operation in reversed(operations):
        if operation.equation.effects or not wanted.isdisjoint(operation.makes):
            wanted.update(operation.reads)
            kept.append(operation)
    return kept[::-1]


# ---------------------------------------------------------------- memory


def _scratch(operation: _Operation) -> int:
    """Bytes that the body of a loop or branch needs beside its operands."""

    def peak_of_body(body: Jaxpr) -> int:
        operations, inputs, results = _flatten(body)
        for x in inputs:
            x.bytes = 0  # they live outside
        return _peak(_needed(operations, results), inputs, set(results))

    return max((peak_of_body(body) for body in jaxprs.bodies(operation.equation)), default=0)


def _peak(operations: Sequence[_Operation], arguments: Sequence[_Value], kept: set[_Value]) -> int:
    """Returns the most bytes that live at once; `kept` live to the end."""
    readers: dict[_Value, int] = {}
    for operation in operations:
        for value in set(operation.reads):
            readers[value] = readers.get(value, 0) + 1
    stored: dict[_Value, frozenset[_Value]] = {}  # value -> arrays in memory that it is read from
    last: dict[_Value, int] = {}
    for i, operation in enumerate(operations):
        sources = frozenset().union(*(stored.get(x, {x}) for x in operation.reads))
        for source in sources:
            last[source] = i
        alone = all(readers.get(x, 0) == 1 and x not in kept for x in operation.makes)
        if operation.name in _FREE or (operation.name in _FUSED and alone):
            stored |= dict.fromkeys(operation.makes, sources)
    forever = frozenset().union(*(stored.get(x, {x}) for x in kept))
    ending: dict[int, int] = {}
    for value, i in last.items():
        if value not in forever:
            ending[i] = ending.get(i, 0) + value.bytes
    unread = sum(x.bytes for x in arguments if x not in last and x not in forever)
    live = peak = sum(x.bytes for x in arguments)
    live -= unread
    for i, operation in enumerate(operations):
        scratch = _scratch(operation)
        made = sum(x.bytes for x in operation.makes if x not in stored)
        lost = sum(x.bytes for x in operation.makes if x not in stored and x not in last and x not in forever)
        if operation.name in _FUSED:  # written over an operand that nothing else will read
            live -= ending.get(i, 0)
            peak = max(peak, live + made + scratch)
        else:
            peak = max(peak, live + made + scratch)
            live -= ending.get(i, 0)
        live += made - lost
    return peak
