"""Errors that a user can act on.

Every message states the value and its place, the allowed values, and how to repair it. The classes are flat: catch
`IchJaxError` for all of them.
"""

import difflib
import math
import numbers
import unicodedata
from collections.abc import Iterable
from typing import Any

LARGEST_SEED = 2**32 - 1
"""JAX makes keys of the lower 32 bits of a seed: beyond them, and below 0, seeds repeat each other."""


class IchJaxError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(IchJaxError, ValueError):
    """A configuration holds an unknown name, an ill-typed value or a combination that cannot work."""


class DataError(IchJaxError, ValueError):
    """Images or metadata that cannot be used as they are."""


class WorkdirError(IchJaxError, RuntimeError):
    """A work directory that belongs to another run, cannot be written, or is damaged."""


class CheckpointError(IchJaxError, RuntimeError):
    """A checkpoint that cannot be written or read."""


class MismatchError(IchJaxError, ValueError):
    """Two ways to compute one thing do not agree, so that their speeds cannot be compared."""


class TrainingDivergedError(IchJaxError, RuntimeError):
    """Training produced non-finite values again after rolling back to a good checkpoint."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Returns a clause that proposes the allowed names closest to `name`.

    Args:
        name: The name that was not found.
        allowed: The names that exist.

    Returns:
        For example `did you mean 'steps'? Allowed: batch, steps`.
    """
    allowed = list(allowed)
    if not allowed:
        return "there is none to choose from"
    close = difflib.get_close_matches(name, allowed, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(c) for c in close)}? " if close else ""
    return f"{hint}Allowed: {', '.join(allowed)}"


def require(value: str, allowed: Iterable[str], what: str) -> str:
    """Returns `value` if it is one of `allowed`, else raises.

    Raises:
        ConfigError: Naming `what`, the value and the nearest allowed values.
    """
    allowed = list(allowed)
    if value not in allowed:
        raise ConfigError(f"{what}: got {value!r}; {nearest(value, allowed)}.")
    return value


def require_within(value: float, low: float, high: float, where: str, *, whole: bool = False) -> None:
    """Checks that a setting is a finite number inside its limits, both included.

    Args:
        value: The number.
        low: The least allowed value.
        high: The largest allowed value; may be infinite.
        where: Names the setting in the message.
        whole: Whether it must be a whole number.

    Raises:
        ConfigError: It is not.
    """
    finite = isinstance(value, int) or math.isfinite(value)  # an int may be too large for a float
    if not low <= value <= high or not finite or (whole and value != int(value)):
        kind = "whole number" if whole else "number"
        raise ConfigError(f"{where}: got {abbreviated(value)}; expected a {kind} from {low:g} to {high:g}.")


def abbreviated(value: Any, most: int = 80) -> str:
    """Returns the form of a value in messages: as Python writes it, the middle of long ones left out."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out numbers of thousands of digits
        return f"a number of {value.bit_length()} bits"
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-10:]} ({len(text):,} characters)"


def clean(name: str) -> bool:
    """Whether a name can be printed and drawn: it has no control characters and is valid Unicode."""
    return not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)


def require_seed(value: Any, where: str, *, largest: int = LARGEST_SEED) -> None:
    """Checks that the random numbers of a seed are not those of another seed.

    Args:
        value: The seed.
        where: Names the setting in the message.
        largest: The largest allowed value; less than `LARGEST_SEED` where further seeds are derived by adding to it.

    Raises:
        ConfigError: It is no whole number, negative, or too large.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not 0 <= int(value) <= largest:
        raise ConfigError(
            f"{where}: got {abbreviated(value)}; expected a whole number from 0 to {largest:,}: of a seed only 32 "
            "bits count, so one outside them would draw what another one draws."
        )
