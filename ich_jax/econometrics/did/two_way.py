"""Difference-in-differences by regression: two by two, two-way fixed effects, event study."""

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.regression import coefficient_table, covariance, crv3, linear
from ich_jax.econometrics.regression.covariance import Covariance
from ich_jax.uncertainty import float64, intervals
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class TwoByTwo(Result):
    """Difference of differences of four means.

    Attributes:
        effect: Change of the treated group minus change of the other.
        means: `[2, 2]` mean outcome by group (untreated, treated) and time (before, after).
        counts: `[2, 2]` rows behind each mean.
        table: Coefficients of the regression on group, after and their product ("effect").
        fit: The regression.
    """

    part = "table"
    bracketed = "effect"

    effect: float
    means: Array
    counts: npt.NDArray[np.int64]
    table: coefficient_table.Coefficients
    fit: linear.LinearFit

    @property
    def low(self) -> float:
        """Lower limit of the effect."""
        return float(self.table.low[self.table.names.index("effect")])

    @property
    def high(self) -> float:
        """Upper limit of the effect."""
        return float(self.table.high[self.table.names.index("effect")])


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Effect(Result):
    """One treatment effect from a regression.

    Attributes:
        effect: Coefficient of treatment.
        table: It, with its uncertainty.
        fit: The regression.
    """

    part = "table"
    bracketed = "effect"

    effect: float
    table: coefficient_table.Coefficients
    fit: linear.LinearFit

    @property
    def low(self) -> float:
        """Lower limit of the effect."""
        return float(self.table.low[self.table.names.index("effect")])

    @property
    def high(self) -> float:
        """Upper limit of the effect."""
        return float(self.table.high[self.table.names.index("effect")])


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class EventStudy(Result):
    """Effects by time since treatment, relative to a reference period.

    Attributes:
        relative: `[E]` periods since the start of treatment, without the reference; the end points of a window hold all
            periods beyond it.
        table: Coefficients in that order, named by `relative`.
        covariance: Covariance of the coefficients, `[E, E]` in `matrix`.
        band: Simultaneous band over all E.
        reference: Relative period whose effect is set to 0.
        fit: The regression.
    """

    columns = (
        "relative",
        "table.estimate",
        "table.standard_error",
        "table.low",
        "table.high",
        "band.low",
        "band.high",
    )
    curve = ("relative", "table.estimate", "table.low", "table.high")

    relative: npt.NDArray[np.int64]
    table: coefficient_table.Coefficients
    covariance: Covariance
    band: intervals.Band
    reference: int
    fit: linear.LinearFit

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draws the effects with their intervals; the reference, 0 by construction, is a hollow point on a dashed line.

        Args:
            ax: Axes to draw into; None: those of a new figure.
        """
        ax = Result.plot(self, ax)
        ax.axvline(self.reference, linewidth=0.8, linestyle="--", color="0.6", zorder=0)
        ax.plot(self.reference, 0.0, "o", markersize=4, color="C0", markerfacecolor="white")
        ax.set_xlabel("periods since the start of treatment")
        ax.set_ylabel(f"effect relative to period {self.reference}")
        return ax


def two_by_two(
    outcome: npt.ArrayLike,
    group: npt.ArrayLike,
    after: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> TwoByTwo:
    """Regresses the outcome on group, time and their product; rows may be repeated cross-sections.

    Example:
        >>> from ich_jax.econometrics import did
        >>> outcome, treated, after = [1.0, 3.0, 2.0, 7.0, 1.0, 4.0], [0, 0, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1]
        >>> round(did.two_by_two(outcome, treated, after).effect, 6)  # (7 - 2) - (3.5 - 1)
        2.5

    Args:
        outcome: `[N]`.
        group: `[N]`, nonzero for the treated group.
        after: `[N]`, nonzero after the start of treatment.
        weights: `[N]` positive; None: equal.
        clusters: `[N]` labels for CRV1; None: equal error variances, as in the textbook.
        confidence: Coverage of the intervals.

    Raises:
        DataError: One of the four cells is empty, or as for `linear.fit`.

    References:
        Card and Krueger (1994). Meyer, Viscusi and Durbin (1995).
    """
    columns = {"outcome": outcome, "group": group, "after": after, "weights": weights, "clusters": clusters}
    float64.one_order(columns, "two_by_two")
    y = float64.finite(outcome, "two_by_two: outcome", ndim=1)
    g = (float64.finite(group, "two_by_two: group", ndim=1) != 0).astype(np.float64)
    t = (float64.finite(after, "two_by_two: after", ndim=1) != 0).astype(np.float64)
    if not len(y) == len(g) == len(t):
        raise errors.DataError(f"two_by_two: outcome, group and after have {len(y)}, {len(g)} and {len(t)} rows.")
    cell = (2 * g + t).astype(np.int64)
    counts = np.bincount(cell, minlength=4)
    if (counts == 0).any():
        where = ("untreated before", "untreated after", "treated before", "treated after")[int((counts == 0).argmax())]
        raise errors.DataError(f"two_by_two: there is no row {where}; all four cells are needed.")
    fit = linear.fit(y, {"group": g, "after": t, "effect": g * t}, weights=weights)
    v = covariance.iid(fit) if clusters is None else covariance.cluster(fit, clusters)
    means = np.bincount(cell, fit.weights * y, 4) / np.bincount(cell, fit.weights, 4)
    return TwoByTwo(
        effect=float(fit.beta[3]),
        means=means.reshape(2, 2),
        counts=counts.reshape(2, 2),
        table=covariance.table(fit, v, confidence=confidence),
        fit=fit,
    )


def collapsed(data: Panel, *, confidence: float = 0.95) -> Effect:
    """Compares the change of each treated unit's mean with that of the others: t with U - 2 degrees of freedom.

    One number per unit removes the serial correlation that makes standard errors of a daily panel too small.

    Args:
        data: Panel in which all treated units start in one period.
        confidence: Coverage of the interval.

    Raises:
        DataError: Several starts, or a unit without an observation before or after.

    References:
        Donald and Lang (2007). Bertrand, Duflo and Mullainathan (2004), section IV.C.
    """
    change = changes(data)
    fit = linear.fit(change, {"effect": data.ever_treated.astype(np.float64)})
    table = covariance.table(fit, covariance.iid(fit), confidence=confidence)
    return Effect(effect=float(fit.beta[1]), table=table, fit=fit)


def changes(data: Panel) -> Array:
    """Mean after the start of treatment minus mean before it, of every unit.

    Args:
        data: Panel in which all treated units start in one period.

    Returns:
        `[U]`, over the periods in which each unit was observed.

    Raises:
        DataError: Several starts, or a unit without an observation before or after.
    """
    starts = np.unique(data.start[data.ever_treated])
    if len(starts) > 1:
        raise errors.DataError(
            f"changes: treatment starts in {len(starts)} periods ({', '.join(str(data.periods[s]) for s in starts)}); "
            "before and after need one. Use callaway_santanna or imputation, or one start at a time."
        )
    after = np.arange(len(data.periods)) >= starts[0]
    counts = np.stack([(data.observed & ~after).sum(axis=1), (data.observed & after).sum(axis=1)])
    if (counts == 0).any():
        unit = data.units[(counts == 0).any(axis=0).argmax()]
        raise errors.DataError(f"changes: unit {unit} is not observed both before and after the start of treatment.")
    filled = np.where(data.observed, data.outcome, 0.0)
    return np.asarray(filled[:, after].sum(axis=1) / counts[1] - filled[:, ~after].sum(axis=1) / counts[0])


def twfe(data: Panel, *, clusters: npt.ArrayLike | None = None, kind: str = "CRV1", confidence: float = 0.95) -> Effect:
    """Regresses the outcome on treatment, unit and period effects.

    With treatment at different times and effects that differ, the coefficient need not be an average of effects: look
    at `bacon`.

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import did
        >>> panel = econometrics.from_matrix([[3.0, 4.0, 9.0], [1.0, 2.0, 4.0], [2.0, 3.0, 4.0]], start=[2, 3, 3])
        >>> round(did.twfe(panel).effect, 6)
        3.5

    Args:
        data: Panel, with or without gaps.
        clusters: `[U]` cluster of each unit, or a column indexed by unit; None: each unit is its own.
        kind: "CRV1" or "CRV3" (jackknife).
        confidence: Coverage of the interval.

    Raises:
        ConfigError: Another kind.
        DataError: As for `linear.fit`; treatment that unit and period effects explain entirely.
    """
    errors.require(kind, ("CRV1", "CRV3"), "twfe: kind")
    r = panel.rows(data)
    fit = linear.fit(r.outcome, {"effect": r.treated}, absorb={"unit": r.unit, "period": r.period})
    labels = _row_clusters(data, r, clusters)
    v = covariance.cluster(fit, labels) if kind == "CRV1" else crv3.jackknife(fit, labels)
    return Effect(effect=float(fit.beta[0]), table=covariance.table(fit, v, confidence=confidence), fit=fit)


def event_study(
    data: Panel,
    key: jax.Array,
    *,
    reference: int = -1,
    window: tuple[int, int] | None = None,
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> EventStudy:
    """Regresses the outcome on indicators of the time since treatment, unit and period effects.

    Example:
        >>> import jax
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import did
        >>> y = [[1.0, 2.0, 7.0], [1.0, 2.5, 6.0], [1.0, 2.0, 4.0], [2.0, 3.0, 3.0]]
        >>> panel = econometrics.from_matrix(y, start=[2, 2, 3, 3])
        >>> study = did.event_study(panel, jax.random.key(0))
        >>> study.relative.tolist(), study.table.estimate.round(6).tolist()  # (5 + 3.5) / 2 - (2 + 0) / 2
        ([-2, 0], [-0.25, 3.25])

    Args:
        data: Panel; without units that are never treated a second relative period has to be left out.
        key: Random key of the simultaneous band.
        reference: Relative period that is left out.
        window: First and last relative period; periods beyond are added to the end points. None: all.
        clusters: `[U]` cluster of each unit, or a column indexed by unit; None: each unit is its own.
        confidence: Coverage of intervals and band.

    Raises:
        ConfigError: A reference that does not occur, or a window that does not hold it.
        DataError: Relative periods that are not identified (no never-treated units), by name.

    References:
        Sun and Abraham (2021) on the meaning of the coefficients when timing differs. Montiel Olea and Plagborg-Møller
        (2019) for the band.
    """
    r = panel.rows(data)
    relative = r.relative
    if window is not None:
        if not window[0] <= reference <= window[1]:
            raise errors.ConfigError(f"event_study: window {window} does not hold the reference {reference}.")
        relative = np.clip(relative, *window)
    present = np.unique(relative[r.ever_treated])
    if reference not in present:
        raise errors.ConfigError(
            f"event_study: no treated unit is observed {reference} periods from its start; there are "
            f"{present.min()} to {present.max()}."
        )
    others = present[present != reference]
    indicators = {f"{e:+d}": ((relative == e) & r.ever_treated).astype(np.float64) for e in others}
    absorb = {"unit": r.unit, "period": r.period}
    fit = linear.fit(r.outcome, indicators, absorb=absorb, collinear="error")
    v = covariance.cluster(fit, _row_clusters(data, r, clusters))
    return EventStudy(
        relative=others,
        table=covariance.table(fit, v, confidence=confidence),
        covariance=v,
        band=intervals.sup_t(fit.beta, v.matrix, key, confidence=confidence),
        reference=reference,
        fit=fit,
    )


def _row_clusters(data: Panel, r: panel.Rows, clusters: npt.ArrayLike | None) -> npt.NDArray[Any]:
    if clusters is None:
        return r.unit
    labels: npt.NDArray[Any] = panel.unit_labels(data, clusters, "clusters")[r.unit]
    return labels
