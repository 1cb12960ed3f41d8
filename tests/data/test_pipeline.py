"""Order, units and the two data paths."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags
from hypothesis import given, settings
from hypothesis import strategies as st

from ich_jax import errors
from ich_jax.data import pipeline
from ich_jax.types import Batch, Brief, DesignSpace, Element

WORDS = np.array([0x12345678, 0x9ABCDEF0], np.uint32)


def _epoch(n: int, epoch: int, words: np.ndarray = WORDS) -> np.ndarray:
    return pipeline.shuffled_index(words, np.full(n, epoch, np.uint32), np.arange(n, dtype=np.uint32), n, np)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 16, 17, 97, 256, 257, 1000, 4099, 65536, 65537])
def test_every_epoch_is_a_permutation(n: int) -> None:
    for epoch in (0, 1, 2**32 - 1):
        order = _epoch(n, epoch)
        assert order.dtype == np.uint32
        np.testing.assert_array_equal(np.sort(order), np.arange(n))


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 5000), epoch=st.integers(0, 2**32 - 1), word=st.integers(0, 2**32 - 1))
def test_permutation_for_any_size_epoch_and_key(n: int, epoch: int, word: int) -> None:
    order = _epoch(n, epoch, np.array([word, ~word & 0xFFFFFFFF], np.uint32))
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_large_sets_stay_in_range_and_distinct() -> None:
    n = 2**31 - 1
    position = np.linspace(0, n - 1, 10_000).astype(np.uint32)
    order = pipeline.shuffled_index(WORDS, np.zeros(10_000, np.uint32), position, n, np)
    assert order.max() < n
    assert len(np.unique(order)) == 10_000


@pytest.mark.parametrize("n", [1, 3, 97, 1000, 65537])
def test_numpy_and_traced_jax_agree_bit_for_bit(n: int) -> None:
    position = np.arange(min(n, 300), dtype=np.uint32)
    epoch = (position * 7919).astype(np.uint32)
    traced = jax.jit(lambda w, e, p: pipeline.shuffled_index(w, e, p, n))(WORDS, epoch, position)
    np.testing.assert_array_equal(traced, pipeline.shuffled_index(WORDS, epoch, position, n, np))


def test_epochs_and_keys_give_unrelated_orders() -> None:
    n = 1000
    first = _epoch(n, 0)
    for other in (_epoch(n, 1), _epoch(n, 2), _epoch(n, 0, WORDS[::-1]), _epoch(n, 0, WORDS ^ np.uint32(1))):
        assert (first == other).sum() < 10  # one fixed point is expected by chance
    # No trace of the natural order: neighbours in the stream are not neighbours in the set.
    assert abs(np.corrcoef(np.arange(n), first)[0, 1]) < 0.15
    assert (np.abs(np.diff(first.astype(int))) == 1).sum() < 12


def test_runs_of_neighbouring_seeds_share_no_order() -> None:
    """Not even shifted by an epoch, as where the seed of an epoch is seed + epoch."""
    words = [np.asarray(jax.random.key_data(pipeline.data_key(seed))) for seed in range(4)]
    orders = {_epoch(97, epoch, key).tobytes() for key in words for epoch in range(6)}
    assert len(orders) == 4 * 6


@pytest.mark.parametrize("n", [3, 4, 5])
def test_all_orders_of_a_tiny_set_occur_about_equally_often(n: int) -> None:
    epochs = 12_000
    position = np.tile(np.arange(n, dtype=np.uint32), epochs)
    epoch = np.repeat(np.arange(epochs, dtype=np.uint32), n)
    orders = pipeline.shuffled_index(WORDS, epoch, position, n, np).reshape(epochs, n)
    _, counts = np.unique(orders, axis=0, return_counts=True)
    expected = epochs / len(list(itertools.permutations(range(n))))
    assert len(counts) == len(list(itertools.permutations(range(n))))
    assert counts.min() > 0.5 * expected
    assert counts.max() < 1.6 * expected


def test_every_image_is_equally_likely_at_every_place_of_an_epoch() -> None:
    n, epochs = 50, 5000
    for place in (0, 1, 25, 49):
        full = np.full(epochs, place, np.uint32)
        drawn = pipeline.shuffled_index(WORDS, np.arange(epochs, dtype=np.uint32), full, n, np)
        counts = np.bincount(drawn, minlength=n)
        assert counts.min() > 50
        assert counts.max() < 160


def test_batches_are_consecutive_pieces_of_the_stream_across_epochs() -> None:
    n, batch = 10, 4
    stream = np.concatenate([_epoch(n, e) for e in range(3)])
    for step in range(7):
        got = pipeline.batch_indices(WORDS, step, batch, n, np)
        np.testing.assert_array_equal(got, stream[step * batch : (step + 1) * batch])


@pytest.mark.parametrize(
    ("step", "batch", "n"),
    [(0, 1, 1), (5, 7, 3), (123_456_789, 4096, 50_000), (2**31 - 1, 8192, 1_000_003), (77, 64, 64)],
)
def test_positions_do_not_overflow_in_long_runs(step: int, batch: int, n: int) -> None:
    position = [step * batch + i for i in range(batch)]  # python integers: exact
    epoch = np.array([p // n % 2**32 for p in position], np.uint32)
    offset = np.array([p % n for p in position], np.uint32)
    expected = pipeline.shuffled_index(WORDS, epoch, offset, n, np)
    np.testing.assert_array_equal(pipeline.batch_indices(WORDS, step, batch, n, np), expected)
    key = jax.random.wrap_key_data(WORDS, impl="threefry2x32")  # a key is as good as its words
    traced = jax.jit(lambda k, s: pipeline.batch_indices(k, s, batch, n))(key, jnp.int32(step))
    np.testing.assert_array_equal(traced, expected)


def test_data_key_is_fixed_and_apart_from_the_run_key() -> None:
    words = np.asarray(jax.random.key_data(pipeline.data_key(0)))
    assert words.shape == (2,)
    assert words.dtype == np.uint32
    assert not np.array_equal(words, np.asarray(jax.random.key_data(jax.random.key(0, impl="threefry2x32"))))
    assert not np.array_equal(words, np.asarray(jax.random.key_data(pipeline.data_key(1))))


def test_units_are_exact_inverses_and_agree_between_numpy_and_jax() -> None:
    levels = np.arange(256, dtype=np.uint8)
    unit = pipeline.to_unit(levels)
    assert unit.dtype == np.float32
    assert unit[0] == -1.0
    assert unit[255] == 1.0
    np.testing.assert_array_equal(unit, -unit[::-1])
    np.testing.assert_array_equal(np.asarray(jax.jit(pipeline.to_unit)(levels)).view(np.uint32), unit.view(np.uint32))
    np.testing.assert_array_equal(pipeline.to_uint8(unit), levels)
    np.testing.assert_array_equal(pipeline.to_uint8(jnp.asarray(unit)), levels)
    outside = np.array([-1.5, 1.5, 0.0, 2e9], np.float32)
    np.testing.assert_array_equal(pipeline.to_uint8(outside), [0, 255, 128, 255])
    np.testing.assert_array_equal(pipeline.to_uint8(jnp.asarray(outside)), [0, 255, 128, 255])


# ---------------------------------------------------------------- datasets


def _records(n: int = 23, size: int = 4, channels: int = 3) -> pipeline.Records:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, size, size, channels), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(n)  # names the row
    brief = Brief(
        product=np.arange(n, dtype=np.int32) % 2,
        elements=(np.arange(n, dtype=np.int32) % 3)[:, None],
        axes=rng.uniform(-3, 3, (n, 2)).astype(np.float32),
        given=np.ones((n, 4), np.float32),
    )
    return pipeline.Records(
        space=DesignSpace(("a", "b"), (Element("kind", ("x", "y", "z")),), ("width", "height")),
        size=size,
        channels=channels,
        brief=brief,
        rows={"train": np.arange(3, n), "validation": np.array([0]), "test": np.array([1, 2])},
        load=lambda rows: images[rows],
        fingerprint="f",
    )


def _assert_same_batch(got: object, expected: object) -> None:
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_small_sets_live_on_the_device_and_large_ones_come_from_the_host() -> None:
    device = pipeline.make_dataset(_records(), device_limit_mib=1, workers=0)
    host = pipeline.make_dataset(_records(), device_limit_mib=0, workers=0)
    assert device.host_batches is None
    assert device.sample is not None
    assert device.arrays[0].dtype == jnp.uint8
    assert host.sample is None
    assert host.arrays is None
    assert host.host_batches is not None
    assert (device.n_train, device.n_holdout) == (host.n_train, host.n_holdout) == (20, 3)


@pytest.mark.parametrize("start", [0, 5])
def test_both_paths_give_the_same_bits_from_any_step_on(start: int) -> None:
    device = pipeline.make_dataset(_records(), device_limit_mib=1, workers=0)
    host = pipeline.make_dataset(_records(), device_limit_mib=0, workers=0)
    sample = jax.jit(device.sample)
    stream = host.host_batches(11, start, 8)
    for step in range(start, start + 6):
        index = pipeline.batch_indices(pipeline.data_key(11), jnp.int32(step), 8, device.n_train)
        _assert_same_batch(next(stream), sample(device.arrays, index))


def test_hosts_load_their_own_rows_of_each_batch() -> None:
    host = pipeline.make_dataset(_records(), device_limit_mib=0, workers=0)
    whole, part = host.host_batches(11, 4, 8), host.host_batches(11, 4, 8, np.array([6, 1]))
    for _ in range(3):
        _assert_same_batch(next(part), jax.tree.map(lambda x: x[[6, 1]], next(whole)))


def test_worker_processes_give_the_same_batches() -> None:
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # as absl.app.run does in the experiments
    alone = pipeline.make_dataset(_records(), device_limit_mib=0, workers=0).host_batches(3, 2, 5)
    shared = pipeline.make_dataset(_records(), device_limit_mib=0, workers=2).host_batches(3, 2, 5)
    for _ in range(5):
        _assert_same_batch(next(shared), next(alone))


def test_an_epoch_shows_every_training_image_once_with_its_own_brief() -> None:
    records = _records()
    dataset = pipeline.make_dataset(records, device_limit_mib=1, workers=0)
    indices = [pipeline.batch_indices(pipeline.data_key(0), jnp.int32(s), 5, dataset.n_train) for s in range(4)]
    batches = [jax.jit(dataset.sample)(dataset.arrays, index) for index in indices]
    rows = np.concatenate([pipeline.to_uint8(np.asarray(b.image))[:, 0, 0, 0] for b in batches])
    assert sorted(rows) == list(range(3, 23))
    axes = np.concatenate([b.brief.axes for b in batches])
    np.testing.assert_array_equal(axes, records.brief.axes[rows])


def test_holdout_train_images_and_briefs() -> None:
    records = _records()
    dataset = pipeline.make_dataset(records, device_limit_mib=1, workers=0)
    test = dataset.holdout("test", 10)
    assert isinstance(test.image, jax.Array)
    assert test.image.shape == (2, 4, 4, 3)
    np.testing.assert_array_equal(pipeline.to_uint8(test.image), records.load(np.array([1, 2])))
    assert dataset.holdout("validation", 1).image.shape[0] == 1
    np.testing.assert_array_equal(dataset.train_images(4).brief.product, records.brief.product[3:7])
    briefs = dataset.briefs(jax.random.key(0), 500)
    known = {tuple(row) for row in records.brief.axes[3:].tolist()}
    assert {tuple(row) for row in np.asarray(briefs.axes).tolist()} == known  # only and all training briefs
    assert briefs.given.shape == (500, 4)
    assert float(briefs.given.min()) == 1.0
    with pytest.raises(errors.ConfigError, match="did you mean 'test'"):
        dataset.holdout("tests", 1)


def test_sampling_does_not_copy_the_set_into_the_program_and_moves_nothing() -> None:
    dataset = pipeline.make_dataset(_records(), device_limit_mib=1, workers=0)
    key, step = pipeline.data_key(0), jnp.int32(0)

    @jax.jit
    def sample(arrays: Any, key: jax.Array, step: jax.Array) -> Batch:
        return dataset.sample(arrays, pipeline.batch_indices(key, step, 4, dataset.n_train))

    assert not any(
        f"u8[{dataset.n_train}," in line and "constant" in line
        for line in sample.lower(dataset.arrays, key, step).as_text("hlo").splitlines()
    )
    jax.block_until_ready(sample(dataset.arrays, key, step))
    with jax.transfer_guard("disallow"):
        jax.block_until_ready(sample(dataset.arrays, key, step))


def test_batch_larger_than_the_set_is_refused() -> None:
    dataset = pipeline.make_dataset(_records(), device_limit_mib=1, workers=0)
    pipeline.check_batch(dataset, 20)
    with pytest.raises(errors.DataError, match=r"config.train.batch is 21, larger than the 20 training images"):
        pipeline.check_batch(dataset, 21)
