"""One product before any effect is looked at: scaled, audited, and the method of the main estimate chosen."""

import concurrent.futures
import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import numpy as np

from ich_jax import errors
from ich_jax.config import BenefitConfig
from ich_jax.econometrics.panel import Panel
from ich_jax.studies.benefit import audit, prepare
from ich_jax.studies.benefit.daily import Daily
from ich_jax.studies.benefit.methods.table import CANDIDATES, CHANGES, COLLAPSED, RANDOMISATION

Progress = Callable[[str], None]
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, slots=True)
class PreparedProduct:
    """One product before any effect is looked at.

    Attributes:
        name: The product.
        raw: Its daily panel as given.
        scaled: The daily panel that is analysed.
        binned: The same in weeks, or in days where these are few.
        fitted: Part of `binned` without gaps and with one start; None if there is too little.
        level: Mean of the treated units before the first launch, yuan a day.
        scale: "index" or "yuan".
        audit: Power of the design.
        notes: Remarks on rescaling, averaging and omissions.
    """

    name: str
    raw: Panel
    scaled: Panel
    binned: Panel
    fitted: Panel | None
    level: float
    scale: str
    audit: audit.Audit
    notes: tuple[str, ...]

    @property
    def launches(self) -> tuple[str, ...]:
        """Days of the launches."""
        return tuple(str(self.raw.periods[s]) for s in np.unique(self.raw.start[self.raw.ever_treated]))

    @property
    def bin(self) -> str:
        """Period of event study and synthetic controls."""
        return "day" if self.binned is self.scaled else "week"


def audit_products(
    data: Daily, config: BenefitConfig, *, progress: Progress | None = None
) -> tuple[PreparedProduct, ...]:
    """Prepares and audits every product.

    Args:
        data: The products.
        config: `analysis` and `seed` are used.
        progress: Called with a text before each step.

    Raises:
        DataError: A product that cannot be analysed: too few untreated units or days before the launch, no noise, a
            unit whose level is not positive. Names source and product.
    """

    def prepare_and_audit(k: int) -> PreparedProduct:
        name = data.products[k]
        if progress is not None:
            progress(f"{name}: audit")
        try:
            remarks = data.remarks[k] if data.remarks else ()
            return _prepared(name, data.panels[k], config, key_of(config, k, 0), remarks)
        except errors.DataError as cause:
            raise errors.DataError(f"{data.source}: product {name}: {cause}") from cause

    return at_once(prepare_and_audit, len(data.products), config.threads)


def at_once(compute: Callable[[int], Result], n: int, threads: int) -> tuple[Result, ...]:
    """Results of `compute(0), ..., compute(n - 1)`, several at once: most of the time goes into compiling.

    Args:
        compute: From an index to a result; random keys must follow from the index.
        n: Number of results.
        threads: Number of threads; 0: one for each processor core.
    """
    with concurrent.futures.ThreadPoolExecutor(min(n, threads or os.cpu_count() or 1)) as pool:
        return tuple(pool.map(compute, range(n)))


def choose(products: Sequence[PreparedProduct]) -> tuple[tuple[str, ...], str]:
    """Chooses the method of the main estimates by what the audits found before the launch.

    Among methods that have an interval, are usable and do not reject more often than the level and two Monte Carlo
    errors allow: the one that finds the smallest effects (geometric mean over products). If no method
    serves every product, each product gets its own.

    Args:
        products: All products.

    Returns:
        Name of the method of each product, and the reason in a sentence.
    """
    detectable = [_candidates(product) for product in products]
    common = [m.name for m in CANDIDATES if all(m.name in effects for effects in detectable)]
    settled = "Settled on days before the launch alone"
    if common:
        mean = {name: math.exp(np.mean([math.log(effects[name]) for effects in detectable])) for name in common}
        best = min(common, key=lambda name: mean[name])
        others = ", ".join(f"{name} {mean[name]:.3g}" for name in common if name != best)
        return (best,) * len(products), (
            f"{best} finds the smallest effects ({mean[best]:.3g} yuan a day at the stated power, geometric mean) of "
            f"the methods with an interval that hold their level for every product"
            f"{f'; the others: {others}' if others else ''}. {settled}"
        )
    methods, reasons = [], []
    for product, effects in zip(products, detectable, strict=True):
        if effects:
            methods.append(min(effects, key=effects.__getitem__))
            reasons.append(f"{product.name}: {methods[-1]}, which finds {effects[methods[-1]]:.3g} yuan a day")
        else:
            methods.append(COLLAPSED if len(product.launches) == 1 else RANDOMISATION)
            reasons.append(f"{product.name}: {methods[-1]}, since no method is usable; ITS RESULT CANNOT BE RELIED ON")
    return tuple(methods), f"no method serves every product, so that each has its own. {'; '.join(reasons)}. {settled}"


def _candidates(product: PreparedProduct) -> dict[str, float]:
    """Least detectable effect by method, of those that can give a main estimate."""
    detectable = {m.name: max(m.detectable, 1e-300) for m in product.audit.methods if _holds_level(m, product.audit)}
    allowed = [m.name for m in CANDIDATES if m.staggered or len(product.launches) == 1]
    return {name: detectable[name] for name in allowed if name in detectable}


def _holds_level(verdict: audit.Verdict, result: audit.Audit) -> bool:
    n = result.n_simulations if verdict.name in CHANGES else result.n_refits
    return (
        verdict.usable
        and math.isfinite(verdict.detectable)
        and verdict.size <= result.alpha + 2.0 * math.sqrt(result.alpha * (1.0 - result.alpha) / n)
    )


def _prepared(
    name: str, raw: Panel, config: BenefitConfig, key: jax.Array, remarks_read: Sequence[str]
) -> PreparedProduct:
    options = config.analysis
    used, left_out = prepare.on_both_sides(raw)
    notes = [*remarks_read, *left_out]
    if options.scale == "index":
        scaled, level = prepare.comparable(used)
        notes.append(
            f"units are scaled to the level of the treated units, {level:,.1f} yuan a day before the first launch; "
            "effects are in yuan a day of a treated unit"
        )
    else:
        first, ever = int(used.start[used.ever_treated].min()), used.ever_treated
        scaled, level = used, float(used.outcome[ever, :first][used.observed[ever, :first]].mean())
        notes.append("units are compared in yuan, as they are")
    if raw.missing:
        notes.append(f"{raw.missing} of {raw.observed.size} unit-days are missing; means are over the observed days")
    binned, remarks = prepare.weekly(scaled)
    notes += remarks
    fitted = None
    try:
        fitted, remarks = prepare.complete(binned, options.max_missing)
        notes += remarks
    except errors.DataError as cause:
        notes.append(f"no synthetic control: {cause}")
    audited = audit.audit(
        scaled,
        key,
        alpha=options.alpha,
        power=options.power,
        n_simulations=options.n_simulations,
        fitted=fitted,
        n_refits=options.n_refits if fitted is not None else 0,
    )
    return PreparedProduct(name, raw, scaled, binned, fitted, level, options.scale, audited, tuple(notes))


def key_of(config: BenefitConfig, product: int, use: int) -> jax.Array:
    """Random key of one use in one product.

    Args:
        config: `seed` is used.
        product: Index of the product.
        use: Number of the use.
    """
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), product), use)
