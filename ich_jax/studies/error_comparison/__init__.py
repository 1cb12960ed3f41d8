"""Residual and plain networks compared by their error on each axis."""
