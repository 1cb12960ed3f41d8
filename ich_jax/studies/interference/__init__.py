"""Robustness of a generator under interference: sweeps and pulses."""
