"""Times until an event, some of them censored: Kaplan-Meier curves and the log-rank test."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import float64, results
from ich_jax.uncertainty.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class KaplanMeier(Result):
    """A survival curve.

    Attributes:
        times: `[K]` times at which an event happened, increasing.
        survival: `[K]` share of subjects without the event after each time.
        low: `[K]` lower limits, pointwise.
        high: `[K]` upper limits.
        at_risk: `[K]` number of subjects still observed just before.
        median: Least time with survival at most one half; infinite if there is none.
        n: Number of subjects.
        n_events: Number of events; the rest are censored.
    """

    columns = ("times", "at_risk", "survival", "low", "high")

    times: float64.Array
    survival: float64.Array
    low: float64.Array
    high: float64.Array
    at_risk: npt.NDArray[np.int64]
    median: float
    n: int
    n_events: int

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draws the survival curve, which falls at each event and is level between them, with its pointwise limits.

        Args:
            ax: Axes to draw into; None: those of a new figure.
        """
        ax = results.new_axes() if ax is None else ax
        times = np.concatenate([[0.0], self.times])
        survival, low, high = (np.concatenate([[1.0], part]) for part in (self.survival, self.low, self.high))
        (line,) = ax.step(times, survival, where="post")
        ax.fill_between(times, low, high, step="post", alpha=0.2, linewidth=0.0, color=line.get_color())
        ax.set_ylim(0.0, 1.05)
        ax.set_xlim(left=0.0)
        ax.set_xlabel("time")
        ax.set_ylabel("survival")
        return ax


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class LogRank(Result):
    """Comparison of survival between groups.

    Attributes:
        statistic: Chi-squared.
        df: Groups less one.
        p: Upper tail of the chi-squared distribution.
        observed: `[G]` events.
        expected: `[G]` events if all groups had the same hazard.
        groups: `[G]` labels, sorted.
    """

    columns = ("groups", "observed", "expected")

    statistic: float
    df: int
    p: float
    observed: float64.Array
    expected: float64.Array
    groups: npt.NDArray[Any]


def kaplan_meier(times: npt.ArrayLike, observed: npt.ArrayLike, *, confidence: float = 0.95) -> KaplanMeier:
    """Estimates survival with right-censored times; a subject censored at the time of an event was still at risk.

    Limits are pointwise, on the scale of log(-log survival), by Greenwood's variance.

    Example:
        >>> from ich_jax.uncertainty import kaplan_meier
        >>> kaplan_meier([1, 2, 3, 4], [True, False, True, True]).survival.round(3).tolist()
        [0.75, 0.375, 0.0]

    Args:
        times: `[N]`, not negative.
        observed: `[N]` whether the event happened at that time; otherwise observation ended.
        confidence: Coverage, inside (0, 1).

    Raises:
        DataError: No times, other lengths, or times that are negative or not finite.
        ConfigError: `confidence` is not inside (0, 1).

    References:
        Kaplan and Meier (1958), Nonparametric estimation from incomplete observations; Kalbfleisch and Prentice (1980),
        section 1.3.
    """
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    t, event = _checked(times, observed)
    event_times = np.unique(t[event])
    at_risk = (t[None] >= event_times[:, None]).sum(axis=1)
    deaths = (t[None, event] == event_times[:, None]).sum(axis=1)
    survival = np.cumprod(1.0 - deaths / at_risk)
    low, high = survival.copy(), survival.copy()
    inner = (survival > 0) & (survival < 1)
    with np.errstate(divide="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths).astype(float)))
    logs = np.log(survival[inner])
    reach = stats.norm.isf((1.0 - confidence) / 2.0) * np.sqrt(greenwood[inner]) / np.abs(logs)
    low[inner], high[inner] = survival[inner] ** np.exp(reach), survival[inner] ** np.exp(-reach)
    below = event_times[survival <= 0.5 + 1e-12]
    median = float(below[0]) if len(below) else np.inf
    return KaplanMeier(event_times, survival, low, high, at_risk, median, len(t), int(event.sum()))


def log_rank(times: npt.ArrayLike, observed: npt.ArrayLike, groups: npt.ArrayLike) -> LogRank:
    """Tests whether groups have the same hazard.

    Example:
        All of the first group fail before any of the second: chi-squared of 3 against 3, by hand.

        >>> from ich_jax.uncertainty import log_rank
        >>> test = log_rank([1, 2, 3, 4, 5, 6], [True] * 6, ["a", "a", "a", "b", "b", "b"])
        >>> test.observed.tolist(), round(float(test.expected[0]), 4)  # 3/6 + 2/5 + 1/4
        ([3.0, 3.0], 1.15)

    Args:
        times: `[N]`, as in `kaplan_meier`.
        observed: `[N]`.
        groups: `[N]` labels of any kind, two or more different ones.

    Raises:
        DataError: As in `kaplan_meier`, or fewer than two groups, or no event.

    References:
        Peto and Peto (1972), Asymptotically efficient rank invariant test procedures (hypergeometric variance).
    """
    t, event = _checked(times, observed)
    labels = np.asarray(groups)
    names = np.unique(labels)
    if labels.shape != t.shape or len(names) < 2 or not event.any():
        raise errors.DataError(
            f"log_rank: needs one label per time, two groups and an event; got {labels.shape} labels for {len(t)} "
            f"times, {len(names)} groups and {int(event.sum())} events."
        )
    event_times = np.unique(t[event])
    member = labels[None] == names[:, None]  # [G, N]
    risk = ((t[None] >= event_times[:, None])[:, None] & member[None]).sum(axis=2).astype(float)  # [K, G]
    deaths = ((t[None] == event_times[:, None])[:, None] & (member & event[None])[None]).sum(axis=2).astype(float)
    n, d = risk.sum(axis=1), deaths.sum(axis=1)
    observed_all, expected = deaths.sum(axis=0), (risk * (d / n)[:, None]).sum(axis=0)
    factor = np.where(n > 1, d * (n - d) / (np.maximum(n - 1, 1) * n**2), 0.0)
    covariance = np.diag((factor[:, None] * n[:, None] * risk).sum(axis=0)) - np.einsum(
        "k,kg,kh->gh", factor, risk, risk
    )
    difference = (observed_all - expected)[:-1]
    statistic = float(difference @ np.linalg.pinv(covariance[:-1, :-1]) @ difference)
    df = len(names) - 1
    return LogRank(statistic, df, float(stats.chi2.sf(statistic, df)), observed_all, expected, names)


def _checked(times: npt.ArrayLike, observed: npt.ArrayLike) -> tuple[float64.Array, npt.NDArray[np.bool_]]:
    t = float64.finite(times, "survival: times", ndim=1)
    marks = np.asarray(observed)
    # NaN and the text "0" are true to NumPy.
    if marks.dtype.kind not in "biuf" or not np.isin(marks, (0, 1)).all():
        raise errors.DataError(
            "survival: marks of events must be true or false, or 1 or 0; got "
            + (f"{marks.dtype}" if marks.dtype.kind not in "biuf" else f"{marks[~np.isin(marks, (0, 1))][0]}")
            + ". Leave out subjects of whom it is not known."
        )
    event = marks.astype(bool)
    if not len(t) or event.shape != t.shape or t.min() < 0:
        raise errors.DataError(
            f"survival: expected as many times as marks of events, none negative; got {len(t)} times from "
            f"{t.min() if len(t) else 'none'} and {event.shape} marks."
        )
    return t, event
