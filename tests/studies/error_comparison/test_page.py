"""The page of the error comparison: what it says follows from the records, whatever these are."""

import csv
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax.report import provenance
from ich_jax.studies.error_comparison import page as error_page
from ich_jax.studies.error_comparison import result as comparison
from ich_jax.studies.error_comparison.result import CellRecord, ErrorComparison, Trial
from ich_jax.training import inspector as inspector_lib
from ich_jax.types import Brief, DesignSpace
from tests.studies.error_comparison.made import NAMES, record

CONFIG = config_lib.resolve(
    config_lib.ErrorComparisonConfig(train=config_lib.TrainConfig(steps=5)), config_lib.ErrorComparisonConfig
)
INSPECTOR = inspector_lib.InspectorReport(
    9, 1.0, {}, NAMES, (0.1,) * 2, (0.1,) * 2, (0.1,) * 2, (0.1,) * 2, seed=1, steps=2, fingerprint="i"
)


def compared(records: list[CellRecord], **options: Any) -> ErrorComparison:
    own = np.random.default_rng(0).normal(0, options.pop("own_sd", 0.02), (40, 2))
    return comparison.compare(records, NAMES, inspector_error=own, n_resamples=99, **options)


def write(folder: Path, records: list[CellRecord], result: ErrorComparison) -> str:
    n = len(records[0].read)
    space = DesignSpace(("a",), (), NAMES)
    brief = Brief(np.zeros(n, int), np.zeros((n, 0), int), jnp.asarray(records[0].requested), np.ones((n, 3)))
    images = [np.full((n, 8, 8, 1), 40 * i % 256, np.uint8) for i in range(len(records))]
    page = error_page.write(
        folder, config=CONFIG, space=space, brief=brief, result=result, records=records, images=images,
        inspector=INSPECTOR, provenance=provenance.provenance(["x.py"]),
    )  # fmt: skip
    return page.read_text()


@pytest.fixture(scope="module")
def records() -> list[CellRecord]:
    return [record(arm, depth, seed) for depth in (1, 8) for arm in comparison.ARMS for seed in range(6)]


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "report" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_two_depths_of_six_seeds(records: list[CellRecord], tmp_path: Path) -> None:
    trials = [Trial(arm, 8, gain, gain, 2e-3, 7, 0.5 + gain) for arm in comparison.ARMS for gain in (1.0, 1.5)]
    choices = comparison.choose(trials)
    result = compared(records, best_of=4, trials=trials, choices=choices, simulated=True)
    text = write(tmp_path, records, result)
    assert "shortcuts reduce the error on width, height." in text
    assert "the plain arm is behind on every axis from 8 on" in text
    assert "1.16, 0.72 and 0.77" in text
    assert error_page.SIMULATED in text
    for name in ("error_strips.svg", "distribution.svg", "bland_altman.svg", "slopes.svg", "depth.svg"):
        assert (tmp_path / "report" / name).stat().st_size > 2000
    assert (tmp_path / "report" / "worst.png").exists() and (tmp_path / "report" / "at_tolerance.png").exists()
    (first, *_) = rows(tmp_path, "contrasts")
    assert float(first["difference"]) == result.headline.contrasts[0].difference.value
    assert len(rows(tmp_path, "networks")) == 12
    assert [row["choice"] for row in rows(tmp_path, "trials")] == ["taken", "", "taken", ""]
    unchanged = {row["arm"]: row["networks unchanged"] for row in rows(tmp_path, "guarantee")}
    assert unchanged == {"plain": "0 of 6", "residual": "6 of 6"}
    assert {row["error"] for row in rows(tmp_path, "interaction")} == {*NAMES, comparison.TRAINING_ERROR}


def test_what_does_not_hold_is_said(records: list[CellRecord], tmp_path: Path) -> None:
    """One depth, two seeds, arms exchanged, a judge that errs, networks that learned nothing or gave up."""
    own = [r for r in records if r.depth == 1 and r.seed < 2]
    lost = np.random.default_rng(1).uniform(-3, 3, own[0].read.shape)
    own = [
        record(r.arm, 1, r.seed, **({"read": lost} if r.arm == "plain" else {"diverged": True, "g_parameters": 11}))
        for r in own
    ]
    text = write(tmp_path, own, compared(own, own_sd=0.2))
    assert "So few seeds can show nothing about the method at 0.05." in text
    assert "2 seeds cannot give a p below 0.5" in text
    assert "The plain arm has learned next to nothing" in text
    assert "The arms differ in their number of parameters" in text
    assert "Training was abandoned" in text and "residual, depth 1, seed 0" in text
    assert "errs by more than half of the tolerance on real images" in text
    assert "Errors against depth" not in text
    assert error_page.SIMULATED not in text
    assert not (tmp_path / "report" / "trials.csv").exists()


def test_shortcuts_that_hurt_are_said_to(records: list[CellRecord], tmp_path: Path) -> None:
    other = {"plain": "residual", "residual": "plain"}
    swapped = [record(other[r.arm], 8, r.seed, read=r.read) for r in records if r.depth == 8]
    text = write(tmp_path, swapped, compared(swapped))
    assert "they raise it on width, height." in text
    assert "reduce the error on" not in text.split("</h1>")[1].split("<section")[0]
