"""How results of estimators present themselves: a line, a table, a data frame, a plot.

A result is a frozen dataclass that inherits `Result` and says which of its fields are columns of its table. Its repr is
one line, since a notebook shows it after every call; the arrays stay where they are, as attributes.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class Result:
    """Base of results that can be printed, tabulated and plotted.

    Class attributes:
        columns: Fields of equal length that are the columns of the table, in order; none: the numbers are the table.
        part: Field that holds the table instead, for example the coefficients of a fit.
        curve: Fields to plot: abscissa, ordinate, and the limits of the ordinate if there are any.
    """

    __slots__ = ()
    columns: ClassVar[tuple[str, ...]] = ()
    part: ClassVar[str] = ""
    curve: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        """One line: the name of the result and its numbers."""
        parts = [f"{name}={_shown(value)}" for name, value in self._scalars().items()]
        if columns := self._columns():
            parts.append(f"{len(next(iter(columns.values())))} rows of {', '.join(columns)}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def summary(self) -> str:
        """Returns the numbers and the table as text."""
        scalars, columns = self._scalars(), self._columns()
        width = max((len(name) for name in scalars), default=0)
        lines = [type(self).__name__, *(f"  {name:<{width}}  {_shown(value)}" for name, value in scalars.items())]
        if columns:
            cells = [[name, *map(_shown, values)] for name, values in columns.items()]
            widths = [max(map(len, column)) for column in cells]
            lines += [
                "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
                for row in zip(*cells, strict=True)
            ]
        return "\n".join(lines)

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
        """Draws the estimates, with their limits if there are any.

        Args:
            ax: Where to; None: a new figure.

        Raises:
            TypeError: This result is no curve.
        """
        if not self.curve:
            raise TypeError(f"{type(self).__name__} has no curve to plot; summary() shows its numbers.")
        if ax is None:
            from matplotlib.figure import Figure

            ax = Figure(layout="constrained").subplots()
        x, y, *limits = (_values(self._field(name)) for name in self.curve)
        named = x.dtype.kind not in "iuf"
        at = np.arange(len(x)) if named else x
        if limits:
            ax.errorbar(at, y, yerr=np.abs(np.stack(limits) - y), fmt="o", capsize=2)
        else:
            ax.plot(at, y, marker="o")
        if named:
            ax.set_xticks(at, [str(name) for name in x])
        ax.axhline(0.0, linewidth=0.8, color="0.6", zorder=0)
        ax.set_xlabel(self.curve[0].rpartition(".")[2].replace("_", " "))
        ax.set_ylabel(self.curve[1].rpartition(".")[2].replace("_", " "))
        return ax

    def _field(self, dotted: str) -> Any:
        value: Any = self
        for name in dotted.split("."):
            value = getattr(value, name)
        return value

    def _scalars(self) -> dict[str, Any]:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in fields.items() if np.ndim(value) == 0 and _is_scalar(value)}

    def _columns(self) -> dict[str, np.ndarray]:
        if self.part:
            part = getattr(self, self.part)
            return part._columns() if isinstance(part, Result) else {}
        return {name.rpartition(".")[2]: _values(self._field(name)) for name in self.columns}


def _is_scalar(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | np.generic) or (hasattr(value, "dtype") and value.ndim == 0)


def _values(column: Any) -> np.ndarray:
    return np.asarray(column)


def _shown(value: Any) -> str:
    if hasattr(value, "dtype"):
        value = value.item()
    return f"{value:.4g}" if isinstance(value, float) else str(value)
