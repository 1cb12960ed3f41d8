"""Briefs as people write them: `product=fan, palette=indigo, width=+1.5`, rows of a CSV file, objects of a JSON file.

Names are those of the run's design space. Columns of a `metadata.csv` are understood as well: `element_palette` for
`palette`, `axis_width` for `width`, `keywords` separated by `;`, and the folder of a `file_name` for the product. Parts
that are not stated are left open.
"""

import csv
import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ich_jax import errors
from ich_jax.config import EvalConfig
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import drawing
from ich_jax.evaluation.drawing import Purpose
from ich_jax.types import AXIS_LIMIT, Brief, DesignSpace

_NAME_LENGTH = 48  # characters of a file name, without the rank


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A brief with a name for its files.

    Attributes:
        name: Stem of the file names, unique among the briefs of a call.
        stated: The stated parts, `(name, category or number)` in the order of the design space.
        brief: The same parts as numpy arrays, B = 1.
    """

    name: str
    stated: tuple[tuple[str, str | float], ...]
    brief: Brief

    @property
    def text(self) -> str:
        """The brief as it would be written on the command line."""
        return ", ".join(f"{n}={v if isinstance(v, str) else format(v, '+g')}" for n, v in self.stated) or "open"


def read(texts: Sequence[str], file: str, space: DesignSpace) -> tuple[Asked, ...]:
    """Reads briefs from the command line and then from a file.

    Args:
        texts: Briefs such as `product=fan, width=1.5`.
        file: A CSV or JSON file; empty: none.
        space: Design space of the run.

    Raises:
        ConfigError: A brief states no part, an unknown part or category, a part twice, or a number outside the scale;
            the message names the brief.
        DataError: The file cannot be read or contains no brief.
    """
    stated = [(f"--brief={text!r}", parse(text)) for text in texts]
    if file:
        stated += read_file(file, space)
    return named([asked(values, space, where) for where, values in stated])


def parse(text: str) -> list[tuple[str, Any]]:
    """Reads `name=value, name=value` without checking the names.

    Raises:
        ConfigError: A part does not have this form.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not re.fullmatch(r"[^=]*[^=\s][^=]*=[^=]*[^=\s][^=]*", part):
            raise errors.ConfigError(
                f"--brief={text!r}: {part!r} is not of the form name=value; write for example "
                '--brief="product=fan, palette=indigo, width=+1.5".'
            )
    pairs = (part.partition("=") for part in parts)
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def read_file(path: str | Path, space: DesignSpace) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Reads a CSV file with a row for each brief, or a JSON file with an object for each brief.

    Returns:
        For each brief its place in the file, for messages, and its parts; names are not checked.

    Raises:
        DataError: The file cannot be read, is neither CSV nor JSON, or contains no brief.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.DataError(f"--briefs={path} cannot be read as UTF-8 text: {error}.") from error
    rows = _from_json(path, text) if path.suffix.lower() == ".json" else _from_csv(path, text, space)
    if not rows:
        raise errors.DataError(
            f"--briefs={path} holds no brief; write a row for each, such as:\nproduct,palette,width\nfan,indigo,1.5"
        )
    return rows


def asked(values: Sequence[tuple[str, Any]], space: DesignSpace, where: str) -> Asked:
    """Checks the parts of a brief; the name of the returned brief is empty.

    Args:
        values: Name and value of each part; None leaves the part open.
        space: Design space of the run.
        where: Place of the brief, for messages.

    Raises:
        ConfigError: See `read`.
    """
    stated: dict[str, str | float] = {}
    for name, value in ((_bare(name, space), value) for name, value in values if value is not None):
        if name in stated:
            raise errors.ConfigError(
                f"{where}: {name} is stated twice, as {stated[name]!r} and as {value!r}; keep one of them."
            )
        if isinstance(value, list | dict | bool):
            raise errors.ConfigError(f"{where}: {name}: got {value!r}; a brief states one value for each part.")
        stated[name] = _number(value) if name in space.axes and isinstance(value, str) else value
    if not stated:
        raise errors.ConfigError(
            f"{where}: the brief states nothing; state at least one part, such as product={space.products[0]}."
        )
    try:
        brief = space.brief(**stated)
    except errors.ConfigError as error:
        raise errors.ConfigError(f"{where}: {str(error).removeprefix('brief: ')} (--list shows all.)") from error
    order = ("product", *(element.name for element in space.elements), *space.axes)
    parts = tuple(
        (name, float(stated[name]) if name in space.axes else str(stated[name])) for name in order if name in stated
    )
    return Asked("", parts, brief)


def named(unnamed: Sequence[Asked]) -> tuple[Asked, ...]:
    """Names each brief, for its files, by its number and the first words of its text."""
    width = max(2, len(str(len(unnamed))))
    names = []
    for i, item in enumerate(unnamed):
        words = [v if isinstance(v, str) else f"{n}{v:+g}" for n, v in item.stated if v != "absent"]
        slug = re.sub(r"[^\w.+-]+", "-", "_".join(words))[:_NAME_LENGTH].strip("_-.") or "open"
        names.append(f"{i + 1:0{width}d}_{slug}")
    return tuple(dataclasses.replace(item, name=name) for item, name in zip(unnamed, names, strict=True))


def from_arrays(brief: Brief, space: DesignSpace) -> tuple[tuple[str, str | float], ...]:
    """Returns the stated parts of the first of B briefs, as in `Asked.stated`."""
    given = np.asarray(brief.given[0]) > 0
    kinds = (("product", space.products), *((element.name, element.categories) for element in space.elements))
    codes = (int(np.asarray(brief.product)[0]), *(int(code) for code in np.asarray(brief.elements)[0]))
    parts: list[tuple[str, str | float]] = [
        (name, categories[code]) for (name, categories), code, known in zip(kinds, codes, given, strict=False) if known
    ]
    axes = np.asarray(brief.axes)[0]
    return (
        *parts,
        *((name, float(str(axes[a]))) for a, name in enumerate(space.axes) if given[len(kinds) + a]),
    )


def from_test_set(dataset: Dataset, settings: EvalConfig, n: int) -> tuple[Asked, ...]:
    """Returns the first n of the test briefs on which a run is evaluated; their names are empty.

    Args:
        dataset: The images of the run.
        settings: Evaluation settings of the run; their seed and number of designs determine the briefs.
        n: Number of briefs, at most `settings.n_designs`.
    """
    drawn = drawing.briefs(dataset, jax.random.key(settings.seed), Purpose.DESIGNS, settings.n_designs)
    single = [drawing.rows(drawn, slice(i, i + 1)) for i in range(n)]
    return tuple(Asked("", from_arrays(brief, dataset.space), brief) for brief in single)


def describe_space(space: DesignSpace) -> str:
    """Returns a readable description of the design space, as `--list` prints it."""
    lines = [f"product      {', '.join(space.products)}"]
    lines += [f"{element.name:<12} {', '.join(element.categories)}" for element in space.elements]
    lines += [f"{axis:<12} a number from {-AXIS_LIMIT:+g} to {AXIS_LIMIT:+g}" for axis in space.axes]
    lines += ["sketch       an image file of line art, given as --sketch=FILE"] if space.sketches else []
    return "\n".join(lines)


def _bare(name: str, space: DesignSpace) -> str:
    """Returns the name in the design space for a column of a metadata.csv, without its prefix."""
    known = {element.name for element in space.elements} | set(space.axes) | {"product"}
    for prefix in ("element_", "axis_"):
        if name not in known and name.removeprefix(prefix) in known:
            return name.removeprefix(prefix)
    return name


def _number(text: str) -> str | float:
    try:
        return float(text.replace("\u2212", "-"))
    except ValueError:
        return text


def _from_csv(path: Path, text: str, space: DesignSpace) -> list[tuple[str, list[tuple[str, Any]]]]:
    reader = csv.reader(text.splitlines())
    try:
        header = [name.strip() for name in next(reader, [])]
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise errors.DataError(f"--briefs={path} is not comma-separated text: {error}.") from error
    stated = []
    for line, row in rows:
        where = f"{path}, row {line}"
        if len(row) != len(header):
            raise errors.DataError(
                f"{where}: {len(row)} cells for {len(header)} columns; quote cells that hold commas."
            )
        cells = [(name, cell) for name, cell in zip(header, row, strict=True) if cell]
        stated.append((where, _metadata(cells, space)))
    return stated


def _metadata(cells: list[tuple[str, Any]], space: DesignSpace) -> list[tuple[str, Any]]:
    """Converts columns that only a metadata.csv has: the folder of a file is a product, keywords are elements."""
    names = {name for name, _ in cells}
    values: list[tuple[str, Any]] = []
    for name, cell in cells:
        if name == "file_name" and "product" not in names:
            values.append(("product", cell.replace("\\", "/").removeprefix("./").partition("/")[0]))
        elif name == "keywords" and "keywords" not in {element.name for element in space.elements}:
            words = filter(None, map(str.strip, cell.lower().split(";")))
            values += [(f"keyword_{word}", "present") for word in words]
        elif name != "file_name":
            values.append((name, cell))
    return values


def _from_json(path: Path, text: str) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Reads one object, a list of them, or such a list under `briefs`; parts may stand under `elements` and `axes`."""
    try:
        # Pairs, as a dictionary would silently keep the last of two values of one name.
        values = json.loads(text, object_pairs_hook=_Pairs) if text.strip() else []
    except ValueError as error:
        raise errors.DataError(f"--briefs={path} is not valid JSON: {error}.") from error
    if isinstance(values, _Pairs) and [name for name, _ in values.pairs] == ["briefs"]:
        values = values.pairs[0][1]
    rows = [values] if isinstance(values, _Pairs) else values
    if not isinstance(rows, list) or not all(isinstance(row, _Pairs) for row in rows):
        raise errors.DataError(
            f'--briefs={path}: expected an object for each brief, such as [{{"product": "fan", "width": 1.5}}].'
        )
    return [(f"{path}, brief {i + 1}", _flat(row)) for i, row in enumerate(rows)]


@dataclasses.dataclass(frozen=True, slots=True)
class _Pairs:
    """A JSON object with all its pairs, repeated names included."""

    pairs: list[tuple[str, Any]]


def _flat(row: _Pairs) -> list[tuple[str, Any]]:
    parts: list[tuple[str, Any]] = []
    for name, value in row.pairs:
        if isinstance(value, _Pairs):
            parts += value.pairs if name in ("elements", "axes") else [(name, dict(value.pairs))]
        else:
            parts.append((name, value))
    return parts
