"""Sweep and pulses of a tiny generator that was not trained: page, figures, resume, reference, what is refused."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import InterferenceConfig
from ich_jax.data import make
from ich_jax.studies.interference import run as interference
from ich_jax.training import checkpoint, transfer
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import state as state_lib
from ich_jax.types import Reading

KINDS = ("latent_noise", "weight_noise", "image_contrast")


def sweep_config(**sweep: Any) -> InterferenceConfig:
    found = config_lib.resolve(
        {
            **{"name": "tiny", "second": False, "progress": False},
            "sweep": {"kinds": KINDS, "n": 20, "seeds": (1,), "batch": 16} | sweep,
        },
        InterferenceConfig,
    )
    assert isinstance(found, InterferenceConfig)
    return found


@pytest.fixture(scope="module", autouse=True)
def _tiny(images: Path) -> Iterator[None]:
    """Generators by name (`residual`, `plain`) without training, and an inspector that reads brightness."""

    def restore(source: str | Path) -> checkpoint.TrainedModel:
        config = config_lib.resolve(
            {
                "name": str(source),
                "data": {"source": "npz", "path": str(images), "size": 16, "channels": 1, "holdout_share": 0.4},
                "generator": {"z_dim": 3, "mapping": 6, "widths": (4, 4), "arm": str(source)},
                "discriminator": {"widths": (4, 4)},
                "train": {"steps": 6, "batch": 4},
            }
        )
        data = make.make(config.data, seed=config.seed)
        state = state_lib.create_state(config, data.spec)
        networks = (state.ema_params, state.g_params, state.d_params)
        return checkpoint.TrainedModel(config, data.space, data.size, data.channels, 6, 0.0, *networks)

    def read(image: jax.Array) -> Reading:
        bright = jnp.mean(jnp.asarray(image, jnp.float32), axis=(1, 2, 3))
        return Reading(jnp.stack([-bright, bright], axis=1), (), jnp.zeros((len(bright), 3)))

    def get(config: config_lib.Config, dataset: Any, folder: Any) -> inspector_lib.Inspector:
        report = inspector_lib.InspectorReport(9, 0.5, {}, (), (), (), (), (), seed=1, steps=0, fingerprint="made")
        return inspector_lib.Inspector(read, report, "path")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "restore_for_inference", restore)
        patch.setattr(checkpoint, "has_checkpoints", lambda folder: str(folder) in ("plain", "residual"))
        patch.setattr(interference.inspector_lib, "get", get)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    interference.run(sweep_config(), str(folder), "residual", reference="plain")
    return folder


def test_page_and_summary(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = json.loads((whole / "results.json").read_text())
    products = results["sweep"]["products"]
    wanted = [f"{what}_{name}" for name in products for what in ("acc_pre", "acc_mean", "acc_min")]
    wanted += ["n_per_point", "seeds", "mie", "relative_mie", "designs_per_s", "interference_share"]
    assert list(results["summary"]) == wanted
    assert 0 <= results["summary"]["interference_share"] < 1
    assert all(len(c["mcnemar_p"]) == 5 for curves in results["sweep"]["curves"].values() for c in curves)
    # An untrained reference reads too few right to be one.
    assert "less than 0.9" in results["sweep"]["error"]["withheld"] and results["summary"]["mie"] is None
    assert list(results["generator"]) == ["step", "generator_sha256", "dataset", "run", "about"]
    page = (whole / "report" / "index.html").read_text()
    assert "mIE is withheld" in page
    assert {"grid_map.svg", "paired.csv", "retention.svg", "sheet.png"} <= {
        p.name for p in (whole / "report").iterdir()
    }
    before = {path: path.stat().st_mtime_ns for path in whole.glob("**/cells/*.json")}
    assert len(before) == 5 + 3  # the reference: without, and the two kinds that count
    interference.run(sweep_config(), str(whole), "residual", reference="plain")
    assert {path: path.stat().st_mtime_ns for path in whole.glob("**/cells/*.json")} == before
    assert re.match(r"summary: acc_pre_", capsys.readouterr().out.splitlines()[-1])


def test_bad_input_is_refused_and_nothing_written(whole: Path, tmp_path: Path) -> None:
    new = str(tmp_path / "new")
    for config, folder, source, others, wanted in (
        (sweep_config(kinds=("latent_noize",)), new, "residual", {}, "did you mean 'latent_noise'"),
        (sweep_config(kinds=("image_contrast",)), new, "residual", {}, "counts towards a mean"),
        (sweep_config(), new, "residual", {"shard": "2/2"}, "expected i/n"),
        (sweep_config(), new, "residual", {"reference": str(tmp_path)}, "does not exist"),
        (sweep_config(n=30), str(whole), "residual", {}, "belongs to another run"),
        (sweep_config(), str(whole), "plain", {}, "another generator"),
    ):
        with pytest.raises(errors.IchJaxError, match=wanted):
            interference.run(config, folder, source, **others)
    assert not Path(new).exists()


# ---------------------------------------------------------------- pulses


def pulse_config(**pulse: Any) -> InterferenceConfig:
    values = {"pulses": ("label_flips:0.5", "learning_rate:4"), "seeds": (1,), "steps": 40, "evaluations": 40}
    found = config_lib.resolve(
        {
            **{"name": "tiny", "task": "pulse", "second": False, "progress": False},
            "pulse": values | {"n": 10, "n_fresh": 25} | pulse,
        },
        InterferenceConfig,
    )
    assert isinstance(found, InterferenceConfig)
    return found


def test_pulses_in_shards_and_their_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(transfer, "init_from", lambda source, state, spec: (state, ()))
    folder = str(tmp_path / "pulses")
    for shard in ("1/2", "0/2"):
        interference.run_pulses(pulse_config(), folder, "residual", shard=shard)
    courses = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "pulses" / "courses").iterdir()}
    assert len(courses) == 3 and not (tmp_path / "pulses" / "results.json").exists()
    assert (tmp_path / "pulses" / "compute.json").is_file()  # shards and later calls compute alike
    interference.run_pulses(pulse_config(), folder, "residual")
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "pulses" / "courses").iterdir()} == courses

    results = json.loads((tmp_path / "pulses" / "results.json").read_text())
    products = [key.removeprefix("acc_end_") for key in results["summary"] if key.startswith("acc_end_")]
    each = [f"{what}_{name}" for name in products for what in ("acc_pre", "acc_mean", "acc_min", "acc_end")]
    assert {*each, "recovered", "n_per_point", "n_fresh", "seeds"} <= results["summary"].keys()
    disturbed = [c for c in results["pulses"]["courses"] if c["pulse"]["kind"] != "control"]
    for p, name in enumerate(products):
        assert results["summary"][f"acc_min_{name}"] == min(c["fresh_minimum"][p] for c in disturbed)
    assert all(len(c["steps"]) == 41 for c in disturbed)
    assert all(round(25 * share) / 25 == share for c in disturbed for share in c["fresh_end"])
    page = (tmp_path / "pulses" / "report" / "index.html").read_text()
    assert "label flips, strength 0.5" in page and "25 other designs" in page
    assert {"recovery.csv", "pulses.csv", "survival.svg", "course_label_flips_0p5.svg"} <= {
        p.name for p in (tmp_path / "pulses" / "report").iterdir()
    }
    assert capsys.readouterr().out.splitlines()[-1].startswith("summary: acc_pre_")


def test_pulses_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    for pulse, wanted in (
        ({"pulses": ("label_flips",)}, "expected KIND:STRENGTH"),
        ({"pulses": ("label_flip:0.5",)}, "did you mean 'label_flips'"),
        ({"pulses": ("label_flips:2",)}, "strength of label_flips"),
        ({"first": 0.95}, "window"),
    ):
        with pytest.raises(errors.ConfigError, match=wanted):
            interference.run_pulses(pulse_config(**pulse), str(tmp_path / "new"), "residual")
    assert not (tmp_path / "new").exists()
