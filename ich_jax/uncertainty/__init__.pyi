from . import (
    bootstrap,
    bootstrap_intervals,
    intervals,
    inversion,
    measurement,
    multiplicity,
    permutation,
    survival,
    tolerance,
)
from .bootstrap import Bootstrap
from .bootstrap_intervals import basic, bca, percentile, studentised
from .intervals import Band, Interval, clopper_pearson, sup_t, wilson
from .measurement import Simex, simex
from .multiplicity import (
    MaxT,
    benjamini_hochberg,
    benjamini_yekutieli,
    bonferroni,
    hochberg,
    holm,
    max_t,
    romano_wolf,
    westfall_young,
)
from .permutation import PermutationTest, assignment, relabelling, sign_flip, two_sample
from .survival import KaplanMeier, LogRank, kaplan_meier, log_rank
from .tolerance import Content, ToleranceLimits

__all__ = [
    "Band",
    "Bootstrap",
    "Content",
    "Interval",
    "KaplanMeier",
    "LogRank",
    "MaxT",
    "PermutationTest",
    "Simex",
    "ToleranceLimits",
    "assignment",
    "basic",
    "bca",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "bonferroni",
    "bootstrap",
    "bootstrap_intervals",
    "clopper_pearson",
    "hochberg",
    "holm",
    "intervals",
    "inversion",
    "kaplan_meier",
    "log_rank",
    "max_t",
    "measurement",
    "multiplicity",
    "percentile",
    "permutation",
    "relabelling",
    "romano_wolf",
    "sign_flip",
    "simex",
    "studentised",
    "sup_t",
    "survival",
    "tolerance",
    "two_sample",
    "westfall_young",
    "wilson",
]
