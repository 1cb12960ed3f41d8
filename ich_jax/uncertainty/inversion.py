"""Confidence sets by test inversion."""

import math
from collections.abc import Callable


def invert(p: Callable[[float], float], centre: float, width: float, level: float) -> tuple[float, float]:
    """Limits of the values that a test does not reject, by doubling outwards and bisection on the host.

    Args:
        p: P-value of a hypothesised value.
        centre: A value that is not rejected: the estimate.
        width: First step outwards.
        level: Values with a p-value above this level are kept.

    Returns:
        Lower and upper limit; infinite where nothing is rejected on that side.
    """
    level *= 1.0 + 1e-10  # 1 - 0.9 is a rounding below 0.1, and p = 0.1 is rejected at 0.1
    ends = []
    for sign in (-1.0, 1.0):
        step = width if width > 0 else max(abs(centre), 1.0) * 1e-6
        inside, outside = 0.0, step
        for _ in range(30):
            if p(centre + sign * outside) <= level:
                break
            inside, outside = outside, 2.0 * outside
        else:
            ends.append(sign * math.inf)
            continue
        for _ in range(40):
            middle = 0.5 * (inside + outside)
            if p(centre + sign * middle) > level:
                inside = middle
            else:
                outside = middle
        ends.append(centre + sign * 0.5 * (inside + outside))
    return ends[0], ends[1]
