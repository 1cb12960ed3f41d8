"""scripts/benchmarks/finetune.py: arms differ in what they start from alone, and the summary counts by hand."""

import importlib
from pathlib import Path

import pytest

from ich_jax import config as config_lib
from ich_jax.config import fields

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def finetune():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield importlib.import_module("benchmarks.finetune")


def test_arms_differ_in_freezing_alone(finetune):
    config = config_lib.load("finetune_32", {"data.path": "somewhere", "train.steps": 30})
    frozen, trained, scratch = (finetune.arm_config(config, arm, 5, 10) for arm in finetune.ARMS)
    assert trained == scratch and (frozen.train.freeze_d, trained.train.freeze_d) == (1, 0)
    flat = [fields.flatten(each, "result") for each in (config, frozen, trained)]
    assert {name for name in flat[0] if flat[0][name] != flat[1][name]} == {"seed"}
    assert {name for name in flat[1] if flat[1][name] != flat[2][name]} == {"train.freeze_d"}
    assert frozen.loop.keep > 3  # every measured step is still there


def test_summary_and_table_by_hand(finetune):
    kids = {
        finetune.FROZEN: [[0.1, 0.3], [0.1, 0.2]],
        finetune.TRAINED: [[0.2, 0.2], [0.1, 0.3]],
        finetune.SCRATCH: [[0.4, 0.2], [0.3, 0.5]],
    }
    rows = [
        finetune.Measured(arm, seed, step, kids[arm][i][seed], 0.1 * seed)
        for arm in finetune.ARMS
        for i, step in enumerate((10, 20))
        for seed in (0, 1)
    ]
    summary = finetune.summarise(rows, 0.05)
    assert summary == pytest.approx(
        {
            "kid_frozen": 0.15, "kid_trained": 0.2, "kid_scratch": 0.4, "kid_real": 0.05,
            "steps_better": 1, "steps_measured": 2,  # at step 10 seed 1 was better from scratch
        }
    )  # fmt: skip
    table = finetune.table(rows, 0.05)
    assert table.rows[0] == (10, finetune.FROZEN, "0.2000", "0.1000 to 0.3000", "0.050")
    assert len(table.rows) == 7 and table.rows[-1][2] == "0.0500"
