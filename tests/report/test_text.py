import math

import pytest

from ich_jax.report import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567, "1,234,567"),
        (-3, "\u22123"),
        (0.0, "0.000"),
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (12345.6, "12,346"),
        (-0.00012345, "\u22120.000123"),
        (0.000012345, "1.23e\u221205"),
        (math.nan, "n/a"),
        (-math.inf, "\u2212\u221e"),
    ],
)
def test_numbers_are_rounded_for_reading(value: float, shown: str) -> None:
    assert text.number(value) == shown


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (None, None),
        (math.nan, None),
        (0.0, "0"),
        (9e-5, "< 0.0001"),
        (1e-4, "0.0001"),
        (0.0476, "0.0476"),
        (1.0, "1.0000"),
    ],
)
def test_p_values(p: float | None, shown: str | None) -> None:
    assert text.p_value(p) == shown


@pytest.mark.parametrize(
    ("low", "high", "digits", "shown"),
    [
        (-0.5, 0.25, None, "\u22120.500 to 0.250"),
        (-1234.56, math.inf, 1, "\u22121,234.6 to \u221e"),
        (-math.inf, 3.0, 0, "\u2212\u221e to 3"),
        (math.nan, math.nan, 1, None),
    ],
)
def test_spans(low: float, high: float, digits: int | None, shown: str | None) -> None:
    assert text.span(low, high, digits) == shown


def test_counts() -> None:
    assert (text.count(1, "seed"), text.count(1000, "seed")) == ("1 seed", "1,000 seeds")
    assert (text.count(1, "axis", "axes"), text.count(3, "axis", "axes")) == ("1 axis", "3 axes")


def test_signed_numbers_have_a_true_minus_and_zero_has_no_sign() -> None:
    assert [text.signed(value) for value in (1.25, -0.44, -0.04, 0.0)] == ["+1.2", "\u22120.4", "0.0", "0.0"]
