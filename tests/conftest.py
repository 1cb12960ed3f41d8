"""Strict JAX settings for every test, and what tests share."""

import os
from pathlib import Path

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 2)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real images that lies beside some checkouts; the project does not need it."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("ICH_JAX_SHARED", root.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("no folder of shared images beside this checkout; point ICH_JAX_SHARED at one")
    return folder
