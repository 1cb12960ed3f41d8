"""A design run as a whole: what can be refused, then brief by brief, then page; and a design drawn again."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from ich_jax import errors, liveness, workdir
from ich_jax.config import DesignConfig
from ich_jax.data import make
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import diversity, drawing
from ich_jax.evaluation.drawing import Images
from ich_jax.report import contact, provenance
from ich_jax.studies.console import showing, shown
from ich_jax.studies.describe import errors_of
from ich_jax.studies.design import briefs, figures, files, page, plan, recipes, result, tables
from ich_jax.studies.design.designer import Choice, Designer, Job, choose
from ich_jax.studies.design.files import Card
from ich_jax.studies.design.plan import Request
from ich_jax.studies.design.result import BriefResult, Delivered
from ich_jax.training import checkpoint, sampling, shipped
from ich_jax.training import inspector as inspector_lib
from ich_jax.training.checkpoint import TrainedModel
from ich_jax.types import Brief

REQUEST_FILE = "request.json"
"""What a work directory was made for: checkpoint, and a fingerprint of each brief."""

_TOLERATED = 2  # grey levels of 255 by which other machines and versions may differ
_ON_SHEET = 24  # briefs on sheet.png


@dataclasses.dataclass(frozen=True)
class Judging:
    """Who judges what was delivered, and what it is compared with.

    Attributes:
        dataset: The images of the run.
        inspector: Trained on real images only.
        real_draws: Real images of a brief; None if the set cannot draw them.
    """

    dataset: Dataset
    inspector: inspector_lib.Inspector
    real_draws: drawing.RealDraws | None


def run(config: DesignConfig, folder: str, source: str, request: Request, *, dry_run: bool = False) -> None:
    """Designs for the briefs of a request, and reports; prints the summary line."""
    # ---------------- everything that can be refused is refused here, before anything is drawn or written
    liveness.stage("generator and briefs")
    designer = load(source, config)
    jobs = plan.plan(config, designer, request)
    check_size(config, designer)
    check_readable(designer)
    identity = plan.identity(designer, jobs)
    check_folder(config, folder, identity)
    if dry_run:
        describe(config, designer, jobs)
        return
    liveness.stage("inspector")
    judging = load_judging(designer, source) if config.judge else None
    workdir.claim(folder, config)
    workdir.write_json(Path(folder) / REQUEST_FILE, identity)

    # ---------------- brief by brief
    liveness.keeps(f"finished briefs in {folder} are kept, and the same command goes on")
    started = [job for job in jobs if result.load(folder, job.name) is None]
    if started:
        liveness.stage("programs that draw and read, which are compiled")
        designer.warm()
    with showing(len(jobs), live=config.progress) as show:
        for i, job in enumerate(jobs):
            if result.load(folder, job.name) is None:
                deliver(config, folder, designer, judging, job)
            show(job.title, i + 1)

    # ---------------- sheets and page
    liveness.stage("sheets and page")
    report(config, folder, designer, judging, jobs)


def redraw(config: DesignConfig, source: str, file: str, folder: str = "") -> None:
    """Draws a design again from what its file says, and compares the pixels.

    Args:
        config: Of no weight but for what is compiled; strength and batch are those of the file.
        source: The run.
        file: The design.
        folder: Receives the design drawn again, as `redrawn/NAME`; empty: it is compared only.

    Raises:
        DataError: The file does not say how it was drawn, or the pixels are more than 2 of 255 apart.
        CheckpointError: Another checkpoint drew it.
    """
    liveness.stage("generator and design")
    image, card = files.decode(file)
    config = dataclasses.replace(config, style_strength=card.style_strength, batch=card.batch)
    designer = load(source, config)
    plan.check_same(designer, card, file)
    brief = designer.space.brief(**dict(card.stated))
    drawn = files.enlarged_as(card, designer.redraw(card.recipe, brief, card.row))
    if drawn.shape != image.shape:
        raise errors.DataError(
            f"{file} has {image.shape[1]} x {image.shape[0]} pixels; it was made with {drawn.shape[0]}."
        )
    apart = int(np.abs(drawn.astype(np.int16) - image).max())
    now = files.versions()
    other = [
        f"{name} {card.versions.get(name)}, now {now[name]}" for name in now if card.versions.get(name) != now[name]
    ]
    if folder:
        files.write_new(Path(folder) / "redrawn" / Path(file).name, files.encode(drawn, card))
    if apart > _TOLERATED:
        raise errors.DataError(
            f"{file} drawn again differs by up to {apart} of 255: its pixels were changed after it was drawn"
            f"{', or versions draw otherwise (' + '; '.join(other) + ')' if other else ''}."
        )
    why = f" (drawn with {'; '.join(other)})" if other else " (drawn on another machine)"
    print("The same pixels, to the bit." if not apart else f"At most {apart} of 255 apart{why}.")
    print(f"summary: max_difference={apart} identical={apart == 0}", flush=True)


def list_space(source: str) -> None:
    """Prints what briefs of a run can state."""
    print(briefs.listed(load_model(source).space), flush=True)


# ---------------------------------------------------------------- before anything is drawn


def load(source: str, config: DesignConfig) -> Designer:
    """Loads a trained run.

    Raises:
        CheckpointError: There is no good checkpoint.
        WorkdirError: The folder is no work directory.
    """
    return Designer(load_model(source), config.style_strength, config.batch)


def load_model(source: str) -> TrainedModel:
    """Loads a run by its folder, or the shipped generator if none is named.

    Raises:
        CheckpointError: There is no good checkpoint.
        WorkdirError: The folder is no work directory.
    """
    return checkpoint.restore_for_inference(source) if source else shipped.load()


def check_readable(designer: Designer) -> None:
    """Checks that the run trained a reading head.

    Raises:
        CheckpointError: It did not, or the checkpoint lacks it.
    """
    sampling.make_read(designer.model.config, designer.space)
    if "reading" not in designer.model.d_params:
        raise errors.CheckpointError(
            f"The checkpoint of {designer.model.config.name} holds no reading head, by which candidates are chosen."
        )


def check_size(config: DesignConfig, designer: Designer) -> None:
    """Checks that a design fits on a page of the sheet for print.

    Raises:
        ConfigError: It does not.
    """
    side = print_side(config, designer)
    width = contact.millimetres(side, config.dpi)
    if width > contact.WIDEST_MM:
        raise errors.ConfigError(
            f"print_size: {side} px at {config.dpi} dpi are {width:.0f} mm, and a page has room for "
            f"{contact.WIDEST_MM:.0f} mm; lower print_size or raise dpi."
        )


def check_folder(config: DesignConfig, folder: str, identity: dict[str, Any]) -> None:
    """Checks that a work directory, if it is in use, is one of this config, these briefs and this generator.

    Raises:
        WorkdirError: It is not.
    """
    if (Path(folder) / workdir.CONFIG_FILE).exists():
        workdir.claim(folder, config)
    path = Path(folder) / REQUEST_FILE
    if not path.exists():
        return
    stored = workdir.read_json(path)
    if stored.get("checkpoint") != identity["checkpoint"]:
        raise errors.WorkdirError(
            f"{folder} holds designs of another generator ({stored.get('run')}); use another --workdir."
        )
    if stored.get("jobs") != identity["jobs"]:
        theirs = list(stored.get("jobs") or {})
        differing = [name for name in theirs if stored["jobs"][name] != identity["jobs"].get(name)] or theirs
        raise errors.WorkdirError(
            f"{folder} holds designs of other briefs ({', '.join(differing[:3])}{', ...' * (len(differing) > 3)}); "
            "nothing that was delivered is overwritten. Use another --workdir."
        )


def load_judging(designer: Designer, source: str) -> Judging:
    """Loads the images of the run and its inspector.

    Raises:
        DataError: The images cannot be read.
        CheckpointError: They are others than those that the generator was trained on.
    """
    model = designer.model
    try:
        dataset = make.make(model.config.data, seed=model.config.seed)
    except errors.DataError as error:
        raise errors.DataError(
            f"The inspector needs the images that {source or 'the shipped generator'} was trained on: {error} "
            "Without them: --config.judge=False."
        ) from error
    if model.spec != dataset.spec:
        raise errors.CheckpointError(
            f"{source} was trained on other images than are at its data.path now. Put them back, or do without an "
            "inspector: --config.judge=False."
        )
    inspector = inspector_lib.get(model.config, dataset)
    logging.info("The inspector (%s) on real images: %s", inspector.source, errors_of(inspector.report))
    return Judging(dataset, inspector, drawing.make_real_draws(dataset))


def describe(config: DesignConfig, designer: Designer, jobs: Sequence[Job]) -> None:
    """Prints what would be drawn."""
    model = designer.model
    print(f"generator {model.config.name}, step {model.step:,}, {model.size} px; SHA-256 {designer.checkpoint[:16]}")
    print(f"print {figures.size_on_paper(print_side(config, designer), config.dpi)}")
    for job in jobs:
        how = (
            f"up to {config.deliver} of {len(job.recipes)} candidates" if job.chosen else f"{len(job.recipes)} designs"
        )
        print(f"{job.name}  {how}: {job.title}")
    print(f"summary: n_briefs={len(jobs)} n_candidates={sum(len(job.recipes) for job in jobs)}", flush=True)


def print_side(config: DesignConfig, designer: Designer) -> int:
    """Returns the pixels of a side of a large copy."""
    size = designer.model.size
    blank = np.zeros((size, size, designer.model.channels), np.uint8)
    return int(files.enlarge(blank, config.print_size, config.resample).shape[0])


# ---------------------------------------------------------------- one brief


def deliver(config: DesignConfig, folder: str, designer: Designer, judging: Judging | None, job: Job) -> BriefResult:
    """Draws, chooses, judges and writes the designs of one job; the record comes last and says that all is there."""
    started = time.perf_counter()
    choice = choose(designer, job, deliver=config.deliver, select=config.select, tolerance=config.tolerance)
    seconds = time.perf_counter() - started
    record = collect(config, designer, judging, choice, seconds)
    names = write_pictures(folder, designer, choice, config)
    if [design.file for design in record.delivered] != names:
        raise AssertionError("records and files are named by one function")
    result.save(folder, record)
    return record


def collect(
    config: DesignConfig, designer: Designer, judging: Judging | None, choice: Choice, seconds: float
) -> BriefResult:
    """Has what was chosen judged, and puts together the record of a job."""
    job, space, index = choice.job, designer.space, choice.index
    own = result.seen(space, job.brief, choice.reading, config.tolerance)
    judged: list[result.Seen | None] = [None] * (len(index) + 1)
    spread = diversity.pixel_sd(choice.images[None]) if len(index) > 1 and job.chosen else None
    real_spread = None
    if judging is not None:
        brief = drawing.rows(job.brief, np.append(index, 0))
        reading = drawing.read_all(judging.inspector.read, np.concatenate([choice.images, choice.first[None]]))
        judged = list(result.seen(space, brief, reading, config.tolerance))
        if spread is not None and judging.real_draws is not None:
            real_spread = real_images_spread(judging, job.brief, len(index))
    delivered = []
    for rank, i in enumerate(map(int, index)):
        start = recipes.source(job.recipes[i])
        stated = briefs.from_arrays(drawing.rows(job.brief, slice(i, i + 1)), space)
        delivered.append(
            Delivered(
                rank=rank + 1,
                file=name_of(job, rank + 1),
                candidate=i,
                seed=start.seed,
                noise=start.index,
                reason=choice.reasons[rank],
                stated=stated,
                own=own[i],
                judged=judged[rank],
            )
        )
    return BriefResult(
        name=job.name,
        title=job.title,
        stated=job.stated,
        chosen=job.chosen,
        columns=job.columns,
        n_candidates=len(job.recipes),
        n_meeting=int(choice.comparison.meets.sum()),
        refused=result.refused(space, choice.comparison, job.brief),
        delivered=tuple(delivered),
        first=own[0],
        first_judged=judged[-1],
        cloud=result.cloud(choice, space),
        spread=spread,
        real_spread=real_spread,
        seconds=seconds,
    )


def real_images_spread(judging: Judging, brief: Brief, n: int) -> float:
    """Returns the spread of n real images of a brief, what it leaves open as the set has it."""
    assert judging.real_draws is not None
    key = jax.random.key(0)
    space = judging.dataset.space
    drawn = drawing.on_host(judging.dataset.briefs(jax.random.fold_in(key, 0), n))
    asked = drawing.repeat(drawing.rows(brief, slice(0, 1)), n)
    n_elements = len(space.elements)
    given = np.asarray(asked.given) > 0
    full = drawn._replace(
        product=jnp.asarray(np.where(given[:, 0], asked.product, drawn.product)),
        elements=jnp.asarray(np.where(given[:, 1 : 1 + n_elements], asked.elements, drawn.elements)),
        axes=jnp.asarray(np.where(given[:, 1 + n_elements :], asked.axes, drawn.axes)),
    )
    images = drawing.draw_real(judging.real_draws, jax.random.fold_in(key, 1), full, 1)
    return diversity.pixel_sd(images[:, 0][None])


def name_of(job: Job, rank: int, suffix: str = "") -> str:
    """Returns the file of a design in its work directory."""
    return f"designs/{job.name}_{rank:02d}{suffix}.png"


def write_pictures(folder: str | Path, designer: Designer, choice: Choice, config: DesignConfig) -> list[str]:
    """Writes the designs of a choice at native size and large; files that are there stay as they are.

    Returns:
        The files of native size, relative to the folder.
    """
    names = []
    for rank, i in enumerate(map(int, choice.index)):
        brief = drawing.rows(choice.job.brief, slice(i, i + 1))
        card = card_of(designer, choice.job.recipes[i], brief, i)
        large = files.enlarge(choice.images[rank], config.print_size, config.resample)
        made = dataclasses.replace(card, enlarged=f"{config.resample} {config.print_size}")
        names.append(name_of(choice.job, rank + 1))
        files.write_new(Path(folder) / names[-1], files.encode(choice.images[rank], card))
        files.write_new(Path(folder) / name_of(choice.job, rank + 1, "_print"), files.encode(large, made))
    return names


def card_of(designer: Designer, recipe: recipes.Recipe, brief: Brief, position: int) -> Card:
    """Returns how a design was drawn, from its position among the candidates."""
    model = designer.model
    return Card(
        stated=briefs.from_arrays(brief, designer.space),
        recipe=recipe,
        checkpoint=designer.checkpoint,
        run=f"{model.config.name}, step {model.step}",
        style_strength=designer.strength,
        batch=designer.batch,
        row=position % designer.batch,
        versions=files.versions(),
    )


# ---------------------------------------------------------------- all briefs


def report(config: DesignConfig, folder: str, designer: Designer, judging: Judging | None, jobs: Sequence[Job]) -> None:
    """Writes sheets, tables, page and `results.json` from what is stored, and prints the summary line."""
    records = [record for job in jobs if (record := result.load(folder, job.name)) is not None]
    images = [_images(folder, record, designer) for record in records]
    shown_sheet = figures.all_briefs(records[:_ON_SHEET], images[:_ON_SHEET])
    if shown_sheet is not None:
        workdir.write_bytes(Path(folder) / "sheet.png", shown_sheet.data)
        pdf = figures.print_sheet(
            records,
            images,
            title=f"Designs: {config.name}",
            enlarge=lambda image: files.enlarge(image, config.print_size, config.resample),
            side=print_side(config, designer),
            dpi=config.dpi,
        )
        workdir.write_bytes(Path(folder) / "sheet.pdf", pdf)
    workdir.write_text(Path(folder) / "designs.csv", tables.designs_csv(records, designer.space))
    origin = provenance.provenance()
    model = designer.model
    written = page.write(
        folder,
        config=config,
        space=designer.space,
        results=records,
        images=images,
        inspector=judging.inspector.report if judging else None,
        about=f"Drawn by the {model.config.generator.arm} generator of {model.config.name}, step {model.step:,}",
        simulated=model.config.data.source == "procedural",
        provenance=origin,
    )
    summary = result.summary(records, config.deliver)
    workdir.write_json(
        Path(folder) / "results.json",
        {
            "summary": summary,
            "request": workdir.read_json(Path(folder) / REQUEST_FILE),
            "briefs": [_without_cloud(record) for record in records],
            "inspector": judging.inspector.report if judging else None,
            "provenance": origin,
        },
    )
    for record in records:
        if record.chosen and len(record.delivered) < config.deliver:
            print(
                f"{record.title}: {len(record.delivered)} of {config.deliver} wanted, as {record.n_meeting} of "
                f"{record.n_candidates} candidates meet it."
            )
    print(f"Designs: {Path(folder) / 'designs'}, sheets: {Path(folder) / 'sheet.png'} and sheet.pdf")
    print(f"Page: {written}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)


def _without_cloud(record: BriefResult) -> dict[str, Any]:
    """Returns a record without its candidates, of which `briefs/` holds each one."""
    return {f.name: getattr(record, f.name) for f in dataclasses.fields(record) if f.name != "cloud"}


def _images(folder: str, record: BriefResult, designer: Designer) -> Images:
    found = [files.decode(Path(folder) / design.file)[0] for design in record.delivered]
    size, channels = designer.model.size, designer.model.channels
    return np.stack(found) if found else np.zeros((0, size, size, channels), np.uint8)
