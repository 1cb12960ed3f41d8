import json
from pathlib import Path

import jax
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.training import checkpoint, loop, transfer
from ich_jax.training import state as state_lib
from tests import helpers
from tests.training import made

pytestmark = pytest.mark.usefixtures("compile_once")


@pytest.mark.parametrize("from_host", [False, True])
@pytest.mark.parametrize("stop_after", [4, 5])
def test_stopped_and_resumed_ends_with_the_same_bits(tmp_path: Path, from_host: bool, stop_after: int) -> None:
    config = made.config(objective={} if from_host else made.WHOLE)
    dataset = made.dataset(from_host=from_host)
    straight = loop.train(config, tmp_path / "straight", dataset)
    first = loop.train(config, tmp_path / "halves", dataset, stop_after=stop_after)
    assert first.stopped
    assert first.steps == int(first.state.step) == stop_after
    second = loop.train(config, tmp_path / "halves", dataset)
    assert second.resumed_from == stop_after
    assert second.steps == 8
    helpers.assert_trees_equal(second.state, straight.state)
    assert state_lib.params_sha256(second.state) == state_lib.params_sha256(straight.state)
    steps = [row["step"] for row in made.rows(tmp_path / "halves")]
    assert steps == sorted(set(steps))
    assert second.history[-1]["d_loss"] == straight.history[-1]["d_loss"]


def test_device_and_host_feed_the_same_run(tmp_path: Path) -> None:
    device = loop.train(made.config(), tmp_path / "device", made.dataset())
    host = loop.train(made.config(), tmp_path / "host", made.dataset(from_host=True))
    helpers.assert_trees_close(host.state.g_params, device.state.g_params, rtol=1e-3, atol=1e-5)


def test_rows_beyond_the_restored_step_are_written_again(tmp_path: Path) -> None:
    loop.train(made.config(), tmp_path, made.dataset(), stop_after=4)
    with (tmp_path / "metrics.jsonl").open("a") as file:  # what a killed process had logged after its last checkpoint
        file.write('{"step": 6, "d_loss": 123.0}\n{"step": 7, "d_lo')
    loop.train(made.config(), tmp_path, made.dataset())
    rows = made.rows(tmp_path)
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    assert rows[2]["d_loss"] != 123.0


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    done = loop.train(made.config(), tmp_path, made.dataset())
    again = loop.train(made.config(), tmp_path, made.dataset())
    helpers.assert_trees_equal(again.state, done.state)
    assert again.steps == again.resumed_from == 8
    assert again.img_per_s == pytest.approx(done.img_per_s)
    assert again.first_step_s == done.first_step_s
    assert not again.stopped


def test_stop_after_a_step_that_is_past_stops_at_once(tmp_path: Path) -> None:
    loop.train(made.config(), tmp_path, made.dataset(), stop_after=4)
    again = loop.train(made.config(), tmp_path, made.dataset(), stop_after=3)
    assert again.stopped
    assert again.steps == 4


def test_a_damaged_newest_checkpoint_costs_the_steps_since_the_one_before(tmp_path: Path) -> None:
    straight = loop.train(made.config(), tmp_path / "straight", made.dataset())
    loop.train(made.config(), tmp_path / "run", made.dataset(), stop_after=6)
    newest = tmp_path / "run" / "checkpoints" / "6"
    victim = max((newest / "state").rglob("*"), key=lambda path: path.stat().st_size)
    victim.write_bytes(victim.read_bytes()[:-1])
    resumed = loop.train(made.config(), tmp_path / "run", made.dataset())
    assert resumed.resumed_from == 4
    helpers.assert_trees_equal(resumed.state, straight.state)


def test_other_images_are_refused(tmp_path: Path) -> None:
    loop.train(made.config(), tmp_path, made.dataset(), stop_after=1)
    with pytest.raises(errors.WorkdirError, match="images have changed"):
        loop.train(made.config(), tmp_path, made.dataset(fingerprint="other"))


def test_a_new_run_starts_from_another_and_says_so(tmp_path: Path) -> None:
    config = made.config()
    workdir.claim(tmp_path / "parent", config)
    parent = loop.train(config, tmp_path / "parent", made.dataset())
    child = tmp_path / "child"
    first = loop.train(config, child, made.dataset(), init_from=str(tmp_path / "parent"), stop_after=2)
    lineage = json.loads((child / "lineage.json").read_text())
    assert lineage["path"] == str(tmp_path / "parent" / "checkpoints" / "8")
    assert lineage["step"] == 8
    assert lineage["fingerprint"] == config_lib.fingerprint(config)
    assert lineage["params_sha256"] == state_lib.params_sha256(parent.state)
    assert lineage["parent"] is None
    scratch = loop.train(config, tmp_path / "scratch", made.dataset(), stop_after=2)
    assert state_lib.params_sha256(first.state) != state_lib.params_sha256(scratch.state)

    # the same command goes on; another origin is refused
    resumed = loop.train(config, child, made.dataset(), init_from=str(tmp_path / "parent"))
    assert resumed.resumed_from == 2
    for other in (tmp_path / "scratch", tmp_path / "nowhere"):
        with pytest.raises(errors.WorkdirError, match="Leave --init_from out"):
            loop.train(config, child, made.dataset(), init_from=str(other))
    with pytest.raises(errors.WorkdirError, match="began from scratch"):
        loop.train(config, tmp_path / "scratch", made.dataset(), init_from=str(tmp_path / "parent"))

    # a grandchild from a given checkpoint keeps the chain
    loop.train(config, tmp_path / "third", made.dataset(), init_from=str(child / "checkpoints" / "8"), stop_after=1)
    assert json.loads((tmp_path / "third" / "lineage.json").read_text())["parent"]["step"] == 8


def test_init_from_other_networks_or_nothing_is_refused(tmp_path: Path) -> None:
    config = made.config()
    workdir.claim(tmp_path / "parent", config)
    parent = loop.train(config, tmp_path / "parent", made.dataset(), stop_after=1)
    base = dict(parent.state.g_params["base"])
    other = parent.state.replace(g_params=parent.state.g_params | {"base": base | {"bias": np.zeros((5,), np.float32)}})
    with pytest.raises(errors.CheckpointError, match=r"/bias: float32\[16\] in the checkpoint, float32\[5\] in this"):
        transfer.init_from(tmp_path / "parent", other, made.SPEC)
    with pytest.raises(errors.CheckpointError, match="no good checkpoint"):
        loop.train(config, tmp_path / "child", made.dataset(), init_from=str(tmp_path / "nowhere"))


def test_init_from_a_run_with_or_without_encoder(tmp_path: Path) -> None:
    weights = {"with": 1.0, "without": 0.0}
    both = {name: made.config(objective={"reconstruction": weight}) for name, weight in weights.items()}
    for name, config in both.items():
        workdir.claim(tmp_path / name, config)
        loop.train(config, tmp_path / name, made.dataset(), stop_after=1)
    for parent, child in (("with", "without"), ("without", "with")):
        fresh = state_lib.create_state(both[child], made.SPEC)
        state, _ = transfer.init_from(tmp_path / parent, fresh, made.SPEC)
        helpers.assert_trees_equal(state.e_params, fresh.e_params)
        assert np.any(state.g_params["base"]["kernel"] != fresh.g_params["base"]["kernel"])


def test_the_work_directory_is_enough_to_use_the_model(tmp_path: Path) -> None:
    config = made.config()
    workdir.claim(tmp_path, config)
    scores = {4: 0.1, 8: 0.9}
    result = loop.train(config, tmp_path, made.dataset(), validate=lambda state: {"score": scores[int(state.step)]})
    best = checkpoint.restore_for_inference(tmp_path)
    assert (best.step, best.score) == (4, 0.1)
    newest = checkpoint.restore_for_inference(tmp_path, best=False)
    assert newest.step == 8
    helpers.assert_trees_equal(newest.ema_params, jax.tree.map(np.asarray, result.state.ema_params))
    assert newest.config == config
    assert newest.spec == made.SPEC
