"""Two revisions of a package compared fact by fact: what `scripts/perf_check.py` runs (docs/guide/checking_speed.md).

`trees` makes the two sides, `processes` starts a worker on each, `worker` answers there; `reach`, `program_facts` and
`running` are what a worker measures; `pairs` times two workers in turns; `verdicts` judges, `attribution` says where a
difference comes from, `run` does all in order, and `show` prints it. Nothing here knows the workloads: they stand in a
file that each worker executes against its own side.
"""
