"""Programs that call LAPACK never run at the same time, and where such calls block, those of one program do not either.

Nothing here can hang: what would is traced and never run.
"""

import ast
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.uncertainty import float64, programs
from tests import helpers

ROOT = Path(__file__).resolve().parents[2]
MANY = np.stack([np.eye(3, dtype=np.float32) * k for k in range(2, 6)])

LINALG: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "cholesky": (jnp.linalg.cholesky, True),
    "det": (jnp.linalg.det, False),  # written out up to 3 x 3
    "eigh": (lambda x: jnp.linalg.eigh(x)[0], True),
    "inv": (jnp.linalg.inv, True),
    "pinv": (jnp.linalg.pinv, True),
    "qr": (lambda x: jnp.linalg.qr(x)[1], True),
    "slogdet": (lambda x: jnp.linalg.slogdet(x)[1], True),
    "solve": (lambda x: jnp.linalg.solve(x, x), True),
    "svd": (lambda x: jnp.linalg.svd(x)[1], True),
    "cho_solve": (lambda x: jax.scipy.linalg.cho_solve((x, True), x), True),
    "solve_triangular": (lambda x: jax.scipy.linalg.solve_triangular(x, x), True),
    "matmul": (lambda x: x @ x, False),
    "norm": (jnp.linalg.norm, False),
}


@pytest.mark.parametrize("name", LINALG)
def test_a_program_is_known_by_what_it_is_lowered_to(name: str) -> None:
    function, expected = LINALG[name]
    traced = jax.jit(function).trace(MANY[0])
    text = traced.lower().as_text()
    assert ("@lapack_" in text or "@blas_" in text) is expected
    assert programs.calls_lapack(traced.jaxpr) is expected


def test_threads_run_such_programs_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, wait = [0], [0], jax.block_until_ready

    def block_until_ready(value: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        inside[0] -= 1
        return wait(value)

    monkeypatch.setattr(jax, "block_until_ready", block_until_ready)
    monkeypatch.setattr(programs.GATE, "most", 0)
    factor = programs.jit(jnp.linalg.cholesky)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda k: factor(MANY[0] * np.float32(k)), range(1, 13)))
    assert programs.GATE.most == most[0] == 1
    for k, result in enumerate(results, start=1):
        np.testing.assert_allclose(result, np.linalg.cholesky(MANY[0] * k), rtol=1e-6)


def test_a_program_waits_while_another_one_runs() -> None:
    factor, done = programs.jit(jnp.linalg.cholesky), threading.Event()
    factor(MANY[0])

    def run() -> None:
        factor(MANY[0])
        done.set()

    with programs.GATE.entered():
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert not done.wait(0.2)
    assert done.wait(30.0)


def test_others_do_not_wait() -> None:
    double = programs.jit(lambda x: x * 2.0)
    result: list[Any] = []
    with programs.GATE.entered():
        thread = threading.Thread(target=lambda: result.append(double(MANY[0])), daemon=True)
        thread.start()
        thread.join(30.0)
    assert result


def test_a_program_is_compiled_while_another_one_runs() -> None:
    factor = programs.jit(lambda x: jnp.linalg.cholesky(x * 1.25))
    with helpers.count_compiles() as seen, ThreadPoolExecutor(1) as pool, programs.GATE.entered():
        waiting = pool.submit(factor, MANY[0])
        deadline = time.monotonic() + 60.0
        while not seen.count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert seen.count == 1
        assert not waiting.done()


def test_it_compiles_once_and_keeps_the_ways_of_jit() -> None:
    @programs.jit(static_argnames="power")
    def kernel(x: jax.Array, *, power: int) -> jax.Array:
        """Says what it does."""
        return jnp.linalg.cholesky(x) ** power

    assert kernel.__doc__ == "Says what it does."
    with helpers.count_compiles() as first:
        kernel(MANY[0], power=2)
    with helpers.count_compiles() as second:
        kernel(MANY[1], power=2)
    assert (first.count, second.count) == (1, 0), (first.functions, second.functions)
    batched = jax.vmap(lambda x: kernel(x, power=2))(jnp.asarray(MANY[:1]))
    np.testing.assert_array_equal(batched[0], kernel(MANY[0], power=2))
    with float64.enabled():
        assert kernel(MANY[0].astype(np.float64), power=2).dtype == jnp.float64


# ---------------------------------------------------------------- inside a program


def four(x: jax.Array) -> tuple[jax.Array, ...]:
    return tuple(jnp.linalg.cholesky(x * k) for k in (1.0, 2.0, 3.0, 4.0))


def in_a_loop(x: jax.Array) -> jax.Array:
    return jax.lax.fori_loop(0, 3, lambda _, y: jnp.linalg.cholesky(y @ y.mT), x)


def test_calls_that_nothing_orders_are_found() -> None:
    assert len(programs.unordered_pairs(jax.make_jaxpr(four)(MANY))) == 6
    assert len(programs.unordered_pairs(jax.make_jaxpr(jax.jit(four))(MANY))) == 6
    assert programs.unordered_pairs(jax.make_jaxpr(four)(MANY[0])) == []  # single matrices never wait
    two_loops = jax.make_jaxpr(lambda x: (in_a_loop(x), in_a_loop(2.0 * x)))(MANY)
    assert len(programs.unordered_pairs(two_loops)) == 1
    ordered = jax.make_jaxpr(lambda x: in_a_loop(in_a_loop(x)))(MANY)
    assert programs.unordered_pairs(ordered) == []
    inside = jax.make_jaxpr(lambda x: jax.lax.map(four, x))(MANY[None])
    assert len(programs.unordered_pairs(inside)) == 6


@pytest.mark.parametrize("blocks", [True, False])
def test_in_turn_orders_them_where_they_block(monkeypatch: pytest.MonkeyPatch, blocks: bool) -> None:
    monkeypatch.setattr(programs, "lapack_blocks", lambda: blocks)

    def both(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        (first, _), second = programs.in_turn(
            lambda: (jnp.linalg.cholesky(x), x.sum()), lambda: jnp.linalg.cholesky(x + jnp.eye(3))
        )
        return first, second

    # A fresh function each time: jit would find the trace of the other case.
    assert len(programs.unordered_pairs(jax.make_jaxpr(jax.vmap(lambda x: both(x)))(MANY))) == (0 if blocks else 1)
    found = jax.vmap(lambda x: both(x))(MANY[:1])
    np.testing.assert_allclose(found[0], np.linalg.cholesky(MANY[:1]), rtol=1e-6)
    np.testing.assert_allclose(found[1], np.linalg.cholesky(MANY[:1] + np.eye(3)), rtol=1e-6)
    with float64.enabled():
        value = jnp.asarray(MANY[0], jnp.float64)
        gradient = jax.grad(lambda x: both(x)[0].sum() + both(x)[1].sum())(value)
        step = 1e-6 * np.eye(3)[:, :1] * np.eye(3)[:1]
        below, above = (sum(float(part.sum()) for part in both(value + sign * step)) for sign in (-1.0, 1.0))
    np.testing.assert_allclose(gradient[0, 0], (above - below) / 2e-6, rtol=1e-6)


def test_the_versions_that_block(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {"0.9.2": False, "0.10.0": True, "0.10.2": True, "0.11.1": True, "0.11.2": False, "0.12.0.1": False}
    for version, blocks in seen.items():
        monkeypatch.setattr(programs.importlib.metadata, "version", lambda _, version=version: version)
        assert programs.lapack_blocks.__wrapped__() is blocks, version


# ---------------------------------------------------------------- the rule, in the rooms that it is for


@pytest.mark.parametrize("room", ["uncertainty", "econometrics", "kansei"])
def test_rooms_with_lapack_jit_through_this_module(room: str) -> None:
    for path in sorted((ROOT / "ich_jax" / room).rglob("*.py")):
        if path.name == "programs.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.Attribute) and ast.unparse(node) == "jax.jit"), (
                f"{path}:{node.lineno}: jit with ich_jax.uncertainty.programs.jit"
            )


def test_other_rooms_call_no_lapack() -> None:
    called = {"cholesky", "cho_factor", "cho_solve", "eigh", "inv", "lstsq", "lu", "pinv", "qr", "solve", "svd"}
    for path in sorted((ROOT / "ich_jax").rglob("*.py")):
        if path.relative_to(ROOT / "ich_jax").parts[0] in {"uncertainty", "econometrics", "kansei"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in called:
                owner = ast.unparse(node.value)
                of_jax = owner.startswith(("jnp.linalg", "jax.scipy", "jax.numpy", "jax.lax"))
                assert not of_jax, f"{path}:{node.lineno}"
