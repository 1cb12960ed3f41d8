"""Programs inside programs are found, and those that are only called are told from loops and branches."""

import jax
import jax.numpy as jnp

from ich_jax import jaxprs


@jax.custom_jvp
def doubled(x: jax.Array) -> jax.Array:
    return 2.0 * x


doubled.defjvp(lambda primals, tangents: (doubled(*primals), 2.0 * tangents[0]))


def program(x: jax.Array) -> jax.Array:
    x = jax.jit(jnp.sin)(x)
    x = jax.checkpoint(jnp.cos)(x)
    x = doubled(x)
    x = jax.lax.scan(lambda carry, _: (jnp.tanh(carry), None), x, length=3)[0]
    return jax.lax.cond(x > 0, jnp.exp, jnp.log, x)


JAXPR = jax.make_jaxpr(program)(1.0).jaxpr


def test_equations_of_every_depth_are_walked_once() -> None:
    names = [equation.primitive.name for equation in jaxprs.equations(JAXPR)]
    assert all(names.count(name) == 1 for name in ("sin", "cos", "mul", "tanh", "exp", "log", "scan", "cond"))


def test_calls_in_place_are_told_from_loops_and_branches() -> None:
    called = {e.primitive.name: jaxprs.called_in_place(e) for e in JAXPR.eqns}
    inside = {name: [e.primitive.name for e in body.eqns] for name, body in called.items() if body is not None}
    assert sorted(name for names in inside.values() for name in names) == ["cos", "mul", "sin"]
    assert called["scan"] is None and called["cond"] is None
    counts = {e.primitive.name: len(list(jaxprs.bodies(e))) for e in JAXPR.eqns}
    assert counts["scan"] == 1 and counts["cond"] == 2
