"""Formats of numbers in pages, tables and charts."""

import math


def number(value: float, digits: int | None = None) -> str:
    """Formats a number for reading.

    Args:
        value: The number.
        digits: Decimals; by default integers are written out, large floats get none, those below 0.01 three significant
            digits and the rest three decimals.
    """
    if isinstance(value, int):
        return _minus(f"{value:,}")
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "\u221e" if value > 0 else "\u2212\u221e"
    if digits is not None:
        return _minus(f"{value:,.{digits}f}")
    if abs(value) >= 1000:
        return _minus(f"{value:,.0f}")
    if abs(value) >= 10:
        return _minus(f"{value:.1f}")
    if value == 0 or abs(value) >= 0.01:
        return _minus(f"{value:.3f}")
    return _minus(f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.2e}")


def signed(value: float) -> str:
    """Returns a number with its sign (a true minus) and one decimal."""
    text = f"{abs(float(value)):.1f}"
    return "0.0" if text == "0.0" else ("\u2212" if value < 0 else "+") + text


def span(low: float, high: float, digits: int | None = None) -> str | None:
    """Returns both ends of an interval as `number` writes them, None where there is no interval (NaN)."""
    return None if math.isnan(low) else f"{number(low, digits)} to {number(high, digits)}"


def p_value(p: float | None) -> str | None:
    """Returns a p-value with four decimals, `< 0.0001` below them, and None where there is none (or NaN)."""
    if p is None or math.isnan(p):
        return None
    if p == 0:  # leave-two-out may give 0; that is no claim about its ten-thousandths
        return "0"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def count(n: int, noun: str, plural: str = "") -> str:
    """Returns `1 seed`, `2 seeds`, `1,000 seeds`; `plural` where it is not the noun with an s."""
    return f"{n:,} {noun if n == 1 else plural or f'{noun}s'}"


def _minus(text: str) -> str:
    """Sets a true minus, and none before a number that has been rounded to zero."""
    return text.replace("-", "\u2212") if text.strip("-0.,") else text.lstrip("-")
