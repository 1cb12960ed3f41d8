"""A daily panel made ready for estimators: units on one scale, days averaged into weeks, gaps left out and counted.

Nothing is filled in. Omissions are returned in words, to be printed and stored beside the results.
"""

import numpy as np

from ich_jax import errors
from ich_jax.econometrics.panel import Panel
from ich_jax.report import text

WEEK = 7
_LEAST_BINS = 12  # with fewer bins before the launch, days are not averaged
_LEAST_DAYS = 4  # observed days that make a weekly mean


def comparable(data: Panel) -> tuple[Panel, float]:
    """Brings units to the level of the treated: each series times (mean level of the treated / its own level).

    The level is the mean over the days before the first launch. Outlets of unequal size swing by unequal amounts, so
    that neither parallel trends nor tests that exchange units can hold in yuan; in shares of the level they may. The
    series of a single treated unit stays as it is, and effects stay in yuan a day of a treated unit.

    Args:
        data: One product.

    Returns:
        The panel, and the mean level of the treated units in yuan a day.

    Raises:
        DataError: A unit without days before the first launch, or whose level is not positive.
    """
    first = int(data.start[data.ever_treated].min())
    before, seen = data.outcome[:, :first], data.observed[:, :first]
    count = seen.sum(axis=1)
    level = np.where(seen, before, 0.0).sum(axis=1) / np.maximum(count, 1)
    bad = (count == 0) | ~(level > 0)
    if bad.any():
        unit = int(bad.argmax())
        what = "no day" if count[unit] == 0 else f"a mean of {level[unit]:.4g}"
        raise errors.DataError(
            f"unit {data.units[unit]} has {what} before the first launch ({data.periods[first]}), so that it cannot be "
            "put in relation to its level; leave it out, or set --config.analysis.scale=yuan."
        )
    reference = float(level[data.ever_treated].mean())
    scaled = data.outcome * (reference / level)[:, None]
    return Panel(data.units, data.periods, scaled, data.observed, data.start), reference


def on_both_sides(data: Panel) -> tuple[Panel, tuple[str, ...]]:
    """Leaves out units that are not observed before the first launch and after the last one: they have no change.

    Args:
        data: Daily panel.

    Returns:
        The panel and a remark that names the units.

    Raises:
        DataError: A treated unit is among them, or no untreated unit is left.
    """
    first, last = int(data.start[data.ever_treated].min()), int(data.start[data.ever_treated].max())
    keep = (data.observed[:, :first].sum(axis=1) >= 2) & data.observed[:, last:].any(axis=1)
    if keep.all():
        return data, ()
    out = [str(unit) for unit in data.units[~keep]]
    span = f"two days before {data.periods[first]} and one from {data.periods[last]} on"
    lost = data.ever_treated & ~keep
    if lost.any():
        raise errors.DataError(f"unit {data.units[lost.argmax()]} is not observed on {span}; add days or leave it out.")
    if data.ever_treated[keep].all():
        raise errors.DataError(f"no local unit is observed on {span}; add days.")
    return Panel(data.units[keep], data.periods, data.outcome[keep], data.observed[keep], data.start[keep]), (
        f"{len(out)} local units are not observed on {span} and are left out: {', '.join(out)}",
    )


def weekly(data: Panel) -> tuple[Panel, tuple[str, ...]]:
    """Means over seven days, counted from the first launch; days of the week then weigh the same in each.

    Up to twelve days at the ends, which make no whole week, are left out.

    Args:
        data: Daily panel.

    Returns:
        Panel whose periods are the first days of the weeks, and remarks. With fewer than 12 whole weeks before the
        first launch or two after the last one, the daily panel itself.
    """
    first, last = int(data.start[data.ever_treated].min()), int(data.start[data.ever_treated].max())
    days = len(data.periods)
    offset = first % WEEK
    n = (days - WEEK + 1) // WEEK  # the same on whatever day of the week the launch is, so that programs are shared
    if first // WEEK < _LEAST_BINS or n + (offset - last) // WEEK < 2:
        return data, (
            f"{text.count(first, 'day')} before the first launch and {days - last} after the last are too few for "
            "weeks: event study and synthetic controls use days",
        )
    inside = slice(offset, offset + WEEK * n)
    shape = (len(data.units), n, WEEK)
    seen = data.observed[:, inside].reshape(shape)
    values = np.where(seen, data.outcome[:, inside].reshape(shape), 0.0)
    count = seen.sum(axis=2)
    observed = count >= _LEAST_DAYS
    start, into = np.divmod(data.start - offset, WEEK)
    start = np.where(data.ever_treated, start, n)
    mixed = data.ever_treated & (into > 0)
    observed[mixed, start[mixed]] = False
    outcome = np.where(observed, values.sum(axis=2) / np.maximum(count, 1), np.nan)
    notes = [f"left out of weekly means: {text.count(days - WEEK * n, 'day')} at the ends that fill no week"]
    if (count < WEEK).any():
        notes.append(
            f"{(count < WEEK).sum()} of {count.size} unit-weeks lack days; {(count < _LEAST_DAYS).sum()} with fewer "
            f"than {_LEAST_DAYS} are left out of weekly means"
        )
    if mixed.any():
        notes.append(f"{mixed.sum()} unit-weeks in which the launch falls inside the week are left out of weekly means")
    keep = observed.any(axis=0)
    return Panel(
        data.units,
        data.periods[offset : offset + WEEK * n : WEEK][keep],
        outcome[:, keep],
        observed[:, keep],
        np.searchsorted(np.flatnonzero(keep), start),
    ), tuple(notes if days > WEEK * n else notes[1:])


def complete(data: Panel, max_missing: float) -> tuple[Panel, tuple[str, ...]]:
    """Part of a panel that has no gaps and one start, for methods that weigh whole series.

    Args:
        data: Panel.
        max_missing: Units with a larger share of missing periods are left out; then periods in which any of the others
            is missing.

    Returns:
        The panel and remarks on omissions.

    Raises:
        DataError: The remaining panel has no treated unit, fewer than two donors, or fewer than two periods on either
            side.
    """
    notes = []
    starts, counts = np.unique(data.start[data.ever_treated], return_counts=True)
    keep = np.ones(len(data.units), bool)
    if len(starts) > 1:
        chosen = starts[counts.argmax()]
        keep &= ~data.ever_treated | (data.start == chosen)
        notes.append(
            f"treatment starts on {len(starts)} dates; synthetic controls are of the {counts.max()} treated units that "
            f"start in {data.periods[chosen]}, the other {int((~keep).sum())} are left out of them"
        )
    sparse = keep & (1.0 - data.observed.mean(axis=1) > max_missing)
    if sparse.any():
        keep &= ~sparse
        notes.append(
            f"synthetic controls leave out {sparse.sum()} units that miss more than {max_missing:.0%} of the periods: "
            f"{', '.join(str(unit) for unit in data.units[sparse])}"
        )
    gapless = data.observed[keep].all(axis=0)
    if not gapless.all():
        notes.append(
            f"synthetic controls leave out {(~gapless).sum()} of {gapless.size} periods in which a unit is missing"
        )
    start = np.concatenate([[0], np.cumsum(gapless)])[data.start[keep]]
    n1, n0 = int(data.ever_treated[keep].sum()), int((~data.ever_treated[keep]).sum())
    before = int(start.min()) if n1 else 0
    after = int(gapless.sum()) - before
    if n1 == 0 or n0 < 2 or before < 8 or after < 2:
        raise errors.DataError(
            f"without gaps there are {n1} treated units, {n0} donors, {before} periods before the launch and {after} "
            "after it; synthetic controls need 1, 2, 8 and 2"
        )
    return Panel(
        data.units[keep],
        data.periods[gapless],
        data.outcome[keep][:, gapless],
        data.observed[keep][:, gapless],
        start,
    ), tuple(notes)
