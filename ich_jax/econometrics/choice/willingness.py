"""Willingness to pay: ratios of coefficients, with intervals of three kinds."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics.choice import logit
from ich_jax.econometrics.choice.data import Choices
from ich_jax.econometrics.choice.logit import ChoiceFit
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

METHODS = ("delta", "krinsky_robb", "bootstrap")


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class WillingnessToPay(Result):
    """What one unit more of each attribute is worth, in units of the price.

    Attributes:
        attribute: M names.
        estimate: `[M]` minus coefficient over coefficient of the price.
        low: `[M]` lower limits.
        high: `[M]` upper limits.
        method: Of the limits.
        price: Name of the price.
        price_t: Coefficient of the price over its error; between -2 and 2 the ratio may have any size.
        confidence: Coverage of the limits.
    """

    columns = ("attribute", "estimate", "low", "high")
    curve = ("attribute", "estimate", "low", "high")

    attribute: tuple[str, ...]
    estimate: Array
    low: Array
    high: Array
    method: str
    price: str
    price_t: float
    confidence: float


def willingness_to_pay(
    fit: ChoiceFit,
    price: str,
    *,
    attributes: Sequence[str] = (),
    method: str = "delta",
    key: jax.Array | None = None,
    choices: Choices | None = None,
    n_draws: int = 9999,
    confidence: float = 0.95,
) -> WillingnessToPay:
    """Ratios of the coefficients to that of the price.

    Args:
        fit: A fit whose first parameters are those of its attributes (of a mixed model: the means of coefficients that
            are not transformed).
        price: Name of the price.
        attributes: Names; none: all but the price.
        method: "delta" is symmetric; "krinsky_robb" takes quantiles of draws from the normal distribution of the
            estimates; "bootstrap" refits a conditional logit to resampled persons.
        key: Random key, for the latter two.
        choices: The data, for the bootstrap.
        n_draws: Draws or resamples.
        confidence: Coverage of the limits.

    Raises:
        ConfigError: Names that the model lacks, another method, or one without its key or data.

    References:
        Krinsky and Robb (1986), On approximating the statistical properties of elasticities. Hole (2007), A comparison
        of approaches to estimating confidence intervals for willingness to pay measures.
    """
    errors.require(method, METHODS, "willingness_to_pay: method")
    errors.require(price, fit.attributes, "willingness_to_pay: price")
    names = tuple(attributes) or tuple(name for name in fit.attributes if name != price)
    chosen = np.array([fit.attributes.index(errors.require(n, fit.attributes, "attribute")) for n in names], int)
    at = fit.attributes.index(price)
    theta, v = fit.theta, fit.covariance
    estimate = -theta[chosen] / theta[at]
    tail = (1.0 - confidence) / 2.0
    if method == "delta":
        slope = np.zeros((len(names), len(theta)))
        slope[np.arange(len(names)), chosen] = -1.0 / theta[at]
        slope[:, at] += theta[chosen] / theta[at] ** 2
        half = stats.norm.isf(tail) * np.sqrt(np.einsum("mp,pq,mq->m", slope, v, slope))
        low, high = estimate - half, estimate + half
    else:
        if key is None:
            raise errors.ConfigError(f"willingness_to_pay: method {method!r} needs a random key.")
        if method == "krinsky_robb":
            drawn = logit.parameter_draws(fit, key, n_draws)
        elif choices is None or fit.model != "conditional logit":
            raise errors.ConfigError("willingness_to_pay: the bootstrap needs `choices` and a conditional logit.")
        else:
            drawn = logit.refitted(choices, key, n_draws)
        ratios = -drawn[:, chosen] / drawn[:, at : at + 1]
        low, high = np.nanquantile(ratios, [tail, 1.0 - tail], axis=0)
    return WillingnessToPay(
        attribute=names,
        estimate=estimate,
        low=low,
        high=high,
        method=method,
        price=price,
        price_t=float(theta[at] / np.sqrt(v[at, at])),
        confidence=confidence,
    )
