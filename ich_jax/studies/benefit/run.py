"""An analysis of sales or of simulated ones, in the order of Baker et al. (2025); and the study of test sizes."""

import hashlib
import math
import time
from pathlib import Path
from typing import Any

import jax
from absl import logging

from ich_jax import errors, liveness, workdir
from ich_jax.config import BenefitConfig
from ich_jax.econometrics import holidays
from ich_jax.report import provenance
from ich_jax.studies.benefit import analysis, audit, calibration, daily, prepared, reading, simulation, tidy
from ich_jax.studies.benefit import page as benefit_page
from ich_jax.studies.benefit import tables as benefit_tables
from ich_jax.studies.benefit.analysis import Analysis
from ich_jax.studies.benefit.methods.table import METHODS, RANDOMISATION
from ich_jax.studies.console import showing, shown
from ich_jax.training import writer

_STEPS = len(METHODS) + 8  # about as many texts as the work on one product reports, for the bar


def run(config: BenefitConfig, folder: str) -> Analysis:
    """Audits, estimates and reports; prints the summary line."""
    liveness.keeps("an analysis is saved at its end only, and the same command begins it anew")
    liveness.stage("data")
    # ---------------- all checks, before anything is written
    contents = workdir.digests(config)
    workdir.check(folder, config, contents)  # a folder of another run is refused before any work
    analysis.plan_of(config)
    calendar = holidays.load_calendar(config.data.calendar) if config.data.calendar else None
    data, truth = load(config)
    check_calendar(data, calendar)
    print(*daily.describe(data), sep="\n")
    with showing(_STEPS * len(data.products), live=config.progress) as show:
        products = prepared.audit_products(data, config, progress=show)
    workdir.claim(folder, config, contents)

    # ---------------- steps 1 and 2: the target, and what this design can show
    heading(1, "Target: effect on the treated units over the days after their launch, yuan a day")
    for product in products:
        launches = ", ".join(product.launches)
        print(f"{product.name}: {product.audit.treated} treated, launch {launches}; level {product.level:,.1f}")
    heading(2, "Assumptions: parallel trends without the launch, no anticipation, no spill-over. Design audit:")
    for product in products:
        print(f"[{product.name}]", *audit.lines(product.audit), sep="\n  ")
        print(*(f"  note: {note}" for note in product.notes), sep="\n", flush=True)

    # ---------------- steps 3 to 8
    with showing(_STEPS * len(data.products), live=config.progress) as show:
        result = analysis.estimate(data, products, config, calendar=calendar, truth=truth, progress=show)
    print_steps(result)

    liveness.stage("page")
    origin = provenance.provenance()
    page = benefit_page.write(folder, config=config, products=products, result=result, provenance=origin)
    summary = summarise(config, result)
    workdir.write_json(
        Path(folder) / "results.json",
        {
            "summary": summary,
            "label": benefit_tables.SIMULATED if result.simulated else "data of the user",
            "source": source(config, result.source),
            **tidy.results(result),
            "provenance": origin,
        },
    )
    print(f"Page: {page}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)
    return result


def run_size_study(config: BenefitConfig, folder: str) -> calibration.SizeStudy:
    """Runs every test on simulated panels, with the sizes of the config; prints the summary line."""
    options = config.size_study
    liveness.keeps("a size study is saved at its end only, and the same command begins it anew")
    liveness.stage("first design, which is compiled")
    started = time.monotonic()

    def progress(done: int, total: int) -> None:
        spent = time.monotonic() - started
        left = writer.duration(spent / done * (total - done))
        liveness.stage(f"design {min(done + 1, total)} of {total}")
        logging.info("design %d/%d  %s  ETA %s", done, total, writer.duration(spent), left)

    workdir.claim(folder, config)
    study = calibration.size_study(
        jax.random.key(config.seed),
        autocorrelation=options.autocorrelation,
        controls=options.controls,
        periods=options.periods,
        treated=options.treated,
        effect=options.effect,
        alpha=config.analysis.alpha,
        n_panels=options.n_panels,
        n_pairs=options.n_pairs,
        progress=progress,
    )
    origin = provenance.provenance()
    page = benefit_page.write_size_study(folder, config=config, study=study, provenance=origin)
    summary: dict[str, Any] = {
        "designs": len(study.periods),
        "panels": study.n_panels,
        "alpha": study.alpha,
        **{
            f"max_{name.replace(', ', '_').replace(' ', '_').replace('-', '_')}": float(share)
            for name, share in zip(study.methods, study.rejected.max(axis=0), strict=True)
        },
        "seed": config.seed,
    }
    results = {"summary": summary, "label": benefit_tables.SIMULATED, "study": study, "provenance": origin}
    workdir.write_json(Path(folder) / "results.json", results)
    print(f"Page: {page}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)
    return study


def load(config: BenefitConfig) -> tuple[daily.Daily, dict[str, float]]:
    """Reads or simulates the data; returns them with the true effects, where these are known."""
    if config.data.source == "csv":
        return reading.load_daily(config.data.path), {}
    simulated = simulation.simulate(config.simulation)
    return simulated.data, analysis.true_effects(simulated.data, simulated.effect)


def check_calendar(data: daily.Daily, calendar: holidays.Calendar | None) -> None:
    """Checks that the calendar covers all days.

    Raises:
        DataError: It does not; names the source and the days.
    """
    try:
        for panel in data.panels:
            holidays.terms(panel.periods, calendar)
    except errors.DataError as cause:
        raise errors.DataError(
            f"{data.source}: {cause} Name it as --config.data.calendar (columns date, holiday)."
        ) from cause


def source(config: BenefitConfig, words: str) -> dict[str, Any]:
    """Source of the data; a file by its name and digest, so that results of a changed file can be distinguished."""
    if config.data.source != "csv":
        return {"kind": benefit_tables.SIMULATED, "words": words}
    path = Path(config.data.path)
    return {"kind": "csv", "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def write_template(path: str, *, sales: bool) -> None:
    """Writes an example of a user's file and prints the next command."""
    daily.write_template(path, sales=sales)
    print(
        f"Wrote {path}, an example of three outlets over 28 days. Put your own rows in its place, then:\n"
        f"python experiments/economic_benefit.py --config=configs/economic_benefit.py:csv --config.data.path={path} "
        "--workdir=runs/sales"
    )
    print(f"summary: template={shown(path)}", flush=True)


def summarise(config: BenefitConfig, result: Analysis) -> dict[str, Any]:
    """Returns the headline figures."""
    summary: dict[str, Any] = {}
    names = [product.prepared.name for product in result.products]
    for product in result.products:
        e, name = product.main, benefit_tables.stem(product.prepared.name, names)
        summary |= {f"{name}_effect": e.effect, f"{name}_low": e.low, f"{name}_high": e.high, f"{name}_p": e.p}
    if result.together is not None:
        t = result.together
        summary |= {"together_percent": 100.0 * t.effect, "together_p": t.p, "together_smallest_p": t.smallest_p}
    audits = [product.prepared.audit for product in result.products]
    floors = [m.smallest_p for a in audits for m in a.methods if m.name == RANDOMISATION]
    return summary | {
        "method": result.method,
        "smallest_p": max(floors),
        "units": sum(a.units for a in audits),
        "treated": sum(a.treated for a in audits),
        "days": max(a.periods for a in audits),
        "seed": config.seed,
        "data": benefit_tables.SIMULATED if result.simulated else "csv",
    }


def heading(step: int, text: str) -> None:
    """Prints the heading of a step."""
    print(f"\n== {step} {text}", flush=True)


def print_steps(result: Analysis) -> None:
    """Prints steps 3 to 8 and the value of the effect."""
    mark = f" ({benefit_tables.SIMULATED})" if result.simulated else ""
    heading(3, f"Parallel trends before the launch{mark}")
    for product in result.products:
        t = product.pre_trend
        print(
            f"{product.prepared.name}: drift {t.per_month:+.1f} yuan a day per 30 days, p {t.p:.3f} (smallest possible "
            f"{t.smallest_p:.3g}); alone it would show {t.implied:+.1f}; {t.outside} periods outside the band"
        )
    heading(4, f"Choice of the estimator: {result.choice}")
    heading(5, f"Effects, yuan a day of a treated unit{mark}")
    for product in result.products:
        print(f"[{product.prepared.name}]" + (f" true {product.truth:.1f}" if math.isfinite(product.truth) else ""))
        for e in product.estimates:
            main = "*" if e.method == product.main.method else " "
            p = "" if math.isnan(e.p) else f"p {e.p:.4f}"
            span = "" if math.isnan(e.low) else f"({e.low:.1f} to {e.high:.1f})"
            print(f" {main} {e.method:52s} {e.effect:9.1f} {span:24s} {p:9s} {e.verdict}")
    if benefit_tables.together(result):
        print(benefit_tables.together(result))
    for step, kind, text in (
        (6, "sensitivity", "Sensitivity"),
        (7, "heterogeneity", "Where and when the effect lies"),
        (8, "robustness", "Robustness"),
    ):
        heading(step, f"{text}{mark}")
        for product in result.products:
            print(f"[{product.prepared.name}] main {product.main.effect:.1f}")
            for c in getattr(product, kind):
                span = "" if math.isnan(c.low) else f"({c.low:.1f} to {c.high:.1f})"
                print(f"   {c.name:52s} {c.effect:9.1f} {span}")
    print(f"\n== What it is worth{mark}")
    print(*dict.fromkeys(p.value.discounting for p in result.products if p.value is not None), sep="\n")
    for product in result.products:
        v = product.value
        if v is None:
            continue
        even = "no investment stated" if not v.plan.investment else f"break-even on day {v.break_even_day[0]:g}"
        print(
            f"{product.prepared.name}: net present value {v.npv[0]:,.0f} yuan ({v.npv[1]:,.0f} to {v.npv[2]:,.0f}); "
            f"{even}"
        )
    for product in result.products:
        for note in product.notes:
            if note not in product.prepared.notes:
                print(f"note: {product.prepared.name}: {note}")
