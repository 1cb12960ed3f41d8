from . import data, demand, logit, mixed, nested, ordered, point_sets, willingness
from .data import Choices, from_long, separating
from .demand import (
    Assortment,
    Responses,
    Shares,
    best_assortment,
    market_shares,
    responses,
    surplus_change,
)
from .logit import ChoiceFit, Kernel, check_price, conditional_logit
from .mixed import MixedFit, mixed_logit, simulation_error
from .nested import nested_logit
from .ordered import OrderedLogit, ordered_logit
from .willingness import WillingnessToPay, willingness_to_pay

__all__ = [
    "Assortment",
    "ChoiceFit",
    "Choices",
    "Kernel",
    "MixedFit",
    "OrderedLogit",
    "Responses",
    "Shares",
    "WillingnessToPay",
    "best_assortment",
    "check_price",
    "conditional_logit",
    "data",
    "demand",
    "from_long",
    "logit",
    "market_shares",
    "mixed",
    "mixed_logit",
    "nested",
    "nested_logit",
    "ordered",
    "ordered_logit",
    "point_sets",
    "responses",
    "separating",
    "simulation_error",
    "surplus_change",
    "willingness",
    "willingness_to_pay",
]
