"""Attribution of differences in operation counts to lines of code."""

import bisect
import dataclasses
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from ich_jax.perf.check.trees import Change


@dataclasses.dataclass(frozen=True, slots=True)
class Cause:
    """A line and its change in operations.

    Attributes:
        place: `file:line` in the head, or in the base for a line that the head lacks.
        changed: Whether the line differs between the sides.
        scope: Module of the network, as JAX names it; empty if it names none.
        more: Primitive -> operations in the head minus operations in the base.
    """

    place: str
    changed: bool
    scope: str
    more: dict[str, int]

    @property
    def size(self) -> int:
        """Number of added and removed operations."""
        return sum(map(abs, self.more.values()))

    def __str__(self) -> str:
        most = sorted(self.more.items(), key=lambda item: -abs(item[1]))[:4]
        operations = ", ".join(f"{n:+d} {name}" for name, n in most)
        return " ".join(filter(None, (self.place, f"[{self.scope}]" if self.scope else "", operations)))


@dataclasses.dataclass(frozen=True, slots=True)
class Attribution:
    """Sources of the differences in operation counts.

    Attributes:
        causes: Changed lines first, then others, each in order of size.
        unattributed: Share of added and removed operations whose calls pass through no changed line.
    """

    causes: tuple[Cause, ...]
    unattributed: float


class Moved:
    """Maps lines of the base to lines of the head."""

    def __init__(self, changes: Sequence[Change]) -> None:
        """Args: the changes between the sides."""
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
        """Returns the line of the head for an unchanged line of the base."""
        shifts = self._shifts.get(path, [])
        i = bisect.bisect_right(shifts, line, key=lambda shift: shift[0])
        return line + (shifts[i - 1][1] if i else 0)


def attribute(base: Sequence[Sequence[Any]], head: Sequence[Sequence[Any]], changes: Sequence[Change]) -> Attribution:
    """Compares the operations of two sides line by line.

    Args:
        base: Rows of `program_facts.by_line` for the base.
        head: Rows for the head.
        changes: The changes between the sides.
    """
    moved = Moved(changes)
    counts: dict[tuple[str, bool, str], Counter[str]] = defaultdict(Counter)
    scopes: dict[tuple[str, bool, str], Counter[str]] = defaultdict(Counter)
    for sign, rows in ((-1, base), (1, head)):
        for path, line, changed, scope, primitive, n in rows:
            head_line = line if sign > 0 or changed else moved.line(path, line)
            old = " (base)" if changed and sign < 0 else ""
            key = (f"{path}:{head_line}{old}" if path else "outside of the tree", bool(changed), "")
            counts[key][primitive] += sign * n
            scopes[key][_short(scope)] += n
    causes = []
    for key, more in counts.items():
        nonzero = {name: n for name, n in sorted(more.items()) if n}
        if nonzero:
            causes.append(Cause(key[0], key[1], scopes[key].most_common(1)[0][0], nonzero))
    causes.sort(key=lambda cause: (not cause.changed, -cause.size, cause.place))
    net = _net(causes)
    total = sum(net.values())
    by_changed = _net([cause for cause in causes if cause.changed])
    named = sum(min(n, by_changed.get(name, 0)) for name, n in net.items())
    return Attribution(tuple(causes), 1.0 - named / total if total else 0.0)


def _net(causes: Sequence[Cause]) -> dict[str, int]:
    """Returns the number of added or removed operations by primitive, without those that only moved between lines."""
    totals: Counter[str] = Counter()
    for cause in causes:
        totals.update(cause.more)
    return {name: abs(n) for name, n in totals.items() if n}


def _short(scope: str) -> str:
    """Returns the last three parts of a scope without transformations."""
    names = [part for part in scope.replace("(", "/").replace(")", "").split("/") if part]
    plain = [part for part in names if part not in ("jit", "jvp", "vmap", "transpose", "checkpoint", "remat")]
    return "/".join(plain[-3:])
