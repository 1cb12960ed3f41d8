"""Ordered logit: grades, stated intentions to buy, and other ordered answers."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.regression import coefficient_table, covariance, m_estimation
from ich_jax.econometrics.regression.covariance import UNCORRECTED
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

_NEVER = 700.0  # logits: exp(-700) is still a number


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class OrderedLogit(Result):
    """Proportional-odds model of C ordered categories.

    Attributes:
        table: Coefficients and thresholds.
        coefficient: `[K]` log odds ratios of a higher category.
        threshold: `[C - 1]` between the categories.
        category: `[C]` answers that occur; answers that nobody gave have no threshold and are merged.
        covariance: `[K + C - 1, K + C - 1]`.
        log_likelihood: At the estimates.
        n: Answers.
    """

    part = "table"

    table: coefficient_table.Coefficients
    coefficient: Array
    threshold: Array
    category: tuple[float, ...]
    covariance: Array
    log_likelihood: float
    n: int


def ordered_logit(
    answer: npt.ArrayLike,
    attributes: Mapping[str, npt.ArrayLike],
    *,
    person: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> OrderedLogit:
    """Fits P(answer <= c) = logistic(threshold_c - x b) by maximum likelihood.

    Example:
        >>> from ich_jax.econometrics import choice
        >>> fit = choice.ordered_logit([1, 1, 2, 2, 3, 3, 1, 3], {"light": [0, 0, 0, 1, 1, 1, 1, 0]})
        >>> fit.category, bool(fit.coefficient[0] > 0)
        ((1.0, 2.0, 3.0), True)

    Args:
        answer: `[N]` ordered numbers; only their order matters.
        attributes: For each name `[N]`.
        person: `[N]` who answered: errors are clustered by person; None: robust errors.
        confidence: Of the intervals.

    Raises:
        DataError: One category, an attribute without variation, or no finite estimate.

    References:
        McCullagh (1980), Regression models for ordinal data.
    """
    y = float64.finite(answer, "ordered_logit: answer", ndim=1)
    levels, code = np.unique(y, return_inverse=True)
    columns = {name: float64.finite(v, f"ordered_logit: {name}", ndim=1) for name, v in attributes.items()}
    if len(levels) < 2:
        raise errors.DataError("ordered_logit: all answers are the same.")
    for name, values in columns.items():
        if values.shape != y.shape or np.ptp(values) == 0:
            raise errors.DataError(f"ordered_logit: {name!r} needs {len(y)} values that are not all the same.")
    x = np.stack(list(columns.values()), axis=1) if columns else np.zeros((len(y), 0))
    scale = x.std(axis=0)
    share = np.cumsum(np.bincount(code))[:-1] / len(y)
    start = np.concatenate([np.zeros(x.shape[1]), np.log(share / (1.0 - share))])
    names = (*columns, *(f"threshold {a:g} | {b:g}" for a, b in itertools.pairwise(levels)))
    rows: dict[str, Any] = {"x": x / scale, "code": code.astype(np.int64)}
    found = m_estimation.minimise(_negative, start, rows, names=names)
    size = np.concatenate([scale, np.ones(len(levels) - 1)])
    fitted = dataclasses.replace(
        found, theta=found.theta / size, scores=found.scores * size, bread=found.bread / np.outer(size, size)
    )
    made = (
        covariance.heteroskedastic(fitted, "HC0", small_sample=UNCORRECTED)
        if person is None
        else covariance.cluster(fitted, person, small_sample=UNCORRECTED)
    )
    kind = "robust" if person is None else "clustered"
    k = x.shape[1]
    return OrderedLogit(
        table=coefficient_table.coefficients(
            names, fitted.theta, made.matrix, df=np.inf, kind=kind, confidence=confidence
        ),
        coefficient=fitted.theta[:k],
        threshold=fitted.theta[k:],
        category=tuple(map(float, levels)),
        covariance=made.matrix,
        log_likelihood=-found.objective,
        n=len(y),
    )


def _negative(theta: jax.Array, row: dict[str, jax.Array]) -> jax.Array:
    """Minus the log-probability of an answer; not a number where thresholds cross, so that no step ends there."""
    x, code = row["x"], row["code"]
    k = x.shape[0]
    threshold = theta[k:]
    shift = x @ theta[:k]
    ends = jnp.concatenate([jnp.full(1, -_NEVER), threshold - shift, jnp.full(1, _NEVER)])
    low, high = ends[code], ends[code + 1]
    # log(F(high) - F(low)) without cancellation in the tails.
    return -(jax.nn.log_sigmoid(high) + jax.nn.log_sigmoid(-low) + jnp.log1p(-jnp.exp(low - high)))
