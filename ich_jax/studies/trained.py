"""A trained generator as every study on a checkpoint uses it: with its images, its name, and folders of its results.

A study adds what its work directories store, such as `generator.json` of the interference study.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from ich_jax import errors
from ich_jax.data import make
from ich_jax.data.dataset import Dataset
from ich_jax.training import state as state_lib
from ich_jax.training.checkpoint import TrainedModel


def load_images(model: TrainedModel, source: str | Path, remedy: str = "", images: str | Path = "") -> Dataset:
    """Returns the images that a generator was trained on.

    Args:
        model: The generator.
        source: Its checkpoint, as messages name it.
        remedy: An alternative to restoring the images, such as `, or leave them out`.
        images: Where they are now, if they were moved; empty: where they were.

    Raises:
        DataError: The images cannot be read.
        CheckpointError: They are no longer those, or the networks no longer fit the config.
    """
    data = model.config.data
    if images and data.source == "procedural":
        raise errors.DataError(f"--images={images}: {source} was trained on procedural images, which lie in no folder.")
    data = dataclasses.replace(data, path=str(images)) if images else data
    try:
        dataset = make.make(data, seed=model.config.seed)
    except errors.DataError as error:
        text = str(error).replace("Correct --config.data.path.", "").replace("correct --config.data.path, or ", "")
        raise errors.DataError(
            f"The images that {source} was trained on: {text.strip()} If they were moved, give the folder where they "
            f"are now: --images=PATH{remedy}."
        ) from error
    check_images(model, dataset, source, remedy, images)
    return dataset


def check_images(
    model: TrainedModel, dataset: Dataset, source: str | Path, remedy: str = "", images: str | Path = ""
) -> None:
    """Checks that a dataset is the one that a generator was trained on, and that its networks fit both.

    Args:
        model: The generator.
        dataset: The images.
        source: Its checkpoint, as messages name it.
        remedy: See `load_images`.
        images: See `load_images`.

    Raises:
        CheckpointError: It is not, or they do not.
    """
    if model.spec != dataset.spec:
        raise errors.CheckpointError(
            f"{source} was trained on images of {', '.join(model.space.products)} at {model.size} px, but its data are "
            f"now {', '.join(dataset.space.products)} at {dataset.size} px. Put the images back where they were"
            f"{remedy}."
        )
    # Of procedural images the fingerprint changes with the renderer, for whose sake no generator is refused.
    if model.data_fingerprint and not dataset.simulated and dataset.fingerprint != model.data_fingerprint:
        raise errors.CheckpointError(
            f"{source} was trained on other images than those at {images or model.config.data.path} "
            f"(fingerprint {model.data_fingerprint} then, {dataset.fingerprint} now). Restore them, or give the folder "
            f"where they are now: --images=PATH{remedy}."
        )
    networks = state_lib.abstract_state(model.config, dataset.spec)
    expected, stored = (jax.tree.map(jnp.shape, params) for params in (networks.ema_params, model.ema_params))
    if expected != stored:
        raise errors.CheckpointError(
            f"The generator in {source} has other layers than this version makes from its config: it was trained by "
            "another version or is damaged. Train it again."
        )


def describe(model: TrainedModel) -> str:
    """Returns the name of a generator as pages print it."""
    return f"{model.config.generator.arm} generator of {model.config.name}, step {model.step:,}"


def check_identity(
    folder: str | Path, results: str, stored: Mapping[str, Any], expected: Mapping[str, Any], name: str = ""
) -> None:
    """Checks that results in a work directory are those of this generator.

    Args:
        folder: The work directory.
        results: Its contents, such as `designs`.
        stored: The identity in its files, perhaps with further fields.
        expected: The identity of this generator.
        name: The stored generator, as the message names it; empty: the fields that differ.

    Raises:
        WorkdirError: They are those of another.
    """
    differing = [field for field in expected if stored.get(field) != expected[field]]
    if differing:
        raise errors.WorkdirError(
            f"{folder} holds {results} of another generator ({name or ', '.join(differing) + ' differ'}); use another "
            "--workdir."
        )
