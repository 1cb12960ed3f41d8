"""Results of a design run: a stored record for each brief, and headline figures over all of them."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ich_jax import errors, workdir
from ich_jax.evaluation import selection
from ich_jax.studies.design.designer import Choice
from ich_jax.types import Brief, DesignSpace, Reading
from ich_jax.uncertainty import intervals

HALF = 0.5
"""Error of an axis beyond which the paper's Figure 4 counts a design."""

Stated = tuple[tuple[str, str | float], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """The reading of one design.

    Attributes:
        parts: The value read for each part by name: a category, or a number on the scale of the axis.
        wrong: Stated parts with another reading than asked, or axes with an error beyond the tolerance.
        error: Reading minus request for each stated axis.
    """

    parts: Mapping[str, str | float]
    wrong: tuple[str, ...]
    error: Mapping[str, float]

    @property
    def meets(self) -> bool:
        """Whether the readings of all stated parts agree with the brief."""
        return not self.wrong


@dataclasses.dataclass(frozen=True, slots=True)
class Delivered:
    """A delivered design.

    Attributes:
        rank: Rank from 1.
        file: Path relative to the work directory.
        candidate: Position among the candidates, from 0.
        seed: Seed of its noise; of the fresh noise for a variation.
        noise: Index of its noise in the stream of the seed.
        reason: Reason why it was chosen.
        stated: The brief that it was drawn from: the parts asked for, and the open parts drawn for it.
        own: Reading by the run's own reading head.
        judged: Reading by the inspector; None if it was not used.
        open_parts: Names of parts of `stated` that were left open and drawn for this design.
    """

    rank: int
    file: str
    candidate: int
    seed: int
    noise: int
    reason: str
    stated: Stated
    own: Seen
    judged: Seen | None
    open_parts: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Cloud:
    """The candidates on two axes.

    Attributes:
        names: Names of the two axes.
        points: `[N][2]`, readings by the reading head.
        meets: `[N]`, whether a candidate meets its brief.
        taken: `[K]`, positions of the delivered candidates.
        asked: Values that the brief states for the two axes; None for an open axis.
    """

    names: tuple[str, str]
    points: tuple[tuple[float, float], ...]
    meets: tuple[bool, ...]
    taken: tuple[int, ...]
    asked: tuple[float | None, float | None]


@dataclasses.dataclass(frozen=True, slots=True)
class BriefResult:
    """The result of one brief.

    Attributes:
        name: Stem of its file names.
        title: The request in words.
        stated: Stated parts of the brief.
        chosen: Whether some of the candidates were chosen; otherwise all were delivered.
        columns: Designs in a row of its sheet; 0: as many as there is room for.
        n_candidates: Number of candidates drawn.
        n_meeting: Number of candidates that meet the brief by the readings of the run's own reading head.
        refused: Number of candidates that miss each stated part.
        delivered: The designs in order of rank.
        first: Reading of the candidate drawn first by the run's own reading head.
        first_judged: Reading of the same candidate by the inspector; None if it was not used.
        cloud: The candidates on two axes.
        spread: Standard deviation of a pixel over the designs, mean over pixels, on the scale [-1, 1]; None for fewer
            than two designs.
        real_spread: The same for as many real images of the brief; None if there are none.
        seconds: Time for drawing, reading and choosing.
    """

    name: str
    title: str
    stated: Stated
    chosen: bool
    columns: int
    n_candidates: int
    n_meeting: int
    refused: Mapping[str, int]
    delivered: tuple[Delivered, ...]
    first: Seen
    first_judged: Seen | None
    cloud: Cloud
    spread: float | None
    real_spread: float | None
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Quality:
    """How well designs follow their briefs by the readings of one reader.

    Attributes:
        n: Number of designs.
        meeting: Number of designs that meet their brief.
        interval: 95 % Wilson interval of their share; None without designs.
        wrong: Number of designs that miss each part.
        mae: Mean absolute error over stated axes; None if no axis is stated.
        beyond_half: Number of designs with an error beyond 0.5 on a stated axis.
    """

    n: int
    meeting: int
    interval: intervals.Interval | None
    wrong: Mapping[str, int]
    mae: float | None
    beyond_half: int

    @property
    def share(self) -> float | None:
        """Share of the designs that meet their brief."""
        return self.meeting / self.n if self.n else None


def seen(space: DesignSpace, brief: Brief, reading: Reading, tolerance: float) -> list[Seen]:
    """Compares the readings of N designs with their briefs."""
    missed = selection.compare(brief, reading, tolerance).missed
    kinds = (("product", space.products), *((e.name, e.categories) for e in space.elements))
    codes = [np.asarray(part).argmax(axis=1) for part in (reading.product, *reading.elements)]
    names = (*(name for name, _ in kinds), *space.axes)
    axes, asked = np.asarray(reading.axes, np.float64), np.asarray(brief.axes, np.float64)
    given = np.asarray(brief.given)[:, space.axes_given] > 0
    readings = []
    for n in range(len(axes)):
        parts: dict[str, str | float] = {
            name: categories[int(code[n])] for (name, categories), code in zip(kinds, codes, strict=True)
        }
        parts |= {name: float(axes[n, a]) for a, name in enumerate(space.axes)}
        error = {name: float(axes[n, a] - asked[n, a]) for a, name in enumerate(space.axes) if given[n, a]}
        readings.append(Seen(parts, tuple(name for name, miss in zip(names, missed[n], strict=True) if miss), error))
    return readings


def refused(space: DesignSpace, comparison: selection.Comparison, brief: Brief) -> dict[str, int]:
    """Returns the number of candidates that miss each part stated by at least one brief."""
    names = ("product", *(element.name for element in space.elements), *space.axes)
    stated = np.logical_or.reduce(np.asarray(brief.given)[:, : space.axes_given.stop] > 0, axis=0)
    counts = comparison.missed.sum(axis=0)
    return {name: int(count) for name, count, known in zip(names, counts, stated, strict=True) if known}


def cloud(choice: Choice, space: DesignSpace) -> Cloud:
    """Returns the candidates on two axes, stated ones preferred, or on principal components if there are no axes."""
    brief = choice.job.brief
    given = np.asarray(brief.given)[0, space.axes_given] > 0
    asked: tuple[float | None, float | None] = (None, None)
    if len(space.axes) >= 2:
        order = sorted(range(len(space.axes)), key=lambda a: not given[a])[:2]
        first, second = sorted(order)
        names = (space.axes[first], space.axes[second])
        points = np.asarray(choice.reading.axes, np.float64)[:, [first, second]]
        if choice.job.chosen:
            value = np.asarray(brief.axes, np.float64)[0]
            asked = (
                float(value[first]) if given[first] else None,
                float(value[second]) if given[second] else None,
            )
    else:
        centred = np.asarray(choice.features, np.float64) - choice.features.mean(axis=0)
        points = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
        points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
        names = ("first component", "second component")
    return Cloud(
        names,
        tuple((float(x), float(y)) for x, y in points),
        tuple(bool(value) for value in choice.comparison.meets),
        tuple(int(i) for i in choice.index),
        asked,
    )


def quality(readings: Sequence[Seen | None]) -> Quality | None:
    """Summarises the readings of one reader; None if a reading is missing."""
    complete = [reading for reading in readings if reading is not None]
    if len(complete) < len(readings):
        return None
    sizes = [abs(error) for reading in complete for error in reading.error.values()]
    names = sorted({name for reading in complete for name in reading.wrong})
    meeting = sum(reading.meets for reading in complete)
    return Quality(
        n=len(complete),
        meeting=meeting,
        interval=intervals.wilson(meeting, len(complete)) if complete else None,
        wrong={name: sum(name in reading.wrong for reading in complete) for name in names},
        mae=statistics.fmean(sizes) if sizes else None,
        beyond_half=sum(any(abs(error) > HALF for error in reading.error.values()) for reading in complete),
    )


def summary(results: Sequence[BriefResult], deliver: int) -> dict[str, Any]:
    """Returns the headline figures; those that need the inspector are None if it was not used."""
    delivered = [design for result in results for design in result.delivered]
    judged = quality([design.judged for design in delivered])
    first = quality([result.first_judged for result in results])
    own_quality = quality([design.own for design in delivered])
    spreads = [(r.spread, r.real_spread) for r in results if r.spread is not None and r.real_spread]
    return {
        "share_meeting_brief": judged.share if judged else None,
        "first_draw_meeting_brief": first.share if first else None,
        "exceed_half": judged.beyond_half if judged else None,
        "n_briefs": len(results),
        "n_designs": len(delivered),
        "n_short": sum(result.chosen and len(result.delivered) < deliver for result in results),
        "share_read_as_asked": own_quality.share if own_quality else None,
        "diversity_ratio": sum(a for a, _ in spreads) / sum(b for _, b in spreads if b) if spreads else None,
        "candidates_per_s": sum(r.n_candidates for r in results) / max(sum(r.seconds for r in results), 1e-9),
    }


def path(folder: str | Path, name: str) -> Path:
    """Returns the file of a brief's record."""
    return Path(folder) / "briefs" / f"{name}.json"


def save(folder: str | Path, result: BriefResult) -> None:
    """Writes the record of a brief, which marks its designs as complete."""
    workdir.write_record(path(folder, result.name), result)


def load(folder: str | Path, name: str) -> BriefResult | None:
    """Reads the record of a brief; None if it is not finished.

    Raises:
        WorkdirError: The file is damaged.
    """
    file = path(folder, name)
    values = workdir.read_record(file)
    if values is None:
        return None
    try:
        values["stated"] = _stated(values["stated"])
        values["delivered"] = tuple(map(_delivered, values["delivered"]))
        values["first"], values["first_judged"] = _seen(values["first"]), _optional(values["first_judged"])
        values["cloud"] = Cloud(
            **{name: tuple(map(_tuple, entries)) for name, entries in values["cloud"].items()}  # type: ignore[arg-type]
        )
        return BriefResult(**values)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise errors.WorkdirError(f"{file} is damaged ({error}). Remove it to draw its brief again.") from error


def _delivered(values: dict[str, Any]) -> Delivered:
    parts = {"stated": _stated(values["stated"]), "own": _seen(values["own"]), "judged": _optional(values["judged"])}
    return Delivered(**values | parts | {"open_parts": tuple(values.get("open_parts", ()))})


def _optional(values: dict[str, Any] | None) -> Seen | None:
    return None if values is None else _seen(values)


def _seen(values: dict[str, Any]) -> Seen:
    return Seen(values["parts"], tuple(values["wrong"]), values["error"])


def _stated(values: Any) -> Stated:
    return tuple((str(name), value) for name, value in values)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
