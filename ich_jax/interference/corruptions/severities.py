"""Parameters of the corruptions by severity, and how they follow the size of the images.

Two tables are published: one for 32 px (CIFAR-10-C) and one for 224 px (ImageNet-C). What is a length in pixels grows
with the image: other sizes take the table of the nearer of the two (32 px below 96 px) and multiply its lengths by the
size over the table's. Amplitudes, shares and qualities stay as published.

References:
    Hendrycks and Dietterich (2019), Benchmarking neural network robustness to common corruptions and perturbations.
    Parameters: github.com/hendrycks/robustness, create_c/make_cifar_c.py and imagenet_c/corruptions.py (Apache-2.0).
"""

import dataclasses

import numpy as np
import numpy.typing as npt

SEVERITIES = 5
_SWITCH = 96  # px; below: CIFAR-10-C

Rows = tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True)
class Table:
    """Parameters of one corruption.

    Attributes:
        names: Name of each parameter.
        small: Severities 1 to 5 at 32 px.
        large: The same at 224 px.
        lengths: Names of those that are pixels.
        whole: Names of those that have to be whole numbers, at least 1.
    """

    names: tuple[str, ...]
    small: Rows
    large: Rows
    lengths: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()

    def at(self, size: int) -> dict[str, npt.NDArray[np.float32]]:
        """Returns `{name: [5] float32}` for images of `size` px."""
        rows, base = (self.small, 32) if size < _SWITCH else (self.large, 224)
        columns = dict(zip(self.names, np.array(rows, np.float64).T, strict=True))
        for name in self.lengths:
            columns[name] = columns[name] * (size / base)
        for name in self.whole:
            columns[name] = np.maximum(np.round(columns[name]), 1)
        return {name: column.astype(np.float32) for name, column in columns.items()}


def _one(name: str, small: tuple[float, ...], large: tuple[float, ...], lengths: tuple[str, ...] = ()) -> Table:
    return Table((name,), tuple((v,) for v in small), tuple((v,) for v in large), lengths)


TABLES = {
    "gaussian_noise": _one("sd", (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot_noise": _one("photons", (500, 250, 100, 75, 50), (60, 25, 12, 5, 3)),
    "impulse_noise": _one("share", (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27)),
    "speckle_noise": _one("sd", (0.06, 0.1, 0.12, 0.16, 0.2), (0.15, 0.2, 0.35, 0.45, 0.6)),
    "gaussian_blur": _one("sd", (0.4, 0.6, 0.7, 0.8, 1), (1, 2, 3, 4, 6), ("sd",)),
    "defocus_blur": Table(
        ("radius", "alias_sd"),
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        lengths=("radius", "alias_sd"),
    ),
    "glass_blur": Table(
        ("sd", "shift", "iterations"),
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        lengths=("sd", "shift"),
        whole=("shift",),
    ),
    "motion_blur": Table(
        ("radius", "sd"),
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        lengths=("radius", "sd"),
        whole=("radius",),
    ),
    "snow": Table(
        ("mean", "sd", "zoom", "threshold", "radius", "blur_sd", "mix"),
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        lengths=("zoom", "radius", "blur_sd"),
        whole=("radius",),
    ),
    "frost": Table(
        ("image", "frost"),
        ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    ),
    "fog": Table(
        ("amount", "decay"),
        ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    ),
    "brightness": _one("added", (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": _one("factor", (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)),
    "elastic_transform": Table(  # the published script multiplies by 244 at 224 px; that is kept
        ("alpha", "sd", "jitter"),
        tuple((32 * a, 32 * s, 32 * j) for a, s, j in ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06)))
        + tuple((32 * a, 32 * s, 32 * j) for a, s, j in ((0.1, 0.04, 0.05), (0.1, 0.03, 0.03))),
        tuple((244 * a, 244 * s, 244 * j) for a, s, j in ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02)))
        + tuple((244 * a, 244 * s, 244 * j) for a, s, j in ((0.07, 0.01, 0.02), (0.12, 0.01, 0.02))),
        lengths=("alpha", "sd", "jitter"),
    ),
    "pixelate": _one("factor", (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25)),
    "jpeg_compression": _one("quality", (80, 65, 58, 50, 40), (25, 18, 15, 10, 7)),
    "spatter": Table(
        ("mean", "sd", "blur", "threshold", "strength", "mud"),
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        (
            (0.65, 0.3, 4, 0.69, 0.6, 0),
            (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
        lengths=("blur",),
    ),
    "saturate": Table(
        ("factor", "offset"),
        ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    ),
}
"""Parameters of every corruption but zoom blur, whose are lists of factors."""

_ZOOMS_SMALL = (7, 12, 16, 21, 26)  # 1, 1.01, ...; numpy's arange ends before or after its bound as rounding has it
_ZOOMS_LARGE = ((12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03))


def zoom_factors(size: int) -> list[list[float]]:
    """Returns the zoom factors of zoom blur, severities 1 to 5."""
    steps = [(n, 0.01) for n in _ZOOMS_SMALL] if size < _SWITCH else list(_ZOOMS_LARGE)
    return [[round(1 + i * step, 2) for i in range(n)] for n, step in steps]
