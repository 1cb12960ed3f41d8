"""The sweep on a generator whose picture is as bright as its product says, plus noise."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import InterferenceConfig
from ich_jax.data.dataset import Dataset
from ich_jax.studies import shards
from ich_jax.studies.interference import sweep, sweep_result
from ich_jax.types import Batch, Brief, DesignSpace, Reading

SPACE = DesignSpace(("fan", "book"))
KINDS = ("latent_noise", "product_flip", "image_contrast")
SEEDS = (11, 12)
N = 40


def draw(params: Any, z: jax.Array, brief: Brief) -> jax.Array:
    level = params["level"] * (brief.product.astype(jnp.float32) - 0.5)
    picture = level[:, None] + 0.4 * jnp.tile(z, (1, 4))
    return jnp.broadcast_to(picture[:, :, None, None], (len(z), 16, 16, 1))


def read(images: Any) -> Reading:
    level = np.asarray(images).mean(axis=(1, 2, 3))
    return Reading(np.stack([-level, level], axis=1), (), np.zeros((len(level), 0)))


def briefs(key: jax.Array, n: int) -> Brief:
    product = jax.random.randint(key, (n,), 0, 2)
    return Brief(product, jnp.zeros((n, 0), jnp.int32), jnp.zeros((n, 0), jnp.float32), jnp.ones((n, 1), jnp.float32))


def holdout(split: str, n: int) -> Batch:
    brief = briefs(jax.random.key(5), n)
    rng = np.random.default_rng(0)
    noise = jnp.asarray(rng.normal(0, 1, (n, 4)).astype(np.float32))
    return Batch(jnp.clip(draw({"level": 1.0}, noise, brief), -1, 1), brief)


DATASET = Dataset(
    space=SPACE,
    size=16,
    channels=1,
    n_train=100,
    n_holdout=60,
    fingerprint="made",
    simulated=True,
    arrays=(),
    sample=None,
    host_batches=None,
    holdout=holdout,
    train_images=lambda n: holdout("train", n),
    briefs=briefs,
)
GENERATOR = sweep.Generator(draw, {"level": jnp.float32(1.0)}, 4, SPACE)
JOBS = sweep.jobs(KINDS, SEEDS, real=True)


def run(folder: Path, jobs: Any = JOBS, *, batch: int = 32) -> list[str]:
    seen: list[str] = []
    judges = {"main": read, "second": lambda images: read(-np.asarray(images))}
    sweep.run(GENERATOR, DATASET, judges, folder, jobs, n=N, batch=batch, progress=lambda name, done: seen.append(name))
    return seen


def contents(folder: Path) -> dict[str, Any]:
    found = {}
    for kind, seed in JOBS:
        readings = sweep.load(folder, kind, seed)
        found[kind, seed] = {name: bits.tobytes() for name, bits in readings.product.items()}
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder) == [f"{kind}, seed {seed}" for kind, seed in JOBS]
    return folder


def test_jobs() -> None:
    each = [(kind, seed) for seed in SEEDS for kind in ("clean", *KINDS)]
    assert [*each, ("real_image_contrast", 11)] == JOBS


def test_accuracy_falls_and_designs_are_paired(whole: Path) -> None:
    correct = sweep.correct(whole, "latent_noise", SEEDS, "main")
    assert correct.shape == (2, 6, 2, N)
    accuracy = correct.mean(axis=(0, 2, 3))
    assert accuracy[0] > 0.95 and accuracy[5] < 0.85
    clean = sweep.correct(whole, "product_flip", SEEDS, "main")[:, 0]
    assert (clean == correct[:, 0]).all()
    assert 0.4 < sweep.correct(whole, "product_flip", SEEDS, "main")[:, 5].mean() < 0.65  # half of them are flipped
    turned = sweep.correct(whole, "latent_noise", SEEDS, "second")[:, 0]
    assert turned.mean() < 0.05  # a judge that reads the opposite


def test_seeds_are_of_different_designs(whole: Path) -> None:
    first, second = sweep.correct(whole, "latent_noise", SEEDS, "main")[:, 5]
    assert (first != second).any()


def test_neither_batch_nor_order_nor_shards_nor_a_stop_change_anything(whole: Path, tmp_path: Path) -> None:
    i, n = shards.parse_shard("1/2")
    assert run(tmp_path, JOBS[i::n][:2], batch=17) == [f"{kind}, seed {seed}" for kind, seed in JOBS[1::2][:2]]
    rest = run(tmp_path, JOBS[::-1], batch=64)
    assert len(rest) == len(JOBS) - 2
    assert contents(tmp_path) == contents(whole)


def test_real_images_are_judged_too(whole: Path) -> None:
    readings = sweep.load(whole, "real_image_contrast", 11)
    n = readings.product["main"].shape[2]
    assert readings.product["main"].shape == (5, 2, n) and 20 <= n <= 30
    assert readings.product["main"].mean() > 0.95  # contrast keeps the mean


def test_a_picture_that_is_not_finite_is_wrong(tmp_path: Path) -> None:
    broken = sweep.Generator(draw, {"level": jnp.float32(jnp.nan)}, 4, SPACE)
    sweep.run(broken, DATASET, {"main": read}, tmp_path, [("clean", 11)], n=N, batch=32)
    assert not sweep.load(tmp_path, "clean", 11).product["main"].any()


def test_damaged_and_missing_files(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.WorkdirError, match=r"missing or damaged\. Run the sweep again"):
        sweep.load(tmp_path, "clean", 11)
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "clean_seed11.json").write_text('{"n": 40}')
    with pytest.raises(errors.WorkdirError, match=r"damaged\. Remove it"):
        sweep.load(tmp_path, "clean", 11)
    with pytest.raises(errors.ConfigError, match="did you mean 'axis_noise'"):
        sweep.jobs(("axis_nois",), SEEDS, real=False)


def test_what_interference_costs(tmp_path: Path) -> None:
    """First calls, which compile, are left out: 4 and 24 calls of the rest, so many seconds each."""
    config = config_lib.resolve(
        {"second": False, "sweep": {"kinds": KINDS[:1], "n": N, "seeds": (11,), "batch": 16, "real": False}},
        InterferenceConfig,
    )
    sweep.run(GENERATOR, DATASET, {"main": read}, tmp_path, sweep.jobs(KINDS[:1], (11,), real=False), n=N, batch=16)
    for kind, seconds in ((sweep.CLEAN, 7.0 + 4 * 0.8), (KINDS[0], 9.0 + 24 * 1.0)):
        found = sweep.load(tmp_path, kind, 11)
        first = 7.0 if kind == sweep.CLEAN else 9.0
        changed = dataclasses.replace(found, seconds=seconds, first_s=first)
        sweep.save(tmp_path / "cells" / f"{kind}_seed11.json", changed)
    assert sweep_result.collect(config, tmp_path, KINDS[:1], SPACE.products).share == pytest.approx(0.2)
