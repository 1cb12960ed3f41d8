"""What came out of a design run: a record for each brief, stored by itself, and the figures over all of them."""

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
"""Error of an axis beyond which the paper's Figure 4 counts it."""

Stated = tuple[tuple[str, str | float], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What is read off one design.

    Attributes:
        parts: Name of each part and what is read: a category, or a number on the scale of the axis.
        wrong: Stated parts that are not read as asked, axes beyond the tolerance.
        error: Read minus asked, of each stated axis.
    """

    parts: Mapping[str, str | float]
    wrong: tuple[str, ...]
    error: Mapping[str, float]

    @property
    def meets(self) -> bool:
        """Whether every stated part is read as asked."""
        return not self.wrong


@dataclasses.dataclass(frozen=True, slots=True)
class Delivered:
    """One design that was delivered.

    Attributes:
        rank: From 1.
        file: Its file in the work directory.
        candidate: Its position among the candidates, from 0.
        seed: Of its noise; of a variation that of the fresh noise.
        noise: Index of its noise in the seed.
        reason: Why it was taken.
        stated: The brief that it was drawn from: what was asked, and the open parts that were drawn for it.
        own: What the run's own reading head reads.
        judged: What the inspector reads; None if it was not asked.
        open_parts: Parts of `stated` that were left open and drawn for this design.
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
        names: Of the two axes.
        points: `[N][2]`, as the reading head reads them.
        meets: `[N]`, whether a candidate meets its brief.
        taken: `[K]` positions of those that were delivered.
        asked: What the brief states of the two; None where it states nothing.
    """

    names: tuple[str, str]
    points: tuple[tuple[float, float], ...]
    meets: tuple[bool, ...]
    taken: tuple[int, ...]
    asked: tuple[float | None, float | None]


@dataclasses.dataclass(frozen=True, slots=True)
class BriefResult:
    """What one brief came to.

    Attributes:
        name: Stem of its files.
        title: What was asked for, in words.
        stated: What it states.
        chosen: Whether candidates were chosen from; otherwise all were delivered.
        columns: Designs in a row of its sheet; 0: as many as there is room for.
        n_candidates: Candidates drawn.
        n_meeting: Those that meet the brief as the run's own reading head reads them.
        refused: Number of candidates that miss each stated part.
        delivered: The designs, by rank.
        first: What the reading head reads off the candidate drawn first.
        first_judged: What the inspector reads off it; None if it was not asked.
        cloud: The candidates on two axes.
        spread: Standard deviation of a pixel over the designs, mean over pixels, on the scale [-1, 1]; None below two.
        real_spread: The same of as many real images of the brief; None where there are none.
        seconds: Drawing, reading and choosing.
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
    """How designs follow their briefs, as one reader reads them.

    Attributes:
        n: Designs.
        meeting: Those that meet their brief.
        interval: 95 % Wilson interval of the share; None without designs.
        wrong: Number of designs on which each part is not read as asked.
        mae: Mean absolute error over stated axes; None if none is stated.
        beyond_half: Designs with an error beyond 0.5 on a stated axis.
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
    """Returns what is read off each of N designs against its brief."""
    missed = selection.compare(brief, reading, tolerance).missed
    kinds = (("product", space.products), *((e.name, e.categories) for e in space.elements))
    codes = [np.asarray(part).argmax(axis=1) for part in (reading.product, *reading.elements)]
    names = (*(name for name, _ in kinds), *space.axes)
    axes, asked = np.asarray(reading.axes, np.float64), np.asarray(brief.axes, np.float64)
    given = np.asarray(brief.given)[:, space.axes_given] > 0
    found = []
    for n in range(len(axes)):
        parts: dict[str, str | float] = {name: of[int(code[n])] for (name, of), code in zip(kinds, codes, strict=True)}
        parts |= {name: float(axes[n, a]) for a, name in enumerate(space.axes)}
        error = {name: float(axes[n, a] - asked[n, a]) for a, name in enumerate(space.axes) if given[n, a]}
        found.append(Seen(parts, tuple(name for name, miss in zip(names, missed[n], strict=True) if miss), error))
    return found


def refused(space: DesignSpace, comparison: selection.Comparison, brief: Brief) -> dict[str, int]:
    """Returns how many candidates miss each part that is stated of any."""
    names = ("product", *(element.name for element in space.elements), *space.axes)
    stated = np.logical_or.reduce(np.asarray(brief.given)[:, : space.axes_given.stop] > 0, axis=0)
    counts = comparison.missed.sum(axis=0)
    return {name: int(count) for name, count, known in zip(names, counts, stated, strict=True) if known}


def cloud(choice: Choice, space: DesignSpace) -> Cloud:
    """Returns the candidates on two axes: those that the brief states first, else principal components of features."""
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
    """Summarises what one reader reads off designs; None if it was not asked."""
    found = [one for one in readings if one is not None]
    if len(found) < len(readings):
        return None
    sizes = [abs(error) for one in found for error in one.error.values()]
    names = sorted({name for one in found for name in one.wrong})
    meeting = sum(one.meets for one in found)
    return Quality(
        n=len(found),
        meeting=meeting,
        interval=intervals.wilson(meeting, len(found)) if found else None,
        wrong={name: sum(name in one.wrong for one in found) for name in names},
        mae=statistics.fmean(sizes) if sizes else None,
        beyond_half=sum(any(abs(error) > HALF for error in one.error.values()) for one in found),
    )


def summary(results: Sequence[BriefResult], deliver: int) -> dict[str, Any]:
    """Returns the headline figures; what only the inspector could say is None where it was not asked."""
    delivered = [design for one in results for design in one.delivered]
    judged = quality([design.judged for design in delivered])
    first = quality([one.first_judged for one in results])
    own = quality([design.own for design in delivered])
    pairs = [(one.spread, one.real_spread) for one in results if one.spread is not None and one.real_spread]
    return {
        "share_meeting_brief": judged.share if judged else None,
        "first_draw_meeting_brief": first.share if first else None,
        "exceed_half": judged.beyond_half if judged else None,
        "n_briefs": len(results),
        "n_designs": len(delivered),
        "n_short": sum(one.chosen and len(one.delivered) < deliver for one in results),
        "share_read_as_asked": own.share if own else None,
        "diversity_ratio": sum(a for a, _ in pairs) / sum(b for _, b in pairs if b) if pairs else None,
        "candidates_per_s": sum(one.n_candidates for one in results) / max(sum(one.seconds for one in results), 1e-9),
    }


def path(folder: str | Path, name: str) -> Path:
    """Returns the file of a brief's record."""
    return Path(folder) / "briefs" / f"{name}.json"


def save(folder: str | Path, result: BriefResult) -> None:
    """Writes the record of a brief, which says that its designs are all there."""
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
        values["delivered"] = tuple(_delivered(one) for one in values["delivered"])
        values["first"], values["first_judged"] = _seen(values["first"]), _optional(values["first_judged"])
        values["cloud"] = Cloud(
            **{name: tuple(map(_tuple, of)) for name, of in values["cloud"].items()}  # type: ignore[arg-type]
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
