import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.studies.train import run as train
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import loop
from ich_jax.types import Reading

ROOT = Path(__file__).resolve().parents[3]
SUMMARY = [
    *("product_accuracy", "axis_mae", "axis_p95", "exceed_half", "n_designs", "kid"),
    *("img_per_s", "steps", "params_sha256"),
]


def make_config(images: Path) -> config_lib.Config:
    return config_lib.resolve(
        {
            "name": "shapes",
            "data": {"source": "npz", "path": str(images), "size": 16, "channels": 1, "holdout_share": 0.4},
            "generator": {"z_dim": 3, "mapping": 6, "widths": (4, 4)},
            "discriminator": {"widths": (4, 4)},
            "train": {"steps": 6, "batch": 4, "warmup": 1},
            "evaluation": {
                **{"n_designs": 12, "n_validation": 4, "n_images": 12, "feature_seeds": 1, "kid_subset": 4},
                **{"kid_subsets": 2, "nearest_k": 2, "diversity_briefs": 2, "diversity_draws": 2},
            },
            "compute": {"compilation_cache": False},
            "loop": {"log_every": 2, "validate_every": 3, "checkpoint_every": 3, "sample_every": 3},
        }
    )


def blind_inspector(config: config_lib.Config, dataset: Any, folder: Any) -> inspector_lib.Inspector:
    """Reads the first product and zero axes off everything, without training."""

    def read(image: jax.Array) -> Reading:
        n, space = len(image), dataset.space
        elements = tuple(jnp.zeros((n, c)) for c in space.cardinalities)
        return Reading(jnp.tile(jnp.array([[1.0, 0.0]]), (n, 1)), elements, jnp.zeros((n, len(space.axes))))

    flat = (0.5,) * len(dataset.space.axes)
    report = inspector_lib.InspectorReport(
        9, 0.5, {}, dataset.space.axes, flat, flat, flat, flat, seed=1, steps=0, fingerprint="blind"
    )
    return inspector_lib.Inspector(read, report, "path")


def test_a_run_is_stopped_resumed_judged_and_judged_again(
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(train.inspector_lib, "get", blind_inspector)
    config, folder = make_config(images), tmp_path / "run"

    assert train.run(config, str(folder), stop_after=4) is None
    out = capsys.readouterr().out
    assert "generator " in out
    assert "Stopped at step 4 of 6. Give the same command again to resume." in out
    assert "summary:" not in out
    assert not (folder / "results.json").exists()

    assert train.run(config, str(folder)) is None
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("summary: ")
    printed = dict(pair.split("=") for pair in line.removeprefix("summary: ").split())
    assert list(printed) == SUMMARY
    results = json.loads((folder / "results.json").read_text())
    assert list(results["summary"]) == SUMMARY
    for name in SUMMARY[:-1]:
        assert math.isclose(float(printed[name]), results["summary"][name], rel_tol=1e-5, abs_tol=1e-12)
    assert printed["steps"] == "6"
    assert printed["n_designs"] == "12"
    assert re.fullmatch("[0-9a-f]{64}", printed["params_sha256"])
    assert results["inspector"]["fingerprint"] == "blind"
    assert (folder / "report" / "index.html").stat().st_size > 10_000
    assert [path.name for path in sorted((folder / "samples").iterdir())] == ["step_0000003.png", "step_0000006.png"]

    # a finished run is judged again without a step of training
    monkeypatch.setattr(loop.step_lib, "make_step", lambda config, dataset, layout: pytest.fail)
    assert train.run(config, str(folder)) is None
    again = dict(pair.split("=") for pair in capsys.readouterr().out.splitlines()[-1].split()[1:])
    assert again == printed

    # another run is refused, and nothing of this one is touched
    before = (folder / "config.json").read_text()
    other = config_lib.resolve(config_lib.to_dict(config) | {"seed": 1})
    with pytest.raises(errors.WorkdirError, match="seed: 0 in"):
        train.run(other, str(folder))
    assert (folder / "config.json").read_text() == before


def test_a_batch_larger_than_the_set_is_refused_before_anything_is_written(images: Path, tmp_path: Path) -> None:
    config = config_lib.resolve(config_lib.to_dict(make_config(images)) | {"train": {"steps": 2, "batch": 500}})
    with pytest.raises(errors.DataError, match="larger than"):
        train.run(config, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, str(ROOT / "experiments" / "train.py"), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )


def test_dry_run_prints_and_writes_nothing(tmp_path: Path) -> None:
    done = command(
        f"--config={ROOT / 'configs' / 'quick.py'}:tiny",
        "--config.train.steps=77",
        f"--workdir={tmp_path / 'run'}",
        "--dry_run",
    )
    assert done.returncode == 0, done.stderr
    for words in ("steps=77", "discriminator ", " parameters", "devices 1 x", "axes width, height, depth"):
        assert words in done.stdout
    assert not (tmp_path / "run").exists()


def test_a_wrong_field_is_one_line_and_a_code(tmp_path: Path) -> None:
    done = command(
        f"--config={ROOT / 'configs' / 'quick.py'}", "--config.train.stepz=3", f"--workdir={tmp_path / 'run'}"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: --config.train.stepz")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_help_lists_the_flags() -> None:
    done = command("--helpfull")
    for flag in ("--config:", "--workdir:", "--init_from:", "--stop_after:", "dry_run:"):
        assert flag in done.stdout
