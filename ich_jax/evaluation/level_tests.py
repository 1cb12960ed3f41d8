"""Sign-flip tests of a contrast at two levels, which claim different things.

Over designs the trained networks are given: the claim is about new designs of these networks. Over seeds a trained
network is one observation: the claim is about the method.
"""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
import numpy.typing as npt

from ich_jax.uncertainty import permutation

DESIGNS, SEEDS = "designs", "seeds"
CLAIMS = {
    DESIGNS: "new designs of these trained networks; nothing about networks trained anew",
    SEEDS: "networks trained anew by the same method (and so the method), on these designs",
}
"""Claim of a test at each level."""


@dataclasses.dataclass(frozen=True, slots=True)
class LevelTest:
    """Sign-flip test of the contrast, adjusted over axes by max-T (Westfall and Young).

    Attributes:
        level: `designs` or `seeds`, the units whose signs are flipped.
        claim: The claim that a small p supports.
        units: Number of units.
        smallest_p: The least p that this number of units can give, whatever the data; None if nothing can be tested.
        p: Of each axis by itself, by its name; empty if the test is withheld.
        p_max_t: Of each axis, adjusted for all.
        withheld: Reason why there is no test; empty if there is one.
    """

    level: str
    claim: str
    units: int
    smallest_p: float | None
    p: dict[str, float]
    p_max_t: dict[str, float]
    withheld: str


def level_test(
    level: str, difference: npt.ArrayLike, names: Sequence[str], *, key: jax.Array, n_resamples: int = 9999
) -> LevelTest:
    """Tests by sign flips whether differences are symmetric about zero, or gives the reason why that cannot be tested.

    Args:
        level: `designs` or `seeds`.
        difference: `[n, K]`, one row per design or seed.
        names: Names of the K outcomes.
        key: Random key, used where the flips are too many to evaluate all of them.
        n_resamples: Draws in that case.
    """
    values = np.asarray(difference, np.float64)
    n = len(values)
    withheld = ""
    if n < 2:
        withheld = f"a test over {level} needs two of them at the least, and six for p < 0.05; there is {n}"
    elif (values == 0).all(axis=0).any():
        equal = [name for name, zero in zip(names, (values == 0).all(axis=0), strict=True) if zero]
        withheld = f"both arms are equal along {', '.join(equal)} at every one of the {level}"
    if withheld:
        return LevelTest(level, CLAIMS[level], n, None, {}, {}, withheld)
    test = permutation.sign_flip(values, key=key, n_resamples=n_resamples, max_exact=2**16)
    return LevelTest(
        level=level,
        claim=CLAIMS[level],
        units=n,
        smallest_p=test.smallest_p,
        p={name: float(p) for name, p in zip(names, test.p, strict=True)},
        p_max_t={name: float(p) for name, p in zip(names, test.p_step_down, strict=True)},
        withheld="",
    )
