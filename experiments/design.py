"""Designs to a brief: the best or most diverse candidates of a trained generator that meet it, and a page.

    python experiments/design.py --brief="product=fan, palette=indigo, width=+1.5" --workdir=runs/fans
    python experiments/design.py --list

The generator that ships with the package draws; --checkpoint=RUN takes a run of your own.

`--redraw=FILE.png` draws a delivered design again, `--around=FILE.png` varies it, `--morph=A.png,B.png` draws a path
between two, and `--sweep=width` draws the brief along an axis. The same command resumes where it was stopped.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

from ich_jax.studies.design.__main__ import start

if __name__ == "__main__":
    start()
