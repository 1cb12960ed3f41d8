"""Training and judging of one piece of work, in a folder of its own."""

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
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import drawing, validation
from ich_jax.evaluation.drawing import Purpose, make_real_draws
from ich_jax.models import networks
from ich_jax.studies.describe import parameter_count
from ich_jax.studies.error_comparison import degradation
from ich_jax.studies.error_comparison import result as comparison
from ich_jax.studies.error_comparison.plan import Piece, cell_config
from ich_jax.studies.error_comparison.result import CellRecord, Gradients, Trial
from ich_jax.training import checkpoint, formulation, gradients, loop, sampling, seeds, writer
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib

RECORD_FILE, DESIGNS_FILE = "cell.json", "designs.png"
_N_INSPECTOR = 2000  # real images on which the inspector's own error is measured, where there are as many
_N_APPENDED = 64  # designs drawn with and without appended blocks
_RUNS_KEPT = 4  # whose compiled programs are held


@dataclasses.dataclass(frozen=True)
class Judge:
    """What all cells are asked for and read by.

    Attributes:
        dataset: The images.
        inspector: The frozen judge.
        axes: Indices of the axes that are compared.
        names: Their names.
        brief: The test briefs, every compared axis stated.
        made: What is compiled once for all runs that may share it, by run and name; filled by `once`.
    """

    dataset: Dataset
    inspector: inspector_lib.Inspector
    axes: tuple[int, ...]
    names: tuple[str, ...]
    brief: Any
    made: dict[Config, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def once(self, what: str, config: Config, make: Callable[[Config], Any]) -> Any:
        """Returns `make(config)`, made for the first of the runs that differ in seed and initial gains only.

        What earlier runs used is dropped: compiled programs hold memory maps, of which a process may have 65,530, and a
        sweep over depths needs more.
        """
        initial: dict[str, Any] = {"residual_scale": 0.0, "plain_scale": 0.0}
        alike = dataclasses.replace(
            config,
            name="",
            seed=0,
            generator=dataclasses.replace(config.generator, **initial),
            discriminator=dataclasses.replace(config.discriminator, **initial),
            loop=config_lib.LoopConfig(),
        )
        of_run = self.made.pop(alike, {})
        self.made[alike] = of_run  # the last one is the last that was used
        while len(self.made) > _RUNS_KEPT:
            del self.made[next(iter(self.made))]
        if what not in of_run:
            of_run[what] = make(config)
        return of_run[what]

    def make_step(
        self,
        config: Config,
        dataset: Dataset,
        layout: Any,
        choice: formulation.Choice = formulation.AS_WRITTEN,
        *,
        n_steps: int = 1,
    ) -> Any:
        """The compiled step: a state carries its seed, so that runs can share one."""
        return self.once(
            f"{n_steps} steps, {choice.form}, {choice.options}",  # whatever the reason for the choice
            config,
            lambda own: step_lib.make_step(own, dataset, layout, choice, n_steps=n_steps),
        )


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

        def measure(state: state_lib.TrainState, of: Callable[[Any], dict[str, float]] = validate) -> dict[str, float]:
            return of(state.ema_params)

        diverged, stopped = train(config, folder, judge, [piece], measure, stop_after)
        if stopped is not None:
            return stopped
        scores = [row["validation/axis_mae"] for row in writer.read_history(piece.folder(folder) / writer.METRICS_FILE)
                  if row.get("validation/axis_mae") is not None]  # fmt: skip
        error = scores[-1] if scores and not diverged else math.inf
        workdir.write_json(piece.folder(folder) / RECORD_FILE, {"diverged": diverged, "axis_mae": error})
        logging.info("%s: mean axis error %.3f", piece.name, error)
    return None


def read_trial(folder: str, piece: Piece) -> Trial | None:
    """Returns the outcome of a trial, None if it is not done."""
    path = piece.folder(folder) / RECORD_FILE
    if not path.exists():
        return None
    error = workdir.read_json(path)["axis_mae"]  # null stands for infinity
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
        Whether training was given up as it diverged, and whether it was stopped.
    """
    configs, folders = [cell_config(config, piece) for piece in group], [piece.folder(folder) for piece in group]
    for own, path in zip(configs, folders, strict=True):
        workdir.claim(path, own)
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
    own = cell_config(config, group[0])
    validate, norms = make_validate(own, judge), make_norms(own, judge)

    def measure(state: state_lib.TrainState) -> dict[str, float]:
        blocks = {f"gradient/{net}/{name}": norm for net, of in norms(state).items() for name, norm in of.items()}
        return {**validate(state.ema_params), **blocks}

    diverged, stopped = train(config, folder, judge, group, measure, stop_after)
    if stopped is not None:
        return stopped
    for piece in group:
        judge_cell(config, folder, judge, piece, diverged=diverged)
    return None


def make_sampler(config: Config, judge: Judge) -> drawing.Sampler:
    """Returns what draws designs."""
    dataset = judge.dataset
    sampler: drawing.Sampler = judge.once(
        "sampler", config, lambda own: sampling.make_sampler(own, dataset.space, dataset.size, dataset.channels)
    )
    return sampler


def make_validate(config: Config, judge: Judge) -> Callable[[Any], dict[str, float]]:
    """Returns the judge of averaged weights on validation briefs."""
    dataset, sampler, read = judge.dataset, make_sampler(config, judge), judge.inspector.read
    validate: Callable[[Any], dict[str, float]] = judge.once(
        "validate",
        config,
        lambda own: validation.make_validate(own, dataset, sampler, read, real_draws=make_real_draws(dataset)),
    )
    return validate


def make_norms(config: Config, judge: Judge) -> Callable[[state_lib.TrainState], dict[str, dict[str, float]]]:
    """Returns a function that measures the gradient in each block of a state's networks; nothing if it cannot."""
    if judge.dataset.sample is None or config.objective.d_steps != 1:
        return lambda state: {}
    of = judge.once("gradients", config, lambda own: gradients.make_gradients(own, judge.dataset, judge.make_step))

    def norms(state: state_lib.TrainState) -> dict[str, dict[str, float]]:
        names = ("generator", "discriminator")
        return {name: degradation.block_norms(tree) for name, tree in zip(names, of(state), strict=True)}

    return norms


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
    own, path, dataset, axes = cell_config(config, piece), piece.folder(folder), judge.dataset, list(judge.axes)
    model = checkpoint.restore_for_inference(path, best=False)  # the last step: nothing is selected
    sampler, norms = make_sampler(own, judge), make_norms(own, judge)
    key = jax.random.key(config.evaluation.seed)
    images = drawing.draw(sampler, model.ema_params, drawing.noise_key(key, Purpose.COMPARED_DESIGNS), judge.brief)
    read = np.asarray(drawing.read_all(judge.inspector.read, images).axes, np.float64)
    start = state_lib.create_state(own, dataset.space, dataset.size, dataset.channels)
    history = writer.read_history(path / writer.METRICS_FILE)
    few = drawing.rows(judge.brief, slice(_N_APPENDED))
    record = CellRecord(
        arm=piece.arm,
        depth=piece.depth,
        seed=piece.seed,
        gain=piece.gain,
        d_gain=piece.d_gain,
        learning_rate=piece.learning_rate,
        requested=np.asarray(judge.brief.axes, np.float64)[:, axes],
        read=read[:, axes],
        best_read=best_read(config, own, judge, model, key),
        training_error=last_tenth(history, "reconstruction", own.train.steps) if own.objective.reconstruction else None,
        gradients=(Gradients(0, **(norms(start) or {"generator": {}, "discriminator": {}})), *in_training(history)),
        appended=degradation.appended(
            own, dataset.space, dataset.size, dataset.channels, model.ema_params, few, extra=config.comparison.appended
        ),
        g_parameters=parameter_count(model.g_params),
        d_parameters=parameter_count(model.d_params),
        steps=model.step,
        diverged=diverged,
        img_per_s=float(np.mean([row["img_per_s"] for row in history if row.get("img_per_s")] or [0.0])),
        config_fingerprint=config_lib.fingerprint(own),
        inspector_fingerprint=judge.inspector.report.fingerprint,
    )
    write_images(path / DESIGNS_FILE, images)
    workdir.write_json(path / RECORD_FILE, record)  # last: it says that the cell is finished
    logging.info("%s: mean axis error %.3f", piece.name, np.abs(record.read - record.requested).mean())


def best_read(
    config: ErrorComparisonConfig,
    own: Config,
    judge: Judge,
    model: checkpoint.TrainedModel,
    key: jax.Array,
) -> npt.NDArray[np.float64] | None:
    """What the inspector reads off the draw of each brief that the discriminator's reading head likes best."""
    k, axes, n = config.comparison.best_of, list(judge.axes), len(judge.brief.product)
    if not k:
        return None
    module = networks.create_discriminator(own, judge.dataset.space)
    head = judge.once(
        "head", own, lambda _: jax.jit(lambda params, *given: module.apply({"params": params}, *given)[1].axes)
    )
    many = drawing.repeat(judge.brief, k)
    sampler = make_sampler(own, judge)
    images = drawing.draw(sampler, model.ema_params, drawing.noise_key(key, Purpose.BEST_OF), many)
    own_reading = drawing.score_all(functools.partial(head, model.d_params), images, many).reshape(n, k, -1)[:, :, axes]
    miss = np.abs(own_reading - np.asarray(judge.brief.axes)[:, None, axes]).sum(axis=2)
    picked = images.reshape(n, k, *images.shape[1:])[np.arange(n), miss.argmin(axis=1)]
    return np.asarray(drawing.read_all(judge.inspector.read, picked).axes, np.float64)[:, axes]


def read_record(config: ErrorComparisonConfig, folder: str, piece: Piece, judge: Judge) -> CellRecord | None:
    """Returns the record of a cell, None if it is not done.

    Raises:
        WorkdirError: The cell is of another config, or was judged by another inspector or on other briefs.
    """
    path = piece.folder(folder) / RECORD_FILE
    if not path.exists():
        return None
    record = comparison.from_json(workdir.read_json(path))
    wanted = config_lib.fingerprint(cell_config(config, piece))
    if record.config_fingerprint != wanted:
        raise errors.WorkdirError(
            f"{path.parent} is a cell of another config (fingerprint {record.config_fingerprint}, {wanted} is wanted). "
            "Remove the folder to train it again, or use another --workdir."
        )
    asked = np.asarray(judge.brief.axes, np.float64)[:, list(judge.axes)]
    same_judge = record.inspector_fingerprint == judge.inspector.report.fingerprint
    if not same_judge or record.requested.shape != asked.shape or (record.requested != asked).any():
        raise errors.WorkdirError(
            f"{path.parent} was judged by another inspector (fingerprint {record.inspector_fingerprint}, "
            f"{judge.inspector.report.fingerprint} is wanted) or on other briefs. Remove {path} to judge it again."
        )
    return record


def in_training(history: Iterable[Mapping[str, Any]]) -> tuple[Gradients, ...]:
    """Gradients that validations during training have measured."""
    found = []
    for row in history:
        of: dict[str, dict[str, float]] = {"generator": {}, "discriminator": {}}
        for name, value in row.items():
            match = re.fullmatch(r"validation/gradient/(\w+)/(\w+)", name)
            if match:
                of[match[1]][match[2]] = float("nan") if value is None else value
        if of["generator"]:
            found.append(Gradients(int(row["step"]), **of))
    return tuple(found)


def last_tenth(history: Iterable[Mapping[str, Any]], name: str, steps: int) -> float | None:
    """Mean of a metric over the log lines of the last tenth of the steps; None if there is none."""
    values = [row[name] for row in history if row["step"] > 0.9 * steps and row.get(name) is not None]
    return float(np.mean(values)) if values else None


def chosen_axes(config: ErrorComparisonConfig, dataset: Dataset) -> tuple[int, ...]:
    """Returns the indices of the axes that are compared.

    Raises:
        DataError: The data have none, or not one that the config names.
    """
    known = dataset.space.axes
    if not known:
        raise errors.DataError(
            "The images have no axes, so there is no error to compare. Give columns axis_<name> in metadata.csv, or "
            "--config.data.axes=measured."
        )
    wanted = config.comparison.axes
    names = known if wanted == "all" else tuple(name.strip() for name in wanted.split(","))
    for name in names:
        if name not in known:
            raise errors.DataError(
                f"--config.comparison.axes: the data have no axis {name!r}; {errors.nearest(name, known)}."
            )
    return tuple(known.index(name) for name in names)


def draw_briefs(config: ErrorComparisonConfig, dataset: Dataset, axes: Sequence[int]) -> Any:
    """Draws the test briefs, one design each; those that leave a compared axis open are left out.

    Raises:
        DataError: Fewer than two state all of them.
    """
    n = config.evaluation.n_designs
    brief = drawing.briefs(dataset, jax.random.key(config.evaluation.seed), Purpose.COMPARED_DESIGNS, n)
    first = 1 + len(dataset.space.elements)
    stated = (np.asarray(brief.given)[:, [first + a for a in axes]] > 0).all(axis=1)
    if stated.sum() < 2:
        names = ", ".join(dataset.space.axes[a] for a in axes)
        raise errors.DataError(
            f"Of {n} test briefs {stated.sum()} state all of {names}; fill in more of these columns, or name fewer in "
            "--config.comparison.axes."
        )
    if not stated.all():
        logging.warning("%d of %d test briefs leave a compared axis open and are left out.", (~stated).sum(), n)
    return drawing.rows(brief, np.flatnonzero(stated))


def inspector_error(judge: Judge) -> npt.NDArray[np.float64] | None:
    """The inspector's own error `[M, A]` on held-out real images that state every compared axis."""
    images, brief = drawing.held_out(judge.dataset, "test", _N_INSPECTOR)
    first = 1 + len(judge.dataset.space.elements)
    axes = list(judge.axes)
    stated = (np.asarray(brief.given)[:, [first + a for a in axes]] > 0).all(axis=1)
    if stated.sum() < 2:
        return None
    read = np.asarray(drawing.read_all(judge.inspector.read, images[stated]).axes, np.float64)
    return read[:, axes] - np.asarray(brief.axes, np.float64)[stated][:, axes]


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
