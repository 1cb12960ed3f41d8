"""Splits of a set."""

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.data import split


def _split(counts: list[int], share: float = 0.15, contents: list[str] | None = None) -> dict[str, np.ndarray]:
    product = np.repeat(np.arange(len(counts)), counts)
    names = [f"{label}/{i:04d}.png" for i, label in enumerate(product)]
    empty = np.zeros((len(names), 0), np.int32)
    return split.split_rows(product, empty, empty, names, contents or names, share)


def test_splits_are_disjoint_complete_and_stratified() -> None:
    counts = [200, 100, 40]
    rows = _split(counts)
    np.testing.assert_array_equal(np.sort(np.concatenate(list(rows.values()))), np.arange(340))
    product = np.repeat(np.arange(3), counts)
    np.testing.assert_array_equal(np.bincount(product[rows["test"]]), [15, 8, 3])
    np.testing.assert_array_equal(np.bincount(product[rows["validation"]]), [15, 7, 3])


def test_any_first_rows_mix_the_classes() -> None:
    rows = _split([200, 200])
    assert 20 < (rows["train"][:80] < 200).sum() < 60


@pytest.mark.parametrize("n", [3, 4, 5, 9])
def test_small_classes_have_one_image_in_each_split(n: int) -> None:
    rows = _split([n, n])
    product = np.repeat(np.arange(2), n)
    for name in ("train", "validation", "test"):
        assert set(product[rows[name]]) == {0, 1}


def test_a_single_image_is_trained_on() -> None:
    rows = _split([1, 50], share=0.5)
    assert 0 in rows["train"]


def test_membership_depends_on_the_name_and_not_on_the_order_of_files() -> None:
    names = [f"a/{i}.png" for i in range(60)]
    empty = np.zeros((60, 0), np.int32)
    product = np.zeros(60, np.int32)
    rows = split.split_rows(product, empty, empty, names, names, 0.2)
    turned = split.split_rows(product, empty, empty, names[::-1], names[::-1], 0.2)
    for name in rows:
        assert [names[r] for r in rows[name]] == [names[::-1][r] for r in turned[name]]


def test_adding_images_moves_few_others() -> None:
    before, after = _split([200]), _split([210])
    assert len(set(before["train"]) - set(after["train"])) <= 12


def test_identical_files_share_a_split() -> None:
    contents = [f"{i // 3}" for i in range(90)]
    rows = _split([90], share=0.3, contents=contents)
    seen = [{contents[row] for row in rows[name]} for name in ("train", "validation", "test")]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]
    assert all(seen)


def test_every_category_is_kept_in_training() -> None:
    n = 100
    product = np.zeros(n, np.int32)
    names = [f"a/{i}.png" for i in range(n)]
    everything_known = np.ones((n, 1), np.int32)
    plain = split.split_rows(product, np.zeros((n, 1), np.int32), everything_known, names, names, 0.3)
    rare = np.zeros((n, 1), np.int32)
    rare[plain["test"][:2]] = 1  # a category whose images would all be held out
    rows = split.split_rows(product, rare, everything_known, names, names, 0.3)
    assert set(rare[rows["train"], 0]) == {0, 1}
    assert len(rows["train"]) == len(plain["train"]) + 1
    unknown = split.split_rows(product, rare, 1 - rare, names, names, 0.3)  # open cells ask for nothing
    np.testing.assert_array_equal(unknown["train"], plain["train"])


@pytest.mark.parametrize(("counts", "share", "empty"), [([50], 0.0, "validation"), ([2], 0.5, "validation")])
def test_an_empty_split_is_refused(counts: list[int], share: float, empty: str) -> None:
    with pytest.raises(errors.DataError, match=rf"holdout_share={share} leave none for the {empty} split"):
        _split(counts, share)


def test_all_held_out_still_trains_on_one_image_per_class() -> None:
    assert len(_split([10, 10], share=1.0)["train"]) == 2
