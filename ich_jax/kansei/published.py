"""The paper's published data on people's wishes and judgements (section 3.1).

Huo (2026), Market development and economic benefit analysis of intangible cultural heritage cultural and creative
products empowered by AI, https://doi.org/10.70917/ijcisim-2026-0038. These are the paper's figures, not ours; it
publishes no individual answers.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from ich_jax.uncertainty.float64 import Array

SOURCE = "Huo (2026), doi 10.70917/ijcisim-2026-0038"


@dataclasses.dataclass(frozen=True, slots=True)
class Returned:
    """Numbers of distributed, returned and valid questionnaires.

    Attributes:
        distributed: Number sent out; 0: not stated.
        returned: Number returned.
        rejected: Number of rejected questionnaires by reason.
        valid: Number of valid questionnaires.
    """

    distributed: int
    returned: int
    rejected: Mapping[str, int]
    valid: int


DEMAND = Returned(0, 509, {"invalid": 7, "largely blank": 2}, 500)
"""Section 3.1.1: the questionnaire about demand."""

IMAGERY = Returned(200, 195, {"unfilled or incorrectly filled in": 5}, 190)
"""Section 3.1.2: the questionnaire behind Table 1."""

DEMAND_PERCENT: Mapping[str, float] = {
    "travels to heritage sites as a hobby": 35.6,
    "buys as a souvenir": 59.6,
    "buys for the meaning": 61.2,
    "prefers jewellery": 31.2,
}
"""Section 3.1.1, per cent of the 500 valid questionnaires. The four belong to different questions; the reasons to buy
add up to more than 100, so several could be ticked, which the paper does not state."""

SAME_QUESTION = ("buys as a souvenir", "buys for the meaning")
"""The two options that belong to the same question."""

IMPORTANCE_ORDER = ("aesthetics", "price", "quality")
"""Section 3.1.1: the first three aspects in order of importance; their scores appear only in a figure."""

WORDS = ("Emotional", "Simple", "Light", "Fashionable", "Warm", "Effortless")
SAMPLES = tuple(f"Sample {k}" for k in range(1, 11))
SCALE = (-3.0, 3.0)
"""Seven levels. The paper states their number; its means from -1.88 to 1.38 fit -3 to 3."""

TABLE_1: Array = np.array(
    [
        [0.48, 0.55, 0.91, 0.37, -1.42, -0.56],
        [0.67, 0.98, 1.22, 0.96, 1.05, 0.93],
        [-0.38, -0.29, -1.34, 0.16, 0.22, -1.61],
        [0.39, -1.03, -0.97, -1.88, 0.22, -1.12],
        [0.22, 0.49, 0.11, 0.26, 0.35, 0.77],
        [0.31, 0.28, -0.94, 0.85, 0.72, 0.19],
        [1.38, 1.22, 0.97, -0.23, 0.76, 0.85],
        [0.95, 0.37, 0.26, 0.08, 0.19, 0.34],
        [1.22, 0.94, 0.23, -0.88, 0.21, 0.32],
        [0.29, 0.47, 0.98, 0.12, -0.34, -1.08],
    ]
)
"""Table 1: means of 190 raters, `[10 samples, 6 words]`."""

REVIEW_EXPERIMENTAL: Array = np.array([20.0, 21.0, 23.0, 22.0, 19.0, 24.0, 21.0, 20.0, 22.0, 23.0])
REVIEW_CONTROL: Array = np.array([18.0, 15.0, 19.0, 21.0, 14.0, 12.0, 19.0, 14.0, 21.0, 20.0])
"""Table 2: sums of five experts' scores from 1 to 5 for ten works of each arm."""

REVIEW_RATERS = 5
REVIEW_SCALE = (1, 5)

for _array in (TABLE_1, REVIEW_EXPERIMENTAL, REVIEW_CONTROL):
    _array.setflags(write=False)
