"""Effects as treated outcomes minus imputed untreated ones: two-stage difference-in-differences.

Unit and period effects are fitted on untreated observations only, so that no treated unit serves as a control. Gardner
(did2s) and Borusyak, Jaravel and Spiess (BJS) give the same estimates and differ in how they estimate their variance.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.regression import coefficient_table
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

VARIANCES = ("did2s", "bjs")


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Imputation(Result):
    """Average effects on the treated.

    Attributes:
        effect: Average over all treated observations.
        standard_error: Its standard error.
        horizon: `[E]` periods since the start.
        att: `[E]` averages by horizon; before the start, averages of residuals of the untreated fit (did2s).
        covariance: `[E, E]` of `att`.
        table: Overall effect ("effect") and horizons, normal intervals.
        effects: `[U, T]` outcome minus imputed outcome where treated and observed, else NaN.
        clusters: Number of clusters.
        variance: "did2s" or "bjs".
    """

    part = "table"
    curve = ("horizon", "att", "low", "high")

    effect: float
    standard_error: float
    horizon: npt.NDArray[np.int64]
    att: Array
    covariance: Array
    table: coefficient_table.Coefficients
    effects: Array
    clusters: int
    variance: str

    @property
    def low(self) -> Array:
        """`[E]` lower limits of `att`."""
        return self.table.low[1:]

    @property
    def high(self) -> Array:
        """`[E]` upper limits of `att`."""
        return self.table.high[1:]


def imputation(
    data: Panel,
    *,
    variance: str = "did2s",
    horizons: tuple[int, int] | None = None,
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Imputation:
    """Imputes untreated outcomes of treated observations and averages the differences.

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import did
        >>> panel = econometrics.from_matrix([[3.0, 4.0, 9.0], [1.0, 2.0, 4.0], [2.0, 3.0, 4.0]], start=[2, 3, 3])
        >>> round(did.imputation(panel).effect, 6)
        3.5

    Args:
        data: Panel, with or without gaps.
        variance: "did2s": clustered variance of the two stages together. "bjs": conservative variance that lets
            effects differ by group and period.
        horizons: First and last horizon; None: all from the start on. Horizons before the start need "did2s".
        clusters: `[U]` cluster of each unit, or a column indexed by unit; None: each unit is its own.
        confidence: Coverage of the normal intervals.

    Raises:
        ConfigError: Another variance, or horizons before the start under "bjs".
        DataError: A period in which every observed unit is treated, or untreated observations that do not connect all
            units and periods: outcomes there cannot be imputed.

    References:
        Gardner (2022), Two-stage differences in differences. Borusyak, Jaravel and Spiess (2024), Revisiting
        event-study designs, theorem 3 and eq. 8 with groups of start and period.
    """
    errors.require(variance, VARIANCES, "imputation: variance")
    treated = data.treated & data.observed
    untreated = ~data.treated & data.observed
    _check_connected(data, treated, untreated)
    code = np.arange(len(data.units))
    if clusters is not None:
        code = float64.codes(panel.unit_labels(data, clusters, "imputation: clusters"), len(code), "imputation")[0]
    at_horizon = _horizons(data, horizons, variance)
    chosen = np.stack([treated, *at_horizon.values()])
    groups = np.where(treated, data.start[:, None] * len(data.periods) + np.arange(len(data.periods)), -1)
    _, group = np.unique(groups, return_inverse=True)
    filled = np.where(data.observed, data.outcome, 0.0)
    kind: dict[str, Any] = {
        "by_group": variance == "bjs",
        "n_groups": int(group.max()) + 1,
        "size": int(code.max()) + 1,
    }
    with float64.enabled():
        result = _imputed(
            filled, untreated.astype(np.float64), chosen.astype(np.float64), group.reshape(filled.shape), code, **kind
        )
        estimates, scores, gaps = (np.asarray(value) for value in result)
    v = scores.T @ scores
    names = ("effect", *(f"{e:+d}" for e in at_horizon))
    return Imputation(
        effect=float(estimates[0]),
        standard_error=float(np.sqrt(v[0, 0])),
        horizon=np.array(list(at_horizon)),
        att=estimates[1:],
        covariance=v[1:, 1:],
        table=coefficient_table.coefficients(names, estimates, v, df=np.inf, kind=variance, confidence=confidence),
        effects=np.where(treated, gaps, np.nan),
        clusters=kind["size"],
        variance=variance,
    )


def _horizons(data: Panel, horizons: tuple[int, int] | None, variance: str) -> dict[int, npt.NDArray[np.bool_]]:
    """Observations `[U, T]` of treated units at each horizon that has any."""
    relative = np.arange(len(data.periods)) - data.start[:, None]
    first, last = horizons or (0, int(relative[data.treated & data.observed].max()))
    if first < 0 and variance == "bjs":
        raise errors.ConfigError('imputation: horizons before the start have no BJS variance; use variance="did2s".')
    observed = data.observed & data.ever_treated[:, None]
    at_horizon = {e: (relative == e) & observed for e in range(first, last + 1)}
    at_horizon = {e: rows for e, rows in at_horizon.items() if rows.any()}
    if not at_horizon:
        raise errors.ConfigError(f"imputation: no treated unit is observed at horizons {first} to {last}.")
    return at_horizon


def _kernel(
    y: jax.Array,
    untreated: jax.Array,
    chosen: jax.Array,
    group: jax.Array,
    code: jax.Array,
    *,
    by_group: bool,
    n_groups: int,
    size: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    unit, period = panel.two_way_effects(y, untreated)
    gaps = y - unit[:, None] - period[None, :]
    first_stage = untreated * gaps
    share = chosen / chosen.sum(axis=(1, 2), keepdims=True)  # [K, U, T]: estimates are sums of share * gaps
    estimates = (share * gaps[None]).sum(axis=(1, 2))

    def score(part: jax.Array, estimate: jax.Array) -> jax.Array:
        # What an untreated observation contributes through the fitted effects.
        u, p = panel.two_way_solve(untreated, part.sum(axis=1), part.sum(axis=0))
        through = -untreated * (u[:, None] + p[None, :])
        if by_group:
            square = jnp.square(part)
            sums = jax.ops.segment_sum(
                jnp.stack([square, square * gaps], -1).reshape(-1, 2), group.reshape(-1), n_groups
            )
            centre = (sums[:, 1] / jnp.where(sums[:, 0] > 0, sums[:, 0], 1.0))[group]
        else:
            centre = estimate
        each = (part * (gaps - centre) + through * first_stage).sum(axis=1)
        return jax.ops.segment_sum(each, code, size)

    return estimates, jax.vmap(score)(share, estimates).T, gaps


_imputed = programs.jit(_kernel, static_argnames=("by_group", "n_groups", "size"))


def _check_connected(data: Panel, treated: npt.NDArray[np.bool_], untreated: npt.NDArray[np.bool_]) -> None:
    lost = treated.any(axis=0) & ~untreated.any(axis=0)
    if lost.any():
        raise errors.DataError(
            f"imputation: every unit observed in period {data.periods[lost.argmax()]} is treated ({lost.sum()} such "
            "periods), so untreated outcomes cannot be imputed; end the panel before, or add untreated units."
        )
    reached = np.zeros(len(data.units), bool)
    reached[untreated.any(axis=1).argmax()] = True
    while True:
        periods = untreated[reached].any(axis=0)
        wider = reached | untreated[:, periods].any(axis=1)
        if (wider == reached).all():
            break
        reached = wider
    apart = untreated.any(axis=1) & ~reached
    if apart.any():
        raise errors.DataError(
            f"imputation: untreated observations of unit {data.units[apart.argmax()]} share no period, directly or "
            "through other units, with the rest; leave those units out or add periods."
        )
