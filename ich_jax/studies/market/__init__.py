"""Which designs people choose, what they would pay, and how a new product spreads."""
