"""Robustness of a trained generator under interference: a sweep over kinds and severities, and its page.

    python experiments/interference_sweep.py --config=configs/interference_sweep.py:quick --checkpoint=runs/demo \
        --workdir=runs/interference

The same command resumes where it was stopped. `--shard=0/4` computes every fourth job; once all shards are done, the
command without `--shard` writes the report. `--reference` is the generator whose errors count as 100, such as the plain
one of the same config and steps: its training run, which is swept as well, or a finished sweep of it with the same
config.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

from ich_jax.studies.interference.__main__ import start

if __name__ == "__main__":
    start()
