"""Sets on the device and sets from the host feed the same run, whatever parts a brief has."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax.config import DataConfig
from ich_jax.data import make, pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.training import loop, parallel
from ich_jax.types import Batch
from tests import helpers

SETS: dict[str, dict[str, Any]] = {
    "elements and axes": {"metadata": True},
    "no elements, measured axes": {},
    "no elements, no axes": {"axes": "none"},
    "elements, no axes": {"metadata": True, "axes": "none"},
    "keywords": {"metadata": True, "elements": "none", "keywords": 1},
    "derived sketches": {"sketches": "derived"},
    "npz": {"source": "npz"},
    "npz, no axes": {"source": "npz", "axes": "none"},
}


@pytest.fixture(params=SETS)
def data(
    request: pytest.FixtureRequest, image_folder: Callable[..., Path], names: list[str], table: Callable[..., str],
    images: Path,
) -> DataConfig:  # fmt: skip
    """One of the sets of `SETS`, at 16 px."""
    fields = dict(SETS[request.param])
    if fields.get("source") == "npz":
        return DataConfig(path=str(images), size=16, **fields)
    metadata = None
    if fields.pop("metadata", False):
        kinds, axis, words = (lambda i: "ab"[i % 2]), (lambda i: (i % 7) - 3), (lambda i: ("red", "red;new")[i % 2])
        metadata = table(names, element_kind=kinds, axis_age=axis, keywords=words)
    return DataConfig(source="folder", path=str(image_folder(metadata=metadata)), size=16, **fields)


def _config(data: DataConfig, device_limit_mib: int) -> config_lib.Config:
    values = {"source": data.source, "path": data.path, "size": 16, "axes": data.axes, "elements": data.elements}
    values |= {"keywords": data.keywords, "sketches": data.sketches, "device_limit_mib": device_limit_mib}
    fields = {f"data__{name}": value for name, value in values.items()}
    return helpers.resolve(**fields, train__batch=4, generator__widths=(4,), discriminator__widths=(4,))


def _from_host(config: config_lib.Config, dataset: Dataset, layout: parallel.Layout, start: int) -> Iterator[Batch]:
    take = loop._make_batches(config, dataset, layout, start)
    while True:
        yield jax.tree.map(lambda x: np.asarray(x).reshape(4, *x.shape[2 + (layout.mode == "pmap") :]), take(1))


def test_a_step_gets_the_same_bits_from_the_device_and_from_the_host(data: DataConfig) -> None:
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:2]), (parallel.AXIS,))
    on_device, on_host = _config(data, 64), _config(data, 0)
    resident, fed = make.make(on_device.data, seed=0), make.make(on_host.data, seed=0)
    assert resident.fingerprint == fed.fingerprint
    assert resident.sample is not None
    assert fed.sample is None
    streams = [_from_host(on_host, fed, parallel.Layout(mesh, mode), 3) for mode in ("jit", "pmap")]
    for step, *batches in zip(range(3, 5), *streams, strict=False):
        index = pipeline.batch_indices(pipeline.data_key(on_device.seed), jnp.int32(step), 4, resident.n_train)
        expected = resident.sample(resident.arrays, index)
        if data.sketches == "derived":  # lines are found by jax on the device and by numpy on the host: rounding
            for batch in (*batches, expected):
                assert batch.brief.sketch.shape == (4, 16, 16, 1)
            batches = [b._replace(brief=b.brief.without_sketch()) for b in batches]
            expected = expected._replace(brief=expected.brief.without_sketch())
        for batch in batches:
            for got, wanted in zip(jax.tree.leaves(batch), jax.tree.leaves(expected), strict=True):
                assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
                np.testing.assert_array_equal(got, wanted)
    for split, n in itertools.product(("validation", "test"), (2,)):
        same = jax.tree.map(np.array_equal, resident.holdout(split, n), fed.holdout(split, n))
        assert all(jax.tree.leaves(same))
