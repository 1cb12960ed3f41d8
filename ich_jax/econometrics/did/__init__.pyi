from .borusyak import Imputation, imputation
from .callaway_santanna import Aggregate, GroupTime, aggregate, group_time
from .decomposition import Bacon, bacon
from .few_treated import (
    PlaceboTest,
    SignTest,
    conley_taber,
    ferman_pinto,
    placebo_test,
    sign_flips,
)
from .launch_path import Path, path
from .randomisation import LaunchTest, Stratified, randomise, stratified
from .two_way import (
    Effect,
    EventStudy,
    TwoByTwo,
    event_study,
    twfe,
    two_by_two,
)

__all__ = [
    "Aggregate",
    "Bacon",
    "Effect",
    "EventStudy",
    "GroupTime",
    "Imputation",
    "LaunchTest",
    "Path",
    "PlaceboTest",
    "SignTest",
    "Stratified",
    "TwoByTwo",
    "aggregate",
    "bacon",
    "conley_taber",
    "event_study",
    "ferman_pinto",
    "group_time",
    "imputation",
    "path",
    "placebo_test",
    "randomise",
    "sign_flips",
    "stratified",
    "twfe",
    "two_by_two",
]
