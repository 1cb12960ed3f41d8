"""Turns folders of arbitrary pictures into an image folder that `config.data.source=folder` reads.

    python scripts/prepare_images.py --source=photos --output=prepared --size=64
    python scripts/prepare_images.py --source=fan=scans/fans --source=book=scans/books --output=prepared

A plain source is searched at any depth: its first level of folders are the classes, and pictures directly inside it
form a class named after the source. `class=folder` puts everything below that folder into one class. Pictures (PNG,
JPEG, WebP, GIF, BMP, TIFF) are composited over white, scaled by area with their aspect kept, and written as PNG to
`output/<class>/`, with a `metadata.csv` of their origins and measured axes; the columns of a `metadata.csv`
in a source are carried over. A contact sheet is written beside the output as `<output>_sheet.png`.

Every picture is checked before anything is written, and the output appears only when it is complete. Every file below
the sources is accounted for in `<output>_account.csv`: taken, changed and how, or left out and why.
"""

if __name__ == "__main__":
    from ich_jax.perf import memory

    memory.set_up()

import collections
import csv
import dataclasses
import io
import os
import re
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags, logging
from PIL import Image, ImageDraw, ImageFont

from ich_jax import errors, workdir
from ich_jax.data import decode, folder, measure, metadata
from ich_jax.report import fonts
from ich_jax.studies.console import expand_home

_SOURCES = flags.DEFINE_multi_string("source", [], "Folder of pictures, or class=folder; may be repeated.")
_OUTPUT = flags.DEFINE_string("output", "", "Image folder to make; must not exist.")
_SIZE = flags.DEFINE_integer("size", 64, "Height and width of the pictures that are written.", lower_bound=4)
_MAX_BAD_SHARE = flags.DEFINE_float(
    "max_bad_share",
    0.01,
    "Pictures that cannot be read or are smaller than --size are left out up to this share; 1 leaves out any number.",
    lower_bound=0.0,
    upper_bound=1.0,
)

SUFFIXES = (*decode.SUFFIXES, ".gif", ".bmp", ".tif", ".tiff")
FORMATS = (*decode.FORMATS, "GIF", "BMP", "TIFF")
SHEET_COLUMNS = 16
LABEL_WIDTH = 112


@dataclasses.dataclass(frozen=True)
class Original:
    """A picture as it was found.

    Attributes:
        path: The file.
        name: `class/file.png` that it becomes.
        cells: Its row in the source's metadata.csv.
        shown: Its path below the source, as messages name it.
    """

    path: Path
    name: str
    cells: dict[str, str]
    shown: str


@dataclasses.dataclass(frozen=True)
class Found:
    """The contents of all sources.

    Attributes:
        originals: Pictures.
        others: Why a file is no picture, by its path.
        renamed: New names of classes whose names could not stay.
        empty: Folders that would be classes but hold no picture.
    """

    originals: list[Original]
    others: dict[str, str]
    renamed: dict[str, str]
    empty: list[str]


def main(argv: Sequence[str]) -> None:
    """Prepares the sources that the flags name."""
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected arguments {argv[1:]}; name folders with --source=FOLDER.")
    if not _SOURCES.value or not _OUTPUT.value:
        raise app.UsageError("State at least one --source=FOLDER and --output=FOLDER.")
    try:
        prepare(_SOURCES.value, Path(_OUTPUT.value), _SIZE.value, _MAX_BAD_SHARE.value)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")


def prepare(sources: Sequence[str], output: Path, size: int, max_bad_share: float) -> None:
    """Reads, checks and writes all pictures.

    Args:
        sources: Values of --source.
        output: The image folder to make.
        size: Height and width of the pictures.
        max_bad_share: Share of pictures that may be left out.

    Raises:
        DataError: A source without pictures, or too many pictures that cannot be used; nothing has been written.
        WorkdirError: The output exists or cannot be written.
    """
    if output.exists():
        raise errors.WorkdirError(f"{output} exists; choose another --output, or remove it first.")
    found = find(sources)
    originals = {original.name: original for original in found.originals}
    read = folder.read_files([(n, o.path) for n, o in originals.items()], size, 3, keep=True, formats=FORMATS)
    refused = {name: reason for name, _, reason in (line.partition(": ") for line in read.bad)}
    refused |= {n: f"{s}, smaller than --size={size}" for n, _, s in (line.partition(": ") for line in read.small)}
    if refused:
        lines = [f"{originals[name].shown}: {reason}" for name, reason in refused.items()]
        report = f"{len(refused)} of {len(originals)} pictures cannot be used:{metadata.list_some(lines)}"
        if len(refused) > max_bad_share * len(originals) or not read.pictures:
            raise errors.DataError(
                f"{report}\nAllowed: a share of {max_bad_share:g}. Replace or remove them, lower --size, or leave them "
                "out with a larger --max_bad_share."
            )
        logging.warning("%s\nThey are left out.", report)
    sheet = output.parent / f"{output.name}_sheet.png"
    accounts = account(found, read, refused)
    try:
        write(output, read.pictures, originals)
        draw_sheet(read.pictures).save(sheet)
    except OSError as error:
        raise errors.WorkdirError(workdir.explain(error, output)) from error
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("file", "outcome", "becomes", "why"), *accounts])
    workdir.write_text(output.parent / f"{output.name}_account.csv", text.getvalue())
    classes = {picture.name.split("/")[0] for picture in read.pictures}
    say(found, accounts)
    print(f"Image folder {output}, contact sheet {sheet}, every file in {output.name}_account.csv")
    print(f"summary: images={len(read.pictures)} classes={len(classes)} left_out={len(refused)} size={size}")


def account(found: Found, read: folder.Read, refused: dict[str, str]) -> list[tuple[str, str, str, str]]:
    """Returns a row for every file of the sources: the file, taken or left out, what it becomes, and why."""
    rows = [(shown, "left out", "", why) for shown, why in found.others.items()]
    for original in found.originals:
        why = refused.get(original.name)
        if why is not None:
            rows.append((original.shown, "left out", "", why))
        else:
            rows.append((original.shown, "taken", original.name, ", ".join(read.changed.get(original.name, ()))))
    return sorted(rows)


def say(found: Found, accounts: Sequence[tuple[str, str, str, str]]) -> None:
    """Prints what was renamed, changed and left out, in counts that add up to the files that were found."""
    taken = [row for row in accounts if row[1] == "taken"]
    changed = collections.Counter(why for *_, why in taken if why)
    left_out = collections.Counter(why for _, outcome, _, why in accounts if outcome != "taken")
    print(f"{len(accounts)} files: {len(taken)} taken, of these {sum(changed.values())} with other values; "
          f"{sum(left_out.values())} left out")  # fmt: skip
    for word, counts in (("changed", changed), ("left out", left_out)):
        for why, n in counts.most_common(20):
            print(f"  {word}: {n}, {why}")
        if len(counts) > 20:
            print(f"  {word}: {sum(n for _, n in counts.most_common()[20:])}, for other reasons")
    for before, after in found.renamed.items():
        print(f"  class {errors.abbreviated(before)} is called {after!r}")
    for name in found.empty:
        print(f"  no picture in the folder {errors.abbreviated(name)}, so it is no class")


def find(sources: Sequence[str]) -> Found:
    """Lists the pictures of all sources with their new names, and everything else that lies there."""
    found, names = Found([], {}, {}, []), _Names()
    for source in sources:
        label, separator, path = source.partition("=")
        root = Path(os.path.expanduser(path) if separator else source)
        if not root.is_dir():
            raise errors.DataError(
                f"--source={source}: {root} is no folder; give --source=FOLDER or --source=class=FOLDER."
            )
        below = [file.relative_to(root) for file in sorted(root.rglob("*"))]
        below = [file for file in below if not any(part.startswith((".", "__MACOSX")) for part in file.parts)]
        folders, files = ([f for f in below if (root / f).is_dir() == kind] for kind in (True, False))
        relative = [file for file in files if file.suffix.lower() in SUFFIXES]
        if not relative:
            raise errors.DataError(f"--source={source}: no picture below {root}; allowed: {', '.join(SUFFIXES)}.")
        for file in files:
            if file.suffix.lower() not in SUFFIXES and file != Path(metadata.FILE_NAME):
                found.others[f"{root.name}/{file.as_posix()}"] = _why_not(file.suffix.lower())
        if not separator:
            filled = {file.parts[0] for file in relative}
            found.empty.extend(f.name for f in folders if len(f.parts) == 1 and f.parts[0] not in filled)
        cells = metadata.read(root / metadata.FILE_NAME, [file.as_posix() for file in relative]).cells
        for file in relative:
            inner = file.parts if separator or len(file.parts) == 1 else file.parts[1:]
            group = label if separator else file.parts[0] if len(file.parts) > 1 else root.resolve().name
            cleaned = names.of_class(group)
            if cleaned != group:
                found.renamed[group] = cleaned
            name = names.of_file(f"{cleaned}/{_plain('_'.join([*inner[:-1], file.stem]))}")
            shown = f"{root.name}/{file.as_posix()}"
            found.originals.append(Original(root / file, name, cells.get(file.as_posix(), {}), shown))
    return found


class _Names:
    """Gives out names, each once; what differs before differs after."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._taken: set[str] = set()

    def of_class(self, group: str) -> str:
        key = unicodedata.normalize("NFC", group)  # macOS takes names apart that others write whole
        if key not in self._classes:
            self._classes[key] = self._free(_plain(group))
        return self._classes[key]

    def of_file(self, stem: str) -> str:
        return self._free(stem, ".png")  # a.jpg beside a.png

    def _free(self, stem: str, suffix: str = "") -> str:
        name, n = f"{stem}{suffix}", 1
        while name.lower() in self._taken:  # file systems may ignore case
            n += 1
            name = f"{stem}_{n}{suffix}"
        self._taken.add(name.lower())
        return name


def _plain(name: str) -> str:
    """Returns a name that every file system and every brief accepts, and that does not hide the file.

    Letters of any script stay, with their marks; only what has a meaning elsewhere is replaced.
    """
    name = unicodedata.normalize("NFC", name)
    return re.sub(r"[\s\x00-\x1f\x7f\ud800-\udfff/\\\\:*?\"<>|,;=]+", "_", name).strip("._") or "picture"


def _why_not(suffix: str) -> str:
    if suffix in (".heic", ".heif", ".avif"):
        return f"{suffix} is not read: export it as JPEG or PNG"
    if suffix in (".svg", ".pdf", ".eps", ".ai"):
        return f"{suffix} is a drawing without pixels: export it as PNG"
    return f"{suffix or 'a file without a suffix'} is no picture that is read"


def write(output: Path, pictures: Sequence[folder.Picture], originals: dict[str, Original]) -> None:
    """Writes the image folder aside and renames it when it is complete."""
    output.parent.mkdir(parents=True, exist_ok=True)
    carried = dict.fromkeys(column for o in originals.values() for column in o.cells if column != "file_name")
    aside = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}."))
    try:
        rows = []
        for picture in pictures:
            path = aside / picture.name
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(_pixels(picture)).save(path)
            axes = {f"axis_{axis}": f"{value:.4f}" for axis, value in zip(measure.AXES, picture.axes, strict=True)}
            original = originals[picture.name]
            rows.append({**axes, **original.cells, "original": str(original.path), "file_name": picture.name})
        columns = dict.fromkeys(["file_name", *(f"axis_{axis}" for axis in measure.AXES), *carried, "original"])
        with (aside / metadata.FILE_NAME).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        aside.chmod(0o755)  # mkdtemp makes folders for their owner alone
        aside.rename(output)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _pixels(picture: folder.Picture) -> np.ndarray:
    assert picture.pixels is not None  # pictures are prepared with their pixels kept
    return picture.pixels


def draw_sheet(pictures: Sequence[folder.Picture]) -> Image.Image:
    """Draws one row per class, its pictures taken evenly over the class."""
    classes: dict[str, list[folder.Picture]] = {}
    for picture in pictures:
        classes.setdefault(picture.name.split("/")[0], []).append(picture)
    size = _pixels(pictures[0]).shape[0]
    cell = size + 4
    sheet = Image.new("RGB", (LABEL_WIDTH + SHEET_COLUMNS * cell, len(classes) * cell), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (label, members) in enumerate(sorted(classes.items())):
        text = f"{label[:14]} ({len(members)})"
        font = ImageFont.truetype(fonts.file_for(text), 10)
        draw.text((4, row * cell + size // 2 - 6), text, fill="black", font=font)
        chosen = np.unique(np.linspace(0, len(members) - 1, SHEET_COLUMNS).astype(int))
        for column, i in enumerate(chosen):
            sheet.paste(Image.fromarray(_pixels(members[i])), (LABEL_WIDTH + column * cell, row * cell))
    return sheet


if __name__ == "__main__":
    app.run(main, argv=expand_home(sys.argv))
