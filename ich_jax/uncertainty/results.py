"""Presentation of the results of estimators: a line, a table, a data frame, a plot.

A result is a frozen dataclass that inherits `Result` and names the fields that are columns of its table. Its repr is
one line, since a notebook shows it after every call; the arrays remain available as attributes.
"""

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_LONG = 24  # longer strings appear in the summary, but not in the line
_ROWS = 60  # longer tables are printed without their middle
_ENDS = 20  # rows printed of each end in that case


class Result:
    """Base of results that can be printed, tabulated and plotted.

    Class attributes:
        columns: Fields of equal length that are the columns of the table, in order; "table.low" is the field `low` of
            the field `table`. Where a field holds a single number it is printed among the numbers instead.
        part: Field that holds the table instead, for example the coefficients of a fit.
        bracketed: Field, a single number, whose interval are the fields `low` and `high`.
        hidden: Fields that are not printed, such as the remaining gap of a solver.
        curve: Fields to plot: abscissa, ordinate, and the limits of the ordinate if there are any.
    """

    __slots__ = ()
    columns: ClassVar[tuple[str, ...]] = ()
    part: ClassVar[str] = ""
    bracketed: ClassVar[str] = ""
    hidden: ClassVar[tuple[str, ...]] = ()
    curve: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        """One line: the name of the result and its numbers."""
        scalars, texts = self._scalars(), self._texts()
        short = {k: text for k, text in texts.items() if not isinstance(scalars[k], str) or len(text) <= _LONG}
        parts = [f"{name}{text}" if text.startswith("<") else f"{name}={text}" for name, text in short.items()]
        columns = self._columns()
        if rows := len(next(iter(columns.values()), ())):
            parts.append(f"{rows} {'row' if rows == 1 else 'rows'} of {', '.join(columns)}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def summary(self) -> str:
        """Returns the numbers and the table as text."""
        texts = self._texts()
        width = max(map(len, texts), default=0)
        lines = [type(self).__name__, *(f"  {name:<{width}}  {text}" for name, text in texts.items())]
        return "\n".join(lines + _table(self._columns()))

    def to_frame(self) -> "pd.DataFrame":
        """Returns the table as a data frame: a row for each entry, or one row of the numbers.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("A data frame needs pandas: pip install pandas. summary() needs nothing.") from error
        columns = self._columns()
        return pd.DataFrame(columns if columns else {name: [value] for name, value in self._scalars().items()})

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draws the estimates, with their limits if there are any; named ones as rows, from top to bottom.

        Args:
            ax: Axes to draw into; None: those of a new figure.

        Raises:
            TypeError: This result is no curve.
        """
        if not self.curve:
            raise TypeError(f"{type(self).__name__} has no curve to plot; summary() shows its numbers.")
        ax = new_axes() if ax is None else ax
        x, y, *limits = (np.asarray(self._field(name)) for name in self.curve)
        x_label, y_label = (name.rpartition(".")[2].replace("_", " ") for name in self.curve[:2])
        reach = np.abs(np.stack(limits) - y) if limits else None
        if reach is not None and np.isinf(reach).any():  # an arm without an end runs out of the picture
            ends = np.concatenate([y, *limits])
            ends = ends[np.isfinite(ends)]
            margin = 0.1 * np.ptp(ends) or 1.0
            (ax.set_ylim if x.dtype.kind in "iuf" else ax.set_xlim)(ends.min() - margin, ends.max() + margin)
            reach = np.where(np.isinf(reach), 100.0 * (np.ptp(ends) + margin), reach)
        if x.dtype.kind in "iuf":
            ax.errorbar(x, y, yerr=reach, fmt="o", markersize=4, capsize=2)
            ax.axhline(0.0, linewidth=0.8, color="0.6", zorder=0)
            ax.set_xlabel(x_label)
            ax.set_ylabel(y_label)
        else:
            rows = np.arange(len(x))
            ax.errorbar(y, rows, xerr=reach, fmt="o", markersize=4, capsize=2)
            ax.axvline(0.0, linewidth=0.8, color="0.6", zorder=0)
            ax.set_yticks(rows, [str(name) for name in x])
            ax.set_ylim(len(x) - 0.5, -0.5)
            ax.set_xlabel(y_label)
        return ax

    def _sizes(self) -> dict[str, Any]:
        """Numbers to print before the fields, such as how many units a panel has."""
        return {}

    def _field(self, dotted: str) -> Any:
        value: Any = self
        for name in dotted.split("."):
            value = getattr(value, name)
        return value

    def _scalars(self) -> dict[str, Any]:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        fields = {name: value for name, value in fields.items() if name not in self.hidden}
        return self._sizes() | {name: value for name, value in fields.items() if _is_scalar(value)}

    def _texts(self) -> dict[str, str]:
        """The numbers as they are printed; limits follow the number that they belong to."""
        scalars = self._scalars()
        texts = {name: _shown(name, value) for name, value in scalars.items()}
        if self.bracketed in texts:
            low, high = (_shown(name, self._field(name)) for name in ("low", "high"))
            texts = {name: text for name, text in texts.items() if name not in ("low", "high")}
            texts[self.bracketed] += f" [{low}, {high}]"
        return texts

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        if self.part:
            part = getattr(self, self.part)
            return part._columns() if isinstance(part, Result) else {}
        columns: dict[str, npt.NDArray[Any]] = {}
        for dotted in self.columns:
            values = np.asarray(self._field(dotted))
            if values.ndim == 0:
                continue
            name = dotted.rpartition(".")[2]
            columns[dotted.replace(".", "_") if name in columns else name] = values.reshape(-1)
            if values.ndim > 1 and "entry" not in columns:
                entries = [", ".join(map(str, index)) for index in np.ndindex(values.shape)]
                columns = {"entry": np.array(entries)} | columns
        return columns


def new_axes() -> "Axes":
    """Axes of a new figure, which no window shows."""
    from matplotlib.figure import Figure

    return Figure(layout="constrained").subplots()


def _is_scalar(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | np.generic) or (hasattr(value, "dtype") and value.ndim == 0)


def _is_p(name: str) -> bool:
    return name == "p" or name.startswith("p_") or name.endswith("_p")


def _shown(name: str, value: Any) -> str:
    if hasattr(value, "dtype"):
        value = value.item()
    if not isinstance(value, float):
        return str(value)
    if _is_p(name) and 0.0 <= value < 1e-4:
        return "<0.0001" if value > 0 else "0"
    return _rounded(value)


def _rounded(value: float) -> str:
    """Four significant digits, without an exponent unless the number is very large or small."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if not 1e-4 <= abs(value) < 1e9:
        return f"{value:.4g}"
    text = f"{value:.{max(3 - math.floor(math.log10(abs(value))), 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _table(columns: dict[str, npt.NDArray[Any]]) -> list[str]:
    """Lines of a table; a column of numbers has the same decimals in every row."""
    rows = len(next(iter(columns.values()), ()))
    if not rows:
        return []
    shown = range(rows) if rows <= _ROWS else [*range(_ENDS), *range(rows - _ENDS, rows)]
    cells = [[name, *_column(name, values[list(shown)])] for name, values in columns.items()]
    widths = [max(map(len, column)) for column in cells]
    lines = [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in zip(*cells, strict=True)
    ]
    if rows > _ROWS:
        lines.insert(1 + _ENDS, f"  ... {rows - 2 * _ENDS} rows more")
    return lines


def _column(name: str, values: npt.NDArray[Any]) -> list[str]:
    if values.dtype.kind != "f":
        return [str(value) for value in values.tolist()]
    if _is_p(name):
        return [f"{p:.4f}" if not 0.0 < p < 1e-4 else "<0.0001" for p in values.tolist()]
    size = np.abs(values[np.isfinite(values)])
    size = size[size > 1e-9 * size.max(initial=0.0)]  # the remaining values are zero up to rounding
    if not len(size):
        return [f"{value:g}" for value in values.tolist()]
    # Four digits of the largest number, at least two of the smallest.
    decimals = max(3 - math.floor(math.log10(size.max())), min(1 - math.floor(math.log10(size.min())), 6), 0)
    if decimals > 9 or size.max() >= 1e9:
        return [f"{value:.4g}" for value in values.tolist()]
    return [f"{value + 0.0:.{decimals}f}" if math.isfinite(value) else str(value) for value in values.round(decimals)]
