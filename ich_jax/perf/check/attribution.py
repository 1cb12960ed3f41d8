"""Which lines brought the operations that one side has more of than the other."""

import bisect
import dataclasses
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from ich_jax.perf.check.trees import Change


@dataclasses.dataclass(frozen=True, slots=True)
class Cause:
    """A line and what it brought.

    Attributes:
        place: `file:line`, in the head where the line is there, else in the base.
        changed: Whether the line differs between the sides.
        scope: Module of the network, as JAX names it; empty where it names none.
        more: Primitive -> how many more, or fewer, the head has.
    """

    place: str
    changed: bool
    scope: str
    more: dict[str, int]

    @property
    def size(self) -> int:
        """Operations that came or went."""
        return sum(map(abs, self.more.values()))

    def __str__(self) -> str:
        most = sorted(self.more.items(), key=lambda item: -abs(item[1]))[:4]
        what = ", ".join(f"{n:+d} {name}" for name, n in most)
        return " ".join(filter(None, (self.place, f"[{self.scope}]" if self.scope else "", what)))


@dataclasses.dataclass(frozen=True, slots=True)
class Attribution:
    """Where the operations that differ come from.

    Attributes:
        causes: Lines that differ first, then others, each by what it brought.
        unattributed: Share of the operations that came or went whose calls pass through no changed line.
    """

    causes: tuple[Cause, ...]
    unattributed: float


class Moved:
    """Finds the line of the head that a line of the base has become."""

    def __init__(self, changes: Sequence[Change]) -> None:
        """Args: what differs."""
        self._shifts: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for change in changes:
            past_old = change.old[0] + max(change.old[1], 1)
            past_new = change.new[0] + max(change.new[1], 1)
            if change.old[1] == 0:  # git names the line before an insertion
                past_old = change.old[0] + 1
            if change.new[1] == 0:
                past_new = change.new[0] + 1
            self._shifts[change.path].append((past_old, past_new - past_old))

    def line(self, path: str, line: int) -> int:
        """Returns it, for a line that has not changed."""
        shifts = self._shifts.get(path, [])
        i = bisect.bisect_right(shifts, line, key=lambda shift: shift[0])
        return line + (shifts[i - 1][1] if i else 0)


def attribute(base: Sequence[Sequence[Any]], head: Sequence[Sequence[Any]], changes: Sequence[Change]) -> Attribution:
    """Compares the operations of two sides line by line.

    Args:
        base: Rows of `program_facts.by_line`.
        head: The same.
        changes: What differs.
    """
    moved = Moved(changes)
    counts: dict[tuple[str, bool, str], Counter[str]] = defaultdict(Counter)
    scopes: dict[tuple[str, bool, str], Counter[str]] = defaultdict(Counter)
    for sign, rows in ((-1, base), (1, head)):
        for path, line, changed, scope, primitive, n in rows:
            there = line if sign > 0 or changed else moved.line(path, line)
            old = " (base)" if changed and sign < 0 else ""
            key = (f"{path}:{there}{old}" if path else "outside of the tree", bool(changed), "")
            counts[key][primitive] += sign * n
            scopes[key][_short(scope)] += n
    causes = []
    for key, more in counts.items():
        left = {name: n for name, n in sorted(more.items()) if n}
        if left:
            causes.append(Cause(key[0], key[1], scopes[key].most_common(1)[0][0], left))
    causes.sort(key=lambda cause: (not cause.changed, -cause.size, cause.place))
    net = _net(causes)
    total = sum(net.values())
    by_changed = _net([cause for cause in causes if cause.changed])
    named = sum(min(n, by_changed.get(name, 0)) for name, n in net.items())
    return Attribution(tuple(causes), 1.0 - named / total if total else 0.0)


def _net(causes: Sequence[Cause]) -> dict[str, int]:
    """Primitive -> operations that came or went, those that only moved from line to line not counted."""
    totals: Counter[str] = Counter()
    for cause in causes:
        totals.update(cause.more)
    return {name: abs(n) for name, n in totals.items() if n}


def _short(scope: str) -> str:
    """The last three parts of a scope, without the transformations around it."""
    names = [part for part in scope.replace("(", "/").replace(")", "").split("/") if part]
    plain = [part for part in names if part not in ("jit", "jvp", "vmap", "transpose", "checkpoint", "remat")]
    return "/".join(plain[-3:])
