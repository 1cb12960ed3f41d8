"""Strict JAX settings for every test, and what tests share."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

# Most of the time of the tests is compilation, which takes two thirds of it without optimisation.
_FLAGS = [
    "--xla_backend_optimization_level=0",
    # Virtual devices share the cores with whatever else runs; one that waits too long for another aborts the process.
    "--xla_cpu_collective_call_terminate_timeout_seconds=600",
]
if tuple(map(int, jax.__version__.split(".")[:2])) < (0, 11):  # later ones know no such flag
    _FLAGS.append("--xla_cpu_use_fusion_emitters=false")  # takes another third, and half the memory maps
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *_FLAGS])
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)
gc.set_threshold(50_000, 10, 10)  # tracing makes many small objects: with Python's own 700 it takes a third longer


def pytest_collection_finish() -> None:
    """Leaves modules and tests, which stay to the end, out of every later garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Keeps compiled programs in pytest's cache: a second run of the tests takes less than half the time."""
    if hasattr(config, "cache"):  # not with `-p no:cacheprovider`
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")  # JAX does not write entries atomically
        jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir(f"compiled-{worker}")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="session", autouse=True)
def _nothing_measured_once() -> Iterator[None]:
    """Runs compute as written: measuring what is fastest takes seconds, and may come out either way."""
    from ich_jax.training import formulation

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formulation, "_measured", lambda: formulation.AS_WRITTEN)
        yield


_NEW_PROGRAMS: list[float] = []  # compilation times since the memory maps were counted


def _note_program(event: str, duration_s: float, **_: Any) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        _NEW_PROGRAMS.append(duration_s)


jax.monitoring.register_event_duration_secs_listener(_note_program)


@pytest.fixture(autouse=True)
def _few_memory_maps() -> Iterator[None]:
    """Drops compiled programs in time: they hold memory maps, and a process that needs more than 65,530 crashes."""
    yield
    if not _NEW_PROGRAMS:  # counting takes some 40 ms, and most tests compile nothing
        return
    _NEW_PROGRAMS.clear()
    try:
        with open("/proc/self/maps", "rb") as maps:
            n = sum(1 for _ in maps)
    except OSError:  # not Linux
        return
    if n > 25_000:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real images that lies beside some checkouts; the project does not need it."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("ICH_JAX_SHARED", root.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("no folder of shared images beside this checkout; point ICH_JAX_SHARED at one")
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey discs and squares of 16 px, whose width, height and mass can be measured."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:16j, -1:1:16j]
    radius, square = rng.uniform(0.3, 0.9, (80, 1, 1)), np.arange(80)[:, None, None] % 2
    inside = np.where(square, np.maximum(abs(x), abs(y)), np.hypot(x, y)) < radius
    path = tmp_path_factory.mktemp("images") / "shapes.npz"
    np.savez(path, x=np.where(inside, 40, 250).astype(np.uint8), y=np.arange(80) % 2)
    return path


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work directory of `quick:tiny` whose networks have taken no step."""
    from tests import helpers

    return helpers.write_untrained(tmp_path_factory.mktemp("untrained") / "demo", "quick:tiny")
