"""Whether a run can start or resume, before anything is compiled or written."""

from pathlib import Path

from absl import logging

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.training import checkpoint, data_description, parallel, penalties
from ich_jax.training import step as step_lib


def check(config: config_lib.Config, folder: str | Path, dataset: Dataset, *, init_from: str = "") -> None:
    """Checks that a run can start or resume, before anything is compiled or written.

    Raises:
        DataError: The batch is larger than the set.
        ConfigError: The devices cannot share the batch.
        WorkdirError: The run in the work directory began with other images, or from another checkpoint.
    """
    pipeline.check_batch(dataset, step_lib.images_per_step(config))
    parallel.make_layout(config)
    penalties.of_all(config)
    if config.train.freeze_d and not init_from and not checkpoint.has_checkpoints(folder):
        raise errors.ConfigError(
            f"--config.train.freeze_d={config.train.freeze_d} keeps stages of the discriminator as they begin, which "
            "is of use only with the weights of another run: give --init_from=RUN, or leave it at 0."
        )
    check_images(parallel.process_folder(folder), dataset)
    if init_from and checkpoint.has_checkpoints(folder):
        before = _began_from(parallel.process_folder(folder))
        if before is not None and before != init_from:
            began = f"began from {before}" if before else "began from scratch"
            raise errors.WorkdirError(
                f"The run in {folder} {began}, so it cannot resume with --init_from={init_from}. Leave --init_from out "
                "to resume, or use another --workdir."
            )


def check_images(folder: str | Path, dataset: Dataset) -> None:
    """Checks that the images are those with which the run in a work directory began, if there is one.

    Raises:
        WorkdirError: They are others.
    """
    before = data_description.read_fingerprint(folder)
    if before is not None and before != dataset.fingerprint:
        raise errors.WorkdirError(
            f"The images have changed since the run in {folder} began (fingerprint {before} then, "
            f"{dataset.fingerprint} now). Restore them, or use another --workdir."
        )


def _began_from(folder: Path) -> str | None:
    """Returns what `--init_from` was when a run began, empty if it was not given; None, warned of, if not known."""
    path = folder / checkpoint.LINEAGE_FILE
    if not path.exists():
        return ""
    try:
        return str(workdir.read_object(path)["given"])
    except (errors.WorkdirError, KeyError) as error:
        logging.warning("%s does not say from which run this one began: %s", path, error)
        return None
