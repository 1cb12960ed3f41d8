"""Numbers as pages and charts write them."""


def signed(value: float) -> str:
    """Returns a number with its sign (a true minus) and one decimal."""
    text = f"{abs(float(value)):.1f}"
    return "0.0" if text == "0.0" else ("\u2212" if value < 0 else "+") + text
