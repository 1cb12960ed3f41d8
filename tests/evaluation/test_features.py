import numpy as np
import pytest

from ich_jax import errors
from ich_jax.evaluation import distances, features
from tests import helpers


def pictures(seed, n, size=16, channels=3):
    """Dark discs of random place, size and colour on light grounds."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    centre, radius = draw.uniform(0.3, 0.7, (2, n, 1, 1)), draw.uniform(0.1, 0.3, (n, 1, 1))
    inside = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2)[..., None]
    ground, colour = draw.integers(180, 240, (n, 1, 1, channels)), draw.integers(20, 80, (n, 1, 1, channels))
    return np.where(inside, colour, ground).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_dtype(channels):
    found = features.random_features(0, channels)(pictures(0, 5, channels=channels))
    assert (found.shape, found.dtype) == ((5, 128), np.float32)
    assert np.isfinite(found).all()
    assert features.random_features(0, channels)(pictures(0, 0, channels=channels)).shape == (0, 128)


def test_an_image_has_the_same_features_in_any_batch():
    images = pictures(0, features.BATCH + 3)
    network = features.random_features(0, 3)
    together = network(images)
    np.testing.assert_array_equal(network(images[: features.BATCH]), together[: features.BATCH])
    np.testing.assert_allclose(network(images[-2:]), together[-2:], atol=1e-6)


def test_seeds_and_fingerprints():
    first, again, other = (features.random_features(s, 3) for s in (0, 0, 1))
    helpers.assert_trees_equal(first.weights, again.weights)
    assert first.fingerprint == again.fingerprint
    assert len({first.fingerprint, other.fingerprint, features.random_features(0, 1).fingerprint}) == 3
    images = pictures(0, 4)
    np.testing.assert_array_equal(first(images), again(images))
    assert not np.allclose(first(images), other(images), atol=1e-2)


def test_published_fingerprint():
    """Stored results name it: whoever changes the network must see that they are no longer comparable."""
    assert features.random_features(0, 3).fingerprint == "86be17fe6cce6666"


def test_one_compile_for_all_seeds_and_numbers():
    features.random_features(0, 3)(pictures(0, 2, size=17))
    with helpers.count_compiles() as compiles:
        features.random_features(1, 3)(pictures(1, features.BATCH + 1, size=17))
    assert compiles.count == 0, compiles.functions


def test_filters_that_sum_to_zero_do_not_see_light():
    network = features.random_features(0, 3)
    kernel = network.weights[0][0]
    np.testing.assert_allclose(kernel[..., ::2].sum(axis=(0, 1)), 0.0, atol=1e-6)
    assert (np.abs(kernel[..., 1::2].sum(axis=(0, 1))) > 1e-3).all()


def test_large_images_are_reduced_alike():
    image = pictures(0, 1, size=64)
    large = np.repeat(np.repeat(image, 2, axis=1), 2, axis=2)
    network = features.random_features(0, 3)
    np.testing.assert_allclose(network(large), network(image), atol=0.1)


@pytest.mark.parametrize("flaw", ["checkerboard", "smear", "one colour"])
def test_distance_grows_with_a_flaw(flaw):
    real, other = pictures(0, 400), pictures(1, 400)
    flawed = other.astype(np.int32)
    if flaw == "checkerboard":
        flawed = flawed + 12 * (np.indices((16, 16)).sum(0) % 2)[None, :, :, None]
    elif flaw == "smear":
        flawed = (flawed + np.roll(flawed, 1, axis=2)) // 2
    else:
        flawed = flawed * np.array([1, 1, 0])
    flawed = flawed.clip(0, 255).astype(np.uint8)
    network = features.random_features(0, 3)
    a, b, c = network(real), network(other), network(flawed)
    assert distances.frechet(a, c) > distances.frechet(a, b)
    null = distances.kid(a, b, subset=200, subsets=20)
    seen = distances.kid(a, c, subset=200, subsets=20)
    assert seen.mean > null.mean + 3 * null.sd


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 16, 16, 3), np.float32), "uint8"),
        (np.zeros((2, 16, 16, 1), np.uint8), "uint8 images"),
        (np.zeros((16, 16, 3), np.uint8), "uint8 images"),
        (np.zeros((2, 8, 16, 3), np.uint8), "16 px or more"),
    ],
)
def test_unfit_images_are_refused(images, message):
    with pytest.raises(errors.DataError, match=message):
        features.random_features(0, 3)(images)
