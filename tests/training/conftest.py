"""Fixtures of the training tests."""

import jax
import jax.numpy as jnp
import pytest

from ich_jax.training import state, step
from tests.training import made


@pytest.fixture
def compile_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All runs of one config share a compiled step: for tests about what happens around it."""
    monkeypatch.setattr(
        step,
        "make_step",
        lambda config, data, layout, *, choice, n_steps: made.compiled_step(
            config, data.sample is None, layout, n_steps
        ),
    )
    monkeypatch.setattr(state, "create_state", lambda *args: jax.tree.map(jnp.array, made.initial_state(*args)))
