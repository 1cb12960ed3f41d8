"""The entry to every source."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.config import DataConfig
from ich_jax.data import make


def _npz(tmp_path: Path) -> DataConfig:
    path = tmp_path / "set.npz"
    np.savez(path, x=np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8))
    return DataConfig(source="npz", path=str(path), size=16)


def test_every_source_makes_a_dataset_that_samples_in_the_step(
    tmp_path: Path, image_folder: Callable[..., Path], configure: Callable[..., DataConfig]
) -> None:
    for config in (DataConfig(size=16, n_train=40), configure(image_folder()), _npz(tmp_path)):
        dataset = make.make(config, seed=3)
        batch = jax.eval_shape(dataset.sample, dataset.arrays, jnp.arange(5, dtype=jnp.uint32))
        assert batch.image.shape == (5, 16, 16, 3)
        assert batch.image.dtype == np.float32
        assert batch.brief.product.dtype == batch.brief.elements.dtype == np.int32
        assert batch.brief.axes.dtype == batch.brief.given.dtype == np.float32
        assert batch.brief.given.shape == (5, dataset.space.n_given)
        briefs = jax.eval_shape(lambda dataset=dataset: dataset.briefs(jax.random.key(0), 5))
        assert [leaf.shape for leaf in jax.tree.leaves(briefs)] == [leaf.shape for leaf in jax.tree.leaves(batch.brief)]


def test_the_seed_changes_no_image(tmp_path: Path) -> None:
    config = _npz(tmp_path)
    first, second = make.make(config, seed=0), make.make(config, seed=1)
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(first.holdout("test", 3).image, second.holdout("test", 3).image)


def test_unknown_source_names_the_nearest() -> None:
    with pytest.raises(errors.ConfigError, match=r"config\.data\.source: got 'foldr'; did you mean 'folder'"):
        make.make(DataConfig(source="foldr"))
