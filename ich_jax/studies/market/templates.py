"""Examples of the CSV files of a study, written for users to put their own data in."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ich_jax import errors, workdir
from ich_jax.studies.market.files import ASSORTMENT, CHOICES, SALES

_DICTIONARY = """# Files of a market study

UTF-8, with or without a byte-order mark; names and labels in any language. `choices.csv` or `sales.csv` must be there;
`assortment.csv` needs `choices.csv`. The numbers in these examples are made up.

- `choices.csv`: a row is an alternative of a task. `person`; `task`; `alternative` (`none` stands for buying nothing;
  its other cells may be empty); `chosen` (1 for one alternative of a task, else 0); perhaps `available` (0: could not
  be chosen); `price`; and one column for each attribute. Columns of numbers are numeric, others categorical: the first
  category in alphabetical order is the base with part-worth 0. Columns named `axis_NAME` are axes of a brief.
- `sales.csv`: a row is a period, from the launch on. `date` (YYYY-MM-DD, YYYY-MM or YYYY; every day, week, month,
  quarter or year); `units`; perhaps `price` and `advertising`.
- `assortment.csv`: a row is a design that could be made. `design`, the attributes of `choices.csv`, perhaps `unit_cost`
  and `design_cost` in yuan.
"""


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
        "then:\npython experiments/market.py --config=configs/market.py:csv "
        f"--config.data.path={folder} --workdir=runs/answers"
    )
    print(f"summary: templates={len(texts) - 1}", flush=True)


def _examples() -> dict[str, str]:
    """Small files that can be analysed as they are; the numbers are made up."""
    rng = np.random.default_rng(2)
    worth = {"indigo": 0.7, "red": 0.0, "folding": 0.5, "round": 0.0}
    rows: list[tuple[object, ...]] = []
    for person in range(1, 31):
        for task in range(1, 7):
            designs = [
                (
                    str(rng.choice(["indigo", "red"])),
                    str(rng.choice(["folding", "round"])),
                    int(rng.choice([48, 68, 88])),
                )
                for _ in range(2)
            ]
            value = [worth[a] + worth[b] - 0.03 * c for a, b, c in designs] + [-1.5]
            best = int(np.argmax(np.array(value) + rng.gumbel(size=3)))
            for k, (name, design) in enumerate(zip(("A", "B"), designs, strict=True)):
                rows.append((person, task, name, int(k == best), *design))
            rows.append((person, task, "none", int(best == 2), "", "", ""))
    months = np.arange("2023-01", "2024-01", dtype="datetime64[M]")
    sales = [55, 80, 120, 190, 260, 330, 370, 340, 290, 220, 150, 110]
    return {
        CHOICES: _csv(("person", "task", "alternative", "chosen", "palette", "silhouette", "price"), rows),
        SALES: _csv(("date", "units"), list(zip(map(str, months), sales, strict=True))),
        ASSORTMENT: _csv(
            ("design", "palette", "silhouette", "price", "unit_cost", "design_cost"),
            [("blue fan", "indigo", "folding", 68, 30, 2000), ("red fan", "red", "round", 58, 25, 2000)],
        ),
    }


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
