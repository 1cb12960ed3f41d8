"""Conditional and multinomial logit, and what every choice model of this room returns."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.choice.data import Choices
from ich_jax.econometrics.regression import coefficient_table, covariance, m_estimation, optimisation
from ich_jax.econometrics.regression.covariance import UNCORRECTED, Covariance
from ich_jax.uncertainty import bootstrap, float64
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

COVARIANCES = ("information", "robust", "clustered")


class Kernel(NamedTuple):
    """What a model predicts for one choice set; pure functions of float64 arrays, for `jit`, `vmap` and `grad`.

    Attributes:
        shares: `(theta [P], attributes [J, K], available [J]) -> [J]` probabilities.
        surplus: `(theta, attributes, available, price) -> scalar` expected largest utility in units of the attribute
            with index `price`, up to a constant.
    """

    shares: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
    surplus: Callable[[jax.Array, jax.Array, jax.Array, int], jax.Array]


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class ChoiceFit(Result):
    """An estimated choice model with P parameters of K attributes.

    Attributes:
        model: Its name.
        names: P parameters; the first K are the attributes'.
        theta: `[P]` estimates.
        scores: `[T, P]` or `[persons, P]` derivative of the log-likelihood of each task or person.
        bread: `[P, P]` inverse of minus the Hessian of the log-likelihood.
        clusters: Person of each row of the scores.
        log_likelihood: At the estimates.
        log_likelihood_equal: If all available alternatives were equally likely.
        covariances: By their kind.
        table: Estimates, with errors of the kind that it names.
        n_tasks: Choices.
        n_persons: Persons.
        attributes: K attributes.
        kernel: What it predicts.
        notes: What a reader has to know, in words.
        absorbed: Always empty.
    """

    part = "table"
    hidden: ClassVar[tuple[str, ...]] = ("kernel",)

    model: str
    names: tuple[str, ...]
    theta: Array
    scores: Array
    bread: Array
    clusters: npt.NDArray[np.int64]
    log_likelihood: float
    log_likelihood_equal: float
    covariances: Mapping[str, Covariance]
    table: coefficient_table.Coefficients
    n_tasks: int
    n_persons: int
    attributes: tuple[str, ...]
    kernel: Kernel
    notes: tuple[str, ...] = ()
    absorbed: tuple[Any, ...] = ()

    @property
    def covariance(self) -> Array:
        """`[P, P]` of the kind that the table shows."""
        return self.covariances[self.table.covariance].matrix

    @property
    def mcfadden(self) -> float:
        """Share of the log-likelihood of equal shares that the model explains."""
        return 1.0 - self.log_likelihood / self.log_likelihood_equal

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return 2.0 * len(self.theta) - 2.0 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion, of the number of choices."""
        return float(np.log(self.n_tasks)) * len(self.theta) - 2.0 * self.log_likelihood


def utilities(theta: jax.Array, attributes: jax.Array, available: jax.Array) -> jax.Array:
    """`[J]` utilities, minus infinity where an alternative is not available."""
    return jnp.where(available, attributes @ theta[: attributes.shape[-1]], -jnp.inf)


def shares(theta: jax.Array, attributes: jax.Array, available: jax.Array) -> jax.Array:
    """Kernel: logit probabilities `[J]` of one choice set."""
    return jax.nn.softmax(utilities(theta, attributes, available))


def surplus(theta: jax.Array, attributes: jax.Array, available: jax.Array, price: int) -> jax.Array:
    """Kernel: inclusive value over the marginal utility of money.

    References:
        Small and Rosen (1981), Applied welfare economics with discrete choice models.
    """
    return jax.nn.logsumexp(utilities(theta, attributes, available)) / -theta[price]


KERNEL = Kernel(shares, surplus)


def conditional_logit(choices: Choices, *, covariance: str = "", confidence: float = 0.95) -> ChoiceFit:
    """Fits P(j) = exp(x_j b) / sum over available alternatives of exp(x b), by maximum likelihood.

    With constants (`from_long(..., base=...)`) or attributes that interact with them it is the multinomial logit.

    Args:
        choices: The data.
        covariance: Kind of the errors in the table: "information" (inverse Hessian), "robust", "clustered" by person;
            empty: clustered if persons choose several times, else robust.
        confidence: Of the intervals.

    Raises:
        ConfigError: Another kind of covariance.
        DataError: No finite estimate.

    References:
        McFadden (1974), Conditional logit analysis of qualitative choice behavior.
    """
    scale = scales(choices)
    found = m_estimation.minimise(
        _negative, np.zeros(len(scale)), _rows(choices, scale), names=choices.names, weights=choices.weights
    )
    return finish(
        "conditional logit",
        choices.names,
        found.theta / scale,
        found.scores * scale,
        found.bread / np.outer(scale, scale),
        -found.objective,
        choices,
        KERNEL,
        covariance=covariance,
        confidence=confidence,
    )


def refitted(choices: Choices, key: jax.Array, n_resamples: int) -> Array:
    """Conditional logit `[B, K]` of resamples of persons, all in one program.

    Args:
        choices: The data.
        key: Random key.
        n_resamples: Number B.
    """
    scale = scales(choices)
    rows = _rows(choices, scale) | {"weight": choices.weights}
    drawn = bootstrap.cluster(key, _refit, rows, choices.person, n_resamples=n_resamples)
    return np.asarray(drawn.replicates) / scale


def scales(choices: Choices) -> Array:
    """`[K]` spread of each attribute, by which it is divided so that all are of one size."""
    spread = choices.attributes[choices.available].std(axis=0)
    return np.where(spread > 0, spread, 1.0)


def finish(
    model: str,
    names: Sequence[str],
    theta: Array,
    scores: Array,
    bread: Array,
    log_likelihood: float,
    choices: Choices,
    kernel: Kernel,
    *,
    covariance: str,
    confidence: float,
    notes: Sequence[str] = (),
) -> ChoiceFit:
    """Makes the result of a model from its estimates; arguments as its attributes."""
    panel = len(scores) == len(choices.chosen)
    clusters = choices.person if panel else np.arange(len(choices.persons))
    kind = errors.require(
        covariance or ("clustered" if choices.panel else "robust"), COVARIANCES, "covariance of a choice model"
    )
    made = _covariances(scores, bread, clusters)
    table = coefficient_table.coefficients(names, theta, made[kind].matrix, df=np.inf, kind=kind, confidence=confidence)
    equal = -float(choices.weights @ np.log(choices.available.sum(axis=1)))
    return ChoiceFit(
        model=model,
        names=tuple(names),
        theta=theta,
        scores=scores,
        bread=bread,
        clusters=clusters,
        log_likelihood=log_likelihood,
        log_likelihood_equal=equal,
        covariances=made,
        table=table,
        n_tasks=len(choices.chosen),
        n_persons=len(choices.persons),
        attributes=choices.names,
        kernel=kernel,
        notes=tuple(notes),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Scored:
    """Scores and bread, for the covariances."""

    scores: Array
    bread: Array
    absorbed: tuple[Any, ...] = ()


def _covariances(scores: Array, bread: Array, clusters: npt.NDArray[np.int64]) -> dict[str, Covariance]:
    fitted = _Scored(scores, bread)
    found = {
        "information": Covariance(bread, "information", (1.0,), np.inf),
        "robust": covariance.heteroskedastic(fitted, "HC0", small_sample=UNCORRECTED),
    }
    if len(np.unique(clusters)) > 1:
        found["clustered"] = covariance.cluster(fitted, clusters, small_sample=UNCORRECTED)
    return found


def _rows(choices: Choices, scale: Array) -> dict[str, Any]:
    return {"x": choices.attributes / scale, "available": choices.available, "chosen": choices.chosen}


def _negative(theta: jax.Array, row: dict[str, jax.Array]) -> jax.Array:
    """Minus the log-probability of a choice."""
    v = utilities(theta, row["x"], row["available"])
    return jax.nn.logsumexp(v) - v[row["chosen"]]


def _refit(data: dict[str, jax.Array], weights: jax.Array) -> jax.Array:
    rows = {name: data[name] for name in ("x", "available", "chosen")}
    start = jnp.zeros(data["x"].shape[-1], jnp.float64)
    return optimisation.newton(
        _negative, False, start, rows, weights * data["weight"], tolerance=1e-8, max_steps=25
    ).theta


def check_price(fit: ChoiceFit, price: str) -> str:
    """Says in words that the coefficient of a price is not negative; empty if it is.

    Raises:
        ConfigError: The model has no such attribute.
    """
    errors.require(price, fit.attributes, "price")
    value = float(fit.theta[fit.attributes.index(price)])
    if value < 0:
        return ""
    return (
        f"The coefficient of {price!r} is {value:.3g}, not negative: people would pay more for the same. Willingness "
        "to pay, surplus and assortments have no meaning then."
    )


def parameter_draws(fit: ChoiceFit, key: jax.Array, n: int) -> Array:
    """Parameters `[n, P]` drawn from the normal distribution of the estimates.

    The root of the covariance is taken of the correlations, so that draws follow a change of units.

    Args:
        fit: The model.
        key: Random key.
        n: Draws.

    References:
        Krinsky and Robb (1986), On approximating the statistical properties of elasticities.
    """
    sd = np.sqrt(np.maximum(np.diag(fit.covariance), 1e-300))
    values, vectors = np.linalg.eigh(fit.covariance / np.outer(sd, sd))
    root = sd[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    with float64.enabled():
        normal = np.asarray(jax.random.normal(key, (n, len(values)), jnp.float64))
    return fit.theta + normal @ root.T
