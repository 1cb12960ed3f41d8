"""Three form axes that can be measured on any picture: width, height and mass.

The rule, pixel by pixel:

1. The background is the colour of the picture's border: per channel the (lower) median over its outermost pixels.
2. A pixel is foreground where any channel differs from the background by more than a tenth of the full range.
3. Width and height are the sides of the smallest upright box around the foreground, as shares of the picture's sides;
   mass is the share of the picture's area that is foreground.
4. Each share s becomes the axis 6 s - 3: nothing is -3, the full picture is 3.

It is exact for objects on a plain ground that leave half of the border free. A picture without a plain ground (a
photograph, a painting) still gets the same numbers every time, but they describe its contrast, not its subject.
"""

from types import ModuleType

import jax.numpy as jnp
import numpy as np

from ich_jax.types import AXIS_LIMIT, ArrayT

AXES = ("width", "height", "mass")
THRESHOLD = 0.2
"""Distance from the background in units of [-1, 1], a tenth of the range. In 8 bits it lies between two levels."""


def measure(images: ArrayT, xp: ModuleType = jnp) -> ArrayT:
    """Measures width, height and mass.

    Args:
        images: `[B, H, W, C]` float32 in [-1, 1].
        xp: `jax.numpy` (may be traced, so generated images are measured where they are) or `numpy`.

    Returns:
        `[B, 3]` float32 in [-3, 3], ordered as `AXES`.
    """
    _, height, width, _ = images.shape
    foreground = find_foreground(images, xp)
    shares = [
        (_extent(xp.any(foreground, axis=1), xp), width),
        (_extent(xp.any(foreground, axis=2), xp), height),
        (xp.sum(foreground, axis=(1, 2), dtype=np.int32), height * width),
    ]
    # One rounding: the numerator is a whole number, so shapes of known size have the axis to the last bit.
    axes = [(2 * count - full).astype(np.float32) * np.float32(AXIS_LIMIT) / np.float32(full) for count, full in shares]
    return xp.stack(axes, axis=1)


def find_foreground(images: ArrayT, xp: ModuleType = jnp) -> ArrayT:
    """Returns which pixels differ from the colour of the border, `[B, H, W]` bool."""
    border = xp.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
    background = xp.sort(border, axis=1)[:, (border.shape[1] - 1) // 2]
    distance = xp.max(xp.abs(images - background[:, None, None, :]), axis=3)
    return distance > np.float32(THRESHOLD)


def _extent(occupied: ArrayT, xp: ModuleType) -> ArrayT:
    """Returns the extent of the occupied positions of `[B, L]`, first and last included; 0 if there is none."""
    length = occupied.shape[1]
    first = xp.argmax(occupied, axis=1)
    last = length - 1 - xp.argmax(occupied[:, ::-1], axis=1)
    return xp.where(xp.any(occupied, axis=1), last - first + 1, 0).astype(np.int32)
