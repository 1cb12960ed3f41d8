from . import importance, raking, screening, shares
from .importance import ImportanceRanks, importance_ranks
from .raking import Raking, rake
from .screening import Rules, Screening, screen
from .shares import (
    CrossTable,
    Grim,
    OverlapTest,
    Shares,
    cross_table,
    grim,
    multiple_response,
    overlap_bounds,
    single_response,
)

__all__ = [
    "CrossTable",
    "Grim",
    "ImportanceRanks",
    "OverlapTest",
    "Raking",
    "Rules",
    "Screening",
    "Shares",
    "cross_table",
    "grim",
    "importance",
    "importance_ranks",
    "multiple_response",
    "overlap_bounds",
    "rake",
    "raking",
    "screen",
    "screening",
    "shares",
    "single_response",
]
