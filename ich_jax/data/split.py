"""Which images of a set are trained on and which are kept to judge by."""

import hashlib
from collections.abc import Sequence

import numpy as np

from ich_jax import errors


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
    few others. Half of what is held out validates, half tests. Every class with three images or more has one in each
    split, byte-identical files share a split, and every category of every element is kept in training. Files are
    what is split: one picture drawn in several styles is several files, which may land on both sides.

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
    # Byte-identical images follow the first of them, so that none is trained on and judged by.
    first: dict[str, int] = {}
    for row in order.tolist():
        first.setdefault(contents[row], row)
    leader = np.array([first[content] for content in contents], np.int64)

    code = np.zeros(len(names), np.int32)  # 0 train, 1 validation, 2 test
    leaders = order[leader[order] == order]
    for label in np.unique(product):
        rows = leaders[product[leaders] == label]
        n = int(holdout_share * len(rows) + 0.5)
        if holdout_share > 0 and len(rows) > 2:
            n = max(n, 2)
        held_out = rows[: min(n, len(rows) - 1)] if len(rows) else rows
        code[held_out[0::2]], code[held_out[1::2]] = 2, 1
    code = code[leader]
    for e in range(elements.shape[1]):
        for category in np.unique(elements[given[:, e] > 0, e]):
            rows = order[(given[order, e] > 0) & (elements[order, e] == category)]
            if code[rows].all():
                code[leader == leader[rows[-1]]] = 0
    splits = {name: order[code[order] == i] for i, name in enumerate(("train", "validation", "test"))}
    for name, rows in splits.items():
        if not len(rows):
            raise errors.DataError(
                f"{len(names)} images at --config.data.holdout_share={holdout_share} leave none for the {name} split. "
                "Each of train, validation and test needs one at least; add images or change the share "
                "(0.15 keeps 15 % out of training)."
            )
    return splits
