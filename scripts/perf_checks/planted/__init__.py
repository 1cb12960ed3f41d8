"""A small package in which the self-test of the check plants its faults (scripts/perf_checks/faults.py)."""
