"""What goes out to raters and what comes back, as the command line asks for it."""

from collections.abc import Sequence

from ich_jax import errors
from ich_jax.studies.kansei import returned, sheets, works
from ich_jax.studies.kansei.sheets import Plan


def make(
    folder: str,
    sources: Sequence[str],
    raters: Sequence[str],
    words: Sequence[str],
    levels: Sequence[str],
    *,
    seed: int,
) -> None:
    """Writes blinded sheets and their key, and prints the summary line.

    Args:
        folder: Where.
        sources: Folders of works, see `works.load`.
        raters: Names, or one number.
        words: Of a semantic differential; none: a review.
        levels: Least and largest score; none: 1 and 5 for a review, -3 and 3 for words.
        seed: Of codes and orders.

    Raises:
        ConfigError: Settings that cannot be.
        DataError: Works that cannot be read.
        WorkdirError: Sheets are there already.
    """
    errors.require_seed(seed, "--sheet_seed")
    if not sources:
        raise errors.ConfigError("--make_sheets needs --works=FOLDER, of images or of experiments/design.py.")
    found = works.load(sources)
    low, high = _levels(levels, bool(words))
    items = sheets.word_items(words, low, high) if words else sheets.review_items(low, high)
    plan = Plan("words" if words else "review", items, _raters(raters), seed)
    blinding = sheets.write(folder, found, plan)
    print(
        f"Sheets of {len(plan.raters)} raters for {len(found)} works: {folder}/{sheets.SHEETS}; give these to the "
        f"raters.\nKey: {folder}/{sheets.KEY}; keep it from them.\nWhen they are filled in (.csv or .xlsx):\n"
        f"python experiments/kansei_study.py --read_sheets={folder} --answers={folder}/answers"
    )
    print(
        f"summary: works={len(found)} raters={len(plan.raters)} items={len(items)} "
        f"place_spread={blinding.place_spread} follow_spread={blinding.follow_spread}",
        flush=True,
    )


def read(folder: str, filled: str, answers: str) -> None:
    """Reads filled sheets, writes what the study analyses, and prints the summary line.

    Raises:
        ConfigError: No folder of answers.
        DataError: Sheets that do not fit the key, or are damaged.
        WorkdirError: Answers are there already.
    """
    if not answers:
        raise errors.ConfigError("--read_sheets needs --answers=FOLDER, which receives the files of the study.")
    found = returned.read(folder, filled)
    paths = returned.write_answers(found, answers)
    for line in returned.describe(found):
        print(line)
    print(
        f"Wrote {', '.join(map(str, paths))}.\npython experiments/kansei_study.py --config=configs/kansei_study.py:csv "
        f"--config.data.path={answers} --workdir=runs/answers"
    )
    print(f"summary: scores={len(found.scores)} left_open={sum(found.left_open.values())}", flush=True)


def _levels(levels: Sequence[str], words: bool) -> tuple[int, int]:
    if not levels:
        return (-3, 3) if words else (1, 5)
    try:
        low, high = (int(value) for value in levels)
    except ValueError:
        low = high = 0
    if not low < high <= low + 20:
        raise errors.ConfigError(f"--levels: got {','.join(levels)}; expected two whole numbers such as 1,5.")
    return low, high


def _raters(raters: Sequence[str]) -> tuple[str, ...]:
    names = [name.strip() for name in raters]
    if len(names) == 1 and names[0].isdigit():
        errors.require_within(int(names[0]), 1, 10_000, "--raters", whole=True)
        return tuple(f"rater {k}" for k in range(1, int(names[0]) + 1))
    return tuple(names)
