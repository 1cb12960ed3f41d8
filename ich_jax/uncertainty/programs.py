"""Compiled programs of the statistics: threads compile them at the same time, and run those with LAPACK one at a time.

From jaxlib 0.10.0 to 0.11.1 a batched LAPACK call on a CPU hands its batch to the thread pool that it runs in itself,
and waits. Once every thread of the pool waits, none is left to do the work, and the process hangs for ever.
Two rules keep that from happening (docs/threads.md has the versions and the cause in words):

- Programs that call LAPACK run one at a time. `jit` below ensures this, on every version; compilation does not wait.
- Where such calls block, those of one program run one after another: `in_turn`. Elsewhere it has no effect.
"""

import contextlib
import functools
import importlib.metadata
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var  # type: ignore[attr-defined]  # they are public

from ich_jax import jaxprs

LAPACK = frozenset(
    {
        *("cholesky", "eig", "eigh", "geqp3", "geqrf", "hessenberg", "householder_product", "lu", "ormqr", "qr"),
        *("schur", "svd", "triangular_solve", "tridiagonal", "tridiagonal_solve"),
    }
)
"""Primitives that JAX lowers to LAPACK or BLAS on a CPU."""


@functools.cache
def lapack_blocks() -> bool:
    """Whether batched LAPACK calls of this jaxlib wait for the thread pool that they occupy."""
    return (0, 10, 0) <= tuple(map(int, importlib.metadata.version("jaxlib").split(".")[:3])) < (0, 11, 2)


# ---------------------------------------------------------------- between programs


class Gate:
    """Lets one program through at a time, and remembers the most that were inside at once.

    Attributes:
        inside: Programs that run now.
        most: The most there were at any time since this was last set.
    """

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        # A program may run another one through a callback, in the same thread or while that thread waits for it.
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Context in which this thread's program is the only one."""
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            try:
                yield
            finally:
                self.inside -= 1


GATE = Gate()
"""The gate of every program of `jit` that calls LAPACK on a CPU."""


class Program:
    """A jitted function; made by `jit`."""

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        """Args: the function; options of `jax.jit`."""
        self.jitted = jax.jit(function, **options)
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compiles, waits for its turn if it calls LAPACK on a CPU, and runs."""
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((args, kwargs))):
            return self.jitted(*args, **kwargs)  # part of a program that is being traced
        if jax.default_backend() != "cpu":
            return self.jitted(*args, **kwargs)
        traced = self.jitted.trace(*args, **kwargs)  # traced, lowered and compiled once: the call below reuses it
        if not calls_lapack(traced.jaxpr):
            return self.jitted(*args, **kwargs)
        self.jitted.lower(*args, **kwargs).compile()
        with GATE.entered():
            return jax.block_until_ready(self.jitted(*args, **kwargs))  # JAX dispatches and returns before it is done


def jit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Returns `jax.jit(function)` whose programs may be called from several threads; also a decorator.

    Args:
        function: Pure function of arrays.
        **options: Those of `jax.jit`, such as `static_argnames`.
    """
    if function is None:
        return functools.partial(jit, **options)
    return Program(function, **options)


_KNOWN: weakref.WeakKeyDictionary[ClosedJaxpr, bool] = weakref.WeakKeyDictionary()


def calls_lapack(program: ClosedJaxpr) -> bool:
    """Whether a program calls LAPACK on a CPU.

    Args:
        program: From `jitted.trace(*arguments).jaxpr`.
    """
    if program not in _KNOWN:  # needed at every call; JAX caches the traced program, so the answer is cached with it
        _KNOWN[program] = any(equation.primitive.name in LAPACK for equation in jaxprs.equations(program.jaxpr))
    return _KNOWN[program]


# ---------------------------------------------------------------- inside a program


def in_turn(*computations: Callable[[], Any]) -> tuple[Any, ...]:
    """Results of computations that do not depend on each other, for use inside a program.

    Where batched LAPACK calls block, one runs after the other; elsewhere XLA may run them at the same time.

    Args:
        *computations: Functions without arguments that return pytrees of arrays.
    """
    if not lapack_blocks():
        return tuple(compute() for compute in computations)
    empty = tuple(
        jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(compute))
        for compute in computations
    )

    def put(k: int, done: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*done[:k], computations[k](), *done[k + 1 :])

    branches = [functools.partial(put, k) for k in range(len(computations))]

    # The counter of a loop is the one order that XLA keeps: it removes barriers, and everything that has no effect on a
    # result.
    def step(done: tuple[Any, ...], k: jax.Array) -> tuple[tuple[Any, ...], None]:
        return jax.lax.switch(k, branches, done), None

    results: tuple[Any, ...] = jax.lax.scan(step, empty, jnp.arange(len(computations)))[0]
    return results


def unordered_pairs(program: ClosedJaxpr) -> list[tuple[str, str]]:
    """Pairs of batched LAPACK calls of one program that nothing orders, so that XLA may run them at the same time.

    A loop or branch that holds such calls counts as one. Calls for a single matrix are left out: they never wait.

    Args:
        program: From `jitted.trace(*arguments).jaxpr` or `jax.make_jaxpr(function)(*arguments)`.

    Returns:
        Names of the primitives; empty if the program cannot block itself.
    """
    pairs: list[tuple[str, str]] = []
    _follow(program.jaxpr, [frozenset()] * len(program.jaxpr.invars), [], pairs)
    return pairs


Before = frozenset[int]  # indices of the calls that a value needs


def _follow(jaxpr: Jaxpr, arguments: list[Before], calls: list[tuple[str, Before]], pairs: list[Any]) -> list[Before]:
    """Walks a jaxpr; appends to `calls` and to unordered `pairs` of them; returns the calls that each result needs."""
    needs: dict[Any, Before] = dict(zip(jaxpr.invars, arguments, strict=True))

    def calls_before(variable: Var | Literal) -> Before:
        return frozenset() if isinstance(variable, Literal) else needs.get(variable, frozenset())

    for equation in jaxpr.eqns:
        name = equation.primitive.name
        operands = [calls_before(variable) for variable in equation.invars]
        if (called := jaxprs.called_in_place(equation)) is not None:
            results = _follow(called, operands, calls, pairs)
        else:
            before = frozenset().union(*operands)
            bodies = list(jaxprs.bodies(equation))
            for body in bodies:
                _follow(body, [frozenset()] * len(body.invars), [], pairs)
            if any(map(_is_batched, [equation, *(e for body in bodies for e in jaxprs.equations(body))])):
                pairs += [(other, name) for i, (other, _) in enumerate(calls) if i not in before]
                before |= {len(calls)}
                calls.append((name, before))
            results = [before] * len(equation.outvars)
        needs.update(zip(equation.outvars, results, strict=True))
    return [calls_before(variable) for variable in jaxpr.outvars]


def _is_batched(equation: JaxprEqn) -> bool:
    if equation.primitive.name not in LAPACK:
        return False
    return any(len(getattr(variable.aval, "shape", ())) > 2 for variable in (*equation.invars, *equation.outvars))
