"""What a choice model says about a market: shares, elasticities, diversion, surplus, and which designs to make."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.choice import logit
from ich_jax.econometrics.choice.data import Choices
from ich_jax.econometrics.choice.logit import ChoiceFit, Kernel
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

_ALL_SUBSETS = 12  # candidates of which every assortment is valued; of more, single changes are tried


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Shares(Result):
    """Market shares of an assortment.

    Attributes:
        alternative: J names.
        share: `[J]` at the estimates.
        low: `[J]` lower limits.
        high: `[J]` upper limits.
        draws: `[B, J]` at draws of the parameters.
        confidence: Coverage of the limits.
    """

    columns = ("alternative", "share", "low", "high")
    curve = ("alternative", "share", "low", "high")
    hidden = ("draws",)

    alternative: tuple[str, ...]
    share: Array
    low: Array
    high: Array
    draws: Array
    confidence: float


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Responses(Result):
    """How shares answer a change of an attribute of one alternative, A alternatives.

    Attributes:
        alternative: A labels.
        own: `[A]` own elasticities.
        elasticity: `[A, A]` percent change of the share of the row for 1 % more of the attribute of the column, where
            both are offered, weighted by the probability of the row; NaN where they never are.
        diversion: `[A, A]` share of the buyers that the row loses who go to the column; NaN on the diagonal.
        attribute: Its name.
    """

    columns = ("alternative", "own")

    alternative: tuple[str, ...]
    own: Array
    elasticity: Array
    diversion: Array
    attribute: str


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Assortment(Result):
    """Which designs to make.

    Attributes:
        design: J names.
        made: `[J]` whether the best assortment holds it.
        share: `[J]` its share there, 0 if it is not made.
        p_made: `[J]` share of draws of the parameters whose best assortment holds it.
        profit: Of the best assortment at the estimates.
        low: Lower limit of the profit of that assortment, over draws.
        high: Upper limit.
        exhaustive: Whether all assortments were valued.
        confidence: Coverage of the limits.
    """

    columns = ("design", "made", "share", "p_made")

    design: tuple[str, ...]
    made: npt.NDArray[np.bool_]
    share: Array
    p_made: Array
    profit: float
    low: float
    high: float
    exhaustive: bool
    confidence: float


def market_shares(
    fit: ChoiceFit,
    assortment: npt.ArrayLike,
    names: Sequence[str],
    key: jax.Array,
    *,
    n_draws: int = 2000,
    confidence: float = 0.95,
) -> Shares:
    """Shares if people choose among these alternatives, with limits from draws of the parameters.

    Args:
        fit: The model.
        assortment: `[J, K]` attributes; what buying nothing is like is one of the rows.
        names: J names.
        key: Random key.
        n_draws: Draws B of Krinsky and Robb.
        confidence: Coverage of the limits.

    Raises:
        DataError: Shapes that do not fit.
    """
    x = _assortment(fit, assortment, names)
    theta = _parameter_draws(fit, key, n_draws)
    with float64.enabled():
        every = np.ones(len(x), bool)
        drawn = np.asarray(_many_shares(theta, x, every, kernel=fit.kernel))
    low, high = np.quantile(drawn[1:], [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0], axis=0)
    return Shares(tuple(names), drawn[0], low, high, drawn[1:], confidence)


def responses(fit: ChoiceFit, choices: Choices, attribute: str) -> Responses:
    """Elasticities and diversion ratios, summed over the tasks of the data.

    Args:
        fit: The model.
        choices: Choice sets.
        attribute: Usually the price.

    Raises:
        ConfigError: The model has no such attribute.

    References:
        Conlon and Mortimer (2021), Empirical properties of diversion ratios.
    """
    k = choices.column(attribute)
    with float64.enabled():
        p, slope = (
            np.asarray(v)
            for v in _slopes(fit.theta, choices.attributes, choices.available, column=k, kernel=fit.kernel)
        )
    a = len(choices.alternatives)
    change, size, lost = np.zeros((a, a)), np.zeros((a, a)), np.zeros((a, a))
    x, label = choices.attributes[:, :, k], choices.alternative
    for i, j in itertools.product(range(p.shape[1]), repeat=2):  # slots, of which there are few
        both = choices.available[:, i] & choices.available[:, j]
        at = label[both, i], label[both, j]
        w = choices.weights[both]
        np.add.at(change, at, w * slope[both, i, j] * x[both, j])
        np.add.at(size, at, w * p[both, i])
        np.add.at(lost, (at[1], at[0]), w * slope[both, i, j])
    with np.errstate(divide="ignore", invalid="ignore"):
        elasticity = np.where(size > 0, change / size, np.nan)
        diversion = np.where(size.T > 0, -lost / np.diag(lost)[:, None], np.nan)
    np.fill_diagonal(diversion, np.nan)
    return Responses(choices.alternatives, np.diag(elasticity).copy(), elasticity, diversion, attribute)


def surplus_change(
    fit: ChoiceFit,
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    price: str,
    key: jax.Array,
    *,
    n_draws: int = 2000,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Change of the consumer surplus of one choice, in units of the price: estimate and limits.

    Args:
        fit: The model.
        before: `[J, K]` assortment.
        after: `[J', K]` assortment.
        price: Name of the price.
        key: Random key.
        n_draws: Draws of Krinsky and Robb.
        confidence: Coverage of the limits.
    """
    errors.require(price, fit.attributes, "surplus_change: price")
    theta, at = _parameter_draws(fit, key, n_draws), fit.attributes.index(price)
    worth = []
    with float64.enabled():
        for given in (before, after):
            x = float64.finite(given, "surplus_change: assortment", ndim=2)
            worth.append(np.asarray(_many_surplus(theta, x, np.ones(len(x), bool), price=at, kernel=fit.kernel)))
    change = worth[1] - worth[0]
    low, high = np.quantile(change[1:], [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return float(change[0]), float(low), float(high)


def best_assortment(
    fit: ChoiceFit,
    designs: npt.ArrayLike,
    names: Sequence[str],
    outside: npt.ArrayLike,
    margin: npt.ArrayLike,
    fixed_cost: npt.ArrayLike,
    buyers: float,
    key: jax.Array,
    *,
    n_draws: int = 200,
    confidence: float = 0.95,
) -> Assortment:
    """The designs whose profit is largest: buyers times shares times margins, minus what each design costs to launch.

    Up to 12 candidates every assortment is valued; of more, designs are added, dropped and exchanged while that helps.

    Args:
        fit: The model.
        designs: `[J, K]` attributes of the candidates.
        names: J names.
        outside: `[M, K]` what people can choose besides: competitors, buying nothing.
        margin: `[J]` money earned on a unit.
        fixed_cost: `[J]` money spent once if a design is made.
        buyers: Choices that are made.
        key: Random key.
        n_draws: Draws of the parameters.
        confidence: Coverage of the limits.

    Raises:
        DataError: Shapes that do not fit.
    """
    x = _assortment(fit, designs, names)
    j = len(x)
    rest = float64.finite(outside, "best_assortment: outside", ndim=2)
    earned = np.broadcast_to(float64.finite(margin, "best_assortment: margin"), (j,))
    cost = np.broadcast_to(float64.finite(fixed_cost, "best_assortment: fixed_cost"), (j,))
    if rest.shape[1] != x.shape[1] or not len(rest):
        raise errors.DataError(f"best_assortment: outside must be [M, {x.shape[1]}] with M from 1, got {rest.shape}.")
    theta = _parameter_draws(fit, key, n_draws)
    whole = np.concatenate([x, rest])

    def value(subsets: npt.NDArray[np.bool_], parameters: Array) -> Array:
        """Profit `[subsets, draws]`."""
        with float64.enabled():
            offered = np.concatenate([subsets, np.ones((len(subsets), len(rest)), bool)], axis=1)
            p = np.asarray(_assortment_shares(parameters, whole, offered, kernel=fit.kernel))
        return buyers * (p[:, :, :j] @ earned) - (subsets @ cost)[:, None]

    if j <= _ALL_SUBSETS:
        subsets = np.array(list(itertools.product((False, True), repeat=j)))
        profit = value(subsets, theta)
        best = subsets[profit.argmax(axis=0)]
    else:
        best = np.stack([_climb(lambda s, t=t: value(s, t[None])[:, 0], j) for t in theta])
    made = best[0]
    of_best = value(made[None], theta)[0]
    with float64.enabled():
        share = np.asarray(_many_shares(theta[:1], whole, np.append(made, np.ones(len(rest), bool)), kernel=fit.kernel))
    low, high = np.quantile(of_best[1:], [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return Assortment(
        design=tuple(names),
        made=made,
        share=share[0, :j],
        p_made=best[1:].mean(axis=0),
        profit=float(of_best[0]),
        low=float(low),
        high=float(high),
        exhaustive=j <= _ALL_SUBSETS,
        confidence=confidence,
    )


def _climb(value: Any, j: int) -> npt.NDArray[np.bool_]:
    """Assortment that no addition, removal or exchange of one design improves."""
    current = np.zeros(j, bool)
    best = -np.inf
    while True:
        near = [current ^ (np.arange(j) == k) for k in range(j)]
        inside, beyond = np.flatnonzero(current), np.flatnonzero(~current)
        near += [current ^ np.isin(np.arange(j), pair) for pair in itertools.product(inside, beyond)]
        # As many rows at every step, so that one program serves all.
        padded = np.zeros((j + (j // 2 + 1) ** 2, j), bool)
        padded[: len(near) + 1] = [current, *near]
        found = value(padded)[: len(near) + 1]
        if found.max() <= best + 1e-12 * abs(best):
            return current
        best, current = float(found.max()), padded[int(found.argmax())]


def _assortment(fit: ChoiceFit, assortment: npt.ArrayLike, names: Sequence[str]) -> Array:
    x = float64.finite(assortment, "assortment", ndim=2)
    if x.shape != (len(names), len(fit.attributes)):
        raise errors.DataError(
            f"assortment: expected [{len(names)}, {len(fit.attributes)}] attributes ({', '.join(fit.attributes)}), got "
            f"{list(x.shape)}."
        )
    return x


def _parameter_draws(fit: ChoiceFit, key: jax.Array, n: int) -> Array:
    """`[1 + n, P]` the estimates, then draws of them."""
    return np.concatenate([fit.theta[None], logit.parameter_draws(fit, key, n)])


@programs.jit(static_argnames=("kernel",))
def _many_shares(theta: jax.Array, x: jax.Array, available: jax.Array, *, kernel: Kernel) -> jax.Array:
    return jax.lax.map(lambda t: kernel.shares(t, x, available), theta, batch_size=256)


@programs.jit(static_argnames=("kernel", "price"))
def _many_surplus(theta: jax.Array, x: jax.Array, available: jax.Array, *, price: int, kernel: Kernel) -> jax.Array:
    return jax.lax.map(lambda t: kernel.surplus(t, x, available, price), theta, batch_size=256)


@programs.jit(static_argnames=("kernel",))
def _assortment_shares(theta: jax.Array, x: jax.Array, offered: jax.Array, *, kernel: Kernel) -> jax.Array:
    """`[subsets, draws, J]`."""
    each = jax.vmap(kernel.shares, in_axes=(0, None, None))
    return jax.lax.map(lambda available: each(theta, x, available), offered, batch_size=16)


@programs.jit(static_argnames=("column", "kernel"))
def _slopes(
    theta: jax.Array, x: jax.Array, available: jax.Array, *, column: int, kernel: Kernel
) -> tuple[jax.Array, jax.Array]:
    """Probabilities `[T, J]` and their derivatives `[T, J, J]` by the attribute of each alternative."""

    def of_one(task: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        attributes, offered = task

        def moved(values: jax.Array) -> jax.Array:
            return kernel.shares(theta, attributes.at[:, column].set(values), offered)

        return moved(attributes[:, column]), jax.jacfwd(moved)(attributes[:, column])

    return jax.lax.map(of_one, (x, available), batch_size=64)
