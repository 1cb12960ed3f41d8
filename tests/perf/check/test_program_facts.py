import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.perf.check import program_facts, reach


def repeated(x: jax.Array) -> jax.Array:
    return jax.lax.scan(lambda carry, _: (jnp.sin(carry) @ carry, None), x, length=5)[0].T


@pytest.fixture(scope="module")
def traced() -> jax.stages.Traced:
    return jax.jit(repeated, donate_argnums=0).trace(jnp.ones((8, 8)))


def test_bodies_of_scans_count_as_often_as_they_run(traced: jax.stages.Traced) -> None:
    facts = program_facts.of_jaxpr(traced.jaxpr)
    assert facts["primitives"] == {"dot_general": 5, "sin": 5, "transpose": 1}
    assert facts["equations"] == 11 and facts["dtypes"] == {"float32": 11}
    assert facts["flops"] == 5 * 2 * 8**3 and facts["argument_bytes"] == 8 * 8 * 4


def test_equations_by_line_name_the_changed_caller(traced: jax.stages.Traced) -> None:
    from pathlib import Path

    here = Path(__file__)
    line = repeated.__code__.co_firstlineno + 1
    frames = reach.Frames(here.parent)
    rows = program_facts.by_line(traced.jaxpr, frames, {here.name: [line]})
    assert {(row[0], row[1], row[2], row[4], row[5]) for row in rows} == {
        (here.name, line, True, "dot_general", 5),
        (here.name, line, True, "sin", 5),
        (here.name, line, True, "transpose", 1),
    }
    assert not any(row[2] for row in program_facts.by_line(traced.jaxpr, frames, {}))


def test_lowered_facts_and_fingerprint(traced: jax.stages.Traced) -> None:
    from ich_jax.perf import lowering

    facts = program_facts.of_lowered(lowering.lower(traced, "cuda"), "cuda")
    assert facts["operations"]["transpose"] == 1 and facts["donated"] == 1 and facts["float64"] == 0
    same = jax.jit(lambda x: repeated(x), donate_argnums=0).trace(jnp.ones((8, 8)))
    other = jax.jit(lambda x: repeated(x) + 1, donate_argnums=0).trace(jnp.ones((8, 8)))
    prints = [program_facts.of_lowered(lowering.lower(t, "cpu"), "cpu")["fingerprint"] for t in (traced, same, other)]
    assert prints[0] == prints[1] != prints[2]


def test_compiled_facts_do_not_hang_on_where_the_code_stands() -> None:
    def compiled(function: object) -> dict:
        return program_facts.of_compiled(jax.jit(function).lower(np.ones((4, 4), np.float32)).compile())

    first, second = compiled(lambda x: jnp.tanh(x @ x)), compiled(lambda y: jnp.tanh(y @ y))
    assert first == second
    other = compiled(lambda x: jnp.tanh(x @ x).T)
    assert other["optimised_fingerprint"] != first["optimised_fingerprint"]
    assert first["output_bytes"] == 64 and sum(first["optimised_operations"].values()) >= 2


def test_places_and_numbers_are_left_out_of_a_program() -> None:
    text = """HloModule jit_f.3, entry_computation_layout={(f32[4]{0})->f32[4]{0}}

FileNames
1 "/tmp/a.py"

FunctionNames
1 "f"

ENTRY %main.7 (x.1: f32[4]) -> f32[4] {
  %x.1 = f32[4]{0} parameter(0), metadata={op_name="x" stack_frame_id=3}
  ROOT %sine.2 = f32[4]{0} sine(%x.1), metadata={op_name="jit(f)/sin" source_file="a.py" source_line=3}
}
"""
    moved = text.replace("sine.2", "sine.9").replace("source_line=3", "source_line=8").replace("/tmp/a", "/tmp/b")
    assert program_facts.fingerprint(text) == program_facts.fingerprint(moved.replace("jit_f.3", "jit_g"))
    assert program_facts.fingerprint(text) != program_facts.fingerprint(text.replace("sine(", "cosine("))
    assert "a.py" not in program_facts.normalised(text)
