"""Examples of the CSV files of a study, as templates for the answers of users."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ich_jax import errors, workdir
from ich_jax.studies.kansei.files import ELEMENTS, IMPORTANCE, QUESTIONNAIRES, RATINGS, REVIEW, TICK


def write_templates(folder: str) -> None:
    """Writes an example of every file and a data dictionary; refuses to overwrite.

    Raises:
        WorkdirError: A file exists already, or cannot be written.
    """
    root = Path(folder)
    texts = {**_examples(), "README.md": _DICTIONARY}
    for name in texts:
        if (root / name).exists():
            raise errors.WorkdirError(f"{root / name} exists and is not overwritten; name another folder.")
    for name, text in texts.items():
        workdir.write_text(root / name, text)
    print(
        f"Wrote {', '.join(texts)} to {folder}. Replace the rows with your own, delete files that you do not need, and "
        "run:\npython experiments/kansei_study.py --config=configs/kansei_study.py:csv "
        f"--config.data.path={folder} --workdir=runs/answers"
    )
    print(f"summary: templates={len(texts) - 1}", flush=True)


def _examples() -> dict[str, str]:
    """Returns small files that can be analysed as they are; the numbers are made up."""
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

UTF-8, with or without a byte-order mark; names and labels in any language. Every file is optional;
`elements.csv` needs `ratings.csv`. The numbers in these examples are made up.

- `questionnaires.csv`: a row for each questionnaire. `id`; `seconds`; `attention` (1: the check was passed);
  `tick: OPTION` (0 or 1); `importance: ASPECT` (higher is more important). An empty cell is a missing answer.
- `ratings.csv`: a row for each rating. `rater`, `sample`, `word`, and `score` from `config.data.scale_low` to
  `scale_high`.
- `elements.csv`: a row for each sample. `sample`, then one column for each design element.
- `review.csv`: a row for each score. `work`; `arm` (two arms; `experimental` comes first); `score`; `rater` if single
  scores are known.
"""


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
