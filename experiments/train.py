"""Trains a generator, judges it, and writes a page about it.

    python experiments/train.py --config=configs/quick.py --workdir=runs/quick
    python experiments/train.py --config=configs/quick.py --config.train.steps=500 --workdir=runs/short

In a work directory that holds a run of the same config, the same command resumes after an interruption; after the last
step it evaluates and reports again without training. A longer run, or a fine-tune, is a new run that starts
from the networks of another one: `--workdir=NEW --init_from=OLD`.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

from ich_jax.studies.train.__main__ import start

if __name__ == "__main__":
    start()
