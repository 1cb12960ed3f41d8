"""Training and judging of one piece of work, in its own folder."""

import dataclasses
import functools
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from absl import logging
from PIL import Image

from ich_jax import config as config_lib
from ich_jax import errors, liveness, workdir
from ich_jax.config import Config, ErrorComparisonConfig
from ich_jax.evaluation import drawing
from ich_jax.evaluation.drawing import Purpose
from ich_jax.models import networks
from ich_jax.studies.describe import parameter_count
from ich_jax.studies.error_comparison import degradation
from ich_jax.studies.error_comparison import result as comparison
from ich_jax.studies.error_comparison.judge import Judge, make_norms, make_sampler, make_validate
from ich_jax.studies.error_comparison.plan import Piece, cell_config
from ich_jax.studies.error_comparison.result import CellRecord, Gradients, Trial
from ich_jax.training import checkpoint, loop, seeds, writer
from ich_jax.training import state as state_lib
from ich_jax.types import Brief, PyTree

RECORD_FILE, DESIGNS_FILE = "cell.json", "designs.png"
_N_APPENDED = 64  # designs drawn with and without appended blocks


@dataclasses.dataclass(frozen=True)
class Stopped:
    """Training that was stopped, by a signal if by one."""

    signal: int | None


def finished(config: ErrorComparisonConfig, folder: str, piece: Piece, judge: Judge) -> bool:
    """Whether a piece has left its record."""
    if piece.kind == "trials":
        return read_trial(folder, piece) is not None
    return read_record(config, folder, piece, judge) is not None


def try_out(
    config: ErrorComparisonConfig, folder: str, judge: Judge, group: Sequence[Piece], stop_after: int
) -> Stopped | None:
    """Trains trials and notes their validation error."""
    for piece in group:
        validate = make_validate(cell_config(config, piece), judge)

        def measure(
            state: state_lib.TrainState, validate: Callable[[PyTree], dict[str, float]] = validate
        ) -> dict[str, float]:
            return validate(state.ema_params)

        diverged, stopped = train(config, folder, judge, [piece], measure, stop_after)
        if stopped is not None:
            return stopped
        scores = [row["validation/axis_mae"] for row in writer.read_history(piece.folder(folder) / writer.METRICS_FILE)
                  if row.get("validation/axis_mae") is not None]  # fmt: skip
        error = scores[-1] if scores and not diverged else math.inf
        workdir.write_record(piece.folder(folder) / RECORD_FILE, {"diverged": diverged, "axis_mae": error})
        logging.info("%s: mean axis error %.3f", piece.name, error)
    return None


def read_trial(folder: str, piece: Piece) -> Trial | None:
    """Returns the outcome of a trial, None if it is not done."""
    path = piece.folder(folder) / RECORD_FILE
    values = workdir.read_record(path)
    if values is None:
        return None
    error = values.get("axis_mae")  # null stands for infinity
    if error is not None and not isinstance(error, int | float):
        raise errors.WorkdirError(f"{path} is not the record of a trial; remove it and give the command again.")
    settings = (piece.arm, piece.depth, piece.gain, piece.d_gain, piece.learning_rate, piece.seed)
    return Trial(*settings, axis_mae=math.inf if error is None else error)


def train(
    config: ErrorComparisonConfig,
    folder: str,
    judge: Judge,
    group: Sequence[Piece],
    validate: Callable[[state_lib.TrainState], Mapping[str, float]],
    stop_after: int,
) -> tuple[bool, Stopped | None]:
    """Trains runs in their folders, as a stack if there are several.

    Returns:
        Whether training was abandoned because it diverged, and whether it was stopped.
    """
    configs, folders = [cell_config(config, piece) for piece in group], [piece.folder(folder) for piece in group]
    for run_config, path in zip(configs, folders, strict=True):
        workdir.claim(path, run_config, {"data.path": judge.dataset.fingerprint})
    if len(group) > 1:
        stopped, signal = seeds.train(configs, folders, judge.dataset, validate=validate, stop_after=stop_after)
        return False, Stopped(signal) if stopped or signal is not None else None
    try:
        result = loop.train(
            configs[0],
            folders[0],
            judge.dataset,
            validate=validate,
            stop_after=stop_after,
            make_step=judge.make_step,
        )
    except errors.TrainingDivergedError as error:
        logging.warning("%s: %s", group[0].name, error)
        return True, None
    return False, Stopped(result.signal) if result.stopped or result.signal is not None else None


def train_cell(
    config: ErrorComparisonConfig, folder: str, judge: Judge, group: Sequence[Piece], stop_after: int
) -> Stopped | None:
    """Trains cells and judges them."""
    first = cell_config(config, group[0])
    validate, norms = make_validate(first, judge), make_norms(first, judge)

    def measure(state: state_lib.TrainState) -> dict[str, float]:
        gradients = {
            f"gradient/{network}/{block}": norm
            for network, blocks in norms(state).items()
            for block, norm in blocks.items()
        }
        return {**validate(state.ema_params), **gradients}

    diverged, stopped = train(config, folder, judge, group, measure, stop_after)
    if stopped is not None:
        return stopped
    for piece in group:
        judge_cell(config, folder, judge, piece, diverged=diverged)
    return None


def judge_cell(
    config: ErrorComparisonConfig,
    folder: str,
    judge: Judge,
    piece: Piece,
    *,
    diverged: bool,
) -> None:
    """Draws and reads the test designs of a trained cell, and leaves its record."""
    liveness.stage(f"{piece.name}: test designs")
    cell, path, dataset = cell_config(config, piece), piece.folder(folder), judge.dataset
    model = checkpoint.restore_for_inference(path, best=False)  # the last step: nothing is selected
    sampler, norms = make_sampler(cell, judge), make_norms(cell, judge)
    key = jax.random.key(config.evaluation.seed)
    noise_key = drawing.noise_key(key, Purpose.COMPARED_DESIGNS)
    images = drawing.draw(sampler, model.ema_params, noise_key, judge.brief)
    start = state_lib.create_state(cell, dataset.spec)
    history = writer.read_history(path / writer.METRICS_FILE)
    appended_brief = drawing.rows(judge.brief, slice(_N_APPENDED))
    reconstruction = last_tenth(history, "reconstruction", cell.train.steps) if cell.objective.reconstruction else None
    record = CellRecord(
        arm=piece.arm,
        depth=piece.depth,
        seed=piece.seed,
        gain=piece.gain,
        d_gain=piece.d_gain,
        learning_rate=piece.learning_rate,
        requested=judge.requested,
        read=judge.read(images),
        best_read=best_read(config, cell, judge, model, key),
        training_error=reconstruction,
        gradients=(Gradients(0, **(norms(start) or {"generator": {}, "discriminator": {}})), *in_training(history)),
        appended=degradation.appended(
            cell, dataset.spec, model.ema_params, appended_brief, extra=config.comparison.appended
        ),
        g_parameters=parameter_count(model.g_params),
        d_parameters=parameter_count(model.d_params),
        steps=model.step,
        diverged=diverged,
        img_per_s=float(np.mean([row["img_per_s"] for row in history if row.get("img_per_s")] or [0.0])),
        config_fingerprint=config_lib.fingerprint(cell, located=False),
        inspector_fingerprint=judge.inspector.report.fingerprint,
    )
    write_images(path / DESIGNS_FILE, images)
    workdir.write_record(path / RECORD_FILE, record)  # written last: it marks the cell as finished
    logging.info("%s: mean axis error %.3f", piece.name, np.abs(record.read - record.requested).mean())


def best_read(
    config: ErrorComparisonConfig,
    cell: Config,
    judge: Judge,
    model: checkpoint.TrainedModel,
    key: jax.Array,
) -> npt.NDArray[np.float64] | None:
    """The inspector's reading of the draw of each brief that the discriminator's reading head picks."""
    k, n = config.comparison.best_of, len(judge.brief.product)
    if not k:
        return None
    module = networks.create_discriminator(cell, judge.dataset.space)

    def make_head(_: Config) -> Callable[[PyTree, jax.Array, Brief], jax.Array]:
        return jax.jit(lambda params, images, brief: module.apply({"params": params}, images, brief)[1].axes)

    head = judge.once("head", cell, make_head)
    briefs = drawing.repeat(judge.brief, k)
    noise_key = drawing.noise_key(key, Purpose.BEST_OF)
    images = drawing.draw(make_sampler(cell, judge), model.ema_params, noise_key, briefs)
    head_reading = drawing.score_all(functools.partial(head, model.d_params), images, briefs)
    head_reading = head_reading.reshape(n, k, -1)[:, :, list(judge.axes)]
    miss = np.abs(head_reading - judge.requested[:, None]).sum(axis=2)
    return judge.read(images.reshape(n, k, *images.shape[1:])[np.arange(n), miss.argmin(axis=1)])


def read_record(config: ErrorComparisonConfig, folder: str, piece: Piece, judge: Judge) -> CellRecord | None:
    """Returns the record of a cell, None if it is not done.

    Raises:
        WorkdirError: The cell is of another config, or was judged by another inspector or on other briefs.
    """
    path = piece.folder(folder) / RECORD_FILE
    values = workdir.read_record(path)
    if values is None:
        return None
    record = comparison.from_json(values)
    cell = cell_config(config, piece)
    expected = config_lib.fingerprint(cell, located=False)
    # Older versions counted where the images lie as a part of the config; which images, the inspector says.
    if record.config_fingerprint not in (expected, config_lib.fingerprint(cell)):
        raise errors.WorkdirError(
            f"{path.parent} is a cell of another config (fingerprint {record.config_fingerprint}, expected "
            f"{expected}). Remove the folder to train it again, or use another --workdir."
        )
    same_judge = record.inspector_fingerprint == judge.inspector.report.fingerprint
    if not (same_judge and np.array_equal(record.requested, judge.requested)):
        raise errors.WorkdirError(
            f"{path.parent} was judged by another inspector (fingerprint {record.inspector_fingerprint}, expected "
            f"{judge.inspector.report.fingerprint}) or on other briefs. Remove {path} to judge it again."
        )
    return record


def in_training(history: Iterable[Mapping[str, Any]]) -> tuple[Gradients, ...]:
    """Gradients that validations during training have measured."""
    measured = []
    for row in history:
        norms: dict[str, dict[str, float]] = {"generator": {}, "discriminator": {}}
        for name, value in row.items():
            match = re.fullmatch(r"validation/gradient/(\w+)/(\w+)", name)
            if match:
                norms[match[1]][match[2]] = float("nan") if value is None else value
        if norms["generator"]:
            measured.append(Gradients(int(row["step"]), **norms))
    return tuple(measured)


def last_tenth(history: Iterable[Mapping[str, Any]], name: str, steps: int) -> float | None:
    """Mean of a metric over the log lines of the last tenth of the steps; None if there is none."""
    values = [row[name] for row in history if row["step"] > 0.9 * steps and row.get(name) is not None]
    return float(np.mean(values)) if values else None


def write_images(path: Path, images: drawing.Images) -> None:
    """Writes designs `[N, H, W, C]` below each other into one PNG file, without loss."""
    column = images.reshape(-1, *images.shape[2:])
    buffer = io.BytesIO()
    Image.fromarray(column[..., 0] if column.shape[-1] == 1 else column).save(buffer, format="PNG")
    workdir.write_bytes(path, buffer.getvalue())


def read_images(path: Path, judge: Judge) -> drawing.Images:
    """Reads what `write_images` has written."""
    with Image.open(path) as picture:
        column = np.asarray(picture)
    size = judge.dataset.size
    return column.reshape(-1, size, size, judge.dataset.channels)
