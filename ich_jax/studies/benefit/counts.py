"""Sizes of a design and their consequences: the number of draws of a test, and the least p that it can give."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of units and periods.

    Attributes:
        treated: Units that are treated at some time.
        donors: Units that never are.
        before: Periods before the first launch.
        after: The other periods.
        by_launch: Treated units of each launch.
    """

    treated: int
    donors: int
    before: int
    after: int
    by_launch: tuple[int, ...]

    @property
    def units(self) -> int:
        """All units."""
        return self.treated + self.donors

    @property
    def mirrored(self) -> bool:
        """Whether treated and untreated may change places: half of the assignments then mirror the other half."""
        return len(self.by_launch) == 1 and self.treated == self.donors


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """The reach of a test in a design.

    Attributes:
        smallest_p: The least p-value that it can give; 0 where a distribution is taken as known.
        distinct: Distinct draws, reassignments or placebos behind it; None where a distribution is taken as known.
        possible: Whether the test can be made at all.
        reason: Why it can or cannot; empty: the counts say so.
    """

    smallest_p: float
    distinct: int | None
    possible: bool = True
    reason: str = ""
