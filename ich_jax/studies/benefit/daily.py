"""Daily benefit of products by outlet: panels, their contents and curves; a file of them, and a template of one."""

import csv
import dataclasses
import datetime
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ich_jax import errors, workdir
from ich_jax.econometrics import benefit
from ich_jax.econometrics.panel import Panel
from ich_jax.report import text
from ich_jax.uncertainty.float64 import Array

KEYS = ("date", "unit", "product", "arm")
SALES = ("units", "price", "cost")
TREATED, BEFORE, LOCAL = benefit.ARMS


@dataclasses.dataclass(frozen=True, slots=True)
class Daily:
    """Daily benefit of units by product.

    Attributes:
        products: P names, sorted.
        panels: P panels; periods are days (datetime64[D]) without gaps in the calendar, treated is the arm "ai".
        source: File or simulation from which it comes.
        simulated: Whether the data are simulated; shown wherever they are.
        remarks: Of each product, what was inferred when the data were read; empty: nothing of any.
    """

    products: tuple[str, ...]
    panels: tuple[Panel, ...]
    source: str
    simulated: bool = False
    remarks: tuple[tuple[str, ...], ...] = ()

    def panel(self, product: str) -> Panel:
        """Panel of one product.

        Args:
            product: Its name.

        Raises:
            ConfigError: There is no such product.
        """
        errors.require(product, self.products, "daily: product")
        return self.panels[self.products.index(product)]


def describe(data: Daily) -> list[str]:
    """The contents of the data, gaps included, a line for each product; to be printed before any result.

    Args:
        data: From `reading.load_daily` or `simulation.simulate`.
    """
    origin = "SIMULATED data" if data.simulated else "data"
    head = [f"{origin} from {data.source}: {text.count(len(data.products), 'product')}"]
    for name, panel in zip(data.products, data.panels, strict=True):
        starts = np.unique(panel.start[panel.ever_treated])
        launch = ", ".join(str(panel.periods[s]) for s in starts)
        gaps = "no gaps"
        if panel.missing:
            u, t = (int(i) for i in np.argwhere(~panel.observed)[0])
            first = f"the first {panel.units[u]} on {panel.periods[t]}"
            gaps = f"{panel.missing} of {panel.observed.size} unit-days missing, {first}"
        head.append(
            f"{name}: {panel.ever_treated.sum()} treated and {(~panel.ever_treated).sum()} local units, "
            f"{panel.periods[0]} to {panel.periods[-1]}, launch {launch}; {gaps}"
        )
    return head


def pooled(data: Daily) -> Panel:
    """All products in one panel: units are named `product: unit`, days are those of all products together.

    For tests of one effect over the product lines, which have as many treated units as all of them. Products at
    different levels hardly share one effect in yuan; and units that sell several products are not independent.

    Args:
        data: The products.

    Returns:
        Panel of the units of the first product, then of the second, and so on.
    """
    first = min(panel.periods[0] for panel in data.panels)
    last = max(panel.periods[-1] for panel in data.panels)
    periods = np.arange(first, last + np.timedelta64(1, "D"))
    units, outcome, start = [], [], []
    for name, panel in zip(data.products, data.panels, strict=True):
        offset = int((panel.periods[0] - first).astype(np.int64))
        wide = np.full((len(panel.units), len(periods)), np.nan)
        wide[:, offset : offset + len(panel.periods)] = panel.outcome
        units += [f"{name}: {unit}" for unit in panel.units]
        outcome.append(wide)
        start.append(np.where(panel.ever_treated, panel.start + offset, len(periods)))
    stacked = np.concatenate(outcome)
    return Panel(np.array(units), periods, stacked, ~np.isnan(stacked), np.concatenate(start))


def curves(data: Panel) -> dict[str, tuple[npt.NDArray[np.datetime64], Array]]:
    """The three curves of a product: the mean over the units of an arm that were observed, on each day.

    Args:
        data: One product.

    Returns:
        By arm: days `[n]` on which any unit was observed, and means `[n]`.
    """
    ever = data.ever_treated[:, None]
    masks = {
        TREATED: data.observed & data.treated,
        BEFORE: data.observed & ever & ~data.treated,
        LOCAL: data.observed & ~ever,
    }
    result = {}
    for arm, mask in masks.items():
        count = mask.sum(axis=0)
        total = np.where(mask, data.outcome, 0.0).sum(axis=0)
        result[arm] = (data.periods[count > 0], total[count > 0] / count[count > 0])
    return result


def write_daily(data: Daily, path: str | Path) -> None:
    """Writes data as a file that `reading.load_daily` reads; simulated data say so in a column.

    Args:
        data: The data to write.
        path: File; its folder is made.
    """
    rows = []
    for product, panel in zip(data.products, data.panels, strict=True):
        for u, t in np.argwhere(panel.observed):
            if not panel.ever_treated[u]:
                arm = LOCAL
            else:
                arm = TREATED if t >= panel.start[u] else BEFORE
            row = [str(panel.periods[t]), str(panel.units[u]), product, arm, repr(float(panel.outcome[u, t]))]
            rows.append([*row, "SIMULATED"] if data.simulated else row)
    header = [*KEYS, "benefit", *(["note"] if data.simulated else [])]
    workdir.write_text(path, _csv([header, *rows]))


def write_template(path: str | Path, *, sales: bool = False) -> None:
    """Writes a small file in the form that `reading.load_daily` reads, to be filled with the user's own figures.

    Its figures are an example and say so in a column that is not read.

    Args:
        path: File that does not exist yet; its folder is made.
        sales: With `units, price, cost` instead of `benefit`.

    Raises:
        DataError: The file exists.
        WorkdirError: It cannot be written.
    """
    path = Path(path)
    if path.exists():
        raise errors.DataError(f"{path}: exists already; a template is only written to a new file. Name another one.")
    first = datetime.date(2025, 3, 3)
    rows = [[*KEYS, *(SALES if sales else ("benefit",)), "note"]]
    for unit, local, base in (("outlet 1", False, 40), ("outlet 2", True, 38), ("outlet 3", True, 43)):
        for day in range(28):
            arm = LOCAL if local else (BEFORE if day < 14 else TREATED)
            sold = base + (7 * day) % 5 + (6 if arm == TREATED else 0)
            amounts = [str(sold), "35.00", "14.00"] if sales else [f"{21 * sold:.2f}"]
            date = (first + datetime.timedelta(day)).isoformat()
            rows.append([date, unit, "figurine", arm, *amounts, "EXAMPLE"])
    workdir.write_text(path, _csv(rows))


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
