"""What trials choose and what records of cells add up to."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from ich_jax import errors, workdir
from ich_jax.studies.error_comparison import result as lib
from ich_jax.studies.error_comparison.result import CellRecord, Trial
from tests.studies.error_comparison.made import NAMES, record


@pytest.fixture(scope="module")
def records() -> list[CellRecord]:
    return [record(arm, depth, seed) for arm in lib.ARMS for depth in (1, 8) for seed in range(6)]


def test_the_least_mean_error_over_trial_seeds_is_taken() -> None:
    scores = {(1.0, 1e-3): (0.5, 0.9), (1.0, 2e-3): (0.6, 0.7), (2.0, 1e-3): (0.1, math.inf)}
    trials = [Trial("plain", 4, g, 2 * g, lr, s, of[s]) for (g, lr), of in scores.items() for s in range(2)]
    trials += [Trial("residual", 4, g, g, 1e-3, 0, math.inf) for g in (0.1, 1.0)]
    plain, residual = lib.choose(trials)
    assert plain.d_gain == 2.0
    assert (plain.gain, plain.learning_rate, plain.axis_mae, plain.tried) == (1.0, 2e-3, pytest.approx(0.65), 3)
    assert (residual.gain, residual.axis_mae, residual.tried) == (0.1, math.inf, 2)  # ties: what was tried first


def test_compares_at_each_depth_and_over_depths(records: list[CellRecord]) -> None:
    own = np.random.default_rng(0).normal(0, 0.02, (50, 2))
    found = lib.compare(records, NAMES, inspector_error=own, best_of=4, n_resamples=199)
    assert (found.depths, found.headline.n_designs, found.headline.seeds) == ((1, 8), 30, tuple(range(6)))
    assert found.degradation is not None
    assert found.degradation.names == (*NAMES, lib.TRAINING_ERROR)
    assert found.degradation.tested == NAMES
    assert found.degradation.behind_from == 8
    curve = found.degradation.curve("plain", "height")
    for depth, mean in zip((1, 8), curve.mean, strict=True):
        own = [np.abs(r.read - r.requested)[:, 1].mean() for r in records if (r.arm, r.depth) == ("plain", depth)]
        assert mean == pytest.approx(np.mean(own))
    plain, residual = found.best[1]
    assert (plain.n, residual.n) == (180, 180)
    assert plain.axes[0].mae < found.headline.plain.axes[0].mae.value
    summary = lib.summary(found)
    names = ["n_designs", "n_seeds"]
    names += [f"{what}_{arm}_{axis}" for what in ("max", "exceed") for arm in ("residual", "plain") for axis in NAMES]
    assert list(summary)[:12] == [*names, "mae_ratio_width", "mae_ratio_height"]
    assert summary["p_max_t"] == 2**-5
    assert (summary["depth"], summary["behind_from_depth"]) == (8, 8)
    plain_error = np.concatenate([r.read - r.requested for r in records if (r.arm, r.depth) == ("plain", 8)])
    assert summary["exceed_plain_width"] == (np.abs(plain_error[:, 0]) > 0.5).sum()
    assert summary["max_plain_height"] == pytest.approx(np.abs(plain_error[:, 1]).max())


def test_one_depth_and_one_seed(records: list[CellRecord]) -> None:
    few = [r for r in records if r.depth == 1 and r.seed == 0]
    found = lib.compare(few, NAMES, inspector_error=None, n_resamples=199)
    assert (found.degradation, found.best) == (None, ())
    summary = lib.summary(found)
    assert math.isnan(summary["p_max_t"]) and summary["p_max_t_designs"] <= 1
    assert "behind_from_depth" not in summary


def test_records_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    made = record("plain", 2, 3)
    workdir.write_json(tmp_path / "cell.json", made)
    back = lib.from_json(workdir.read_json(tmp_path / "cell.json"))
    for field in dataclasses.fields(made):
        of, expected = getattr(back, field.name), getattr(made, field.name)
        if field.name == "gradients":
            (one,) = of
            assert one.generator == expected[0].generator
            assert math.isnan(one.discriminator["stage_0_block_0"])
        else:
            np.testing.assert_equal(of, expected)
    none = record("plain", 2, 3, best_read=None, training_error=None)
    workdir.write_json(tmp_path / "none.json", none)
    assert lib.from_json(workdir.read_json(tmp_path / "none.json")).best_read is None
    values = json.loads((tmp_path / "cell.json").read_text())
    del values["read"]
    with pytest.raises(errors.DataError, match="damaged"):
        lib.from_json(values)


def test_refusals(records: list[CellRecord]) -> None:
    other = dataclasses.replace(records[0], inspector_fingerprint="x")
    with pytest.raises(errors.DataError, match="judged by 2 inspectors"):
        lib.compare([*records[1:], other], NAMES, inspector_error=None)
    without = [r for r in records if not (r.arm == "plain" and r.depth == 8 and r.seed == 5)]
    with pytest.raises(errors.DataError, match="one arm only"):
        lib.compare(without, NAMES, inspector_error=None, n_resamples=99)
    without = [r for r in records if not (r.depth == 8 and r.seed == 5)]
    with pytest.raises(errors.DataError, match=r"no cell for \('plain', 8, 5\)"):
        lib.compare(without, NAMES, inspector_error=None, n_resamples=99)
