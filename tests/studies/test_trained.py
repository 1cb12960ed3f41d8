"""A checkpoint is used with the images and networks that it was trained with, and keeps the folders of its results."""

import dataclasses
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.data import make
from ich_jax.data.dataset import Dataset
from ich_jax.studies import trained
from ich_jax.training import state as state_lib
from ich_jax.training.checkpoint import TrainedModel


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return make.make(config_lib.load("quick:tiny").data, seed=0)


@pytest.fixture(scope="module")
def model(dataset: Dataset) -> TrainedModel:
    config = config_lib.load("quick:tiny", {"seed": 0})
    shapes = state_lib.abstract_state(config, dataset.spec).ema_params
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    return TrainedModel(config, dataset.space, dataset.size, dataset.channels, 1200, None, params, params, {})


def test_its_own_images_are_loaded(model: TrainedModel, dataset: Dataset) -> None:
    assert trained.load_images(model, "runs/a").fingerprint == dataset.fingerprint


def test_other_images_are_refused(model: TrainedModel, dataset: Dataset) -> None:
    larger = dataclasses.replace(model, size=2 * model.size)
    products = ", ".join(model.space.products)
    message = re.escape(
        f"runs/a was trained on images of {products} at {larger.size} px, but its data are now {products} at "
        f"{model.size} px. Put the images back where they were, or do without."
    )
    with pytest.raises(errors.CheckpointError, match=message):
        trained.check_images(larger, dataset, "runs/a", ", or do without")


def test_other_layers_are_refused(model: TrainedModel, dataset: Dataset) -> None:
    other = dataclasses.replace(model, ema_params=jax.tree.map(lambda x: x[None], model.ema_params))
    with pytest.raises(errors.CheckpointError, match="The generator in runs/a has other layers"):
        trained.check_images(other, dataset, "runs/a")


def test_name(model: TrainedModel) -> None:
    assert trained.describe(model) == f"residual generator of {model.config.name}, step 1,200"


def test_results_of_another_generator_are_refused(tmp_path: Path) -> None:
    stored = {"step": 6, "digest": "ab", "run": "demo"}
    trained.check_identity(tmp_path, "designs", stored, {"step": 6, "digest": "ab"})
    with pytest.raises(errors.WorkdirError, match=r"holds designs of another generator \(step, digest differ\); use"):
        trained.check_identity(tmp_path, "designs", stored, {"step": 7, "digest": "cd"})
    with pytest.raises(errors.WorkdirError, match=r"of another generator \(demo\); use another --workdir"):
        trained.check_identity(tmp_path, "designs", stored, {"digest": "cd"}, name="demo")
