"""Uncertainty of every figure, written once: batched, float64, on the host."""
