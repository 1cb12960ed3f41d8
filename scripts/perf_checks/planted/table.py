"""Workloads of the package `planted`: one for each fault."""

import contextlib
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

PACKAGE = "planted"
SOURCES = ("planted",)


class Program(NamedTuple):
    """What a workload runs; as in scripts/perf_checks/workloads.py."""

    function: Callable[..., Any]
    start: Callable[[], tuple[Any, ...]]
    advance: Callable[[tuple[Any, ...], Any], tuple[Any, ...]] | None = None
    shapes: tuple[Any, ...] | None = None
    context: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    traced: Callable[..., Any] | None = None


class Workload(NamedTuple):
    """A row."""

    make: Callable[[], Program]
    default: bool = False


def _matrices(n: int) -> Callable[[], tuple[Any, ...]]:
    def start() -> tuple[Any, ...]:
        import jax

        return tuple(jax.random.normal(jax.random.key(i), (64, 64), "float32") for i in range(n))

    return start


def _with_table() -> tuple[Any, ...]:
    import jax.numpy as jnp

    return *_matrices(1)(), jnp.asarray(importlib.import_module("planted.work").TABLE)


def _images(side: int) -> Callable[[], tuple[Any, ...]]:
    def start() -> tuple[Any, ...]:
        import jax

        return jax.random.normal(jax.random.key(0), (2, 8, 8, 4)), jax.random.normal(
            jax.random.key(1), (side, side, 4, 4)
        )

    return start


def _of(
    name: str, start: Callable[[], tuple[Any, ...]], *, jitted: bool = True, x64: bool = False, carry: bool = False
) -> Workload:
    def make() -> Program:
        import jax

        function = getattr(importlib.import_module("planted.work"), name)
        return Program(
            jax.jit(function) if jitted else function,
            start,
            (lambda arguments, result: (result, *arguments[1:])) if carry else None,
            context=(lambda: jax.enable_x64(True)) if x64 else contextlib.nullcontext,
        )

    return Workload(make, default=True)


def _looped() -> Program:
    """A loop on the host around a program."""
    import jax

    work = importlib.import_module("planted.work")
    shapes = (jax.ShapeDtypeStruct((64, 64), "float32"), jax.ShapeDtypeStruct((), "float32"))
    return Program(work.looped, _matrices(1), shapes=shapes, traced=work.traced)


WORKLOADS = {
    "dense": _of("dense", _matrices(2)),
    "donated": _of("donated", _matrices(2), jitted=False, carry=True),
    "looped": Workload(_looped, default=True),
    "precise": _of("precise", _matrices(1), x64=True),
    "drawn": _of("drawn", _matrices(1), jitted=False),
    "added": _of("added", _with_table),
    "convolved": _of("convolved", _images(3)),
    "half": _of("half", _images(3)),
    "enlarged": _of("enlarged", _images(1)),
    "transferred": _of("transferred", _with_table, jitted=False),
    "five": _of("five", _matrices(1), jitted=False),
    "two": _of("two", _matrices(1), jitted=False),
    "answered": _of("answered", _matrices(1)),
}
