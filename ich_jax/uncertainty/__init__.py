"""Uncertainty of every figure, written once: batched and float64, whatever the rest of the process computes in."""
