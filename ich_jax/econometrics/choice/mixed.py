"""Mixed logit: coefficients that differ between people, by a simulated likelihood in memory that draws do not fill."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import errors
from ich_jax.econometrics.choice import likelihood, logit, point_sets
from ich_jax.econometrics.choice.data import Choices
from ich_jax.econometrics.choice.likelihood import NOTHING, Spec, coefficients
from ich_jax.econometrics.choice.logit import ChoiceFit, Kernel
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array

DISTRIBUTIONS = ("normal", "lognormal", "censored", "triangular", "uniform")
_AT_ONCE = 8
"""Draws of one turn of the scan: their utilities stay in the cache of a core."""
_PREDICTED = 512  # draws behind predicted shares


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class MixedFit(ChoiceFit):
    """An estimated mixed logit.

    Attributes:
        spec: Which coefficients differ.
        points: Kind of the draws.
        n_draws: Draws of a person.
        starts: `[S]` log-likelihood that each start reached.
        gaps: `[S]` how much more the quadratic model of each end promises.
        evaluations: Of the likelihood, of the slowest start.
    """

    hidden: ClassVar[tuple[str, ...]] = ("kernel", "spec")

    spec: Spec = NOTHING
    points: str = ""
    n_draws: int = 0
    starts: Array = dataclasses.field(default_factory=lambda: np.zeros(0))
    gaps: Array = dataclasses.field(default_factory=lambda: np.zeros(0))
    evaluations: int = 0


def mixed_logit(
    choices: Choices,
    random: Mapping[str, str],
    *,
    correlated: bool = False,
    wtp_price: str = "",
    panel: bool = True,
    n_draws: int = 500,
    points: str = "sobol",
    seed: int = 0,
    antithetic: bool = False,
    n_starts: int = 4,
    start: Array | None = None,
    covariance: str = "",
    confidence: float = 0.95,
    tolerance: float = 1e-6,
    max_evaluations: int = 300,
) -> MixedFit:
    """Fits a mixed logit by simulated maximum likelihood, from several starts in one program; the best is reported.

    Args:
        choices: The data.
        random: Distribution of the coefficient of some attributes: "normal", "lognormal" (above 0: turn the sign of a
            price), "censored" (normal, negative values become 0), "triangular" or "uniform" (half-width about the
            mean).
        correlated: Whether normal, lognormal and censored coefficients are correlated.
        wtp_price: Price whose lognormal coefficient, its sign turned, scales all others: these are then willingnesses
            to pay. Empty: preference space.
        panel: Whether the coefficients of a person are the same in all of their tasks. If each person has one task
            there is nothing to share, and the fit says so.
        n_draws: Draws of a person; rounded up to eights.
        points: Kind of the draws, see `point_sets.uniforms`.
        seed: Of the draws and the starts.
        antithetic: Whether draws come in mirrored pairs.
        n_starts: Starts; the sign of a deviation has no meaning of its own, but matters under asymmetric draws.
        start: `[P]` or `[S, P]` starts instead.
        covariance: As for `conditional_logit`; empty: "robust".
        confidence: Of the intervals.
        tolerance: Ends when the quadratic model promises less log-likelihood than this.
        max_evaluations: Of the likelihood, for each start.

    Raises:
        ConfigError: Names or distributions that are not known.
        DataError: No start converged, or the data do not identify the parameters.

    References:
        McFadden and Train (2000), Mixed MNL models for discrete response. Train and Weeks (2005), Discrete choice
        models in preference space and willingness-to-pay space.
    """
    spec = _spec(choices, random, correlated, wtp_price)
    notes = []
    together = panel and choices.panel
    if panel and not choices.panel:
        notes.append("Each person has one task: estimated as a cross-section, without what a panel would share.")
    scale = logit.scales(choices)
    if wtp_price:
        scale = np.full_like(scale, scale[spec.price])  # others are in units of the price
    data = _arrays(choices, scale, spec, together, n_draws, points, seed, antithetic)
    names = _names(choices.names, spec)
    units = _units(scale, spec)
    starts = _starts(choices, scale, spec, n_starts, seed) if start is None else np.atleast_2d(start) * units
    with float64.enabled():
        found = jax.tree.map(
            np.asarray, likelihood.searches(starts, data, spec=spec, tolerance=tolerance, most=max_evaluations)
        )
        best = int(np.nanargmin(found.value))
        theta = np.asarray(found.theta[best])
        log_p, scores = (np.asarray(v) for v in likelihood.log_likelihoods(theta, data, spec=spec))
        hessian = -np.asarray(likelihood.curvature(theta, data, spec=spec))
    if not found.gap[best] <= max(tolerance, 1e-3):
        raise errors.DataError(
            f"mixed_logit: no convergence after {int(found.evaluations[best])} evaluations; the likelihood would "
            f"rise by about {found.gap[best]:.2g}. Fewer differing coefficients, more draws or another start may help."
        )
    if not np.linalg.eigvalsh(hessian / np.sqrt(np.outer(np.diag(hessian), np.diag(hessian)))).min() > 1e-9:
        flat = np.abs(np.linalg.eigh(hessian)[1][:, 0])
        raise errors.DataError(
            f"mixed_logit: the data do not identify {names[int(flat.argmax())]!r}; make it the same for all."
        )
    notes += _start_notes(found, best)
    weight = np.asarray(data["weight"])
    fit = logit.finish(
        "mixed logit",
        names,
        theta / units,
        weight[:, None] * scores * units,
        np.linalg.inv(hessian) / np.outer(units, units),
        float(weight @ log_p),
        choices,
        _kernel(spec),
        covariance=covariance or "robust",
        confidence=confidence,
        notes=notes,
    )
    fields: dict[str, Any] = {field.name: getattr(fit, field.name) for field in dataclasses.fields(ChoiceFit)}
    return MixedFit(
        **fields,
        spec=spec,
        points=points,
        n_draws=n_draws,
        starts=-found.value,
        gaps=found.gap,
        evaluations=int(found.evaluations.max()),
    )


def simulation_error(choices: Choices, fit: MixedFit, *, repeats: int = 5, n_draws: int = 0) -> Array:
    """Standard deviation `[P]` of the estimates between draws: refits from the estimates with other scrambled points.

    Args:
        choices: The data.
        fit: The fit.
        repeats: Refits.
        n_draws: Draws of a person; 0: those of the fit.
    """
    kinds = dict(zip(choices.names, fit.spec.kinds, strict=True))
    many = [
        mixed_logit(
            choices,
            {name: kind for name, kind in kinds.items() if kind != "fixed"},
            correlated=fit.spec.correlated,
            wtp_price=choices.names[fit.spec.price] if fit.spec.price >= 0 else "",
            panel=len(fit.scores) < fit.n_tasks,
            n_draws=n_draws or fit.n_draws,
            seed=1000 + k,
            start=fit.theta,
        ).theta
        for k in range(repeats)
    ]
    return np.asarray(np.std(many, axis=0, ddof=1))


def _spec(choices: Choices, random: Mapping[str, str], correlated: bool, wtp_price: str) -> Spec:
    for name, kind in random.items():
        errors.require(name, choices.names, "mixed_logit: attribute")
        errors.require(kind, DISTRIBUTIONS, f"mixed_logit: distribution of {name}")
    if correlated and {"triangular", "uniform"} & set(random.values()):
        raise errors.ConfigError("mixed_logit: correlated coefficients must be normal, lognormal or censored.")
    if not random:
        raise errors.ConfigError("mixed_logit: no coefficient differs between people; use conditional_logit.")
    kinds = tuple(random.get(name, "fixed") for name in choices.names)
    price = choices.column(wtp_price) if wtp_price else -1
    if wtp_price and kinds[price] not in ("lognormal",):
        raise errors.ConfigError(f"mixed_logit: the coefficient of {wtp_price!r} must be lognormal in this space.")
    return Spec(kinds, correlated, price)


def _names(attributes: tuple[str, ...], spec: Spec) -> tuple[str, ...]:
    moving = [attributes[i] for i in spec.random]
    if spec.correlated:
        return (*attributes, *(f"root: {a}, {b}" for i, a in enumerate(moving) for b in moving[: i + 1]))
    return (*attributes, *(f"sd: {name}" for name in moving))


def _units(scale: Array, spec: Spec) -> Array:
    """`[P]` by which parameters grow when attributes are divided by their scale; those of logarithms are shifted."""
    linear = [1.0 if kind == "lognormal" else s for kind, s in zip(spec.kinds, scale, strict=True)]
    if spec.price >= 0:
        linear = [1.0] * len(linear)
    moving = [linear[i] for i in spec.random]
    spread = [moving[i] for i in range(len(moving)) for _ in range(i + 1)] if spec.correlated else moving
    return np.array([*linear, *spread])


def _arrays(
    choices: Choices,
    scale: Array,
    spec: Spec,
    together: bool,
    n_draws: int,
    points: str,
    seed: int,
    antithetic: bool,
) -> dict[str, Array]:
    """Arrays of the kernel: persons last, since they are what is vectorised."""
    t, _, k = choices.attributes.shape
    person = choices.person if together else np.arange(t)
    n = int(person.max()) + 1
    size = np.bincount(person, minlength=n)
    order = np.argsort(person, kind="stable")
    place = np.empty(t, np.int64)
    place[order] = np.arange(t) - np.repeat(np.cumsum(size) - size, size)
    rows = np.arange(t)
    usable = choices.available.copy()
    usable[rows, choices.chosen] = False
    least = int(usable.sum(axis=1).max())
    first = np.argsort(~usable, axis=1, kind="stable")[:, :least]  # the chosen slot, whose difference is 0, is left out
    # Logarithmic coefficients stand for the attribute as it is; the others for the one that is divided by its scale.
    divided = np.where([kind == "lognormal" or spec.price >= 0 for kind in spec.kinds], 1.0, scale)
    x = choices.attributes / divided
    difference = (x - x[rows, choices.chosen][:, None, :])[rows[:, None], first]
    d = np.zeros((k, int(size.max()), least, n))
    other = np.zeros((int(size.max()), least, n), bool)
    d[:, place, :, person] = difference.transpose(0, 2, 1)
    other[place, :, person] = usable[rows[:, None], first]
    chunks = -(-n_draws // _AT_ONCE)
    kinds = tuple(spec.kinds[i] for i in spec.random)
    u = point_sets.uniforms(points, n, len(kinds), chunks * _AT_ONCE, seed=seed, antithetic=antithetic)
    z = point_sets.standardised(u, kinds).transpose(1, 2, 0).reshape(chunks, _AT_ONCE, len(kinds), n)
    weight = np.zeros(n)
    weight[person] = choices.weights
    return {"d": d, "other": other, "z": np.ascontiguousarray(z.transpose(0, 2, 1, 3)), "weight": weight}


def _starts(choices: Choices, scale: Array, spec: Spec, n: int, seed: int) -> Array:
    """`[n, P]`: the conditional logit with small deviations, then deviations of other sizes and signs."""
    rng = np.random.default_rng([seed, 3])
    mean = logit.conditional_logit(choices).theta
    base = np.array(
        [
            np.log(max(m, 1e-3 / s)) if kind == "lognormal" else m * s
            for m, s, kind in zip(mean, scale, spec.kinds, strict=True)
        ]
    )
    if spec.price >= 0:
        strength = max(-mean[spec.price], 1e-3 / scale[spec.price])
        base = mean / strength
        base[spec.price] = np.log(strength)
    d = len(spec.random)
    spread = np.zeros((n, d * (d + 1) // 2 if spec.correlated else d))
    diagonal = np.cumsum(np.arange(1, d + 1)) - 1 if spec.correlated else np.arange(d)
    size = 0.3 * np.maximum(np.abs(base[list(spec.random)]), 0.3)
    for s in range(n):
        sign = np.ones(d) if s == 0 else rng.choice([-1.0, 1.0], d)
        spread[s, diagonal] = size * sign * (1.0 if s == 0 else rng.uniform(0.3, 3.0, d))
    return np.concatenate([np.broadcast_to(base, (n, len(base))), spread], axis=1)


def _start_notes(found: Any, best: int) -> list[str]:
    reached = -found.value
    ends = np.unique(np.round(reached[np.isfinite(reached)], 2))
    if len(ends) < 2:
        return []
    return [
        f"{len(reached)} starts ended at {len(ends)} log-likelihoods from {ends[0]:.2f} to {ends[-1]:.2f}; the best is "
        "reported. Differences below the simulation error are those of the draws."
    ]


def _kernel(spec: Spec) -> Kernel:
    """Predictions: shares averaged over draws of one person of the population."""
    kinds = tuple(spec.kinds[i] for i in spec.random)
    z = point_sets.standardised(point_sets.uniforms("sobol", 1, len(kinds), _PREDICTED)[0], kinds).T  # [D, R]

    def utilities(theta: jax.Array, x: jax.Array, available: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        drawn = jnp.asarray(z, jnp.float64)
        beta = [jnp.broadcast_to(b, drawn.shape[1:]) for b in coefficients(theta[None], drawn, spec)]
        v = jnp.stack(beta, axis=1) @ x.T
        return jnp.where(available[None], v, -jnp.inf), beta

    def shares(theta: jax.Array, x: jax.Array, available: jax.Array) -> jax.Array:
        return jax.nn.softmax(utilities(theta, x, available)[0], axis=1).mean(axis=0)

    def surplus(theta: jax.Array, x: jax.Array, available: jax.Array, price: int) -> jax.Array:
        v, beta = utilities(theta, x, available)
        return (jax.nn.logsumexp(v, axis=1) / -beta[price]).mean()

    return Kernel(shares, surplus)
