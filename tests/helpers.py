"""Asserts on pytrees, a count of compilations, configs with single fields changed, runs that took no step."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ich_jax import config as config_lib


def _leaves(tree: Any) -> dict[str, np.ndarray]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): _host(leaf) for path, leaf in flat}


def _host(leaf: Any) -> np.ndarray:
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def assert_trees_same_structure(actual: Any, expected: Any) -> None:
    """Same containers, and leaves of the same shape and dtype."""
    assert jax.tree_util.tree_structure(actual) == jax.tree_util.tree_structure(expected)
    left, right = _leaves(actual), _leaves(expected)
    differing = [
        f"{path}: {left[path].dtype}{list(left[path].shape)} against {right[path].dtype}{list(right[path].shape)}"
        for path in left
        if (left[path].shape, left[path].dtype) != (right[path].shape, right[path].dtype)
    ]
    assert not differing, "\n".join(differing)


def assert_trees_equal(actual: Any, expected: Any) -> None:
    """Same structure and bit-identical leaves (NaN equals NaN)."""
    assert_trees_same_structure(actual, expected)
    left, right = _leaves(actual), _leaves(expected)
    differing = [path for path in left if left[path].tobytes() != right[path].tobytes()]
    assert not differing, f"differ: {', '.join(differing)}"


def assert_trees_close(actual: Any, expected: Any, *, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Same structure and close leaves."""
    assert_trees_same_structure(actual, expected)
    left, right = _leaves(actual), _leaves(expected)
    for path in left:
        np.testing.assert_allclose(left[path], right[path], rtol=rtol, atol=atol, err_msg=path)


def assert_tree_finite(tree: Any) -> None:
    """No NaN or infinity in any leaf."""
    bad = [path for path, leaf in _leaves(tree).items() if not np.all(np.isfinite(leaf.astype(np.float64)))]
    assert not bad, f"not finite: {', '.join(bad)}"


def assert_trees_differ_everywhere(actual: Any, expected: Any) -> None:
    """Same structure, and no leaf that is equal in both: every part has moved."""
    assert_trees_same_structure(actual, expected)
    left, right = _leaves(actual), _leaves(expected)
    same = [path for path in left if left[path].tobytes() == right[path].tobytes()]
    assert not same, f"unchanged: {', '.join(same)}"


@dataclasses.dataclass
class Compilations:
    """What `count_compiles` has seen.

    Attributes:
        functions: Name of each function that was compiled, in order ("?" where JAX does not tell it).
    """

    functions: list[str] = dataclasses.field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of programs that were compiled."""
        return len(self.functions)


@contextlib.contextmanager
def count_compiles() -> Iterator[Compilations]:
    """Counts XLA programs that are compiled (or fetched from the persistent cache) inside the block.

    A second call of a jitted function with the same shapes must add none:

        step(state)
        with helpers.count_compiles() as compiles:
            step(state)
        assert compiles.count == 0, compiles.functions
    """
    seen = Compilations()

    def listen(event: str, duration_s: float, **details: Any) -> None:
        del duration_s
        if event == "/jax/core/compile/backend_compile_duration":
            seen.functions.append(str(details.get("fun_name", "?")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def resolve(**overrides: Any) -> config_lib.Config:
    """The default config with fields changed; `__` stands for the dot of a dotted name."""
    values = config_lib.to_dict(config_lib.Config())
    values["train"]["steps"] = 100
    for name, value in overrides.items():
        section, _, field = name.rpartition("__")
        (values[section] if section else values)[field] = value
    return config_lib.resolve(values)


def write_untrained(folder: Path, name: str) -> Path:
    """Makes a work directory of a config whose networks have taken no step; returns it."""
    import ich_jax
    from ich_jax import workdir
    from ich_jax.training import checkpoint, data_description, state

    config = ich_jax.load_config(name).completed()
    data = ich_jax.make_dataset(config)
    workdir.claim(folder, config)
    workdir.write_json(folder / data_description.FILE, data_description.describe(data))
    with checkpoint.Checkpoints(folder, keep=1, run=config_lib.fingerprint(config, located=False)) as checkpoints:
        checkpoints.save(1, state.create_state(config, data.spec), side={})
        checkpoints.wait()
    return folder
