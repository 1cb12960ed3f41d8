"""Blinding: random codes for works, and random, balanced orders in which raters see them."""

import dataclasses

import jax
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty.results import Result

LETTERS, DIGITS = "ABCDFGHKMNPRTVWX", "2346789"
"""Characters of a code. No two look alike, and spreadsheets do not take a code for a number or a date."""
MOST = len(LETTERS) * len(DIGITS) ** 3


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Blinding(Result):
    """Codes and orders of works.

    Attributes:
        code: `[n]` code of each work.
        order: `[R, n]` numbers of the works in the order in which each rater sees them.
        place_spread: Largest minus smallest number of times that a work appears at a position, over all works and
            positions.
        follow_spread: The same for a work that directly follows another one, over all ordered pairs.
    """

    columns = ("code",)

    code: tuple[str, ...]
    order: npt.NDArray[np.int64]
    place_spread: int
    follow_spread: int


def blind(n_works: int, n_raters: int, *, key: jax.Array) -> Blinding:
    """Draws codes, and orders that are rows of randomised Latin squares.

    Among each n raters every work appears at every position once. Among each n raters (2n for an odd n) every work also
    directly follows every other one equally often, so that effects of a work on the next score are balanced as well.

    Example:
        >>> import jax
        >>> from ich_jax.kansei import review
        >>> blinding = review.blind(4, 4, key=jax.random.key(0))
        >>> blinding.place_spread, blinding.follow_spread
        (0, 0)

    Args:
        n_works: Number n of works.
        n_raters: Number R of raters.
        key: Random key; the same key gives the same codes and orders.

    Raises:
        DataError: Fewer than two works, no rater, or more works than there are codes.

    References:
        Williams (1949), Experimental designs balanced for the estimation of residual effects of treatments.
    """
    if n_works < 2 or n_raters < 1 or n_works > MOST:
        raise errors.DataError(
            f"blind: got {n_works} works and {n_raters} raters; expected 2 to {MOST} works and a rater."
        )
    key_code, key_work, key_row = jax.random.split(key, 3)
    number = np.asarray(jax.random.permutation(key_code, MOST))[:n_works]
    square = williams_square(n_works)
    label = np.asarray(jax.random.permutation(key_work, n_works))
    blocks = []
    for start in range(0, max(n_raters, len(square)), n_works):  # rows are shuffled only within each Latin square
        shuffled = np.asarray(jax.random.permutation(jax.random.fold_in(key_row, start), n_works))
        blocks.append(square[start % len(square) + shuffled])
    order = label[np.concatenate(blocks)[:n_raters]].astype(np.int64)
    places, follows = np.zeros((n_works, n_works), np.int64), np.zeros((n_works, n_works), np.int64)
    np.add.at(places, (order, np.arange(n_works)[None, :]), 1)
    np.add.at(follows, (order[:, :-1], order[:, 1:]), 1)
    apart = follows[~np.eye(n_works, dtype=bool)]
    return Blinding(
        code=tuple(_code(int(k)) for k in number),
        order=order,
        place_spread=int(np.ptp(places)),
        follow_spread=int(np.ptp(apart)),
    )


def williams_square(n: int) -> npt.NDArray[np.int64]:
    """Returns a Latin square balanced for first-order carry-over: `[n, n]`, or two squares `[2n, n]` for an odd n."""
    first = np.zeros(n, np.int64)
    first[1::2] = np.arange(1, n // 2 + 1)
    first[2::2] = n - np.arange(1, (n + 1) // 2)
    rows = (first[None, :] + np.arange(n)[:, None]) % n
    return rows if n % 2 == 0 else np.concatenate([rows, rows[:, ::-1]])


def _code(number: int) -> str:
    number, letter = divmod(number, len(LETTERS))
    digits = []
    for _ in range(3):
        number, digit = divmod(number, len(DIGITS))
        digits.append(DIGITS[digit])
    return LETTERS[letter] + "".join(digits)
