"""The optional metadata.csv of an image folder: the known parts of the brief of each picture.

One row per image: `file_name` (relative to the folder, `class/picture.png`) and any columns. Columns become design
elements (categories), axes (numbers in [-3, 3]) or, split at `;`, keywords; `sketch_file_name` (relative to the folder)
is the line art of the same thing. An empty cell leaves that part of the brief open.
"""

import collections
import csv
import dataclasses
import difflib
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import logging

from ich_jax import errors
from ich_jax.types import AXIS_LIMIT, Element

FILE_NAME = "metadata.csv"
SKETCH = "sketch_file_name"
MAX_COLUMNS = 2000
LEAST = 2
"""Images that a category of an element needs; rarer ones are left open."""

_SHOWN = 10  # offending rows that a message lists; the rest are counted


@dataclasses.dataclass(frozen=True)
class Metadata:
    """The cells of a metadata.csv, checked against the images of its folder.

    Attributes:
        path: The file.
        columns: Names of its columns; empty if there is no such file.
        cells: Row of each image: `{file name: {column: cell}}`, cells stripped.
        lines: Line of each image's row in the file, as an editor counts them.
    """

    path: Path
    columns: tuple[str, ...]
    cells: dict[str, dict[str, str]]
    lines: dict[str, int]

    def where(self, name: str, column: str) -> str:
        """Names a cell for a message."""
        return f"{self.path}, row {self.lines[name]} ({name}), column {column!r}"


def list_some(items: Sequence[str]) -> str:
    """Joins the first items for a message, one a line, and counts the others."""
    more = f"\n  ... and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return "".join(f"\n  {item}" for item in items[:_SHOWN]) + more


def read(path: Path, names: Sequence[str]) -> Metadata:
    """Reads a metadata.csv and checks that its rows and the image files are the same.

    Args:
        path: The file, which need not exist.
        names: The images of the folder, as `class/file`.

    Raises:
        DataError: The file is unreadable or malformed, a row has no file, or a file has no row.
    """
    if not path.exists():
        return Metadata(path, (), {}, {})
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            if len(header) > MAX_COLUMNS:
                raise errors.DataError(
                    f"{path} has {len(header):,} columns, allowed are {MAX_COLUMNS:,}; keep those that the run needs."
                )
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise errors.DataError(
            f"{path} is not readable as UTF-8 comma-separated text: {error}. Save it as CSV UTF-8."
        ) from error
    rows, header = _named_columns(path, header, rows)
    repeated = sorted(name for name, n in collections.Counter(header).items() if n > 1)
    if repeated:
        raise errors.DataError(f"{path} has several columns named {', '.join(repeated)}; keep one of each.")

    # Names of files are compared in composed form: archives of macOS hold the letters and their marks apart.
    images, count = set(names), collections.Counter(map(_composed, names))
    by_form = {form: name for name in names if count[form := _composed(name)] == 1}
    cells: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    faults: list[str] = []
    for line, row in rows:
        if len(row) != len(header):
            faults.append(
                f"{path}, row {line}: {len(row)} cells for {len(header)} columns; quote cells that hold commas."
            )
            continue
        values = dict(zip(header, (cell.strip() for cell in row), strict=True))
        unclean = next((column for column, cell in values.items() if not errors.clean(cell)), None)
        if unclean is not None:
            faults.append(
                f"{path}, row {line}, column {unclean!r}: {errors.abbreviated(values[unclean])} holds control "
                "characters, which can neither be printed nor drawn; take them out."
            )
        name = values["file_name"].replace("\\", "/").removeprefix("./")
        name = name if name in images else by_form.get(_composed(name), name)
        if name in lines:
            faults.append(f"{path}: rows {lines[name]} and {line} are both for {name!r}; keep one.")
            continue
        cells[name], lines[name] = values, line
    faults = [*faults[:_SHOWN], *([f"... and {len(faults) - _SHOWN} more such rows"] if len(faults) > _SHOWN else [])]
    if not faults:  # else a row that could not be read would be said to be missing
        faults = _unmatched(path, names, cells, lines)
    if faults:
        raise errors.DataError("\n".join(faults))
    return Metadata(path, tuple(header), cells, lines)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _named_columns(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]]
) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """Drops columns without name and content, which spreadsheets leave behind; checks that all others have a name."""
    if "file_name" not in header:
        near = next((name for name in header if name.casefold().replace(" ", "_") in ("file_name", "filename")), None)
        hint = f" Call the column {near!r} file_name." if near else ""
        raise errors.DataError(
            f"{path} has no column 'file_name' (its columns: {', '.join(header[:20]) or 'none'}); the first line must "
            "name the columns, separated by commas, with file_name holding paths such as class/picture.png." + hint
        )
    filled = {i for _, row in rows for i, cell in enumerate(row) if cell.strip()}
    unnamed = [i for i, name in enumerate(header) if not name]
    full = [i + 1 for i in unnamed if i in filled]
    if full:
        raise errors.DataError(
            f"{path}: column {', '.join(map(str, full[:5]))} has cells but no name in the first line; name or empty it."
        )
    if not unnamed:
        return rows, header
    keep = [i for i, name in enumerate(header) if name]
    shorter = [
        (line, [row[i] for i in keep] if len(row) == len(header) else [cell for cell in row if cell.strip()])
        for line, row in rows
    ]
    return shorter, [header[i] for i in keep]


def _unmatched(path: Path, names: Sequence[str], cells: dict[str, dict[str, str]], lines: dict[str, int]) -> list[str]:
    """Returns what is wrong with rows that name no image, and with images that have no row."""
    faults, images = [], set(names)
    missing = [name for name in cells if name not in images]
    if missing:
        base = {name.split("/")[-1]: name for name in names}
        bare = [name for name in missing if "/" not in name and name in base]
        near = difflib.get_close_matches(missing[0], names, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        if bare:
            hint = f". They lack the class: write {base[bare[0]]!r} instead of {bare[0]!r}."
        orphans = [f"row {lines[name]}: {errors.abbreviated(name)}" for name in missing]
        faults.append(
            f"{path}: {len(orphans)} rows name no image file below {path.parent}:{list_some(orphans)}\nAllowed: paths "
            f"relative to that folder, such as {names[0]!r}{hint} Correct the cell, restore the file or delete the row."
        )
    unlisted = [name for name in names if name not in cells]
    if unlisted:
        faults.append(
            f"{path}: {len(unlisted)} image files have no row:{list_some(unlisted)}\nAdd a row for each (cells may be "
            "empty), or move the files away."
        )
    return faults


def sketch_folders(path: Path) -> frozenset[str]:
    """Returns the folders beside a metadata.csv that hold sketches and no images; a damaged file has none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error):
        return frozenset()  # what is wrong with it, `read` says

    def folders(column: str) -> frozenset[str]:
        paths = [(row.get(column) or "").strip().replace("\\", "/").removeprefix("./") for row in rows]
        return frozenset(path.split("/")[0] for path in paths if "/" in path)

    return folders(SKETCH) - folders("file_name")


# ---------------------------------------------------------------- columns to briefs


def read_sketches(metadata: Metadata, names: Sequence[str]) -> list[Path | None]:
    """Returns the file of the sketch of each of N images, None where the cell is empty.

    Raises:
        DataError: No such column, nothing in it, or a cell that names no file.
    """
    if SKETCH not in metadata.columns:
        where = f"has columns {', '.join(metadata.columns)}" if metadata.columns else "does not exist"
        raise errors.DataError(
            f"--config.data.sketches=given needs a column {SKETCH!r} (paths relative to {metadata.path.parent}), but "
            f"{metadata.path} {where}. Add it, or set --config.data.sketches=derived to have lines found in each image."
        )
    cells = [metadata.cells[name][SKETCH].replace("\\", "/") for name in names]
    files = [_file(metadata.path.parent, cell) if cell else None for cell in cells]
    if not any(cells):
        raise errors.DataError(
            f"{metadata.path}, column {SKETCH!r}: every cell is empty. Fill some, or set "
            "--config.data.sketches=derived."
        )
    missing = [
        f"row {metadata.lines[name]} ({name}): {cell!r}"
        for name, cell, file in zip(names, cells, files, strict=True)
        if file is not None and not file.is_file()
    ]
    if missing:
        raise errors.DataError(
            f"{metadata.path}, column {SKETCH!r}: {len(missing)} cells name no file below {metadata.path.parent}:"
            f"{list_some(missing)}\nCorrect the cells, restore the files, or empty the cells (left open)."
        )
    return files


def _file(folder: Path, cell: str) -> Path:
    """Returns a file of a folder by its name in composed or decomposed form."""
    forms = [folder / cell, *(folder / unicodedata.normalize(form, cell) for form in ("NFC", "NFD"))]
    return next((path for path in forms if path.is_file()), forms[0])


def read_elements(
    metadata: Metadata, names: Sequence[str], setting: str, n_keywords: int, *, warn: bool = True
) -> tuple[tuple[Element, ...], np.ndarray, np.ndarray]:
    """Reads design elements and keywords.

    Args:
        metadata: The cells.
        names: N images that are used.
        setting: `config.data.elements`.
        n_keywords: `config.data.keywords`: this number of the most frequent keywords become elements `keyword_<word>`
            with the categories absent and present.
        warn: Whether to say which categories are left open because they are rare.

    Returns:
        The elements, the category of each image `[N, E]` int32, and whether it is known `[N, E]` float32.

    Raises:
        DataError: No such column, an element of fewer than two categories, or fewer keywords than asked for.
    """
    chosen = _find(metadata, setting, "element_", "--config.data.elements")
    columns = [_read_element(metadata, names, *column, warn=warn) for column in chosen]
    columns += _read_keywords(metadata, names, n_keywords) if n_keywords else []
    elements = tuple(element for element, _ in columns)
    codes = np.array([code for _, code in columns], np.int32).reshape(len(columns), len(names)).T  # -1: not known
    return elements, np.maximum(codes, 0), (codes >= 0).astype(np.float32)


def _read_element(
    metadata: Metadata, names: Sequence[str], name: str, column: str, *, warn: bool
) -> tuple[Element, list[int]]:
    values = [metadata.cells[image][column] for image in names]
    count = collections.Counter(value for value in values if value)
    categories = tuple(sorted(category for category, n in count.items() if n >= LEAST))
    if len(categories) < 2:
        rare = (
            f", and {len(count) - len(categories)} on fewer than {LEAST} images" if len(count) > len(categories) else ""
        )
        raise errors.DataError(
            f"{metadata.path}, column {column!r}: an element needs two categories or more, each on {LEAST} images, got "
            f"{', '.join(categories[:20]) or ('no such' if count else 'only empty cells')}{rare}. Leave it out of "
            "--config.data.elements (or: none)."
        )
    single = [(i, v) for i, v in zip(names, values, strict=True) if v and count[v] < LEAST]
    if single and warn:
        listed = [f"row {metadata.lines[image]} ({image}): {value!r}" for image, value in single]
        logging.warning(
            "%s, column %r: %d categories are on fewer than %d images, so either training or judging would never see "
            "them; they are left open:%s\nFor the first: %s.",
            metadata.path,
            column,
            len({value for _, value in single}),
            LEAST,
            list_some(listed),
            errors.nearest(single[0][1], categories[:50]),
        )
    codes = {category: code for code, category in enumerate(categories)}
    return Element(name, categories), [codes.get(value, -1) for value in values]


def _read_keywords(metadata: Metadata, names: Sequence[str], n: int) -> list[tuple[Element, list[int]]]:
    if "keywords" not in metadata.columns:
        where = (
            f"{metadata.path} has columns {', '.join(metadata.columns)}"
            if metadata.columns
            else "there is no such file"
        )
        raise errors.DataError(
            f"--config.data.keywords={n} needs a column 'keywords' (words separated by ;), but {where}. Add it, or set "
            "--config.data.keywords=0."
        )
    words = [{w for w in map(str.strip, metadata.cells[name]["keywords"].lower().split(";")) if w} for name in names]
    count = collections.Counter(word for row in words for word in row)
    n_described = sum(bool(row) for row in words)
    usable = sorted((w for w, c in count.items() if 1 < c < n_described), key=lambda word: (-count[word], word))
    if len(usable) < n:
        raise errors.DataError(
            f"{metadata.path}, column 'keywords': only {len(usable)} keywords are on two images or more and not on "
            f"all; --config.data.keywords={n} asks for more. Allowed: 0 to {len(usable)}."
        )
    return [
        (Element(f"keyword_{word}", ("absent", "present")), [int(word in row) if row else -1 for row in words])
        for word in usable[:n]
    ]


def read_axes(
    metadata: Metadata, names: Sequence[str], setting: str
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray] | None:
    """Reads the axes.

    Args:
        metadata: The cells.
        names: N images that are used.
        setting: `config.data.axes`.

    Returns:
        Names, values `[N, A]` float32 (0 where not known) and whether they are known `[N, A]` float32; None if the
        axes are to be measured.

    Raises:
        DataError: No such column, a cell that is not a number in [-3, 3], or a column without any number.
    """
    columns = [] if setting == "measured" else _find(metadata, setting, "axis_", "--config.data.axes")
    if setting == "measured" or (setting == "auto" and not columns):
        return None
    values = np.full((len(names), len(columns)), np.nan, np.float32)
    wrong = []
    for a, (_, column) in enumerate(columns):
        for i, image in enumerate(names):
            cell = metadata.cells[image][column]
            if cell:
                values[i, a] = number = _number(cell)
                if not abs(number) <= AXIS_LIMIT:
                    wrong.append(f"row {metadata.lines[image]} ({image}), column {column!r}: {cell!r}")
    if wrong:
        of_r = (
            ' R writes NA for what is not known: use write.csv(..., na = "").'
            if any("'NA'" in w for w in wrong)
            else ""
        )
        raise errors.DataError(
            f"{metadata.path}: {len(wrong)} axis cells are not numbers from -{AXIS_LIMIT:g} to {AXIS_LIMIT:g}:"
            f"{list_some(wrong)}\nScale the axis to that range, correct the cells, or empty them (left open)." + of_r
        )
    for a, (_, column) in enumerate(columns):
        if not np.isfinite(values[:, a]).any():
            raise errors.DataError(
                f"{metadata.path}, column {column!r}: every cell is empty. Fill some, or leave the axis "
                "out of --config.data.axes."
            )
    given = np.isfinite(values)
    return tuple(name for name, _ in columns), np.where(given, values, 0).astype(np.float32), given.astype(np.float32)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _find(metadata: Metadata, setting: str, prefix: str, field: str) -> list[tuple[str, str]]:
    """Returns (name, column) of the columns that a setting selects: auto, none, or names with or without the prefix."""
    columns = metadata.columns
    if setting == "auto":
        return [(column.removeprefix(prefix), column) for column in columns if column.startswith(prefix)]
    selected = []
    for name in dict.fromkeys(filter(None, map(str.strip, setting.split(",")))):
        if name == "none":
            continue
        if not columns:
            raise errors.DataError(
                f"{field}={setting!r} names columns of {FILE_NAME}, but the image folder has none. Add one with a "
                f"column file_name, or set {field}=auto."
            )
        column = name if name in columns else prefix + name
        if column not in columns:
            raise errors.DataError(f"{field}: {metadata.path} has no column {name!r}; {errors.nearest(name, columns)}.")
        selected.append((name.removeprefix(prefix), column))
    return selected
