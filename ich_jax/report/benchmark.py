"""Receipts of benchmarks: a JSON file of all figures, a Markdown table to read, and a summary line."""

import importlib.metadata
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_jax import workdir
from ich_jax.perf.timing import Range
from ich_jax.report import provenance, tables

RECEIPT, TABLE = "benchmark.json", "benchmark.md"


def write(
    folder: Path,
    receipt: Mapping[str, Any],
    results: Sequence[tables.Table],
    *,
    peers: Sequence[str] = (),
    note: str = "",
) -> None:
    """Writes the receipt and the tables.

    Args:
        folder: Where; made if missing.
        receipt: The measurements, ready for JSON; provenance is added.
        results: Tables of the measurements.
        peers: Names of packages compared with ours; their versions are recorded.
        note: A remark for readers, for example on other load of the machine.

    Raises:
        WorkdirError: The folder cannot be written.
    """
    origin = provenance.provenance()
    versions = {name: version for name in peers if (version := package_version(name))}
    workdir.write_json(folder / RECEIPT, {**receipt, "peers": versions, "provenance": origin})
    installed = ", ".join(f"{name} {version}" for name, version in (*origin.versions, *versions.items()))
    samples = (
        f"`{origin.command}`: {origin.created}, {origin.devices}, {origin.cpu}, {origin.cores} core(s), "
        f"{origin.system}, Python {origin.python}, {installed}; memory: {origin.memory}. {note}"
    ).strip()
    text = "\n".join(tables.to_markdown(table) for table in results)
    workdir.write_text(folder / TABLE, f"{text}\n{samples}\n")


def summary(values: Mapping[str, float]) -> str:
    """Returns the last line of a benchmark."""
    return "summary: " + " ".join(f"{name}={figure(value)}" for name, value in values.items())


def figure(value: float | None) -> str:
    """Four significant digits; `n/a` where there is no figure."""
    return "n/a" if value is None or math.isnan(value) else f"{value:.4g}"


def digits(value: float) -> str:
    """Three significant digits, whole numbers from 100 on."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def seconds(value: float) -> str:
    """A time in s, or below 1 s in ms."""
    return f"{digits(value)} s" if value >= 1 else f"{digits(1000 * value)} ms"


def seconds_range(value: Range) -> str:
    """Median and range of a time."""
    return f"{seconds(value.median)} ({seconds(value.low)} to {seconds(value.high)})"


def ratio_range(value: Range) -> str:
    """Median and range of a ratio."""
    return f"{digits(value.median)} ({digits(value.low)} to {digits(value.high)})"


def package_version(package: str) -> str:
    """Returns the version of an installed package, empty if it is absent."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
