"""Works to be judged: images of folders, or delivered designs of a design run with their elements and axes."""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ich_jax import errors
from ich_jax.data import decode

AXIS = "axis_"
"""Prefix of numeric columns, as in the metadata.csv of a folder of images."""
READERS = ("inspector", "own", "asked")


@dataclasses.dataclass(frozen=True, slots=True)
class Work:
    """A work.

    Attributes:
        name: Name, unique among the works.
        image: Image file.
        arm: Group of the work; empty: none.
        elements: Category of each known design element, including the product.
        axes: Position on each known axis, from -3 to 3.
    """

    name: str
    image: Path
    arm: str = ""
    elements: Mapping[str, str] = dataclasses.field(default_factory=dict)
    axes: Mapping[str, float] = dataclasses.field(default_factory=dict)


def load(sources: Sequence[str]) -> tuple[Work, ...]:
    """Gathers works from folders of images and of design runs.

    Args:
        sources: Folders, or `ARM=FOLDER`. With several sources, an arm without a name is named after its folder.

    Raises:
        DataError: A folder does not exist, or contains neither images nor `designs.csv`; names file and repair.
    """
    works: list[Work] = []
    for source in sources:
        arm, separator, path = source.rpartition("=")
        root = Path(path)
        if not root.is_dir():
            raise errors.DataError(f"{path}: there is no such folder of images or designs.")
        if not separator and len(sources) > 1:
            arm = root.name
        gathered = designs(root) if (root / "designs.csv").is_file() else images(root)
        works += [dataclasses.replace(work, arm=arm.strip()) for work in gathered]
    names = [work.name for work in works]
    if len(set(names)) < len(names):  # the same file name in two folders
        works = [dataclasses.replace(work, name=f"{work.arm or work.image.parent.name}/{work.name}") for work in works]
    if len({work.name for work in works}) < len(works):
        raise errors.DataError(f"{', '.join(sources)}: two works have the same name; a folder is named twice.")
    return tuple(works)


def images(root: Path) -> tuple[Work, ...]:
    """Returns the images of a folder in the order of their names."""
    paths = sorted(path for path in root.iterdir() if path.suffix.lower() in decode.SUFFIXES)
    if not paths:
        raise errors.DataError(
            f"{root}: there is neither an image ({', '.join(decode.SUFFIXES)}) nor the designs.csv of a design run."
        )
    return tuple(Work(path.stem, path) for path in paths)


def designs(root: Path) -> tuple[Work, ...]:
    """Returns the delivered designs of a design run, with elements and axes.

    Elements and axes of a design are those that the inspector reads; without an inspector, those that the run's own
    reading head reads.

    Args:
        root: Work directory of `experiments/design.py`.

    Raises:
        DataError: `designs.csv` is damaged, or a design is missing.
    """
    path = root / "designs.csv"
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise errors.DataError(f"{path}: cannot be read ({cause}).") from cause
    if not rows or not {"file", "brief", "rank", "asked_product", "own_product"} <= rows[0].keys():
        raise errors.DataError(f"{path}: contains no designs of experiments/design.py.")
    axes = [name.removeprefix("error_own_") for name in rows[0] if name.startswith("error_own_")]
    parts = [name.removeprefix("own_") for name in rows[0] if name.startswith("own_")]
    works = []
    for row in rows:
        image = root / row["file"]
        if not image.is_file():
            raise errors.DataError(f"{path}: {row['file']} is missing; run the command of the design run again.")
        reader = next(name for name in READERS if row.get(f"{name}_product"))
        seen = {name: row[f"{reader}_{name}"] for name in parts}
        works.append(
            Work(
                image.stem,
                image,
                elements={name: value for name, value in seen.items() if name not in axes},
                axes={name: float(seen[name]) for name in axes},
            )
        )
    return tuple(works)
