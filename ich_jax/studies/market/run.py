"""The study from its data to its page."""

from pathlib import Path
from typing import Any

from ich_jax import liveness, workdir
from ich_jax.config import MarketConfig
from ich_jax.report import provenance
from ich_jax.studies.console import shown
from ich_jax.studies.market import files, simulated
from ich_jax.studies.market import page as market_page
from ich_jax.studies.market import tables as market_tables
from ich_jax.studies.market.result import MarketResult, analyse


def run(config: MarketConfig, folder: str) -> MarketResult:
    """Analyses the market and reports; prints the summary line.

    Args:
        config: The study.
        folder: Work directory.

    Raises:
        DataError: Data that cannot be used; raised before anything is written.
        WorkdirError: The folder belongs to another run.
    """
    liveness.keeps("an analysis is saved at its end only, and the same command begins it anew")
    liveness.stage("data")
    if (Path(folder) / workdir.CONFIG_FILE).exists():
        workdir.claim(folder, config)  # a folder of another run is refused before any work
    market = files.load(config.data.path, config) if config.data.source == "csv" else simulated.create(config)
    print(f"Data: {market.source}", flush=True)
    liveness.stage("analysis")
    result = analyse(market, config)
    for warning in result.warnings:
        print(f"warning: {warning}")
    for what, why in result.not_computable:
        print(f"not computable: {what}: {why}")
    workdir.claim(folder, config)
    liveness.stage("page")
    origin = provenance.provenance()
    page = market_page.write(folder, config=config, result=result, provenance=origin)
    summary = summarise(result)
    workdir.write_json(Path(folder) / "results.json", {**_stored(result), "summary": summary, "provenance": origin})
    if result.choice is not None and result.choice.briefs:
        workdir.write_text(Path(folder) / "briefs.csv", market_tables.briefs_csv(result.choice))
        print(f"Briefs: {Path(folder) / 'briefs.csv'}, for experiments/design.py --briefs")
    print(f"Page: {page}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)
    return result


def _stored(result: MarketResult) -> dict[str, Any]:
    """The figures of the page; draws, which take megabytes, are left out."""
    stored: dict[str, Any] = {
        "simulated": result.simulated,
        "source": result.source,
        "warnings": result.warnings,
        "not_computable": result.not_computable,
    }
    if (c := result.choice) is not None:
        stored["choice"] = {
            "table": c.fit.table,
            "log_likelihood": c.fit.log_likelihood,
            "willingness_to_pay": c.wtp,
            "willingness_to_pay_drawn": c.wtp_drawn,
            "importance": c.importance,
            "responses": c.responses,
            "true": result.truth,
            "covered": c.covered,
            "wtp_covered": c.wtp_covered,
        }
    if (d := result.diffusion) is not None:
        stored["diffusion"] = {
            "table": d.fit.table,
            "peak": d.fit.peak,
            "residual_error": d.fit.residual_error,
            "bootstrap_low": d.bands.low,
            "bootstrap_high": d.bands.high,
            "runaway": d.bands.runaway,
            "curves": {
                name: weight for name, weight in zip(d.comparison.model, d.comparison.weight.tolist(), strict=True)
            },
            "forecast": {"period": d.forecast.period, "units": d.forecast.units, "total": d.forecast.total},
            "windows": d.windows,
            "true": result.curve,
        }
    if (v := result.launch) is not None:
        stored["launch"] = {
            "shares": dict(zip(v.shares.alternative, v.shares.share.tolist(), strict=True)),
            "assortment": v.best,
            "npv": v.npv,
            "p_positive": v.p_positive,
            "break_even": v.break_even,
            "surplus": v.surplus,
            "plan": v.plan,
        }
    return stored


def summarise(result: MarketResult) -> dict[str, Any]:
    """Returns the headline figures of the parts that are there."""
    summary: dict[str, Any] = {}
    if result.choice is not None:
        summary |= {"ll": result.choice.fit.log_likelihood, "n_persons": result.choice.fit.n_persons}
        if held := result.choice.wtp_covered:
            summary["wtp_share_covered"] = sum(held.values()) / len(held)
    if result.diffusion is not None:
        f = result.diffusion.fit
        summary |= {f"{f.shape.model}_{name}": float(v) for name, v in zip(f.names[:3], f.estimate, strict=False)}
    if result.launch is not None:
        summary["npv"] = result.launch.npv[0]
    summary["not_computable"] = len(result.not_computable)
    return summary
