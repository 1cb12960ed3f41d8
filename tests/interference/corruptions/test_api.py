"""What every corruption keeps to: bits, severities, sizes, types and errors."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.interference import COMMON, KINDS, VALIDATION, corrupt, image_keys
from ich_jax.interference.corruptions import blur
from ich_jax.interference.corruptions.api import TABLES
from tests.helpers import count_compiles

KEY = jax.random.key(7)
RNG = np.random.default_rng(0)
SMOOTH = np.kron(RNG.uniform(0.2, 0.9, (6, 7, 7, 3)), np.ones((1, 4, 4, 1)))
IMAGES = np.uint8(255 * np.clip(SMOOTH + RNG.normal(0, 0.05, SMOOTH.shape), 0, 1))  # [6, 28, 28, 3]
FLOATS = jnp.asarray(IMAGES.astype(np.float32) / 255)


def test_the_benchmark_has_nineteen() -> None:
    assert len(COMMON) == 15 and len(VALIDATION) == 4 and {*COMMON, *VALIDATION} <= set(KINDS)
    assert set(TABLES) == set(KINDS) - {"zoom_blur"}


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_bits_do_not_depend_on_batch_order_or_jit(self, kind: str) -> None:
        keys = image_keys(KEY, 0, len(FLOATS))
        whole = np.asarray(corrupt(FLOATS, kind, 4, keys))
        order = np.array([4, 0, 3])
        part = np.asarray(corrupt(FLOATS[order], kind, 4, keys[order]))
        assert part.tobytes() == whole[order].tobytes()
        alone = np.asarray(corrupt(FLOATS[3:4], kind, 4, keys[3:4]))
        assert alone.tobytes() == whole[3:4].tobytes()
        inside = jax.jit(lambda x, s, k: corrupt(0.5 * (2.0 * x), kind, s, k))
        assert np.asarray(inside(FLOATS, jnp.int32(4), keys)).tobytes() == whole.tobytes()

    def test_one_program_for_all_severities_and_zero_is_the_identity(self, kind: str) -> None:
        corrupt(FLOATS, kind, 5, KEY)
        with count_compiles() as compiles:
            results = [np.asarray(corrupt(FLOATS, kind, s, KEY)) for s in range(6)]
        assert compiles.count == 0, compiles.functions
        assert results[0].tobytes() == np.asarray(FLOATS).tobytes()
        for result in results[1:]:
            assert result.min() >= 0 and result.max() <= 1 and result.dtype == np.float32
        # At this size severities 3 and 4 of motion blur differ by weights of 1e-9 alone.
        pairs = [(a, a + 1) for a in range(5) if (kind, a) != ("motion_blur", 3)]
        assert all((results[a] != results[b]).any() for a, b in pairs)


def test_keys_differ_and_one_key_means_one_for_each_image() -> None:
    same = np.repeat(IMAGES[:1], 3, axis=0)
    made = np.asarray(corrupt(same, "gaussian_noise", 3, KEY))
    assert (made[0] != made[1]).any() and (made[1] != made[2]).any()
    again = np.asarray(corrupt(same[2:], "gaussian_noise", 3, image_keys(KEY, 2, 1)))
    assert (again == made[2:]).all()


@pytest.mark.parametrize("kind", ["defocus_blur", "jpeg_compression", "snow", "spatter", "elastic_transform"])
@pytest.mark.parametrize("size", [28, 64, 128])
def test_grey_images_of_other_sizes(kind: str, size: int) -> None:
    y, x = np.mgrid[:size, :size]
    image = (((x // 5 + y // 7) % 2 * 120 + 60)[None, :, :, None]).astype(np.uint8)
    result = np.asarray(corrupt(image, kind, 3, KEY))
    assert result.shape == image.shape and result.dtype == np.uint8
    change = np.abs(result.astype(float) - image).mean()
    assert 0.5 < change < 100


@pytest.mark.parametrize(("kind", "added"), [("gaussian_blur", 1e-3), ("motion_blur", 0.5)])
def test_eight_bits_are_cut_off_but_rounded_where_the_reference_rounds(kind: str, added: float) -> None:
    exact = np.asarray(corrupt(jnp.asarray(IMAGES.astype(np.float32) * np.float32(1 / 255)), kind, 3, KEY)) * 255
    made = np.asarray(corrupt(IMAGES, kind, 3, KEY))
    assert (made == np.floor(exact + np.float32(added))).all() and (exact % 1 > 0.6).any()


def test_grey_images_have_no_saturation_to_change() -> None:
    grey = IMAGES[..., :1]
    assert (np.asarray(corrupt(grey, "saturate", 5, KEY)) == grey).all()


def test_lengths_follow_the_size() -> None:
    table = TABLES["motion_blur"]
    assert table.at(64)["radius"].tolist() == [12, 12, 12, 16, 18]
    assert table.at(224)["radius"].tolist() == [10, 15, 15, 15, 20]
    assert table.at(112)["sd"].tolist() == [1.5, 2.5, 4, 6, 7.5]
    assert TABLES["gaussian_noise"].at(64)["sd"].tolist() == TABLES["gaussian_noise"].at(32)["sd"].tolist()


def test_permuting_glass_keeps_every_value() -> None:
    """Compares with swaps one after the other in plain numpy; copying would lose some values."""
    size, shift = 12, 1
    shares = np.random.default_rng(1).random((2, 1, 2, size, size)).astype(np.float32)
    identity = np.arange(size * size, dtype=np.int32).reshape(1, size, size)
    moves = np.floor(shares * 2).astype(np.int32) - shift
    expected = identity[0].copy()
    copied = identity[0].copy()
    for y in range(size - shift, shift, -1):
        for x in range(size - shift, shift, -1):
            there = y + moves[0, 0, 0, y, x], x + moves[0, 0, 1, y, x]
            expected[y, x], expected[there] = expected[there], expected[y, x]
            copied[y, x] = copied[there]
    down, right = jnp.asarray(moves[0, :, 0]), jnp.asarray(moves[0, :, 1])
    swapped = blur._swapped(jnp.asarray(identity), down, right, jnp.int32(shift), shift)
    assert (np.asarray(swapped)[0] == expected).all()
    assert sorted(np.asarray(swapped).ravel()) == list(range(size * size))
    assert (np.asarray(blur._copied(jnp.asarray(identity), down, right, jnp.int32(shift), shift))[0] == copied).all()
    assert len(np.unique(copied)) < size * size


def test_chains_of_copies_are_followed() -> None:
    size, shift = 24, 3
    moves = np.random.default_rng(3).integers(-shift, shift, (1, 2, size, size)).astype(np.int32)
    identity = np.arange(size * size, dtype=np.int32).reshape(1, size, size)
    expected = identity[0].copy()
    for y in range(size - shift, shift, -1):
        for x in range(size - shift, shift, -1):
            expected[y, x] = expected[y + moves[0, 0, y, x], x + moves[0, 1, y, x]]
    down, right = jnp.asarray(moves[:, 0]), jnp.asarray(moves[:, 1])
    assert (np.asarray(blur._copied(jnp.asarray(identity), down, right, jnp.int32(shift), shift))[0] == expected).all()


def test_permuted_mode_is_another_program() -> None:
    made = [np.asarray(corrupt(FLOATS[:2], "glass_blur", 4, KEY, mode=mode)) for mode in ("reference", "permute")]
    assert 0 < np.abs(made[0] - made[1]).mean() < 0.2


def test_frost_takes_textures() -> None:
    texture = np.zeros((2, 40, 50, 3), np.uint8)
    texture[1] = 255
    made = np.asarray(corrupt(np.full((12, 28, 28, 3), 100, np.uint8), "frost", 5, KEY, texture=texture))
    assert set(np.unique(made)) == {75, 189}  # .75 x 100, and .45 x 255 more


def test_procedural_frost_looks_like_the_textures() -> None:
    dark = jnp.zeros((400, 32, 32, 3), jnp.float32)
    layer = np.asarray(corrupt(dark, "frost", 5, KEY)) / 0.45
    np.testing.assert_allclose(layer.mean(axis=(0, 1, 2)), (0.565, 0.648, 0.695), atol=0.02)
    np.testing.assert_allclose(layer.mean(axis=(1, 2)).std(axis=0), (0.199, 0.139, 0.133), rtol=0.12)
    np.testing.assert_allclose(layer.std(axis=(1, 2)).mean(axis=0), (0.095, 0.089, 0.090), rtol=0.12)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kind": "gausian_noise"}, errors.ConfigError, "did you mean 'gaussian_noise'"),
        ({"mode": "swap"}, errors.ConfigError, "reference, permute"),
        ({"severity": 6}, errors.ConfigError, r"got 6; expected a whole number from 0"),
        ({"severity": -1}, errors.ConfigError, "got -1"),
        ({"severity": 2.5}, errors.ConfigError, "got 2.5"),
        ({"images": IMAGES[0]}, errors.DataError, r"got shape \[28, 28, 3\]; expected \[B, H, W, C\]"),
        ({"images": IMAGES[..., :2]}, errors.DataError, "C 1 or 3"),
        ({"images": IMAGES[:, :8, :8]}, errors.DataError, "16 to 1024"),
        ({"images": IMAGES.astype(np.int32)}, errors.DataError, "got int32; expected uint8"),
        ({"images": 2 * FLOATS - 1}, errors.DataError, r"values reach from -\S+ to .*0.5 \* images \+ 0.5"),
        ({"images": FLOATS.at[0, 0, 0, 0].set(jnp.nan)}, errors.DataError, "1 are NaN"),
        ({"keys": image_keys(KEY, 0, 3)}, errors.DataError, r"got \[3\] for 6 images"),
        ({"keys": jnp.zeros(2, jnp.uint32)}, errors.DataError, "as jax.random.key makes them"),
        ({"texture": IMAGES[:, :20]}, errors.DataError, "at least their height and width"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"images": FLOATS, "kind": "fog", "severity": 3, "keys": KEY} | change
    extra = {name: arguments.pop(name) for name in ("mode", "texture") if name in arguments}
    with pytest.raises(error, match=message):
        corrupt(*arguments.values(), **extra)
