"""Perceptual axes: the first factors of the words as `axis_*` columns of the metadata.csv of a folder of images."""

import csv
import io
from pathlib import Path

import numpy as np

from ich_jax import errors, workdir
from ich_jax.data import decode, metadata
from ich_jax.kansei import semantic
from ich_jax.studies.kansei import sheets
from ich_jax.studies.kansei.result import WordsResult
from ich_jax.studies.kansei.works import AXIS
from ich_jax.types import AXIS_LIMIT


def write(words: WordsResult, folder: str | Path, n_axes: int = 3) -> tuple[str, ...]:
    """Adds factor scores of the rated samples to the metadata.csv of their images.

    Scores are in standard deviations over the samples and clipped to the scale of axes, -3 to 3. Images without ratings
    get empty cells, which leave their axes open.

    Args:
        words: Analysed ratings; samples are named after the images, `class/picture.png` or `picture`.
        folder: Folder of the images, with a folder for each class.
        n_axes: Largest number of factors; fewer if the words identify fewer.

    Returns:
        The names of the axes, each after the word with the largest loading.

    Raises:
        DataError: There are no images, a sample matches no image or several, or the file already has axes.
        WorkdirError: The file cannot be written.
    """
    root = Path(folder)
    images = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.suffix.lower() in decode.SUFFIXES and path.is_file()
    )
    if not images:
        raise errors.DataError(f"{root}: there is no image ({', '.join(decode.SUFFIXES)}).")
    factors = _factors(words, n_axes)
    scores = np.clip(factors.scores(words.means), -AXIS_LIMIT, AXIS_LIMIT)
    leading = [words.words[int(np.abs(column).argmax())] for column in factors.loadings.T]
    axes = tuple(f"{k + 1}_{word}" for k, word in enumerate(leading))
    values = {_image(sample, images, root): scores[k] for k, sample in enumerate(words.samples)}
    path = root / metadata.FILE_NAME
    header, rows = _existing_rows(path, images)
    if clash := [name for name in header if name.startswith(AXIS)]:
        raise errors.DataError(
            f"{path}: has axes already ({', '.join(clash)}); remove them or use a copy of the folder, so that axes of "
            "two kinds are not mixed."
        )
    for row in rows:
        score = values.get(row["file_name"])
        row |= {AXIS + name: "" if score is None else f"{score[k]:.4f}" for k, name in enumerate(axes)}
    header = [*header, *(AXIS + name for name in axes)]
    workdir.write_text(path, sheets.text_of(header, [[row[name] for name in header] for row in rows]))
    return axes


def _factors(words: WordsResult, n_axes: int) -> semantic.FactorAnalysis:
    """Returns the analysis with the largest number of factors that the words identify."""
    for n in range(n_axes, 1, -1):
        try:
            return semantic.factor_analysis(words.means, n, words.words)
        except errors.ConfigError:  # too few words for n factors
            continue
    return semantic.factor_analysis(words.means, 1, words.words)


def _image(sample: str, images: list[str], root: Path) -> str:
    matches = [name for name in images if sample in (name, Path(name).name, Path(name).stem)]
    if len(matches) != 1:
        problem = "no image" if not matches else f"several images ({', '.join(matches[:3])})"
        raise errors.DataError(f"{root}: sample {sample!r} is {problem}; name samples as class/picture.png.")
    return matches[0]


def _existing_rows(path: Path, images: list[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Returns header and rows of an existing file; otherwise a row for each image."""
    if not path.exists():
        return ["file_name"], [{"file_name": name} for name in images]
    table = metadata.read(path, images)
    text = path.read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    return list(table.columns), [{k.strip(): (v or "").strip() for k, v in row.items() if k} for row in rows]
