from . import data, demand, logit, nested, ordered, willingness
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
from .nested import nested_logit
from .ordered import OrderedLogit, ordered_logit
from .willingness import WillingnessToPay, willingness_to_pay

__all__ = [
    "Assortment",
    "ChoiceFit",
    "Choices",
    "Kernel",
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
    "nested",
    "nested_logit",
    "ordered",
    "ordered_logit",
    "responses",
    "separating",
    "surplus_change",
    "willingness",
    "willingness_to_pay",
]
