from . import (
    compilation,
    counts,
    dispatch,
    lowering,
    memory,
    neighbours,
    roofline,
    timing,
)
from .counts import Counts, count
from .lowering import Facts, facts
from .timing import Paired, paired

__all__ = [
    "Counts",
    "Facts",
    "Paired",
    "compilation",
    "count",
    "counts",
    "dispatch",
    "facts",
    "lowering",
    "memory",
    "neighbours",
    "paired",
    "roofline",
    "timing",
]
