"""Seeds in one program against seeds alone; stops, resumes and refusals."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.training import checkpoint, loop, parallel, seeds, state, step
from tests import helpers
from tests.training import made

STEPS = 4


def configs(*of: int) -> list[config_lib.Config]:
    base = made.config(STEPS, loop={"log_every": 2, "checkpoint_every": 2, "tensorboard": False, "progress": False})
    return [dataclasses.replace(base, seed=seed, name=f"seed {seed}") for seed in of]


MAKE_STEP, STEP_OF = step.make_step, {}  # before it is patched; compiled once for all tests


@pytest.fixture(autouse=True)
def _compile_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One program for all seeds, and one for all stacks: neither depends on the seed or the name."""

    def make_step(config: config_lib.Config, data: Any, layout: parallel.Layout, **others: Any) -> Any:
        key = (dataclasses.replace(config, seed=0, name=""), data.sample is None, layout, *others.items())
        if key not in STEP_OF:
            STEP_OF[key] = MAKE_STEP(config, data, layout, **others)
        return STEP_OF[key]

    monkeypatch.setattr(step, "make_step", make_step)


def train(folder: Path, *of: int, stop_after: int = 0, validate: Any = None) -> list[Any]:
    """Trains a stack; returns the states of its runs."""
    runs = configs(*of)
    folders = [folder / str(config.seed) for config in runs]
    for config, own in zip(runs, folders, strict=True):
        workdir.claim(own, config)
    stopped, signal = seeds.train(runs, folders, made.dataset(), stop_after=stop_after, validate=validate)
    assert (stopped, signal) == (bool(stop_after), None)
    return [newest(config, own) for config, own in zip(runs, folders, strict=True)]


def newest(config: config_lib.Config, folder: Path) -> Any:
    with checkpoint.Checkpoints(folder, keep=1) as checkpoints:
        restored = checkpoints.restore(state.create_state(config, made.SPEC))
    assert restored is not None
    return jax.device_get(restored.state)


def test_seeds_of_a_stack_are_those_alone_and_do_not_touch_each_other(tmp_path: Path) -> None:
    scores: list[int] = []

    def validate(of: Any) -> dict[str, float]:
        scores.append(int(of.seed))
        return {"score": float(of.seed)}

    first, second = train(tmp_path / "a", 3, 5, validate=validate)
    (other, again) = train(tmp_path / "b", 8, 3)
    helpers.assert_trees_equal(again, first)  # bit for bit, whatever stands beside it and where
    assert (int(first.seed), int(second.seed), int(other.seed)) == (3, 5, 8)
    assert (int(first.step), scores) == (STEPS, [3, 5])
    for config, stacked in zip(configs(3, 5), (first, second), strict=True):
        folder = tmp_path / "alone" / str(config.seed)
        workdir.claim(folder, config)
        alone = loop.train(config, folder, made.dataset()).state
        helpers.assert_trees_close(stacked.ema_params, jax.device_get(alone.ema_params), rtol=1e-3, atol=1e-4)
        rows, own = made.rows(folder), made.rows(tmp_path / "a" / str(config.seed))
        of = [[row["d_loss"] for row in history if "d_loss" in row] for history in (rows, own)]
        np.testing.assert_allclose(of[0], of[1], rtol=1e-3)
    assert not np.allclose(jax.tree.leaves(first.g_params)[0], jax.tree.leaves(second.g_params)[0])


def test_a_stopped_stack_goes_on_and_its_runs_are_ordinary_ones(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", 1, 2)
    train(tmp_path / "halves", 1, 2, stop_after=2)
    for one, two in zip(whole, train(tmp_path / "halves", 1, 2), strict=True):
        helpers.assert_trees_equal(one, two)
    rows = made.rows(tmp_path / "halves" / "2")
    assert [row["step"] for row in rows if "d_loss" in row] == [2, 4]
    # alone, a run of the stack goes on where the stack was stopped
    train(tmp_path / "apart", 1, 2, stop_after=2)
    (config,) = configs(2)
    result = loop.train(config, tmp_path / "apart" / "2", made.dataset())
    assert (result.resumed_from, result.steps) == (2, STEPS)
    with pytest.raises(errors.WorkdirError, match="different steps"):
        seeds.train(configs(1, 2), [tmp_path / "apart" / "1", tmp_path / "apart" / "2"], made.dataset())


def test_refusals(tmp_path: Path) -> None:
    one, two = configs(1, 2)
    other = dataclasses.replace(two, train=dataclasses.replace(two.train, g_lr=1.0))
    with pytest.raises(errors.ConfigError, match="more than their seed"):
        seeds.train([one, other], [tmp_path / "1", tmp_path / "2"], made.dataset())
    with pytest.raises(errors.ConfigError, match="fed from the host"):
        seeds.train([one, two], [tmp_path / "1", tmp_path / "2"], made.dataset(from_host=True))
    assert not list(tmp_path.iterdir())
