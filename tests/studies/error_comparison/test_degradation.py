"""Depth against arm, gradients by block, and what appended blocks change."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.models import generator
from ich_jax.studies.error_comparison import degradation as lib
from ich_jax.types import Brief, DesignSpace, ImageSpec

SPEC = ImageSpec(DesignSpace(("a", "b"), (), ("width",)), 16, 3)
DEPTHS, SEEDS = (1, 2, 4, 8), tuple(range(6))


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The plain arm's width error grows with depth, its height error does not; residual errors stay."""
    rng = np.random.default_rng(0)
    grow = np.log2(DEPTHS)[:, None]
    plain = {
        "width": 0.2 + 0.15 * grow + rng.normal(0, 0.02, (4, 6)),
        "height": 0.2 + 0.15 * grow + rng.normal(0, 0.02, (4, 6)),
        "training": 0.3 + rng.normal(0, 0.05, (4, 6)),
    }
    residual = {name: 0.2 + rng.normal(0, 0.02, (4, 6)) for name in plain}
    return plain, residual


def test_slopes_and_interaction_by_brute_force(made: tuple[dict[str, np.ndarray], ...]) -> None:
    plain, residual = made
    found = lib.degradation(DEPTHS, SEEDS, plain, residual, tested=("width", "height"), n_resamples=199)
    x = np.log2(DEPTHS)
    slope = {
        name: [np.polyfit(x, plain[name][:, s], 1)[0] - np.polyfit(x, residual[name][:, s], 1)[0] for s in range(6)]
        for name in plain
    }
    assert found.slopes == pytest.approx({name: np.mean(of) for name, of in slope.items()})
    for name, of in slope.items():
        null = [abs(stats.ttest_1samp(np.array(s) * of, 0).statistic) for s in itertools.product((1, -1), repeat=6)]
        seen = abs(stats.ttest_1samp(of, 0).statistic)
        assert found.interaction.p[name] == pytest.approx(np.mean(np.array(null) >= seen - 1e-9))
    assert found.interaction.p_max_t["width"] == 2**-5
    curve = found.curve("plain", "width")
    assert curve.mean == pytest.approx(plain["width"].mean(axis=1))
    assert all(low < mean < high for low, mean, high in zip(curve.low, curve.mean, curve.high, strict=True))


def test_depth_from_which_the_plain_arm_is_behind(made: tuple[dict[str, np.ndarray], ...]) -> None:
    plain, residual = made
    found = lib.degradation(DEPTHS, SEEDS, plain, residual, tested=("width", "height"), n_resamples=99)
    assert found.behind_from == 2
    # significantly different, but the plain arm is ahead: not behind
    other = lib.degradation(DEPTHS, SEEDS, residual, plain, tested=("width", "height"), n_resamples=99)
    assert other.behind_from is None
    # at depth 4 one axis is equal: what comes before the gap does not count
    gap = {name: values.copy() for name, values in plain.items()}
    gap["height"][2] = residual["height"][2]
    assert lib.degradation(DEPTHS, SEEDS, gap, residual, tested=("width", "height")).behind_from == 8


def test_few_seeds_are_withheld_not_faked(made: tuple[dict[str, np.ndarray], ...]) -> None:
    plain, residual = ({name: values[:, :1] for name, values in arm.items()} for arm in made)
    found = lib.degradation(DEPTHS, (0,), plain, residual, tested=("width",))
    assert found.behind_from is None
    assert all(test.withheld for test in (*found.at_depth, found.interaction, found.jointly))
    assert found.curve("plain", "width").low == found.curve("plain", "width").mean


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((1,), SEEDS), "two or more ascending"),
        (((2, 1, 4, 8), SEEDS), "two or more ascending"),
        ((DEPTHS, (0, 1)), r"finite numbers \[4, 2\]"),
    ],
)
def test_refusals(made: tuple[dict[str, np.ndarray], ...], arguments, words: str) -> None:
    with pytest.raises(errors.DataError, match=words):
        lib.degradation(*arguments, *made, tested=("width",))
    with pytest.raises(errors.DataError, match="must be the same"):
        lib.degradation(DEPTHS, SEEDS, *made, tested=("depth",))


def test_block_norms_are_in_the_order_of_the_network() -> None:
    blocks = {f"stage_{s}_block_{i}": {"w": np.full((2, 2), s + i, np.float32)} for s in (1, 0) for i in (10, 2)}
    found = lib.block_norms({**blocks, "base": {"kernel": np.ones(3)}})
    assert list(found) == ["stage_0_block_2", "stage_0_block_10", "stage_1_block_2", "stage_1_block_10"]
    assert found["stage_1_block_2"] == pytest.approx(6.0)


@pytest.fixture(scope="module")
def brief() -> Brief:
    return Brief(
        product=jnp.array([0, 1, 1], jnp.int32),
        elements=jnp.zeros((3, 0), jnp.int32),
        axes=jnp.array([[-1.0], [0.5], [2.0]]),
        given=jnp.ones((3, 2)),
    )


def make(arm: str, seed: int = 0) -> tuple[config_lib.Config, dict[str, object]]:
    config = config_lib.Config(
        seed=seed,
        data=config_lib.DataConfig(size=16),
        generator=config_lib.GeneratorConfig(arm=arm, z_dim=4, mapping=6, widths=(6, 4)),
        train=config_lib.TrainConfig(steps=1),
    )
    module = generator.create(config.generator, SPEC, jnp.float32)
    brief = Brief(jnp.zeros((1,), jnp.int32), jnp.zeros((1, 0), jnp.int32), jnp.zeros((1, 1)), jnp.ones((1, 2)))
    params = module.init(jax.random.key(seed), jnp.zeros((1, 4)), brief)["params"]
    # Trained weights are nowhere zero; those at the start would hide a changed order of noise or blocks.
    rng = np.random.default_rng(seed)
    return config, jax.tree.map(lambda leaf: leaf + jnp.asarray(rng.normal(0, 0.1, leaf.shape), leaf.dtype), params)


@pytest.mark.parametrize("extra", [1, 3])
def test_zero_blocks_leave_a_residual_generator_as_it_is_bit_for_bit(brief: Brief, extra: int) -> None:
    config, params = make("residual")
    zero, own = lib.appended(config, SPEC, params, brief, extra=extra)
    assert (zero.start, zero.identical, zero.max_change) == ("zero", True, 0.0)
    assert (own.start, own.identical) == ("own", False)
    deeper, deep = lib.append_blocks(config, SPEC, params, extra=extra)
    assert deeper.generator.blocks == 1 + extra
    assert len(deep) == len(params) + 2 * extra
    assert float(jnp.abs(deep["stage_0_block_1"]["conv1"]["kernel"]).max()) > 0  # only the last layer is zero


def test_the_same_blocks_change_a_plain_generator(brief: Brief) -> None:
    config, params = make("plain")
    zero, own = lib.appended(config, SPEC, params, brief)
    assert not zero.identical and not own.identical
    assert zero.max_change > 0.05
