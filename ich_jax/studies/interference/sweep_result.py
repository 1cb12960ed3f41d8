"""The result of a static sweep: curves by kind and product, agreement of the inspectors, and the paper's claims."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ich_jax.config import InterferenceConfig
from ich_jax.interference.disturbances import TABLE
from ich_jax.studies.interference import comparison, sweep
from ich_jax.studies.interference import curves as curves_lib
from ich_jax.studies.interference.comparison import InterferenceError
from ich_jax.studies.interference.curves import Correct, Curve
from ich_jax.studies.interference.paper import CLAIM
from ich_jax.uncertainty import float64, intervals
from ich_jax.uncertainty.intervals import Interval

MAIN, SECOND = "main", "second"


@dataclasses.dataclass(frozen=True)
class Static:
    """The result of a static sweep.

    Attributes:
        products: Product names.
        kinds: Kinds of interference.
        scored: Kinds that enter means and minima.
        n: Designs of each product at each severity and seed.
        seeds: Sampling seeds.
        curves: `{kind: one curve for each product}`.
        clean: Accuracy without interference, by product.
        clean_interval: Wilson interval of it.
        elements: `{kind: [6]}` share of elements read as asked; NaN without elements.
        axes: `{kind: [6]}` mean absolute error of the axes; NaN without axes.
        agreement: `{kind: [6]}` share of designs that both inspectors read alike; empty with one inspector.
        second_clean: Accuracy without interference by the second inspector, by product; empty with one inspector.
        real: `{kind: [6]}` accuracy on corrupted real images; severity 0 is missing (NaN).
        error: Interference error against a reference generator; without one, the reason.
        reference: Name of the reference; empty without one.
        rate: Designs drawn and read per second, without compilation.
        compile_s: Seconds of the first calls of all kinds.
        share: Share of the time of the scored kinds that interference adds to drawing and reading the same designs
            without it; without compilation, each by its fastest seed, which other work delayed least; NaN if unknown.
    """

    products: tuple[str, ...]
    kinds: tuple[str, ...]
    scored: tuple[str, ...]
    n: int
    seeds: tuple[int, ...]
    curves: dict[str, tuple[Curve, ...]]
    clean: float64.Array
    clean_interval: Interval
    elements: dict[str, float64.Array]
    axes: dict[str, float64.Array]
    agreement: dict[str, float64.Array]
    second_clean: float64.Array
    real: dict[str, float64.Array]
    error: InterferenceError
    reference: str
    rate: float
    compile_s: float
    share: float


def collect(
    config: InterferenceConfig,
    folder: str | Path,
    kinds: Sequence[str],
    products: Sequence[str],
    *,
    reference: str | Path | None = None,
    about_reference: str = "",
) -> Static:
    """Reads a finished sweep.

    Args:
        config: The sweep.
        folder: Its work directory.
        kinds: Names in `disturbances.TABLE`.
        products: Product names.
        reference: Work directory of the same sweep of a reference generator; None without one.
        about_reference: Its name.

    Raises:
        WorkdirError: A job is missing or damaged.
    """
    seeds = config.sweep.seeds
    judges = (MAIN, SECOND) if config.second else (MAIN,)
    bits = {
        judge: {kind: sweep.correct(folder, kind, seeds, judge) for kind in kinds} for judge in judges
    }  # [seeds, 6, products, n]
    curves = {kind: tuple(curves_lib.curve(c[:, :, p]) for p in range(len(products))) for kind, c in bits[MAIN].items()}
    clean = bits[MAIN][kinds[0]][:, 0]  # [seeds, products, n]
    jobs = [sweep.load(folder, kind, seed) for seed in seeds for kind in (sweep.CLEAN, *kinds)]
    scored = tuple(kind for kind in kinds if TABLE[kind].scored)
    designs = sum(len(job.severities) for job in jobs) * len(products) * config.sweep.n
    warm = [job.seconds - job.first_s for job in jobs]
    real = {}
    for kind in kinds:
        if config.sweep.real and TABLE[kind].on == "image":
            readings = sweep.load(folder, sweep.REAL + kind, seeds[0])
            real[kind] = np.concatenate([[np.nan], readings.product[MAIN].mean(axis=(1, 2))])
    return Static(
        products=tuple(products),
        kinds=tuple(kinds),
        scored=scored,
        n=config.sweep.n,
        seeds=tuple(seeds),
        curves=curves,
        clean=clean.mean(axis=(0, 2)),
        clean_interval=intervals.wilson(clean.sum(axis=(0, 2)), clean.shape[0] * clean.shape[2]),
        elements=_secondary(folder, kinds, seeds, "element_accuracy"),
        axes=_secondary(folder, kinds, seeds, "axis_error"),
        agreement={kind: (bits[MAIN][kind] == bits[SECOND][kind]).mean(axis=(0, 2, 3)) for kind in kinds}
        if config.second
        else {},
        second_clean=bits[SECOND][kinds[0]][:, 0].mean(axis=(0, 2)) if config.second else np.zeros(0),
        real=real,
        error=_error(bits[MAIN], kinds, seeds, reference),
        reference=about_reference,
        rate=designs / sum(warm) if sum(warm) > 0 else float("nan"),
        compile_s=sum(job.first_s for job in jobs),
        share=_share(folder, scored, seeds, config.sweep.batch / (len(products) * config.sweep.n)),
    )


def _share(folder: str | Path, kinds: Sequence[str], seeds: Sequence[int], batch: float) -> float:
    """Returns `Static.share`; a call draws the share `batch` of a severity, and the first call of a job is left out."""

    def seconds(kind: str) -> float:
        """Returns the time of one severity."""
        jobs = [sweep.load(folder, kind, seed) for seed in seeds]
        severities = [len(job.severities) - min(batch, 1.0) for job in jobs]
        return min(
            (job.seconds - job.first_s) / n if n > 0 else np.nan for job, n in zip(jobs, severities, strict=True)
        )

    spent = sum(seconds(kind) for kind in kinds)
    return max(0.0, 1.0 - len(kinds) * seconds(sweep.CLEAN) / spent) if spent > 0 else float("nan")


def _secondary(folder: str | Path, kinds: Sequence[str], seeds: Sequence[int], name: str) -> dict[str, float64.Array]:
    """Returns `{kind: [6]}`, the mean of a figure of the readings over products and seeds."""

    def severity_means(kind: str, seed: int) -> float64.Array:
        jobs = [sweep.load(folder, k, seed) for k in (sweep.CLEAN, kind)]
        return np.asarray(np.concatenate([getattr(job, name) for job in jobs]).mean(axis=1))

    return {kind: np.mean([severity_means(kind, seed) for seed in seeds], axis=0) for kind in kinds}


def _error(
    ours: dict[str, Correct], kinds: Sequence[str], seeds: Sequence[int], reference: str | Path | None
) -> InterferenceError:
    scored = [kind for kind in kinds if TABLE[kind].scored]
    if reference is None:
        return comparison.withheld("no reference generator was given (--reference)")
    if not scored:
        return comparison.withheld("none of the kinds swept counts towards a mean")
    theirs = {kind: sweep.correct(reference, kind, seeds, MAIN) for kind in scored}
    return comparison.compare({kind: ours[kind] for kind in scored}, theirs)


def least(result: Static, product: int) -> tuple[Curve, str]:
    """Returns the scored curve with the least accuracy of a product, and its kind."""
    kind = min(result.scored, key=lambda k: result.curves[k][product].minimum)
    return result.curves[kind][product], kind


def band(result: Static, product: int) -> dict[str, float64.Array]:
    """Returns, by scored kind, the lower limits `[6]` of a product's accuracy, 95 % for all of them at once.

    They are Wilson limits, widened for all severities and scored kinds (Bonferroni).
    """
    confidence = 1 - 0.05 / (6 * len(result.scored))
    return {
        kind: intervals.wilson(np.round(curve.accuracy * curve.n), curve.n, confidence=confidence).low
        for kind, curve in ((kind, result.curves[kind][product]) for kind in result.scored)
    }


def holds_up_to(result: Static, product: int) -> dict[str, int]:
    """Returns, by scored kind, the highest severity up to which `band` lies above the paper's claim; -1: never."""
    level = CLAIM[result.products[product]]
    failing = {kind: np.flatnonzero(low <= level) for kind, low in band(result, product).items()}
    return {kind: int(severities[0]) - 1 if len(severities) else 5 for kind, severities in failing.items()}


def summary(result: Static) -> dict[str, float]:
    """Returns the headline figures of a sweep.

    `book_holds_up_to` is the highest severity up to which the paper's claim about the book holds under every scored
    kind (-1: not even without interference), and `book_band_low` the least lower limit up to that severity.
    """
    figures: dict[str, float] = {}
    for p, name in enumerate(result.products):
        curve, _ = least(result, p)
        figures |= {
            f"acc_pre_{name}": float(result.clean[p]),
            f"acc_mean_{name}": float(np.mean([result.curves[kind][p].mean for kind in result.scored])),
            f"acc_min_{name}": curve.minimum,
        }
    if "book" in result.products:
        p = result.products.index("book")
        figures["book_holds_up_to"] = severity = min(holds_up_to(result, p).values())
        figures["book_band_low"] = min(float(low[: max(severity, 0) + 1].min()) for low in band(result, p).values())
    if "earrings" in result.products:
        figures["earrings_min"] = figures["acc_min_earrings"]
    mie, relative = (float("nan") if x is None else x for x in (result.error.mie, result.error.relative_mie))
    return figures | {
        "n_per_point": result.n * len(result.seeds),
        "seeds": len(result.seeds),
        "mie": mie,
        "relative_mie": relative,
        "designs_per_s": result.rate,
        "interference_share": result.share,
    }
