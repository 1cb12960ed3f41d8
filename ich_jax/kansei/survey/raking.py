"""Weights that bring a sample to known margins: raking, also called iterative proportional fitting."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Raking(Result):
    """Weights of the questionnaires, and weighted shares beside the margins.

    Attributes:
        level: `[L]` "variable: category" of every margin.
        target: `[L]` shares of the margins.
        before: `[L]` shares in the sample.
        reached: `[L]` weighted shares.
        weight: `[n]` weights with mean 1.
        design_effect: Kish's factor by which weighting alone inflates the variance of a mean.
        effective_n: Number of questionnaires divided by the design effect.
        iterations: Number of passes over all margins.
        converged: Whether every share is within the tolerance.
        largest_gap: Largest distance of a reached share from its target.
    """

    columns = ("level", "target", "before", "reached")

    level: tuple[str, ...]
    target: Array
    before: Array
    reached: Array
    weight: Array
    design_effect: float
    effective_n: float
    iterations: int
    converged: bool
    largest_gap: float


def rake(
    answers: Mapping[str, npt.ArrayLike],
    margins: Mapping[str, Mapping[str, float]],
    *,
    base: npt.ArrayLike | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 1000,
) -> Raking:
    """Weights questionnaires so that each variable has the shares of its population.

    Args:
        answers: For each variable `[n]` labels.
        margins: For each variable the share (or the number) of each category. All must have the same total.
        base: `[n]` positive initial weights; None: ones.
        tolerance: Largest allowed distance of a weighted share from its target.
        max_iterations: Largest number of passes over all margins.

    Raises:
        DataError: Margins have different totals, a category has no target or no questionnaires, or no variable is
            common.

    References:
        Deming and Stephan (1940), On a least squares adjustment of a sampled frequency table. Kish (1965), Survey
        sampling, section 11.7.
    """
    levels, member, aim, sizes = _levels(answers, margins)
    n = member.shape[1]
    start = np.ones(n) if base is None else float64.finite(base, "rake: base", ndim=1)
    if start.shape != (n,) or (start <= 0).any():
        raise errors.DataError(f"rake: base must be {n} positive weights.")
    with float64.enabled():
        weight, iterations = _rake(
            member, aim, start / start.sum(), np.float64(tolerance), np.int64(max_iterations), sizes=sizes
        )
        weight, iterations = np.asarray(weight), int(iterations)
    reached = member @ weight
    gap = float(np.abs(reached - aim).max())
    effect = float(n * np.square(weight).sum() / weight.sum() ** 2)
    return Raking(
        level=levels,
        target=aim,
        before=member @ (start / start.sum()),
        reached=reached,
        weight=weight * n,
        design_effect=effect,
        effective_n=n / effect,
        iterations=iterations,
        converged=gap <= tolerance,
        largest_gap=gap,
    )


def _levels(
    answers: Mapping[str, npt.ArrayLike], margins: Mapping[str, Mapping[str, float]]
) -> tuple[tuple[str, ...], Array, Array, tuple[int, ...]]:
    """Checks the margins; returns names, members `[L, n]` and shares `[L]` of all levels, and levels per variable."""
    if not margins or set(margins) - set(answers):
        unknown = sorted(set(margins) - set(answers))
        raise errors.DataError(f"rake: margins {unknown or 'are empty'}; answers exist for {sorted(answers)}.")
    totals = {name: float(sum(shares.values())) for name, shares in margins.items()}
    if max(totals.values()) - min(totals.values()) > 1e-9 * max(totals.values()) or min(totals.values()) <= 0:
        raise errors.DataError(
            f"rake: the margins must have the same positive total, but add up to {totals}; no weights can meet them."
        )
    n = len(np.asarray(answers[next(iter(margins))]))
    levels: list[str] = []
    target: list[float] = []
    masks: list[npt.NDArray[np.bool_]] = []
    sizes: list[int] = []
    for name, shares in margins.items():
        labels = np.asarray(answers[name]).astype(str)
        if labels.shape != (n,):
            raise errors.DataError(f"rake: {name} has shape {list(labels.shape)}, expected one label for each of {n}.")
        if extra := sorted(set(labels.tolist()) - set(shares)):
            raise errors.DataError(f"rake: category {extra[0]!r} of {name!r} is in the sample but has no target.")
        for category, share in shares.items():
            mask = labels == category
            if share < 0 or (share > 0) != bool(mask.any()):
                raise errors.DataError(
                    f"rake: category {category!r} of {name!r} has target {share:g} and {mask.sum()} questionnaires; "
                    "weights cannot reach it. Merge it with a neighbouring category in answers and margins."
                )
            if share > 0:
                levels.append(f"{name}: {category}")
                target.append(share / totals[name])
                masks.append(mask)
        sizes.append(sum(share > 0 for share in shares.values()))
    return tuple(levels), np.array(masks, np.float64), np.array(target), tuple(sizes)


@programs.jit(static_argnames=("sizes",))
def _rake(
    member: jax.Array,
    aim: jax.Array,
    start: jax.Array,
    tolerance: jax.Array,
    most: jax.Array,
    *,
    sizes: tuple[int, ...],
) -> tuple[jax.Array, jax.Array]:
    def one_pass(weight: jax.Array) -> jax.Array:
        first = 0
        for size in sizes:
            rows, goal = member[first : first + size], aim[first : first + size]
            weight = weight * ((goal / (rows @ weight)) @ rows)  # every questionnaire is in one category of a variable
            first += size
        return weight

    def unfinished(state: tuple[jax.Array, jax.Array]) -> jax.Array:
        weight, done = state
        return (jnp.abs(member @ weight - aim).max() > tolerance) & (done < most)

    def step(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        return one_pass(state[0]), state[1] + 1

    return jax.lax.while_loop(unfinished, step, (start, jnp.zeros_like(most)))
