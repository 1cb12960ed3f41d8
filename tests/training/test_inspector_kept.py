"""A trained inspector is kept before anything can go wrong with it, and says what could not be judged."""

import dataclasses
import math
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import cache
from ich_jax.data.dataset import Dataset
from ich_jax.models import inspector as network
from ich_jax.studies import describe, tables
from ich_jax.training import inspector
from ich_jax.types import Batch, Reading
from tests.training import made

SMALL = {"widths": (4,), "blocks": 1, "steps": 1, "batch": 4, "n_check": 12}


def _held_out(stated: Any = 1.0) -> Dataset:
    """The made-up set held out as well; of its briefs, product, element and axis are given where `stated` is 1."""
    dataset = made.dataset()
    real = dataset.train_images(made.N)
    given = np.broadcast_to(np.asarray(stated, np.float32), real.brief.given.shape)
    batch = Batch(real.image, real.brief._replace(given=given))
    return dataclasses.replace(dataset, n_holdout=made.N, holdout=lambda split, n: jax.tree.map(lambda x: x[:n], batch))


@pytest.fixture
def untaught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the training of inspectors by fresh weights; returns the list of its calls."""
    calls = []

    def train(config: Any, dataset: Dataset) -> Any:
        calls.append(config.name)
        zeros = jnp.zeros((1, made.SIZE, made.SIZE, 3))
        return network.create(config.inspector, dataset.space).init(jax.random.key(0), zeros)["params"]

    monkeypatch.setattr(inspector, "train", train)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache._WARNED.clear()
    return calls


@pytest.mark.parametrize("stated", [(1, 1, 0), (1, 0, 1), (1, 0, 0)])
def test_what_no_held_out_image_states_is_not_judged(stated: tuple[int, int, int]) -> None:
    dataset, config = _held_out(stated), made.config(inspector=SMALL).inspector

    def read(images: jax.Array) -> Reading:
        n = len(images)
        return Reading(product=jnp.ones((n, 2)), elements=(jnp.ones((n, 2)),), axes=jnp.zeros((n, 1)))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = inspector.check(read, config, dataset)
        line = describe.errors_of(report)
        shown = tables.judge_tables(report)
    assert math.isnan(report.axis_p999[0]) == math.isnan(report.axis_max[0]) == (not stated[2])
    assert math.isnan(report.element_accuracy["fill"]) == (not stated[1])
    assert line.count("not judged") == 2 - sum(stated[1:])
    assert (None in shown[0].rows[1]) == (not stated[1])
    assert (None in shown[1].rows[0]) == (not stated[2]) == ("not judged" in shown[1].caption)


def test_an_unchecked_report_can_be_shown() -> None:
    report = inspector._blank_report(made.config(inspector=SMALL).inspector, made.dataset())
    assert describe.errors_of(report).count("not judged") == 3
    assert len(tables.judge_tables(report)) == 2


def test_a_check_that_fails_does_not_cost_the_training(untaught: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    config, dataset, check = made.config(inspector=SMALL), _held_out(), inspector.check
    monkeypatch.setattr(inspector, "check", lambda *_: (_ for _ in ()).throw(MemoryError("killed")))
    with pytest.raises(MemoryError):
        inspector.get(config, dataset)
    monkeypatch.setattr(inspector, "check", check)
    found = inspector.get(config, dataset)
    assert (found.source, found.report.n) == ("cache", made.N)
    assert len(untaught) == 1
    monkeypatch.setattr(inspector, "check", None)  # checked once is enough
    assert inspector.get(config, dataset).report == found.report


def test_without_a_cache_the_work_directory_keeps_it(
    untaught: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    config, dataset = made.config(inspector=SMALL), _held_out()
    first, second = (inspector.get(config, dataset, tmp_path / "run") for _ in range(2))
    assert (first.source, second.source, len(untaught)) == ("trained", "workdir", 1)
    assert second.report == first.report
    (file,) = (tmp_path / "run").iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    assert inspector.get(config, dataset, tmp_path / "run").source == "trained"
