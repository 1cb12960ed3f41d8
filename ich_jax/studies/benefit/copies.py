"""Units that carry the same figures as others: copied files, or one outlet under two names."""

import numpy as np

from ich_jax import errors
from ich_jax.econometrics.panel import Panel

SAME = "carries the same figures as"
"""Words of the remark, by which pages find it."""


def check(name: str, panel: Panel) -> tuple[str, ...]:
    """Names units of a product whose figures are those of an earlier unit on every day.

    Args:
        name: The product, for messages.
        panel: Its panel.

    Raises:
        DataError: All local units, at least two, are copies of one another, so that nothing can be learned about how
            units differ by chance.
    """
    local = np.flatnonzero(~panel.ever_treated)
    first: dict[bytes, int] = {}
    copied = {}
    for u in range(len(panel.units)):
        values = np.where(panel.observed[u], panel.outcome[u], np.nan).tobytes()
        if first.setdefault(values, u) != u:
            copied[u] = first[values]
    originals = {copied.get(int(u), int(u)) for u in local}
    if len(local) > 1 and len(originals) == 1:
        raise errors.DataError(
            f"product {name}: all {len(local)} local units carry the same figures on every day "
            f"({', '.join(str(label) for label in panel.units[local[:3]])} ...); were they copied? Units that do not "
            "differ say nothing about chance. Keep one series for each outlet, as it was observed."
        )
    return tuple(
        f"unit {panel.units[u]} {SAME} {panel.units[v]} on every day; if one is a copy, leave it out"
        for u, v in copied.items()
    )
