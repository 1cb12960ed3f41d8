"""Spaces, briefs and initial parameters that the tests of the networks share."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from ich_jax.types import Brief, DesignSpace, Element

FULL = DesignSpace(("a", "b", "c"), (Element("e", ("x", "y", "z")), Element("f", ("x", "y"))), ("width", "height"))
BARE = DesignSpace(("a", "b"))


@pytest.fixture(params=[FULL, BARE], ids=["full", "products_only"])
def space(request: pytest.FixtureRequest) -> DesignSpace:
    return request.param


@pytest.fixture
def draw_brief() -> Callable[[DesignSpace, int], Brief]:
    def draw(space: DesignSpace, n: int) -> Brief:
        keys = jax.random.split(jax.random.key(5), 2 + len(space.elements))
        elements = [jax.random.randint(k, (n,), 0, c) for k, c in zip(keys[2:], space.cardinalities, strict=True)]
        return Brief(
            product=jax.random.randint(keys[0], (n,), 0, len(space.products)),
            elements=jnp.stack(elements, 1) if elements else jnp.zeros((n, 0), jnp.int32),
            axes=jax.random.uniform(keys[1], (n, len(space.axes)), minval=-3.0, maxval=3.0),
            given=jnp.ones((n, space.n_given), jnp.float32),
        )

    return draw


@pytest.fixture(scope="session")
def init() -> Callable[..., Any]:
    """Parameters of a module for given inputs, compiled without optimisation (they are drawn once); remembered."""
    known: dict[Any, Any] = {}

    def init_params(module: nn.Module, *inputs: Any) -> Any:
        key = (module, str(jax.tree.map(jnp.shape, inputs)))
        if key not in known:
            draw = jax.jit(module.init, compiler_options={"xla_backend_optimization_level": 0})
            known[key] = draw(jax.random.key(4), *inputs)
        return known[key]

    return init_params
