"""Difference-in-differences: two-way fixed effects, staggered launches, few treated units, permuted launches."""
