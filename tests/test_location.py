"""What identifies a run is the contents of its files, not where they lie."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.config import BenefitConfig, KanseiConfig
from ich_jax.data import make
from ich_jax.studies import trained
from ich_jax.training import checkpoint, data_description
from tests import helpers
from tests.training import made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for label, blue in (("cat", 30), ("dog", 120)):
        (tmp_path / "root" / label).mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (8, 8), (20 * i, 90, blue)).save(tmp_path / "root" / label / f"{i}.png")
    return tmp_path / "root"


def _config(path: object, **fields: Any) -> config_lib.Config:
    return helpers.resolve(
        data__source="folder", data__path=str(path), data__size=8, generator__widths=(4,), discriminator__widths=(4,),
        **fields,
    )  # fmt: skip


def _contents(config: config_lib.Config) -> dict[str, str]:
    return {"data.path": make.make(config.data, seed=0).fingerprint}


@pytest.mark.parametrize("renamed", [lambda p: f"{p}/", lambda p: p.parent / "x" / ".." / "root", None])
def test_a_run_goes_on_wherever_its_images_are(root: Path, tmp_path: Path, renamed: Callable[[Path], Any]) -> None:
    config, run = _config(root), tmp_path / "run"
    workdir.claim(run, config, _contents(config))
    (tmp_path / "x").mkdir()
    now = _config(renamed(root) if renamed else root.rename(tmp_path / "moved"))
    assert workdir.claim(run, now, _contents(now)) is True
    assert config_lib.fingerprint(now, located=False) == config_lib.fingerprint(config, located=False)
    assert workdir.read_config(run)["data"]["path"] == now.data.path
    (Path(now.data.path) / "cat" / "0.png").unlink()
    other = _config(tmp_path / "y" if renamed is None else root.rename(tmp_path / "moved"))
    if renamed is None:
        Path(now.data.path).rename(tmp_path / "y")
    with pytest.raises(errors.WorkdirError, match=r"(?s)data\.path: .*files there are others"):
        workdir.claim(run, other, _contents(other))


def test_a_work_directory_of_an_older_version_knows_its_images(root: Path, tmp_path: Path) -> None:
    config, run = _config(root), tmp_path / "run"
    workdir.claim(run, config)
    data = make.make(config.data, seed=0)
    workdir.write_json(run / data_description.FILE, data_description.describe(data))
    moved = _config(root.rename(tmp_path / "moved"))
    with pytest.raises(errors.WorkdirError, match="not known that they are the same"):
        workdir.check(run, moved)
    assert workdir.check(run, moved, _contents(moved)) is True


def test_home_is_meant_by_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert _config("~/pictures").data.path == "/somewhere/pictures"
    assert _config("a~/pictures").data.path == "a~/pictures"
    benefit = config_lib.resolve({"data": {"source": "csv", "path": "~/sales.csv"}}, BenefitConfig)
    assert benefit.data.path == "/somewhere/sales.csv"


@pytest.mark.parametrize(("cls", "name"), [(BenefitConfig, "sales.csv"), (KanseiConfig, "answers")])
def test_tables_of_a_user_may_move(tmp_path: Path, cls: type, name: str) -> None:
    def configured(folder: str) -> Any:
        return config_lib.resolve({"data": {"source": "csv", "path": str(tmp_path / folder / name)}}, cls)

    file = tmp_path / "a" / (name if name.endswith("csv") else f"{name}/ratings.csv")
    file.parent.mkdir(parents=True)
    file.write_text("date,unit\n")
    before = configured("a")
    workdir.claim(tmp_path / "run", before, workdir.digests(before))
    (tmp_path / "a").rename(tmp_path / "b")
    after = configured("b")
    assert workdir.check(tmp_path / "run", after, workdir.digests(after)) is True
    (tmp_path / "b" / file.relative_to(tmp_path / "a")).write_text("date,unit,arm\n")
    with pytest.raises(errors.WorkdirError, match=r"data\.path"):
        workdir.check(tmp_path / "run", after, workdir.digests(after))


def _model(config: config_lib.Config, images: Any) -> checkpoint.TrainedModel:
    networks = made.state.abstract_state(config, images.spec).ema_params
    params = made.jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), networks)
    return checkpoint.TrainedModel(
        config, images.space, images.size, images.channels, 1, None, params, params, {}, images.fingerprint
    )


def test_studies_of_a_run_find_its_moved_images(root: Path, tmp_path: Path) -> None:
    config = _config(root)
    images = make.make(config.data, seed=0)
    model = _model(config, images)
    assert trained.load_images(model, "runs/a").fingerprint == images.fingerprint
    moved = root.rename(tmp_path / "moved")
    with pytest.raises(errors.DataError, match=r"does not exist; expected .* --images=PATH\.") as caught:
        trained.load_images(model, "runs/a")
    assert "--config.data" not in str(caught.value)
    assert trained.load_images(model, "runs/a", images=moved).fingerprint == images.fingerprint
    (moved / "cat" / "0.png").unlink()
    with pytest.raises(errors.CheckpointError, match=f"other images than those at {moved} .*--images=PATH"):
        trained.load_images(model, "runs/a", images=moved)
    shown = dataclasses.replace(model, config=helpers.resolve())
    with pytest.raises(errors.DataError, match="procedural images, which lie in no folder"):
        trained.load_images(shown, "runs/a", images=moved)


def test_a_run_without_its_config_is_adopted_by_its_checkpoints(untrained: Path, tmp_path: Path) -> None:
    config = helpers.resolve()
    seal = tmp_path / "checkpoints" / "4" / workdir.SEAL_FILE
    for mark in (None, "another", config_lib.fingerprint(config, located=False)):
        workdir.write_json(seal, {"step": 4, "files": {}, "run": mark})
        for damage in (None, '{"seed": 0', "[1, 2]"):
            (tmp_path / "config.json").unlink(missing_ok=True)
            if damage:
                (tmp_path / "config.json").write_text(damage)
            if mark != config_lib.fingerprint(config, located=False):
                with pytest.raises(errors.WorkdirError):
                    workdir.claim(tmp_path, config)
                continue
            assert workdir.claim(tmp_path, config) is True
            assert config_lib.resolve(workdir.read_config(tmp_path)) == config
    stored = json.loads((untrained / "checkpoints" / "1" / workdir.SEAL_FILE).read_text())
    assert stored["run"] == config_lib.fingerprint(config_lib.resolve(workdir.read_config(untrained)), located=False)
