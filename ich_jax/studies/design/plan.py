"""The jobs of a request: briefs, variations, paths and sweeps, each as a list of candidates."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import logging

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import DesignConfig
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import drawing
from ich_jax.report.text import signed
from ich_jax.studies.design import briefs, files, open_parts, recipes, sketches
from ich_jax.studies.design.briefs import Asked
from ich_jax.studies.design.designer import Designer, Job
from ich_jax.studies.design.files import Card
from ich_jax.studies.design.recipes import Between, Near, Noise, Recipe
from ich_jax.types import AXIS_LIMIT, Brief, DesignSpace

REQUEST_FILE = "request.json"
"""The request that a work directory belongs to: checkpoint, and a fingerprint of each job."""

_SWEPT = 3  # noise vectors for which the sweep of a brief is drawn


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """A request for designs.

    Attributes:
        briefs: Briefs as written on the command line.
        file: A file of briefs; empty: none.
        around: PNG file of a design to vary; empty: none.
        morph: Two designs, `A.png,B.png`, between which a path is drawn; empty: none.
        sweep: An axis along which each brief, or the design of `around`, is drawn; empty: none.
        test_briefs: Number of the run's own test briefs, on which its generator was evaluated.
        sketch: Image file of line art that all designs follow; empty: none.
    """

    briefs: tuple[str, ...] = ()
    file: str = ""
    around: str = ""
    morph: str = ""
    sweep: str = ""
    test_briefs: int = 0
    sketch: str = ""


def plan(
    config: DesignConfig, designer: Designer, request: Request, images: Callable[[], Dataset] | None = None
) -> tuple[Job, ...]:
    """Returns the jobs of a request.

    Args:
        config: Number of candidates and seed of their noise.
        designer: The generator.
        request: The request.
        images: Loads the images of the run, from which test briefs are drawn; None: no test briefs.

    Raises:
        ConfigError: A brief is wrong (see `briefs.read`), the request is empty, or its parts exclude each other.
        DataError: A file cannot be read.
        CheckpointError: A design was drawn by another checkpoint.
    """
    space = designer.space
    if request.sketch and (request.morph or request.around):
        raise errors.ConfigError("--sketch goes with --brief and --briefs; existing designs keep their own sketch.")
    if request.sweep:
        errors.require(request.sweep, space.axes, "--sweep")
    if request.morph:
        if request != Request(morph=request.morph) or config.seeds:
            raise errors.ConfigError("--morph takes its briefs from the two designs; leave out other requests.")
        return (_path(config, designer, request.morph),)
    if request.around:
        if request.briefs or request.file or request.test_briefs:
            raise errors.ConfigError("--around takes its brief from the design; leave out --brief and --briefs.")
        card = card_of(designer, request.around)
        asked = _asked(card, space, Path(request.around).stem)
        if request.sweep:
            swept = _sweep(config, space, asked, request.sweep, (card.recipe,))
            return (_completed(swept, card, space),)
        return (_completed(_around(config, asked, card), card, space),)
    wanted = briefs.read(request.briefs, request.file, space)
    if request.test_briefs and images is not None:
        run_config = designer.model.config
        errors.require_within(request.test_briefs, 1, run_config.evaluation.n_designs, "--test_briefs", whole=True)
        wanted = briefs.named([*wanted, *briefs.from_test_set(images(), run_config.evaluation, request.test_briefs)])
    if request.sketch:
        page = sketches.read(request.sketch, space, designer.model.size)
        wanted = wanted or (Asked("01_sketch", (), space.brief()),)
        wanted = tuple(dataclasses.replace(item, brief=sketches.with_page(space, item.brief, page)) for item in wanted)
    if not wanted:
        raise errors.ConfigError(
            f'No brief is given. Write for example --brief="product={space.products[0]}", or --briefs=FILE; --list '
            "shows the parts that a brief can state."
        )
    if request.sweep:
        noises = [Noise(seed, 0) for seed in config.seeds] or [Noise(config.seed, i) for i in range(_SWEPT)]
        return tuple(_sweep(config, space, asked, request.sweep, tuple(noises)) for asked in wanted)
    return tuple(brief_job(config, asked) for asked in wanted)


def brief_job(config: DesignConfig, asked: Asked) -> Job:
    """Returns the job of a brief: candidates of one seed, or one design for each of several seeds."""
    if config.seeds:
        return job(
            asked, [Noise(seed, 0) for seed in config.seeds], chosen=False, labels=[f"seed {s}" for s in config.seeds]
        )
    return job(asked, [Noise(config.seed, i) for i in range(config.candidates)])


def job(
    asked: Asked, sources: list[Recipe] | list[Noise], *, chosen: bool = True, labels: list[str] | None = None
) -> Job:
    """Returns the job of one brief with a candidate for each recipe of noise."""
    repeated = drawing.repeat(drawing.on_host(asked.brief), len(sources))
    title = asked.text + " (along the sketch)" * (asked.brief.sketch is not None)
    return Job(asked.name, title, asked.stated, repeated, tuple(sources), chosen, tuple(labels or ()))


def card_of(designer: Designer, path: str) -> Card:
    """Reads the card of a design and checks that this checkpoint drew it.

    Raises:
        DataError: The file contains no card.
        CheckpointError: Another checkpoint drew the design.
    """
    _, card = files.decode(path)
    check_same(designer, card, path)
    if card.style_strength != designer.strength:
        logging.warning(
            "%s was drawn with --style_strength=%g; new designs are drawn with %g.",
            path, card.style_strength, designer.strength,
        )  # fmt: skip
    return card


def check_same(designer: Designer, card: Card, path: str) -> None:
    """Checks that a design was drawn by this checkpoint.

    Raises:
        CheckpointError: Another checkpoint drew the design.
    """
    if card.checkpoint != designer.checkpoint:
        model = designer.model
        raise errors.CheckpointError(
            f"{path} was drawn by another checkpoint ({card.run}, SHA-256 {card.checkpoint[:12]}) than "
            f"{model.config.name}, step {model.step} ({designer.checkpoint[:12]}). Give its run as --checkpoint."
        )


def identity(designer: Designer, jobs: tuple[Job, ...]) -> dict[str, Any]:
    """Returns the identity of a request: the checkpoint and a fingerprint of each job."""

    def fingerprint(task: Job) -> str:
        values = [task.stated, task.labels, task.chosen, [recipes.to_json(recipe) for recipe in task.recipes]]
        all_briefs = [task.brief] if task.filled is None else [task.brief, task.filled]
        parts = [np.asarray(part).tolist() for brief in all_briefs for part in brief if part is not None]
        return config_lib.fingerprint([*values, *parts])

    model = designer.model
    return {
        "run": f"{model.config.name}, step {model.step}",
        "checkpoint": designer.checkpoint,
        "jobs": {task.name: fingerprint(task) for task in jobs},
    }


def print_side(config: DesignConfig, designer: Designer) -> int:
    """Returns the side of an enlarged copy in pixels."""
    size = designer.model.size
    blank = np.zeros((size, size, designer.model.channels), np.uint8)
    return int(files.enlarge(blank, config.print_size, config.resample).shape[0])


def _asked(card: Card, space: DesignSpace, name: str) -> Asked:
    return Asked(name, card.asked, card.asked_brief(space))


def _completed(job: Job, card: Card, space: DesignSpace) -> Job:
    """Gives all designs of a job the open parts that were drawn for the design they start from."""
    full = drawing.repeat(drawing.on_host(card.brief(space)), len(job.recipes))
    return open_parts.complete(job, full) if card.open_parts else job


def _around(config: DesignConfig, asked: Asked, card: Card) -> Job:
    sources: list[Recipe] = [Near(card.recipe, config.spread, Noise(config.seed, i)) for i in range(config.candidates)]
    variations = job(dataclasses.replace(asked, name=f"around_{asked.name}"), sources)
    return dataclasses.replace(variations, title=f"around {asked.name}: {asked.text}")


def _path(config: DesignConfig, designer: Designer, pair: str) -> Job:
    ends = [part.strip() for part in pair.split(",") if part.strip()]
    if len(ends) != 2:
        raise errors.ConfigError(f"--morph={pair}: expected two designs, such as --morph=A.png,B.png.")
    cards = [card_of(designer, end) for end in ends]
    a, b = (_asked(card, designer.space, Path(end).stem) for card, end in zip(cards, ends, strict=True))
    shares = np.linspace(0.0, 1.0, config.columns)
    places = [_place(cards[0].recipe, cards[1].recipe, float(share)) for share in shares]
    full = [card.brief(designer.space) for card in cards]
    path = Job(
        name=f"morph_{a.name}_to_{b.name}"[:120],
        title=f"path: from {a.name} to {b.name}",
        stated=a.stated,
        brief=_stack([between(a.brief, b.brief, float(share)) for share in shares]),
        recipes=tuple(places),
        chosen=False,
        labels=tuple(f"{100 * share:.0f} %" for share in shares),
        columns=config.columns,
    )
    if not any(card.open_parts for card in cards):
        return path
    a_full, b_full = full
    return open_parts.complete(path, _stack([between(a_full, b_full, float(share)) for share in shares]))


def _place(start: Recipe, end: Recipe, share: float) -> Recipe:
    """Returns the recipe of a place on a path; at its ends those of the two designs, unchanged bit for bit."""
    return start if share == 0.0 else end if share == 1.0 else Between(start, end, share)


def between(a: Brief, b: Brief, share: float) -> Brief:
    """Returns a brief between two: axes that both state are interpolated, all else comes from the nearer brief."""
    near = a if share < 0.5 else b
    first, n_axes = 1 + np.asarray(a.elements).shape[1], np.asarray(a.axes).shape[1]
    both = (np.asarray(a.given) * np.asarray(b.given))[:, first : first + n_axes] > 0
    mixed = (1 - share) * np.asarray(a.axes, np.float64) + share * np.asarray(b.axes, np.float64)
    axes = np.where(both, mixed, np.asarray(near.axes)).astype(np.float32)
    return near._replace(axes=axes)  # type: ignore[arg-type]  # a numpy array


def _sweep(config: DesignConfig, space: DesignSpace, asked: Asked, axis: str, noises: tuple[Recipe, ...]) -> Job:
    values = [round(float(value), 6) for value in np.linspace(-AXIS_LIMIT, AXIS_LIMIT, config.columns)]
    row = [space.brief(**(dict(asked.stated) | {axis: value})) for value in values]
    if asked.brief.sketch is not None:
        row = [space.with_sketch(brief, asked.brief.sketch) for brief in row]
    return Job(
        name=f"sweep_{axis}_{asked.name}",
        title=f"{axis} {signed(values[0])} to {signed(values[-1])}: {asked.text}",
        stated=asked.stated,
        brief=_stack(row * len(noises)),
        recipes=tuple(noise for noise in noises for _ in values),
        chosen=False,
        labels=tuple(f"{axis} {signed(value)}" for _ in noises for value in values),
        columns=config.columns,
    )


def _stack(parts: list[Brief]) -> Brief:
    pages: list[Any] = [np.ones_like(brief.sketch) for brief in parts if brief.sketch is not None]
    if pages:  # to be stacked with sketches, briefs without one get a blank page that they do not state
        parts = [brief if brief.sketch is not None else brief._replace(sketch=pages[0]) for brief in parts]
    stacked: Brief = jax.tree.map(lambda *leaves: np.concatenate(leaves), *map(drawing.on_host, parts))
    return stacked
