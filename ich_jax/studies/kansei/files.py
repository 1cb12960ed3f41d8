"""Reads answers from the CSV files of a user."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.kansei import quantification, semantic
from ich_jax.kansei.semantic import MeanTable
from ich_jax.report.text import count
from ich_jax.studies.kansei.answers import Answers, Questionnaires, Review
from ich_jax.studies.kansei.works import AXIS
from ich_jax.types import Element
from ich_jax.uncertainty.float64 import Array

AXIS_LEVELS = (-1.5, 0.0, 1.5)
"""Levels to which positions on an axis are rounded."""
TICK, IMPORTANCE = "tick: ", "importance: "
QUESTIONNAIRES, RATINGS, ELEMENTS, REVIEW = FILES = (
    "questionnaires.csv",
    "ratings.csv",
    "elements.csv",
    "review.csv",
)


def load(folder: str | Path, scale: tuple[float, float], axis_levels: Sequence[float] = AXIS_LEVELS) -> Answers:
    """Reads the files of a folder, which must contain at least one of `FILES`.

    Args:
        folder: The folder.
        scale: Lowest and highest score of the semantic differential.
        axis_levels: Levels to which positions on an axis are rounded.

    Raises:
        DataError: No folder, none of the files, or a file that cannot be used; names file, line and repair.
    """
    root = Path(folder)
    present = [name for name in FILES if (root / name).is_file()]
    if not present:
        raise errors.DataError(f"{root}: none of {', '.join(FILES)} exists; --write_templates=DIR writes examples.")
    questionnaires = read_questionnaires(root / QUESTIONNAIRES) if QUESTIONNAIRES in present else None
    ratings = read_ratings(root / RATINGS, scale) if RATINGS in present else None
    elements: tuple[Element, ...] = ()
    codes = None
    fixed: dict[str, str] = {}
    if ELEMENTS in present:
        if ratings is None:
            raise errors.DataError(f"{root / ELEMENTS}: elements explain ratings, but {RATINGS} is missing.")
        elements, codes, fixed = read_elements(root / ELEMENTS, ratings.samples, axis_levels)
    return Answers(
        questionnaires=questionnaires,
        samples=ratings.samples if ratings else (),
        words=ratings.words if ratings else (),
        means=ratings.mean if ratings else None,
        ratings=ratings,
        n_raters=int(ratings.n.min()) if ratings else 0,
        elements=elements,
        codes=codes,
        review=read_review(root / REVIEW) if REVIEW in present else None,
        source=", ".join(present),
        fixed=fixed,
    )


def read_questionnaires(path: Path) -> Questionnaires:
    """Reads a survey with a row for each questionnaire; columns `tick: *`, `importance: *`, `seconds`, `attention`."""
    header, rows = _read(path)
    ticks = [name for name in header if name.startswith(TICK)]
    aspects = [name for name in header if name.startswith(IMPORTANCE)]
    if not ticks and not aspects:
        raise errors.DataError(f"{path}: no column begins with {TICK!r} or {IMPORTANCE!r}; found {', '.join(header)}.")
    for name in header:
        if name not in {*ticks, *aspects, "id", "seconds", "attention"}:
            raise errors.DataError(
                f"{path}: column {name!r} is unknown; expected id, seconds, attention, or names that begin with "
                f"{TICK!r} or {IMPORTANCE!r}."
            )
    columns = {name: _numbers(path, rows, name, empty=True) for name in header if name != "id"}
    for name in ticks:
        bad = ~np.isnan(columns[name]) & ~np.isin(columns[name], (0.0, 1.0))
        if bad.any():
            raise errors.DataError(f"{path}: line {int(bad.argmax()) + 2}: {name!r} must be 0 or 1.")
    empty = np.zeros((len(rows), 0))
    return Questionnaires(
        options=tuple(name.removeprefix(TICK) for name in ticks),
        ticked=np.stack([columns[name] for name in ticks], axis=1) if ticks else empty,
        aspects=tuple(name.removeprefix(IMPORTANCE) for name in aspects),
        importance=np.stack([columns[name] for name in aspects], axis=1) if aspects else empty,
        seconds=columns.get("seconds"),
        attention=columns.get("attention"),
        simulated=False,
    )


def read_ratings(path: Path, scale: tuple[float, float]) -> MeanTable:
    """Reads ratings with a row for each rater, sample and word, and columns `rater, sample, word, score`."""
    _, rows = _read(path, ("rater", "sample", "word", "score"))
    score = _numbers(path, rows, "score")
    raters, samples, words = ([row[name] for row in rows] for name in ("rater", "sample", "word"))
    integers = all(float(end).is_integer() for end in scale)
    try:
        return semantic.mean_table(raters, samples, words, score, scale=scale, whole=integers)
    except errors.DataError as cause:
        raise errors.DataError(f"{path}: {cause}") from cause


def read_elements(
    path: Path, samples: Sequence[str], levels: Sequence[float] = AXIS_LEVELS
) -> tuple[tuple[Element, ...], npt.NDArray[np.int64], dict[str, str]]:
    """Reads design elements with a row for each rated sample, and columns `sample` and one for each element.

    A column `axis_NAME` holds numbers; each is rounded to the nearest of a few levels, so that the axis becomes an
    element.

    Args:
        path: The file.
        samples: Names of the rated samples.
        levels: Levels of the axes.

    Returns:
        The elements, `[S, E]` codes, and elements with one category for all samples, such as their product.
    """
    header, rows = _read(path, ("sample",))
    row_of = {row["sample"]: row for row in rows}
    names = [name for name in header if name != "sample"]
    if not names:
        raise errors.DataError(f"{path}: there is no column of an element besides 'sample'.")
    if len(row_of) < len(rows):
        raise errors.DataError(f"{path}: a sample has two rows.")
    for sample in samples:
        if sample not in row_of:
            raise errors.DataError(f"{path}: sample {sample!r} of the ratings has no row.")
    for sample, row in row_of.items():
        if sample not in samples:
            raise errors.DataError(f"{path}: sample {sample!r} was not rated; {errors.nearest(sample, samples)}.")
        if empty := [name for name in names if not row[name]]:
            raise errors.DataError(f"{path}: sample {sample!r}: {empty[0]} is empty.")
    elements: list[Element] = []
    columns: list[npt.NDArray[np.int64]] = []
    fixed: dict[str, str] = {}
    for name in names:
        if name.startswith(AXIS):
            values = _numbers(path, [row_of[sample] for sample in samples], name)
            element, codes = quantification.level_element(name.removeprefix(AXIS), values, levels)
        else:
            element = Element(name, tuple(dict.fromkeys(row_of[sample][name] for sample in samples)))
            codes = np.array([element.categories.index(row_of[sample][name]) for sample in samples], np.int64)
        if len(element.categories) > 1:
            elements.append(element)
            columns.append(codes)
        elif not name.startswith(AXIS):
            fixed[name] = element.categories[0]
    if not elements:
        raise errors.DataError(f"{path}: all samples have the same elements, which therefore explain nothing.")
    return tuple(elements), np.stack(columns, axis=1), fixed


def read_review(path: Path) -> Review:
    """Reads a review with columns `work, arm, score`, and `rater` if single scores are known."""
    header, rows = _read(path, ("work", "arm", "score"))
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    if len(arms) != 2:
        raise errors.DataError(f"{path}: expected two arms, found {len(arms)}: {', '.join(arms)}.")
    if "experimental" in arms:
        arms.sort(key=lambda name: name != "experimental")
    score = _numbers(path, rows, "score")
    raters = list(dict.fromkeys(row.get("rater", "") for row in rows)) if "rater" in header else [""]
    table: dict[str, dict[str, float]] = {}
    arm_of: dict[str, str] = {}
    for line, (row, value) in enumerate(zip(rows, score, strict=True), start=2):
        work, rater = row["work"], row.get("rater", "")
        if arm_of.setdefault(work, row["arm"]) != row["arm"]:
            raise errors.DataError(f"{path}: line {line}: work {work!r} is in both arms.")
        if rater in table.setdefault(work, {}):
            raise errors.DataError(f"{path}: line {line}: work {work!r} has a second score by rater {rater!r}.")
        table[work][rater] = float(value)
    dropped = tuple(work for work, given in table.items() if len(given) < len(raters))
    works = tuple(tuple(work for work in table if arm_of[work] == arm and work not in dropped) for arm in arms)
    if min(map(len, works)) < 2:
        raise errors.DataError(
            f"{path}: arm {arms[int(len(works[1]) < len(works[0]))]!r} has fewer than two works with scores of all "
            f"{count(len(raters), 'rater')}."
        )
    cells = [np.array([[table[work][rater] for rater in raters] for work in arm]) for arm in works]
    single = len(raters) == 1
    return Review(
        arms=(arms[0], arms[1]),
        scores=(cells[0].sum(axis=1), cells[1].sum(axis=1)),
        works=(works[0], works[1]),
        individual=None if single else (cells[0], cells[1]),
        raters=0 if single else len(raters),
        scale=None,
        dropped=dropped,
        rater_names=() if single else tuple(raters),
    )


def _read(path: Path, needed: Sequence[str] = ()) -> tuple[list[str], list[dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        raise errors.DataError(f"{path}: cannot be read as UTF-8 text ({cause}).") from cause
    try:
        lines = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as cause:
        raise errors.DataError(f"{path}: cannot be read as comma-separated text ({cause}).") from cause
    if len(lines) < 2:
        raise errors.DataError(f"{path}: needs a header and at least one row.")
    header = [name.strip() for name in lines[0]]
    if len(set(header)) < len(header):
        raise errors.DataError(f"{path}: a column name occurs twice: {', '.join(header)}.")
    for name in needed:
        if name not in header:
            raise errors.DataError(f"{path}: there is no column {name!r}: {errors.nearest(name, header)}.")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            raise errors.DataError(f"{path}: line {number} has {len(line)} cells for {len(header)} columns.")
        row = dict(zip(header, (cell.strip() for cell in line), strict=True))
        if missing := [name for name in needed if not row[name]]:
            raise errors.DataError(f"{path}: line {number}: {missing[0]} is empty.")
        rows.append(row)
    return header, rows


def _numbers(path: Path, rows: list[dict[str, str]], name: str, *, empty: bool = False) -> Array:
    values = []
    for number, row in enumerate(rows, start=2):
        text = row[name]
        if not text and empty:
            values.append(np.nan)
            continue
        try:
            values.append(float(text))
        except ValueError:
            raise errors.DataError(f"{path}: line {number}: {name} is {text!r}; expected a number.") from None
    return np.array(values)
