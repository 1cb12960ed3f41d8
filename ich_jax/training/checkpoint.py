"""Checkpoints of a run: written in the background, verified before they are read, the newest and the best kept.

A checkpoint is a folder `checkpoints/<step>` that orbax writes aside and renames when it is whole, and that
`checkpoint_files` seals with the digests of its files. A checkpoint whose files differ from their digests is set aside
as `<step>.damaged`, and the one before is used.
"""

import contextlib
import dataclasses
import math
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import jax
import orbax.checkpoint as ocp
from absl import logging
from orbax.checkpoint import checkpoint_managers
from orbax.checkpoint import options as orbax_options

from ich_jax import config as config_lib
from ich_jax import errors, types, workdir
from ich_jax.training import checkpoint_files, data_description, parallel
from ich_jax.types import Params, PyTree

FOLDER = "checkpoints"
LINEAGE_FILE = "lineage.json"
_SCORE = operator.itemgetter("score")
NETWORKS = ("g_params", "d_params", "e_params", "ema_params")


@dataclasses.dataclass(frozen=True)
class Restored:
    """A training state read from disk.

    Attributes:
        step: The step at which it was saved.
        state: The whole training state.
        side: JSON values saved beside it, for example the seconds trained.
    """

    step: int
    state: PyTree
    side: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A trained generator and all that is needed to use it.

    Attributes:
        config: The configuration of the run.
        space: Names of products, elements and axes.
        size: Height and width of the images in pixels.
        channels: 1 or 3.
        step: The step of the checkpoint.
        score: Its validation score, lower is better; None if it was not validated.
        ema_params: Averaged generator parameters, those to sample from.
        g_params: Generator parameters as trained.
        d_params: Discriminator parameters.
        data_fingerprint: Identifies the images that it was trained on; empty if that is not known.
    """

    config: config_lib.Config
    space: types.DesignSpace
    size: int
    channels: int
    step: int
    score: float | None
    ema_params: Params
    g_params: Params
    d_params: Params
    data_fingerprint: str = ""

    @property
    def spec(self) -> types.ImageSpec:
        """Design space and shape of the images."""
        return types.ImageSpec(self.space, self.size, self.channels)


class Checkpoints:
    """The checkpoints of one run, for reading and writing by the training loop."""

    def __init__(self, folder: str | Path, *, keep: int, run: str = "") -> None:
        """Opens the checkpoints of a work directory; damaged ones are set aside with a warning.

        Args:
            folder: The work directory.
            keep: Newest checkpoints to keep beside the best one.
            run: Fingerprint of the config of the run, which new checkpoints carry.

        Raises:
            CheckpointError: The folder cannot be read or written.
        """
        self._folder = Path(folder).resolve() / FOLDER
        self._run = run
        self._saving: tuple[int, float | None] | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if jax.process_index() == 0:
                checkpoint_files.set_aside_damaged(self._folder)
        except OSError as error:
            raise errors.CheckpointError(workdir.explain(error, self._folder)) from error
        parallel.wait_for_all("damaged checkpoints are set aside")
        policy = checkpoint_managers.AnyPreservationPolicy(
            [
                checkpoint_managers.LatestN(keep),
                # orbax keeps the last n in ascending order of quality; our scores are better the lower they are.
                checkpoint_managers.BestN(
                    get_metric_fn=_SCORE, n=1, reverse=True, keep_checkpoints_without_metrics=False
                ),
            ]
        )
        options = ocp.CheckpointManagerOptions(
            best_fn=_SCORE,
            best_mode="min",
            preservation_policy=policy,
            cleanup_tmp_directories=True,
            async_options=orbax_options.AsyncOptions(post_finalization_callback=self._seal),
        )
        self._manager = ocp.CheckpointManager(self._folder, options=options, item_names=("state", "side"))

    @property
    def latest_step(self) -> int | None:
        """The newest step that was saved, None if there is none."""
        return self._manager.latest_step()

    @property
    def best_step(self) -> int | None:
        """The step with the lowest validation score, None if none was validated."""
        return checkpoint_files.best_step(self._folder)

    def save(self, step: int, state: PyTree, *, side: Mapping[str, Any], score: float | None = None) -> None:
        """Copies the state off the device and writes it in the background.

        A step that exists is left as it is, with a warning: orbax would refuse it silently.

        Args:
            step: The step of the state.
            state: Training state; may be donated as soon as this returns.
            side: JSON values to save beside it.
            score: Validation score of this state, lower is better; None if it was not validated.

        Raises:
            CheckpointError: This save or the one before failed; the message says which good checkpoint is left.
        """
        self.wait()
        if step in self._manager.all_steps():
            logging.warning("There is a checkpoint of step %d in %s already; it was left as it is.", step, self._folder)
            return
        score = score if score is not None and math.isfinite(score) else None
        self._saving = (step, score)
        args = ocp.args.Composite(state=ocp.args.StandardSave(state), side=ocp.args.JsonSave(dict(side)))
        try:
            self._manager.save(step, args=args, metrics=None if score is None else {"score": score}, force=True)
        except Exception as error:  # orbax passes on whatever its backends raise
            raise errors.CheckpointError(self._explain(error)) from error

    def check(self) -> None:
        """Does nothing while a save is under way or if it went well.

        Raises:
            CheckpointError: It could not be written.
        """
        if not self._manager.is_saving_in_progress():
            self.wait()

    def wait(self) -> None:
        """Waits until every save is on disk.

        Raises:
            CheckpointError: It could not be written.
        """
        try:
            self._manager.wait_until_finished()
        except Exception as error:  # orbax passes on whatever its backends raise
            raise errors.CheckpointError(self._explain(error)) from error

    def restore(self, like: PyTree) -> Restored | None:
        """Reads the newest good checkpoint.

        Args:
            like: A state of the same structure; arrays are restored to its devices.

        Returns:
            The saved state, or None if there is no checkpoint.

        Raises:
            CheckpointError: The checkpoint does not fit the state.
        """
        self.wait()
        step = self._manager.latest_step()
        if step is None:
            return None
        path = self._folder / str(step)
        misfit = f"{path} is intact, but this version of the program makes other networks from the config"
        advice = "Train again in a new --workdir, or use the version that wrote it."
        # Checked here: when orbax finds a misfit it leaves unfinished reads behind, and it casts to another type
        # silently.
        if wrong := differences(_stored_arrays(path), like):
            raise errors.CheckpointError(f"{misfit}:\n{shorten(wrong)}\n{advice}")
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract), side=ocp.args.JsonRestore())
        try:
            restored = self._manager.restore(step, args=args)
        except Exception as error:  # its files were verified, so it is not damage
            raise errors.CheckpointError(f"{misfit}: {_first_line(error)}. {advice}") from error
        return Restored(step=step, state=restored["state"], side=restored["side"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        try:
            self.wait()
        except errors.CheckpointError:
            # The exception under way tells more than the failure of the last save.
            if kind is None:
                raise
        finally:
            with contextlib.suppress(Exception):  # it repeats the error of the last save, if there was one
                self._manager.close()

    def _seal(self) -> None:
        # Runs in orbax's background thread after all items are written and before the folder gets its final name.
        if jax.process_index() != 0:
            return
        assert self._saving is not None
        step, score = self._saving
        for aside in self._folder.glob(f"{step}.orbax-checkpoint-tmp*"):
            checkpoint_files.seal(aside, step, score, self._run)

    def _explain(self, error: BaseException) -> str:
        step = self._saving[0] if self._saving else None
        good = [known for known in checkpoint_files.whole_steps(self._folder) if known != step]
        left = f"The last good checkpoint is of step {good[-1]}" if good else "There is no earlier checkpoint"
        if checkpoint_files.disk_is_full(error):
            return (
                f"The disk is full: the checkpoint of step {step} could not be written to {self._folder}. {left}; "
                "free some space and give the same command again to resume from it."
            )
        return (
            f"The checkpoint of step {step} could not be written to {self._folder}: {_first_line(error)}. {left}; "
            "give the same command again to resume from it."
        )


# ---------------------------------------------------------------- reading without the loop


def restore_for_inference(folder: str | Path, *, best: bool = True) -> TrainedModel:
    """Reads a trained model from a work directory, or from one of its checkpoints.

    Args:
        folder: A work directory, or `<workdir>/checkpoints/<step>`.
        best: For a work directory, take the checkpoint with the best validation score (the newest if none was
            validated) instead of the newest.

    Raises:
        CheckpointError: There is no good checkpoint.
        WorkdirError: Its configuration or its description of the data is missing or damaged.
    """
    path = _find_checkpoint(Path(folder), best=best)
    run = path.parent.parent
    config = config_lib.resolve(workdir.read_config(run))
    spec, data_fingerprint = data_description.read(run)
    state = _read_state(path)
    return TrainedModel(
        config=config,
        space=spec.space,
        size=spec.size,
        channels=spec.channels,
        step=int(path.name),
        score=checkpoint_files.score(path),
        ema_params=state["ema_params"],
        g_params=state["g_params"],
        d_params=state["d_params"],
        data_fingerprint=data_fingerprint,
    )


def read_networks(folder: str | Path) -> tuple[Path, dict[str, Params]]:
    """Reads the networks of a run, for another one to start from.

    Args:
        folder: A work directory (its newest checkpoint is taken), or `<workdir>/checkpoints/<step>`.

    Returns:
        The checkpoint, and parameters by the names of `NETWORKS`.

    Raises:
        CheckpointError: There is no good checkpoint.
    """
    path = _find_checkpoint(Path(folder), best=False)
    stored = _read_state(path)
    return path, {name: stored[name] for name in NETWORKS}


def has_checkpoints(folder: str | Path) -> bool:
    """Whether a work directory holds checkpoints, good or damaged."""
    return bool(checkpoint_files.steps(Path(folder) / FOLDER))


def _find_checkpoint(path: Path, *, best: bool) -> Path:
    path = path.resolve()
    if checkpoint_files.is_step(path.name) and path.parent.name == FOLDER:
        if damage := checkpoint_files.damage(path):
            raise errors.CheckpointError(f"{path} cannot be used: {damage}.")
        return path
    steps = checkpoint_files.whole_steps(path / FOLDER)
    if not steps:
        raise errors.CheckpointError(
            f"{path} holds no good checkpoint; give a work directory of experiments/train.py, or one of its "
            f"{FOLDER}/<step> folders."
        )
    step = checkpoint_files.best_step(path / FOLDER) if best else None
    return path / FOLDER / str(steps[-1] if step is None else step)


def _stored_arrays(path: Path) -> dict[str, Any]:
    with contextlib.closing(ocp.StandardCheckpointHandler()) as reader:
        return reader.metadata(path / "state").tree


def _read_state(path: Path) -> dict[str, Any]:
    # On whatever devices this machine has: the one that wrote it may have had others.
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), _stored_arrays(path)
    )
    with contextlib.closing(ocp.StandardCheckpointHandler()) as reader:
        return reader.restore(path / "state", args=ocp.args.StandardRestore(abstract))


def differences(stored: PyTree, wanted: PyTree) -> list[str]:
    """Returns a line for each array whose type or shape in the checkpoint is not the wanted one, networks first."""
    arrays: list[dict[str, str]] = [
        {
            jax.tree_util.keystr(path, simple=True, separator="/"): f"{leaf.dtype}{list(leaf.shape)}"
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        }
        for tree in (stored, wanted)
    ]
    names = sorted(arrays[0].keys() | arrays[1].keys(), key=lambda name: (name.split("/")[0] not in NETWORKS, name))
    pairs = {name: [each.get(name, "absent") for each in arrays] for name in names}
    return [
        f"  {name}: {before} in the checkpoint, {now} in this config"
        for name, (before, now) in pairs.items()
        if before != now
    ]


def shorten(lines: list[str]) -> str:
    """Returns the first five of several lines, and how many more there are."""
    return "\n".join([*lines[:5], *([f"  and {len(lines) - 5} more"] if len(lines) > 5 else [])])


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
