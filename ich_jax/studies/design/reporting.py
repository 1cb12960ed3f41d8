"""Sheets, tables, page and summary line of a design run, from its stored records."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ich_jax import workdir
from ich_jax.config import DesignConfig
from ich_jax.evaluation.drawing import Images
from ich_jax.report import provenance
from ich_jax.report.text import count
from ich_jax.studies.console import shown
from ich_jax.studies.design import figures, files, page, plan, result, tables
from ich_jax.studies.design.delivery import Judging
from ich_jax.studies.design.designer import Designer, Job
from ich_jax.studies.design.result import BriefResult

_ON_SHEET = 24  # number of briefs on sheet.png


def report(config: DesignConfig, folder: str, designer: Designer, judging: Judging | None, jobs: Sequence[Job]) -> None:
    """Writes sheets, tables, page and `results.json` from the stored records, and prints the summary line."""
    records = [record for job in jobs if (record := result.load(folder, job.name)) is not None]
    images = [_images(folder, record, designer) for record in records]
    shown_sheet = figures.all_briefs(records[:_ON_SHEET], images[:_ON_SHEET])
    if shown_sheet is not None:
        workdir.write_bytes(Path(folder) / "sheet.png", shown_sheet.data)
        pdf = figures.print_sheet(
            records,
            images,
            title=f"Designs: {config.name}",
            enlarge=lambda image: files.enlarge(image, config.print_size, config.resample),
            side=plan.print_side(config, designer),
            dpi=config.dpi,
        )
        workdir.write_bytes(Path(folder) / "sheet.pdf", pdf)
    workdir.write_text(Path(folder) / "designs.csv", tables.designs_csv(records, designer.space))
    origin = provenance.provenance()
    model = designer.model
    written = page.write(
        folder,
        config=config,
        space=designer.space,
        results=records,
        images=images,
        inspector=judging.inspector.report if judging else None,
        about=f"Drawn by the {model.config.generator.arm} generator of {model.config.name}, step {model.step:,}",
        simulated=model.config.data.source == "procedural",
        provenance=origin,
    )
    summary = result.summary(records, config.deliver)
    workdir.write_json(
        Path(folder) / "results.json",
        {
            "summary": summary,
            "request": workdir.read_object(Path(folder) / plan.REQUEST_FILE),
            "briefs": [_without_cloud(record) for record in records],
            "inspector": judging.inspector.report if judging else None,
            "provenance": origin,
        },
    )
    for record in records:
        if record.chosen and len(record.delivered) < config.deliver:
            print(
                f"{record.title}: {len(record.delivered)} of {count(config.deliver, 'design')} delivered, as only "
                f"{record.n_meeting} of {count(record.n_candidates, 'candidate')} meet the brief."
            )
    print(f"Designs: {Path(folder) / 'designs'}, sheets: {Path(folder) / 'sheet.png'} and sheet.pdf")
    print(f"Page: {written}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)


def _without_cloud(record: BriefResult) -> dict[str, Any]:
    """Returns a record without its candidates, which are stored in `briefs/`."""
    return {f.name: getattr(record, f.name) for f in dataclasses.fields(record) if f.name != "cloud"}


def _images(folder: str, record: BriefResult, designer: Designer) -> Images:
    images = [files.decode(Path(folder) / design.file)[0] for design in record.delivered]
    size, channels = designer.model.size, designer.model.channels
    return np.stack(images) if images else np.zeros((0, size, size, channels), np.uint8)
