"""Walking a program: the equations of a jaxpr, the programs that they hold, and those that are only called."""

from collections.abc import Iterator

from jax.extend.core import Jaxpr, JaxprEqn  # type: ignore[attr-defined]  # they are public

# Primitive -> parameter that holds the program it calls with the same operands and results. Such an equation does
# nothing else, so code that orders or counts operations reads the equations of that program in place of the call.
_CALLED_IN_PLACE = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}


def called_in_place(equation: JaxprEqn) -> Jaxpr | None:
    """Returns the program of an equation that is nothing but a call; None for any other, loops and branches included.

    Args:
        equation: Of a jaxpr.
    """
    program = equation.params.get(_CALLED_IN_PLACE.get(equation.primitive.name, ""))
    return getattr(program, "jaxpr", program)


def bodies(equation: JaxprEqn) -> Iterator[Jaxpr]:
    """Yields the programs among the parameters of an equation: those that it calls, repeats or chooses from.

    Args:
        equation: Of a jaxpr.
    """
    for value in equation.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            program = getattr(item, "jaxpr", item)
            if isinstance(program, Jaxpr):
                yield program


def equations(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    """Yields every equation of a program and of all that it holds, each once.

    Args:
        jaxpr: `jitted.trace(*arguments).jaxpr.jaxpr` or `jax.make_jaxpr(function)(*arguments).jaxpr`.
    """
    for equation in jaxpr.eqns:
        yield equation
        for body in bodies(equation):
            yield from equations(body)
