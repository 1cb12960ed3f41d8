from .augmentation import augmented
from .conformal import (
    ConformalIntervals,
    ConformalTest,
    conformal_intervals,
    conformal_test,
)
from .control import (
    LeaveTwoOut,
    SpacePlacebo,
    Study,
    SyntheticControl,
    leave_one_donor_out,
    leave_two_out,
    placebo_in_space,
    placebo_in_time,
    study,
    synthetic_control,
)
from .sdid import StandardError, SyntheticDiD, standard_error, synthetic_did

__all__ = [
    "ConformalIntervals",
    "ConformalTest",
    "LeaveTwoOut",
    "SpacePlacebo",
    "StandardError",
    "Study",
    "SyntheticControl",
    "SyntheticDiD",
    "augmented",
    "conformal_intervals",
    "conformal_test",
    "leave_one_donor_out",
    "leave_two_out",
    "placebo_in_space",
    "placebo_in_time",
    "standard_error",
    "study",
    "synthetic_control",
    "synthetic_did",
]
