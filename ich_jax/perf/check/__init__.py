"""Comparison of two revisions fact by fact, as `scripts/perf_check.py` runs it (docs/guide/checking_speed.md).

`trees` makes the two sides, `processes` starts a worker on each, and `worker` is the program of such a process; it
measures with `reach`, `program_facts` and `running`. `pairs` times two workers in turns; `verdicts` judges,
`attribution` finds the source of a difference, `stages` runs all of this in order, and `show` prints the result.
Nothing here knows the workloads: they are defined in a file that each worker executes against its own side.
"""
