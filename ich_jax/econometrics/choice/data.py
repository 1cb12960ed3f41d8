"""Choices in long format, a row for each alternative of a task, brought into arrays and checked."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import optimize

from ich_jax import errors
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array

_NAMED = 5  # rows or tasks that a message names
_LP_ROWS = 200_000  # above, only single attributes are checked for separation: the linear programme takes minutes


@dataclasses.dataclass(frozen=True, slots=True)
class Choices:
    """T tasks of at most J alternatives with K attributes; slots beyond the alternatives of a task are empty.

    If some task has all alternatives, slot j is alternative j in every task.

    Attributes:
        names: K attributes.
        alternatives: Distinct labels.
        attributes: `[T, J, K]`, 0 in empty slots.
        available: `[T, J]` False in empty slots and where an alternative could not be chosen.
        alternative: `[T, J]` label of each slot as an index, -1 where empty.
        chosen: `[T]` slot of the chosen alternative.
        person: `[T]` who chose, as an index.
        persons: Their names.
        weights: `[T]` with mean 1: only their ratios matter.
    """

    names: tuple[str, ...]
    alternatives: tuple[str, ...]
    attributes: Array
    available: npt.NDArray[np.bool_]
    alternative: npt.NDArray[np.int64]
    chosen: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]
    persons: tuple[str, ...]
    weights: Array

    @property
    def panel(self) -> bool:
        """Whether some person made several choices."""
        return len(self.chosen) > len(self.persons)

    @property
    def labelled(self) -> bool:
        """Whether slot j is alternative j in every task."""
        return self.attributes.shape[1] == len(self.alternatives)

    def column(self, name: str) -> int:
        """Index of an attribute.

        Raises:
            ConfigError: There is none of that name.
        """
        return self.names.index(errors.require(name, self.names, "attribute"))


def from_long(
    task: npt.ArrayLike,
    alternative: npt.ArrayLike,
    chosen: npt.ArrayLike,
    attributes: Mapping[str, npt.ArrayLike],
    *,
    person: npt.ArrayLike | None = None,
    available: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    base: str | None = None,
) -> Choices:
    """Brings rows of alternatives into choices; the order of the rows does not matter.

    Example:
        >>> from ich_jax.econometrics import choice
        >>> chosen, price = [1, 0, 0, 1, 1, 0], [1, 2, 3, 1, 2, 1]
        >>> found = choice.from_long([1, 1, 2, 2, 3, 3], list("ababab"), chosen, {"price": price})
        >>> found.attributes[:, :, 0].tolist(), found.chosen.tolist()
        ([[1.0, 2.0], [3.0, 1.0], [2.0, 1.0]], [0, 1, 0])

    Args:
        task: `[R]` label of the task of each row; tasks of two persons may have the same.
        alternative: `[R]` label of the alternative; a task holds each at most once.
        chosen: `[R]` 1 for the chosen one, else 0.
        attributes: For each name `[R]` numbers.
        person: `[R]` who chose; None: each task is that of another person.
        available: `[R]` 0 where an alternative could not be chosen; None: all could.
        weights: `[R]` of the task, above 0; None: equal.
        base: Adds a constant for every label but this one; None: no constants.

    Raises:
        DataError: Rows that do not make choices; every fault is named in one message.
    """
    mark = float64.finite(chosen, "from_long: chosen", ndim=1)
    n = len(mark)
    labels, alternatives = float64.codes(alternative, n, "from_long: alternative")
    who, persons = float64.codes(np.arange(n) if person is None else person, n, "from_long: person")
    tasks, task_names = float64.codes(task, n, "from_long: task")
    if person is None:
        who, persons = tasks, task_names
    pairs, place = np.unique(np.stack([who, tasks], axis=1), axis=0, return_inverse=True)
    place = place.reshape(n)
    named = [f"{task_names[t]}" if person is None else f"{task_names[t]} of {persons[p]}" for p, t in pairs]
    columns = {name: float64.finite(values, f"from_long: {name}", ndim=1) for name, values in attributes.items()}
    if base is not None:
        errors.require(base, list(map(str, alternatives)), "from_long: base")
        others = [k for k, label in enumerate(alternatives) if str(label) != base]
        columns = {f"constant: {alternatives[k]}": (labels == k).astype(np.float64) for k in others} | columns
    open_ = np.ones(n, bool) if available is None else float64.finite(available, "from_long: available", ndim=1) != 0
    weight = np.ones(n) if weights is None else float64.finite(weights, "from_long: weights", ndim=1)
    lengths = {name: len(values) for name, values in (*columns.items(), ("available", open_), ("weights", weight))}
    if wrong := [name for name, length in lengths.items() if length != n]:
        raise errors.DataError(f"from_long: {', '.join(wrong)}: expected {n} rows, as `chosen` has.")
    faults = _row_faults(mark, labels, place, open_, weight, named, alternatives)
    if faults:
        raise _refused(faults)
    order = np.lexsort((labels, place))
    first = np.concatenate([[0], np.cumsum(np.bincount(place))[:-1]])
    slot = np.arange(n) - first[place[order]]
    if int(slot.max()) + 1 == len(alternatives):
        slot = labels[order]  # a set of labelled alternatives: each has its own slot, in every task
    t, j = len(pairs), int(slot.max()) + 1
    at = place[order], slot
    x = np.zeros((t, j, len(columns)))
    for k, values in enumerate(columns.values()):
        x[(*at, k)] = values[order]
    usable, which, picked = np.zeros((t, j), bool), np.full((t, j), -1), np.zeros((t, j))
    usable[at], which[at], picked[at] = open_[order], labels[order], mark[order]
    w = np.ones(t)
    w[place] = weight
    found = Choices(
        names=tuple(columns),
        alternatives=tuple(map(str, alternatives)),
        attributes=x,
        available=usable,
        alternative=which,
        chosen=picked.argmax(axis=1),
        person=pairs[:, 0],
        persons=tuple(map(str, persons)),
        weights=w / w.mean(),
    )
    if faults := _attribute_faults(found):
        raise _refused(faults)
    return found


def _refused(faults: Sequence[str]) -> errors.DataError:
    return errors.DataError("The choices cannot be analysed:\n" + "\n".join(f"- {fault}" for fault in faults))


def _listed(labels: Sequence[object]) -> str:
    rest = len(labels) - _NAMED
    return ", ".join(map(str, labels[:_NAMED])) + (f" and {rest} more" if rest > 0 else "")


def _row_faults(
    mark: Array,
    labels: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    available: npt.NDArray[np.bool_],
    weight: Array,
    named: Sequence[str],
    alternatives: npt.NDArray[np.object_],
) -> list[str]:
    """Faults of single rows and tasks, in words."""
    faults = []
    if (bad := np.flatnonzero(~np.isin(mark, (0.0, 1.0)))).size:
        faults.append(f"`chosen` must be 0 or 1; it is not in row {_listed((bad + 1).tolist())}.")
    picked = np.bincount(place, mark == 1.0)
    if (none := np.flatnonzero(picked == 0)).size:
        faults.append(f"no alternative is chosen in task {_listed([named[i] for i in none.tolist()])}.")
    if (many := np.flatnonzero(picked > 1)).size:
        faults.append(f"several alternatives are chosen in task {_listed([named[i] for i in many.tolist()])}.")
    if (closed := np.flatnonzero((mark == 1.0) & ~available)).size:
        faults.append(f"the chosen alternative is not available in row {_listed((closed + 1).tolist())}.")
    pairs, count = np.unique(np.stack([place, labels], axis=1), axis=0, return_counts=True)
    if (count > 1).any():
        twice = [f"{alternatives[b]} of task {named[a]}" for a, b in pairs[count > 1].tolist()]
        faults.append(f"an alternative stands twice: {_listed(twice)}.")
    if (single := np.flatnonzero(np.bincount(place, available) < 2)).size:
        faults.append(
            f"fewer than two alternatives are available in task {_listed([named[i] for i in single.tolist()])}."
        )
    low, high = np.full(len(named), np.inf), np.full(len(named), -np.inf)
    np.minimum.at(low, place, weight)
    np.maximum.at(high, place, weight)
    if (uneven := np.flatnonzero((low <= 0) | (low < high))).size:
        faults.append(
            f"weights must be above 0 and equal in a task; see task {_listed([named[i] for i in uneven.tolist()])}."
        )
    return faults


def differences(choices: Choices) -> Array:
    """`[R, K]` attributes of the chosen alternative minus those of each other available one."""
    rows = np.arange(len(choices.chosen))
    d = choices.attributes[rows, choices.chosen][:, None, :] - choices.attributes
    other = choices.available.copy()
    other[rows, choices.chosen] = False
    return d[other]


def _attribute_faults(choices: Choices) -> list[str]:
    """Attributes whose part-worths have no estimate, in words."""
    d = differences(choices)
    size = np.abs(d).max(axis=0, initial=0.0)
    still = size <= 1e-12 * np.maximum(np.abs(choices.attributes).max(axis=(0, 1)), 1e-300)
    faults = [
        f"{name!r} does not vary between the alternatives of any task, so its part-worth has no estimate; leave it out."
        for name, flat in zip(choices.names, still, strict=True)
        if flat
    ]
    moving = [k for k in range(len(size)) if not still[k]]
    if not moving:
        return faults or ["there is no attribute."]
    scaled = d[:, moving] / size[moving]
    _, values, right = np.linalg.svd(scaled, full_matrices=False)
    if len(values) < len(moving) or values[-1] <= 1e-10 * values[0]:
        together = [choices.names[moving[i]] for i in np.flatnonzero(np.abs(right[-1]) > 0.05)]
        faults.append(f"{', '.join(map(repr, together))} determine each other between alternatives; leave one out.")
        return faults
    if parted := separating(choices):
        what = f"{parted[0]!r} separates" if len(parted) == 1 else f"{', '.join(map(repr, parted))} together separate"
        faults.append(
            f"{what} chosen from other alternatives without exception, so its part-worth has no limit; leave it out or "
            "ask tasks in which it competes with other attributes."
        )
    return faults


def separating(choices: Choices) -> tuple[str, ...]:
    """Attributes that separate chosen from other alternatives perfectly, so that no finite estimate exists.

    One attribute suffices if the chosen alternative never has less (or never more) of it; otherwise a linear programme
    looks for a sum of several that does it.

    Returns:
        Names; empty if estimates exist.

    References:
        Albert and Anderson (1984), On the existence of maximum likelihood estimates in logistic regression models.
    """
    d = differences(choices)
    d = d / np.maximum(np.abs(d).max(axis=0, initial=0.0), 1e-300)
    one_sided = ((d >= 0.0).all(axis=0) | (d <= 0.0).all(axis=0)) & (np.abs(d) > 0.0).any(axis=0)
    if one_sided.any():
        return tuple(choices.names[k] for k in np.flatnonzero(one_sided))[:1]
    if len(d) > _LP_ROWS:
        return ()
    distinct = np.unique(d, axis=0)
    found = optimize.linprog(
        -distinct.sum(axis=0), A_ub=-distinct, b_ub=np.zeros(len(distinct)), bounds=(-1.0, 1.0), method="highs"
    )
    if found.status != 0 or -found.fun <= 1e-6:
        return ()
    return tuple(choices.names[k] for k in np.flatnonzero(np.abs(found.x) > 1e-6))
