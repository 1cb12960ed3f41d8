"""The generators of an interference study: read from checkpoints, distinguished by their identity.

A work directory belongs to one config and one generator. `generator.json` holds the generator's identity: step, digest
of its averaged parameters, and fingerprint of the images it was trained on.
"""

import dataclasses
from pathlib import Path
from typing import Any

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.config import InterferenceConfig
from ich_jax.data.dataset import Dataset
from ich_jax.studies import trained
from ich_jax.studies.interference import sweep
from ich_jax.training import checkpoint, sampling, shipped, transfer
from ich_jax.training import state as state_lib
from ich_jax.training.checkpoint import TrainedModel

FILE = "generator.json"
_RENAMED = {"params_sha256": "generator_sha256"}
"""Fields of older files with their present names: elsewhere `params_sha256` is the digest of all networks."""


@dataclasses.dataclass(frozen=True)
class Reference:
    """The generator that a sweep is compared with.

    Attributes:
        folder: Work directory of its sweep, finished or to be made; empty if there is no reference.
        about: Its name as pages print it.
        model: The generator, if its sweep belongs to this run; None if it was swept before.
    """

    folder: str = ""
    about: str = ""
    model: TrainedModel | None = None


def load(config: InterferenceConfig, folder: str, source: str, images: str = "") -> tuple[TrainedModel, Dataset]:
    """Reads generator and images; refuses a work directory of another config or generator, and writes nothing.

    Args:
        config: The study.
        folder: Its work directory.
        source: Work directory of a training run, or one of its checkpoints.
        images: Where the images of that run are now; empty: where they were.

    Raises:
        CheckpointError: There is no good checkpoint, or its images are no longer the same.
        WorkdirError: The folder belongs to another sweep.
    """
    model = shipped.load() if source == transfer.SHIPPED else checkpoint.restore_for_inference(source)
    dataset = trained.load_images(model, source, images=images)
    check_folder(config, folder, model, dataset)
    return model, dataset


def load_reference(config: InterferenceConfig, folder: str, reference: str, dataset: Dataset) -> Reference:
    """Reads the run that `--reference` names: a training run, to be swept in its own folder, or a finished sweep.

    Raises:
        CheckpointError: The generator was trained on other images.
        WorkdirError: The sweep is of another config or of other images, or the folder is neither.
    """
    if not reference:
        return Reference()
    if checkpoint.has_checkpoints(reference) or checkpoint.has_checkpoints(Path(reference).parent.parent):
        model = checkpoint.restore_for_inference(reference)
        trained.check_images(model, dataset, reference)
        reference_folder = str(Path(folder) / "reference")
        check_folder(config, reference_folder, model, dataset)
        return Reference(reference_folder, trained.describe(model), model)
    check_reference(config, reference)
    stored = read_identity(reference)
    if stored.get("dataset") != dataset.fingerprint:
        raise errors.WorkdirError(
            f"{reference} is a sweep of a generator that was trained on other images; sweep one that was trained on "
            "the same."
        )
    return Reference(reference, stored.get("about", f"{stored.get('run')}, step {stored.get('step')}"))


def sampler(model: TrainedModel, dataset: Dataset) -> sweep.Generator:
    """Returns the generator in the form that a sweep disturbs."""
    return sweep.Generator(
        # As written: drawing alone is not faster in merged form (measured on a CPU), and takes longer to compile.
        draw=sampling.make_draw(model.config, dataset.spec),
        params=model.ema_params,
        z_dim=model.config.generator.z_dim,
        space=dataset.space,
    )


def identity(model: TrainedModel, dataset: Dataset) -> dict[str, int | str]:
    """Returns the fields by which two generators differ."""
    digest = state_lib.sha256(model.ema_params, paths=False)
    return {"step": model.step, "generator_sha256": digest, "dataset": dataset.fingerprint}


def check_folder(config: InterferenceConfig, folder: str, model: TrainedModel, dataset: Dataset) -> None:
    """Checks that a work directory, if it is in use, is one of this config and this generator.

    Raises:
        WorkdirError: It is not.
    """
    workdir.check(folder, config)
    check_same_generator(folder, identity(model, dataset))


def claim(config: InterferenceConfig, folder: str, model: TrainedModel, dataset: Dataset) -> None:
    """Marks a work directory as one of this config and this generator."""
    workdir.claim(folder, config)
    about = {"run": model.config.name, "about": trained.describe(model)}
    workdir.write_json(Path(folder) / FILE, identity(model, dataset) | about)


def check_reference(config: InterferenceConfig, reference: str) -> None:
    """Checks that a reference was swept with the same config.

    Raises:
        WorkdirError: It was not.
    """
    stored = config_lib.resolve(workdir.read_config(reference), InterferenceConfig)
    if config_lib.fingerprint(stored) != config_lib.fingerprint(config):
        raise errors.WorkdirError(
            f"{reference} was swept with another config ({stored.name}); sweep the reference generator with "
            f"{config.name} first."
        )


def read_identity(folder: str | Path) -> dict[str, Any]:
    """Reads the identity of the generator of a work directory, under their present names.

    Raises:
        WorkdirError: The folder has none, or it is damaged.
    """
    stored = workdir.read_object(Path(folder) / FILE)
    return {_RENAMED.get(name, name): value for name, value in stored.items()}


def check_same_generator(folder: str, expected: dict[str, int | str]) -> None:
    """Checks that a work directory, if it is in use, is one of the generator of this identity.

    Raises:
        WorkdirError: It is of another.
    """
    if (Path(folder) / FILE).exists():
        trained.check_identity(folder, "a sweep", read_identity(folder), expected)
