"""Do residual blocks reduce the error on each axis? Two arms that differ only in the shortcut, over many seeds.

    python experiments/error_comparison.py --config=configs/error_comparison.py:quick --workdir=runs/error_comparison
    python experiments/error_comparison.py --config=configs/error_comparison.py:depth --workdir=runs/depth --shard=0/2

First short trials choose the initial gain and the step size of each arm, then every cell (arm, depth, seed) is trained
as an ordinary run in its own folder: `cells/<arm>_<depth>_<seed>` holds its config, checkpoints and metrics, its
designs and the inspector's readings. The same command resumes where it was stopped, within a cell too. With
`--shard=i/n` a process computes every n-th piece of work; once nothing is missing, the last shard (or the command
without `--shard`) writes the report. Shards may share a work directory, or each has its own and `--merge_from=DIR,DIR`
collects the finished pieces of the others.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

from ich_jax.studies.error_comparison.__main__ import start

if __name__ == "__main__":
    start()
