"""Flags of the design study."""

import pytest

from ich_jax import errors
from ich_jax.studies.design.__main__ import parse_seeds


def test_seeds_are_ranges_and_numbers() -> None:
    assert parse_seeds("0-3,7, 9") == (0, 1, 2, 3, 7, 9)
    assert parse_seeds("5") == (5,)
    for wrong in ("", "a", "3-1", "1-", "-1", "0-99999", "1,,2"):
        with pytest.raises(errors.ConfigError, match="neither a seed nor a range"):
            parse_seeds(wrong)
