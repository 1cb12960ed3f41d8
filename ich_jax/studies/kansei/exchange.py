"""Commands that make rating sheets and read the filled ones."""

from collections.abc import Sequence

from ich_jax import errors
from ich_jax.report.text import count
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
        folder: Folder for sheets and key.
        sources: Folders of works, see `works.load`.
        raters: Names, or a single number of raters.
        words: Words of a semantic differential; none: a review.
        levels: Lowest and highest score; none: 1 and 5 for a review, -3 and 3 for words.
        seed: Seed of codes and orders.

    Raises:
        ConfigError: A setting has a value that is not allowed.
        DataError: A work cannot be read.
        WorkdirError: The folder already contains sheets.
    """
    errors.require_seed(seed, "--sheet_seed")
    if not sources:
        raise errors.ConfigError("--make_sheets needs --works=FOLDER: images, or a folder of experiments/design.py.")
    gathered = works.load(sources)
    low, high = _levels(levels, bool(words))
    items = sheets.word_items(words, low, high) if words else sheets.review_items(low, high)
    plan = Plan("words" if words else "review", items, _raters(raters), seed)
    blinding = sheets.write(folder, gathered, plan)
    print(
        f"Sheets for {count(len(plan.raters), 'rater')} and {count(len(gathered), 'work')}: {folder}/{sheets.SHEETS}; "
        f"give these to the raters.\nKey: {folder}/{sheets.KEY}; raters must not see it.\n"
        "When the sheets are filled in (.csv or .xlsx):\n"
        f"python experiments/kansei_study.py --read_sheets={folder} --answers={folder}/answers"
    )
    print(
        f"summary: works={len(gathered)} raters={len(plan.raters)} items={len(items)} "
        f"place_spread={blinding.place_spread} follow_spread={blinding.follow_spread}",
        flush=True,
    )


def read(folder: str, filled: str, answers: str) -> None:
    """Reads filled sheets, writes the files of answers, and prints the summary line.

    Raises:
        ConfigError: No folder for the answers is given.
        DataError: A sheet does not fit the key, or is damaged.
        WorkdirError: The folder already contains answers.
    """
    if not answers:
        raise errors.ConfigError("--read_sheets needs --answers=FOLDER, which receives the files of the study.")
    answered = returned.read(folder, filled)
    paths = returned.write_answers(answered, answers)
    for line in returned.describe(answered):
        print(line)
    print(
        f"Wrote {', '.join(map(str, paths))}.\npython experiments/kansei_study.py --config=configs/kansei_study.py:csv "
        f"--config.data.path={answers} --workdir=runs/answers"
    )
    print(f"summary: scores={len(answered.scores)} left_open={sum(answered.left_open.values())}", flush=True)


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
