"""Answers of a study: the user's CSV files, or what the paper publishes with simulated questionnaires."""

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ich_jax import errors, workdir
from ich_jax.kansei import published, semantic
from ich_jax.kansei.semantic import MeanTable
from ich_jax.types import Element
from ich_jax.uncertainty.float64 import Array

TICK, IMPORTANCE = "tick: ", "importance: "
QUESTIONNAIRES, RATINGS, ELEMENTS, REVIEW = FILES = (
    "questionnaires.csv",
    "ratings.csv",
    "elements.csv",
    "review.csv",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Questionnaires:
    """Answers of a survey.

    Attributes:
        options: Names of what could be ticked.
        ticked: `[n, K]` of 0 and 1, NaN where nothing was answered.
        aspects: Names of what was rated by importance.
        importance: `[n, A]`, NaN where missing.
        seconds: `[n]`, or None.
        attention: `[n]` passed, or None.
        simulated: Whether the answers are simulated.
    """

    options: tuple[str, ...]
    ticked: Array
    aspects: tuple[str, ...]
    importance: Array
    seconds: Array | None
    attention: Array | None
    simulated: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Review:
    """Scores of works in two arms.

    Attributes:
        arms: Names; the first is compared with the second.
        scores: For each arm `[n]` sums over raters, or single scores.
        works: Names of the works of each arm.
        individual: For each arm `[n, raters]`; None when only sums are known.
        raters: Raters behind a sum; 0: not known.
        scale: Least and largest score of one rater; None: not known.
        dropped: Works left out since a rater has not scored them.
    """

    arms: tuple[str, str]
    scores: tuple[Array, Array]
    works: tuple[tuple[str, ...], tuple[str, ...]]
    individual: tuple[Array, Array] | None
    raters: int
    scale: tuple[int, int] | None
    dropped: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """Everything that a study analyses; parts that are absent are None.

    Attributes:
        questionnaires: The survey.
        samples: Names of the rated samples.
        words: Names of the words.
        means: `[S, W]` mean scores.
        ratings: The individual ratings; None when only means are known.
        n_raters: Raters behind each mean (the fewest).
        elements: Design elements with their categories.
        codes: `[S, E]` category of each element for each sample.
        review: The review.
        source: In words.
    """

    questionnaires: Questionnaires | None
    samples: tuple[str, ...]
    words: tuple[str, ...]
    means: Array | None
    ratings: MeanTable | None
    n_raters: int
    elements: tuple[Element, ...]
    codes: npt.NDArray[np.int64] | None
    review: Review | None
    source: str


def from_paper(seed: int) -> Answers:
    """The paper's tables, with questionnaires SIMULATED so that their counts are the paper's."""
    return Answers(
        questionnaires=simulate_questionnaires(seed),
        samples=published.SAMPLES,
        words=published.WORDS,
        means=published.TABLE_1,
        ratings=None,
        n_raters=published.IMAGERY.valid,
        elements=(),
        codes=None,
        review=Review(
            arms=("experimental", "control"),
            scores=(published.REVIEW_EXPERIMENTAL, published.REVIEW_CONTROL),
            works=(
                tuple(f"Experimental Group {k}" for k in range(1, 11)),
                tuple(f"Control group {k}" for k in range(1, 11)),
            ),
            individual=None,
            raters=published.REVIEW_RATERS,
            scale=published.REVIEW_SCALE,
            dropped=(),
        ),
        source=published.SOURCE,
    )


def simulate_questionnaires(seed: int) -> Questionnaires:
    """509 questionnaires with the paper's counts: 500 valid, 7 straight-lined, 2 largely blank.

    The four shares are the paper's to the questionnaire; who ticked what together, and importances beyond the order of
    the first three, are made up.
    """
    rng = np.random.default_rng(seed)
    n, options = published.DEMAND.valid, tuple(published.DEMAND_PERCENT)
    ticked = np.zeros((n, len(options)))
    for k, percent in enumerate(published.DEMAND_PERCENT.values()):
        ticked[rng.permutation(n)[: round(percent * n / 100)], k] = 1.0
    aspects = (*published.IMPORTANCE_ORDER, "practicality", "packaging", "brand")
    centre = np.array([4.3, 4.0, 3.8, 3.5, 3.1, 2.8])
    importance = np.clip(np.round(rng.normal(centre, 0.8, (n, len(aspects)))), 1, 5)
    items = len(options) + len(aspects)
    whole = np.concatenate([ticked, importance], axis=1)
    same = (whole == whole[:, :1]).all(axis=1)
    importance[same, 0] = 5.0 - importance[same, 0] + 1.0  # nobody valid straight-lines by chance
    lined, blank = np.ones((7, items)), np.full((2, items), np.nan)
    blank[:, 0] = 1.0
    rows = np.concatenate([np.concatenate([ticked, importance], axis=1), lined, blank])[rng.permutation(n + 9)]
    return Questionnaires(options, rows[:, : len(options)], aspects, rows[:, len(options) :], None, None, True)


def load(folder: str | Path, scale: tuple[float, float]) -> Answers:
    """Reads the files of a folder; at least one of `FILES` must be there.

    Args:
        folder: Where they are.
        scale: Least and largest score of the semantic differential.

    Raises:
        DataError: No folder, none of the files, or a file that cannot be used; names file, line and repair.
    """
    root = Path(folder)
    there = [name for name in FILES if (root / name).is_file()]
    if not there:
        raise errors.DataError(f"{root}: none of {', '.join(FILES)} is there; --write_templates=DIR writes examples.")
    questionnaires = read_questionnaires(root / QUESTIONNAIRES) if QUESTIONNAIRES in there else None
    ratings = read_ratings(root / RATINGS, scale) if RATINGS in there else None
    elements: tuple[Element, ...] = ()
    codes = None
    if ELEMENTS in there:
        if ratings is None:
            raise errors.DataError(f"{root / ELEMENTS}: elements explain ratings, but {RATINGS} is not there.")
        elements, codes = read_elements(root / ELEMENTS, ratings.samples)
    return Answers(
        questionnaires=questionnaires,
        samples=ratings.samples if ratings else (),
        words=ratings.words if ratings else (),
        means=ratings.mean if ratings else None,
        ratings=ratings,
        n_raters=int(ratings.n.min()) if ratings else 0,
        elements=elements,
        codes=codes,
        review=read_review(root / REVIEW) if REVIEW in there else None,
        source=", ".join(there),
    )


def read_questionnaires(path: Path) -> Questionnaires:
    """Reads a survey: a row a questionnaire, columns `tick: OPTION`, `importance: ASPECT`, `seconds`, `attention`."""
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
    """Reads ratings: a row for each rater, sample and word, columns `rater, sample, word, score`."""
    header, rows = _read(path, ("rater", "sample", "word", "score"))
    del header
    score = _numbers(path, rows, "score")
    raters, samples, words = ([row[name] for row in rows] for name in ("rater", "sample", "word"))
    whole = all(float(end).is_integer() for end in scale)
    try:
        return semantic.mean_table(raters, samples, words, score, scale=scale, whole=whole)
    except errors.DataError as cause:
        raise errors.DataError(f"{path}: {cause}") from cause


def read_elements(path: Path, samples: Sequence[str]) -> tuple[tuple[Element, ...], npt.NDArray[np.int64]]:
    """Reads design elements: a row for each rated sample, columns `sample` and one for each element."""
    header, rows = _read(path, ("sample",))
    place = {row["sample"]: row for row in rows}
    names = [name for name in header if name != "sample"]
    if not names:
        raise errors.DataError(f"{path}: there is no column of an element beside 'sample'.")
    if len(place) < len(rows):
        raise errors.DataError(f"{path}: a sample stands in two rows.")
    for sample in samples:
        if sample not in place:
            raise errors.DataError(f"{path}: sample {sample!r} of the ratings has no row.")
    for sample in place:
        if sample not in samples:
            raise errors.DataError(f"{path}: sample {sample!r} was not rated; {errors.nearest(sample, samples)}.")
    elements = tuple(Element(name, tuple(dict.fromkeys(place[sample][name] for sample in samples))) for name in names)
    codes = [[element.categories.index(place[sample][element.name]) for element in elements] for sample in samples]
    return elements, np.array(codes, np.int64)


def read_review(path: Path) -> Review:
    """Reads a review: columns `work, arm, score`, and `rater` where single scores are known."""
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
            raise errors.DataError(f"{path}: line {line}: work {work!r} has a second score" + f" of rater {rater!r}.")
        table[work][rater] = float(value)
    dropped = tuple(work for work, given in table.items() if len(given) < len(raters))
    works = tuple(tuple(work for work in table if arm_of[work] == arm and work not in dropped) for arm in arms)
    if min(map(len, works)) < 2:
        raise errors.DataError(
            f"{path}: arm {arms[int(len(works[1]) < len(works[0]))]!r} has fewer than two works that all "
            f"{len(raters)} raters have scored."
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
    )


def write_templates(folder: str) -> None:
    """Writes an example of every file and a data dictionary; refuses to overwrite.

    Raises:
        WorkdirError: A file is there already, or cannot be written.
    """
    root = Path(folder)
    texts = {**_examples(), "README.md": _DICTIONARY}
    for name in texts:
        if (root / name).exists():
            raise errors.WorkdirError(f"{root / name} is there already and is not overwritten; name another folder.")
    for name, text in texts.items():
        workdir.write_text(root / name, text)
    print(
        f"Wrote {', '.join(texts)} to {folder}. Put your own rows in their place, delete files that you do not have, "
        "then:\npython experiments/kansei_study.py --config=configs/kansei_study.py:csv "
        f"--config.data.path={folder} --workdir=runs/answers"
    )
    print(f"summary: templates={len(texts) - 1}", flush=True)


def _examples() -> dict[str, str]:
    """Small files that can be analysed as they are; the numbers are made up."""
    rng = np.random.default_rng(1)
    elements = {"silhouette": ("round", "folding"), "palette": ("indigo", "red")}
    samples = [f"fan {k}" for k in range(1, 9)]
    kinds = [(elements["silhouette"][k % 2], elements["palette"][k // 2 % 2]) for k in range(8)]
    ratings = []
    for rater in range(1, 13):
        for sample, (silhouette, palette) in zip(samples, kinds, strict=True):
            warm = (palette == "red") * 1.5 - 0.5 + rng.normal(0, 0.8)
            light = (silhouette == "folding") * 1.2 - 0.4 + rng.normal(0, 0.8)
            lively, elegant = 0.7 * warm + rng.normal(0, 0.6), 0.8 * light + rng.normal(0, 0.6)
            for word, value in (("warm", warm), ("light", light), ("lively", lively), ("elegant", elegant)):
                ratings.append((f"rater {rater}", sample, word, int(np.clip(round(value), -3, 3))))
    questionnaires = []
    for k in range(1, 41):
        ticks = (rng.uniform(size=2) < (0.6, 0.4)).astype(int)
        importance = np.clip(np.round(rng.normal((4.2, 3.6, 3.4), 0.7)), 1, 5).astype(int)
        questionnaires.append((k, int(rng.integers(60, 300)), 1, *ticks, *importance))
    review = [
        (f"{arm} {work}", arm, f"expert {e}", int(np.clip(round(rng.normal(centre, 0.7)), 1, 5)))
        for arm, centre in (("experimental", 4.1), ("control", 3.3))
        for work in range(1, 7)
        for e in range(1, 4)
    ]
    return {
        QUESTIONNAIRES: _csv(
            (
                "id",
                "seconds",
                "attention",
                *(TICK + name for name in ("souvenir", "meaning")),
                *(IMPORTANCE + name for name in ("aesthetics", "price", "quality")),
            ),
            questionnaires,
        ),
        RATINGS: _csv(("rater", "sample", "word", "score"), ratings),
        ELEMENTS: _csv(("sample", *elements), [(s, *kind) for s, kind in zip(samples, kinds, strict=True)]),
        REVIEW: _csv(("work", "arm", "rater", "score"), review),
    }


_DICTIONARY = """# Files of a Kansei study

UTF-8, with or without a byte-order mark; names and labels in any language. Every file is optional, but for
`elements.csv`, which needs `ratings.csv`. The numbers in these examples are made up.

- `questionnaires.csv`: a row is a questionnaire. `id`; `seconds`; `attention` (1: the check was passed);
  `tick: OPTION` (0 or 1); `importance: ASPECT` (higher is more important). An empty cell was not answered.
- `ratings.csv`: a row is a rating. `rater`, `sample`, `word`, and `score` from `config.data.scale_low` to `scale_high`.
- `elements.csv`: a row is a sample. `sample`, then one column for each design element.
- `review.csv`: a row is a score. `work`; `arm` (two of them; `experimental` comes first); `score`; `rater` if single
  scores are known.
"""


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _read(path: Path, needed: Sequence[str] = ()) -> tuple[list[str], list[dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        raise errors.DataError(f"{path}: cannot be read as UTF-8 text ({cause}).") from cause
    lines = list(csv.reader(io.StringIO(text, newline="")))
    if len(lines) < 2:
        raise errors.DataError(f"{path}: needs a header and at least one row.")
    header = [name.strip() for name in lines[0]]
    if len(set(header)) < len(header):
        raise errors.DataError(f"{path}: a column name stands twice: {', '.join(header)}.")
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
