"""scripts/benchmark.py: one cheap row as a user runs it, and the refusal of results that differ."""

import dataclasses
import importlib
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.perf import timing

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def run(*arguments):
    command = [sys.executable, str(SCRIPTS / "benchmark.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=SCRIPTS.parent, timeout=300)


@pytest.fixture(scope="module")
def script():
    """The subcommand, imported as scripts/benchmark.py does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield importlib.import_module("benchmarks.econometrics")


@pytest.fixture(scope="module")
def randomisation(script):
    """Row S3, whose peer every installation has."""
    (row,) = (row for row in script.all_rows(quick=True) if row.name == "S3")
    return row


def test_receipt_table_and_summary_without_peers(tmp_path):
    done = run("econometrics", f"--output={tmp_path}", "--quick", "--rows=S3", "--rounds=5", "--nopeers")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "summary: worst_batched_speedup=n/a S3=n/a"
    receipt = json.loads((tmp_path / "benchmark.json").read_text())
    (row,) = receipt["rows"]
    times = row["times"]["ours_s"]
    assert row["row"] == "S3" and row["peer"] is None and row["times"]["speedup"] is None
    assert 0 < times["low"] <= times["median"] <= times["high"] < row["times"]["ours_cold_s"]
    assert receipt["quick"] and receipt["rounds"] == 5 and receipt["summary"]["S3"] is None
    assert {"jax", "numpy"} <= dict(receipt["provenance"]["versions"]).keys() and str(tmp_path) not in str(receipt)
    table = (tmp_path / "benchmark.md").read_text()
    assert "small sizes" in table and "| S3 " in table and "all 495 assignments" in table


def test_a_peer_is_timed_in_the_same_run(script, randomisation, tmp_path):
    found = script.measure(randomisation, rounds=5)
    assert found.peer == "scipy.stats.permutation_test" and found.equal
    assert found.times.speedup.low > 0 and found.times.peer_s.low > 0
    script.write(tmp_path, [found], rounds=5, quick=True)
    assert "scipy.stats.permutation_test" in (tmp_path / "benchmark.md").read_text()
    summary = script.summarise([dataclasses.replace(found, row=name) for name in script.BATCHED])
    assert summary["worst_batched_speedup"] == found.times.speedup.median
    assert math.isnan(script.summarise([found])["worst_batched_speedup"])


def test_a_result_that_differs_is_refused(script, randomisation):
    def wrong(case):
        statistic, p = script.daily_panels._randomisation_scipy(case)
        return statistic, np.where(np.arange(len(p)) == 3, p + 1e-3, p)

    way = timing.Way(lambda case: case, wrong)
    row = dataclasses.replace(randomisation, peer=dataclasses.replace(randomisation.peer, way=lambda: way))
    with pytest.raises(errors.MismatchError, match=r"S3: we and scipy\.stats\.permutation_test do not agree"):
        script.measure(row, rounds=5)


def test_an_absent_peer_names_the_extra(script, randomisation):
    absent = dataclasses.replace(randomisation.peer, name="nobody", module="no_such_module")
    row = dataclasses.replace(randomisation, peer=absent)
    found = script.measure(row, rounds=5)
    assert found.times.speedup is None and 'pip install -e ".[peers]"' in found.note


def test_rows_have_names_of_their_own(script):
    for quick in (False, True):
        assert [row.name for row in script.all_rows(quick=quick)] == [f"S{i}" for i in range(1, 10)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["econometric"], "did you mean 'econometrics'"),
        (["econometrics", "--rows=S33"], "did you mean 'S3'"),
        (["econometrics", "--rounds=4"], "--rounds: got 4; expected a whole number from 5"),
    ],
)
def test_bad_flags_are_refused_before_anything_is_measured(tmp_path, arguments, message):
    done = run(*arguments, f"--output={tmp_path / 'new'}")
    assert done.returncode == 1 and message in done.stderr and not (tmp_path / "new").exists()
