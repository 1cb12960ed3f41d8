"""The sweep: sharded, stopped, resumed, merged and stacked against one call; what is refused before anything is "
"trained."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.studies.error_comparison import cells, judge, plan, run
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import step as step_lib
from ich_jax.training.formulation import AS_WRITTEN, Choice
from ich_jax.types import Reading
from tests.studies.error_comparison.made import make_config

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "configs" / "error_comparison.py"
GET_INSPECTOR = inspector_lib.get  # before it is patched


def measuring_inspector(config: config_lib.Config, dataset: Any) -> inspector_lib.Inspector:
    """Reads axes off the darkness of a picture: not well, but differently for each design."""

    def read(image: jax.Array) -> Reading:
        n, space = len(image), dataset.space
        dark = jnp.mean(jnp.asarray(image, jnp.float32), axis=(1, 2, 3))[:, None]
        axes = dark * jnp.arange(1.0, len(space.axes) + 1.0)[None]
        return Reading(jnp.zeros((n, len(space.products))), tuple(jnp.zeros((n, c)) for c in space.cardinalities), axes)

    flat = (0.5,) * len(dataset.space.axes)
    report = inspector_lib.InspectorReport(
        9, 0.5, {}, dataset.space.axes, flat, flat, flat, flat, seed=1, steps=0, fingerprint="made"
    )
    return inspector_lib.Inspector(read, report, "path")


@pytest.fixture(scope="module", autouse=True)
def _fast() -> Iterator[None]:
    """One inspector without training, and one compiled step for all pieces that could share it."""
    make_step, made = step_lib.make_step, {}

    def shared(
        config: config_lib.Config, data: Any, layout: Any, choice: Choice = AS_WRITTEN, *, n_steps: int = 1
    ) -> Any:
        alike = {"residual_scale": 0.0, "plain_scale": 0.0}
        config = dataclasses.replace(
            config,
            **{"seed": 0, "name": "", "loop": config_lib.LoopConfig()},
            generator=dataclasses.replace(config.generator, **alike),
            discriminator=dataclasses.replace(config.discriminator, **alike),
        )
        key = (config, data.fingerprint, layout, choice.form, choice.options, n_steps)
        if key not in made:
            made[key] = make_step(config, data, layout, choice, n_steps=n_steps)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_lib, "make_step", shared)
        patch.setattr(run.inspector_lib, "get", measuring_inspector)
        yield


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """Records of all trials and cells, without what the clock says."""
    found = {}
    for path in sorted(folder.glob("*/*/cell.json")):
        values = json.loads(path.read_text())
        values.pop("img_per_s", None)
        values.pop("sha256", None)  # of all, the clock's too
        found[path.parent.name] = values
    return found


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One call without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    assert run.run(make_config(images), str(folder)) is None
    return folder


@pytest.fixture(scope="module")
def untried(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without trials."""
    folder = tmp_path_factory.mktemp("untried")
    assert run.run(make_config(images, trial_steps=0), str(folder)) is None
    return folder


def test_leaves_trials_cells_a_page_and_a_summary(
    whole: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [path.name for path in sorted((whole / "cells").iterdir())]
    assert names == [f"{arm}_depth1_seed{seed}" for arm in ("plain", "residual") for seed in (0, 1)]
    assert len(list((whole / "trials").iterdir())) == 3
    results = json.loads((whole / "results.json").read_text())
    axes = results["comparison"]["names"]
    wanted = ["n_designs", "n_seeds"]
    wanted += [f"{what}_{arm}_{axis}" for what in ("max", "exceed") for arm in ("residual", "plain") for axis in axes]
    wanted += [f"mae_ratio_{axis}" for axis in axes] + ["p_max_t", "p_max_t_designs", "depth"]
    assert list(results["summary"]) == wanted
    # what stands there is what the cells hold
    found = records(whole)
    for arm in ("plain", "residual"):
        pair = [found[f"{arm}_depth1_seed{seed}"] for seed in (0, 1)]
        error = np.abs(np.concatenate([np.array(cell["read"]) - np.array(cell["requested"]) for cell in pair]))
        for a, axis in enumerate(axes):
            assert results["summary"][f"max_{arm}_{axis}"] == pytest.approx(error[:, a].max())
            assert results["summary"][f"exceed_{arm}_{axis}"] == (error[:, a] > 0.5).sum()
        (zero, _) = pair[0]["appended"]
        assert (zero["start"], zero["identical"]) == ("zero", arm == "residual")
        assert [of["step"] for of in pair[0]["gradients"]] == [0, 2, 4]
        assert min(pair[0]["gradients"][0]["generator"].values()) > 0
    # the arms have equal sizes, and the gain that did best among the plain trials
    assert found["plain_depth1_seed0"]["g_parameters"] == found["residual_depth1_seed0"]["g_parameters"]
    errors_of = {name: of["axis_mae"] for name, of in found.items() if name.startswith("plain_depth1_gain")}
    best = min(errors_of, key=lambda name: errors_of[name])
    assert "gain{gain:g}-{d_gain:g}_".format(**found["plain_depth1_seed0"]) in best
    page = (whole / "report" / "index.html").read_text()
    assert "1.16, 0.72 and 0.77" in page and "SELECTED" in page
    assert "2 seeds cannot give a p below 0.5" in page
    # once more: nothing is trained, the same comes out
    before = {path: path.stat().st_mtime_ns for path in whole.glob("cells/*/cell.json")}
    run.run(make_config(images), str(whole))
    assert {path: path.stat().st_mtime_ns for path in whole.glob("cells/*/cell.json")} == before
    line = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"summary: n_designs=9 n_seeds=2 max_residual_", line)


def test_shards_that_are_stopped_and_go_on_give_the_same(
    whole: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(images)
    run.run(config, str(tmp_path), shard="1/2", stop_after=1)  # within its only trial
    assert "Stopped. Give the same command again" in capsys.readouterr().out
    run.run(config, str(tmp_path), shard="1/2")
    assert "2 of 3 trials are other shards' and not done" in capsys.readouterr().out
    run.run(config, str(tmp_path), shard="0/2")  # all trials, then its two cells
    assert "summary: shard_done=1 waiting_for=2" in capsys.readouterr().out
    assert not (tmp_path / "results.json").exists()
    run.run(config, str(tmp_path), shard="1/2", stop_after=2)  # within its first cell
    run.run(config, str(tmp_path), shard="1/2")  # the last one reports
    assert records(tmp_path) == records(whole)
    summary = [json.loads((folder / "results.json").read_text())["summary"] for folder in (whole, tmp_path)]
    assert summary[0] == summary[1]


def test_shards_in_folders_of_their_own_are_merged(untried: Path, images: Path, tmp_path: Path) -> None:
    config, folders = make_config(images, trial_steps=0), [str(tmp_path / name) for name in ("a", "b")]
    for i, folder in enumerate(folders):
        run.run(config, folder, shard=f"{i}/2")
    run.run(config, folders[0], merge_from=[folders[1]])
    assert records(Path(folders[0])) == records(untried)
    assert {of["gain"] for of in records(untried).values()} == {1.0, 0.1}  # the first of each arm
    assert (Path(folders[0]) / "results.json").exists()
    with pytest.raises(errors.WorkdirError, match="another comparison"):
        run.run(make_config(images, trial_steps=0, seeds=3), str(tmp_path / "c"), merge_from=[folders[0]])


def test_stacked_seeds_are_close_to_those_alone(untried: Path, images: Path, tmp_path: Path) -> None:
    run.run(make_config(images, trial_steps=0, stack_seeds=True), str(tmp_path))
    found, alone = records(tmp_path), records(untried)
    assert found.keys() == alone.keys()
    for name, of in found.items():
        np.testing.assert_allclose(of["read"], alone[name]["read"], atol=0.05)
        assert of["config_fingerprint"] == alone[name]["config_fingerprint"]


def test_cells_of_another_config_or_judge_are_refused(whole: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.WorkdirError, match=r"comparison\.seeds: 2 in"):
        run.run(make_config(images, seeds=3), str(whole))
    config = make_config(images)
    dataset = run.make.make(config.data)
    brief = judge.draw_briefs(config, dataset, (0, 1, 2))
    measuring = judge.Judge(dataset, measuring_inspector(config, dataset), (0, 1, 2), dataset.space.axes, brief)
    piece = plan.cells(config, ())[0]
    own = config_lib.fingerprint(plan.cell_config(config, piece))
    stored = json.loads((piece.folder(whole) / "cell.json").read_text()) | {"config_fingerprint": own}
    del stored["sha256"]  # as cells of earlier versions
    path = piece.folder(tmp_path) / "cell.json"
    path.parent.mkdir(parents=True)
    for change, words in (
        ({"config_fingerprint": "0" * 16}, "cell of another config"),
        ({"inspector_fingerprint": "another"}, "judged by another inspector"),
    ):
        path.write_text(json.dumps(stored | change))
        with pytest.raises(errors.WorkdirError, match=words):
            cells.read_record(config, str(tmp_path), piece, measuring)
    path.write_text(json.dumps(stored))
    assert cells.read_record(config, str(tmp_path), piece, measuring) is not None


def test_axes_that_the_data_lack_are_refused_before_anything_is_written(images: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match="no axis 'depth'"):
        run.run(make_config(images, axes="width,depth"), str(tmp_path / "run"))
    config = make_config(images)
    without = dataclasses.replace(config, data=dataclasses.replace(config.data, axes="none"))
    with pytest.raises(errors.DataError, match="no axes"):
        run.run(without, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_an_inspector_of_other_images_is_refused(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, file = make_config(images), tmp_path / "inspector.npz"
    axes = run.make.make(config.data).space.axes
    report = inspector_lib.InspectorReport(0, 0.0, {}, axes, (), (), (), (), 1, 1, fingerprint="of other images")
    inspector_lib.save(file, {"layer": {"kernel": np.zeros((2, 2), np.float32)}}, report)
    own = dataclasses.replace(config, inspector=dataclasses.replace(config.inspector, path=str(file)))
    monkeypatch.setattr(inspector_lib, "get", GET_INSPECTOR)
    with pytest.raises(errors.DataError, match="trained on other images"):
        run.run(own, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"depths": (2, 1)}, "ascending"),
        ({"plain_gains": ()}, "--config.comparison.plain_gains: got (); expected one or more numbers"),
        ({"plain_gains": (1.0, 1.0), "plain_d_gains": (2.0, 2.0)}, "no pair twice"),
        ({"plain_gains": (1.0,)}, "as many of one as of the other"),
        ({"learning_rates": (1e-3, 1e-3)}, "one or more different numbers"),
        ({"best_of": 1}, "got 1; expected 2 or more draws"),
        ({"networks": "encoder"}, "--config.comparison.networks"),
        ({"seeds": 0}, "--config.comparison.seeds: got 0; expected a whole number from 1 to 1,000."),
    ],
)
def test_bad_settings_are_refused(images: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.ConfigError, match=re.escape(words)):
        make_config(images, **changes)


@pytest.mark.parametrize("variant", ["", "quick", "depth", "folder"])
def test_the_variants_resolve(variant: str) -> None:
    overrides = {"data.path": "some/path"} if variant == "folder" else {}
    config = config_lib.load(f"{CONFIG}:{variant}" if variant else CONFIG, overrides, config_lib.ErrorComparisonConfig)
    assert config.name == ("error_comparison:" + variant if variant else "error_comparison")
    assert len(config.comparison.plain_gains) >= 2
    assert config.evaluation.n_designs == 299


def test_gradients_and_all_seeds_of_an_arm_take_the_step_that_trains(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, make_step = [], step_lib.make_step

    def counted(config: config_lib.Config, *others: Any, **more: Any) -> Any:
        made.append(config.generator.arm)
        return make_step(config, *others, **more)

    monkeypatch.setattr(step_lib, "make_step", counted)
    config = make_config(images, trial_steps=0)
    run.run(config, str(tmp_path), stop_after=2)  # goes on from the choice in the work directory
    run.run(config, str(tmp_path))
    assert made == ["plain", "plain", "residual"]  # plain in either call
    assert min(records(tmp_path)["residual_depth1_seed1"]["gradients"][0]["generator"].values()) > 0
