"""The split of a set into images for training, validation and test."""

import hashlib
from collections.abc import Sequence

import numpy as np

from ich_jax import errors
from ich_jax.data.dataset import SPLITS

_TRAIN, _VALIDATION, _TEST = range(3)  # as in SPLITS


def split_rows(
    product: np.ndarray,
    elements: np.ndarray,
    given: np.ndarray,
    names: Sequence[str],
    contents: Sequence[str],
    holdout_share: float,
) -> dict[str, np.ndarray]:
    """Splits a set into train, validation and test, class by class.

    Membership depends on the hash of an image's name, not on the order of files or on any seed, so adding images moves
    few others. Half of the held-out images validate, half test. Every class with three images or more has one in each
    split, byte-identical files share a split, and every category of every element is kept in training. The unit
    is the file: one picture drawn in several styles is several files, which may end up in different splits.

    Args:
        product: `[N]` class of each image.
        elements: `[N, E]` category of each element.
        given: `[N, E]`, 1 where that category is known.
        names: N distinct names, for example paths inside the image folder.
        contents: N digests of the images' bytes.
        holdout_share: `config.data.holdout_share`.

    Returns:
        Row numbers of each split, in the order of the hash (so any first n are a fair mixture).

    Raises:
        DataError: A split would be empty.
    """
    hashes = [hashlib.sha256(name.encode()).digest() for name in names]
    order = np.array(sorted(range(len(names)), key=hashes.__getitem__), np.int64)
    # Byte-identical images follow the first of them, so that none is in two splits.
    first: dict[str, int] = {}
    for row in order.tolist():
        first.setdefault(contents[row], row)
    leader = np.array([first[content] for content in contents], np.int64)

    code = _split_classes(product, order, leader, holdout_share)[leader]
    for e in range(elements.shape[1]):
        for category in np.unique(elements[given[:, e] > 0, e]):
            rows = order[(given[order, e] > 0) & (elements[order, e] == category)]
            if code[rows].all():
                code[leader == leader[rows[-1]]] = _TRAIN
    splits = {name: order[code[order] == i] for i, name in enumerate(SPLITS)}
    for name, rows in splits.items():
        if not len(rows):
            raise errors.DataError(
                f"{len(names)} images at --config.data.holdout_share={holdout_share} leave none for the {name} split. "
                "Each of train, validation and test needs one at least; add images or change the share "
                "(0.15 keeps 15 % out of training)."
            )
    return splits


def _split_classes(product: np.ndarray, order: np.ndarray, leader: np.ndarray, holdout_share: float) -> np.ndarray:
    """Returns the split of each row that leads a group of identical images, class by class, `[N]`; 0 for others."""
    code = np.full(len(product), _TRAIN, np.int32)
    leaders = order[leader[order] == order]
    for label in np.unique(product):
        rows = leaders[product[leaders] == label]
        n = int(holdout_share * len(rows) + 0.5)
        if holdout_share > 0 and len(rows) > 2:
            n = max(n, 2)
        held_out = rows[: min(n, len(rows) - 1)] if len(rows) else rows
        code[held_out[0::2]], code[held_out[1::2]] = _TEST, _VALIDATION
    return code
