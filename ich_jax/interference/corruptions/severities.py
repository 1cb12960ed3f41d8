"""Parameters of the corruptions by severity, and how they follow the size of the images.

Each family of corruptions holds the parameters of its kinds in its `TABLES`. Two sets are published: one for 32 px
(CIFAR-10-C) and one for 224 px (ImageNet-C). A length in pixels grows with the image: other sizes take the nearer set
(that for 32 px below 96 px) and multiply its lengths by the ratio of sizes. Amplitudes, shares and qualities stay as
published.

References:
    Hendrycks and Dietterich (2019), Benchmarking neural network robustness to common corruptions and perturbations.
    Parameters: github.com/hendrycks/robustness, create_c/make_cifar_c.py and imagenet_c/corruptions.py (Apache-2.0).
"""

import dataclasses

import numpy as np
import numpy.typing as npt

SEVERITIES = 5
LARGE = 96
"""Images of this many pixels and more take the parameters of ImageNet-C, smaller ones those of CIFAR-10-C."""

Rows = tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True)
class Table:
    """Parameters of one corruption.

    Attributes:
        names: Name of each parameter.
        small: Severities 1 to 5 at 32 px.
        large: The same at 224 px.
        lengths: Names of the parameters that are lengths in pixels.
        whole: Names of the parameters that have to be whole numbers, at least 1.
    """

    names: tuple[str, ...]
    small: Rows
    large: Rows
    lengths: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()

    def at(self, size: int) -> dict[str, npt.NDArray[np.float32]]:
        """Returns `{name: [5] float32}` for images of `size` px."""
        rows, base = (self.small, 32) if size < LARGE else (self.large, 224)
        columns = dict(zip(self.names, np.array(rows, np.float64).T, strict=True))
        for name in self.lengths:
            columns[name] = columns[name] * (size / base)
        for name in self.whole:
            columns[name] = np.maximum(np.round(columns[name]), 1)
        return {name: column.astype(np.float32) for name, column in columns.items()}


def scalar(name: str, small: tuple[float, ...], large: tuple[float, ...], lengths: tuple[str, ...] = ()) -> Table:
    """Returns the table of a single parameter."""
    return Table((name,), tuple((v,) for v in small), tuple((v,) for v in large), lengths)
