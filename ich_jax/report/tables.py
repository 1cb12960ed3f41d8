"""Tables of the report, each as CSV (full precision), Markdown and HTML (rounded for reading)."""

import csv
import dataclasses
import html
import io
from collections.abc import Sequence

from ich_jax.report.text import number

Cell = str | int | float | None
"""A cell; None is a figure that does not exist: shown as a dash, and empty in CSV."""


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        name: Stem of its files.
        title: Subject of the table.
        columns: Name of each column.
        rows: Cells, as many in each row as there are columns.
        caption: How to read it: units, method of measurement.
        samples: Sample size and seeds.
        digits: Decimals of the floats of a column, by its name; other floats are formatted by `number`.
        filters: Columns by whose texts readers of a page may choose rows; without JavaScript all rows are shown.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    samples: str = ""
    digits: tuple[tuple[str, int], ...] = ()
    filters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not set(self.filters) <= set(self.columns):
            raise ValueError(f"Table {self.name!r}: filters {self.filters} are not all among {self.columns}.")
        for i, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"Table {self.name!r}: row {i} has {len(row)} cells for {len(self.columns)} columns.")


@dataclasses.dataclass(frozen=True, slots=True)
class Measure:
    """One figure with its uncertainty, as far as it is known.

    Attributes:
        name: The measured quantity.
        value: The figure.
        low: Lower end of its interval.
        high: Upper end of its interval.
        interval: Kind of the interval, for example `95 % Wilson` or `sd over feature seeds`.
        n: Number of designs, images or pairs.
        seeds: Number of seeds.
        note: Unit, direction or a reference value.
    """

    name: str
    value: Cell
    low: float | None = None
    high: float | None = None
    interval: str = ""
    n: int | None = None
    seeds: int | None = None
    note: str = ""


def measures(name: str, title: str, rows: Sequence[Measure], *, caption: str = "", samples: str = "") -> Table:
    """Makes the table of figures: one row per measure, with interval, n and seeds."""
    columns = ("figure", "value", "low", "high", "interval", "n", "seeds", "note")
    cells = tuple((m.name, m.value, m.low, m.high, m.interval, m.n, m.seeds, m.note) for m in rows)
    return Table(name, title, columns, cells, caption, samples)


def to_csv(table: Table) -> str:
    """Returns the table as CSV with a header line; floats keep every digit."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([["" if cell is None else cell for cell in row] for row in table.rows])
    return buffer.getvalue()


def to_markdown(table: Table) -> str:
    """Returns the table as GitHub Markdown, numbers aligned right, columns without content left out."""
    columns, rows, numeric = _shown(table)
    header = [_markdown(c) for c in columns]
    body = [[_markdown(text) for text in row] for row in rows]
    widths = [max(3, *(len(line[i]) for line in [header, *body])) for i in range(len(columns))]
    rule = ["-" * (w - 1) + ":" if right else "-" * w for w, right in zip(widths, numeric, strict=True)]

    def line(cells: Sequence[str]) -> str:
        aligned = [c.rjust(w) if n else c.ljust(w) for c, w, n in zip(cells, widths, numeric, strict=True)]
        return "| " + " | ".join(aligned) + " |"

    parts = [f"**{_markdown(table.title)}**", "", line(header), "| " + " | ".join(rule) + " |", *map(line, body)]
    parts += ["", *(_markdown(text) for text in (table.caption, table.samples) if text)]
    return "\n".join(parts).rstrip() + "\n"


def to_html(table: Table) -> str:
    """Returns the table as an HTML `<table>`, everything escaped, columns without content left out."""
    columns, rows, numeric = _shown(table)

    def line(tag: str, cells: Sequence[str]) -> str:
        # Short texts stay on one line; the browser would break them to make room for long ones.
        kinds = [_kind(c, n) for c, n in zip(cells, numeric, strict=True)]
        marks = [f' class="{kind}"' if kind else "" for kind in kinds]
        return "".join(f"<{tag}{mark}>{html.escape(c)}</{tag}>" for c, mark in zip(cells, marks, strict=True))

    body = "\n".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    wanted = [i for i, name in enumerate(columns) if name in table.filters]
    filtered = f' data-filters="{" ".join(map(str, wanted))}"' if wanted else ""
    return f"<table{filtered}>\n<thead><tr>{line('th', columns)}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _kind(text: str, is_number: bool) -> str:
    """Style of a cell."""
    if is_number:
        return "number"
    return "short" if len(text) <= 20 else "long" if len(text) > 70 else ""


def _shown(table: Table) -> tuple[list[str], list[list[str]], list[bool]]:
    """Columns that have content, the text of their cells, and whether each holds numbers."""
    digits = dict(table.digits)
    keep = [i for i in range(len(table.columns)) if not table.rows or any(r[i] not in (None, "") for r in table.rows)]
    rows = [[_text(row[i], digits.get(table.columns[i])) for i in keep] for row in table.rows]
    numeric = [
        bool(table.rows) and all(isinstance(r[i], int | float) for r in table.rows if r[i] not in (None, ""))
        for i in keep
    ]
    return [table.columns[i] for i in keep], rows, numeric


def _text(cell: Cell, digits: int | None) -> str:
    if cell is None:
        return "\u2013"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return cell if isinstance(cell, str) else number(cell, digits)


def _markdown(text: str) -> str:
    text = " ".join(text.split())
    for special in ("\\", "|", "*", "`", "<"):
        text = text.replace(special, "\\" + special)
    return text
