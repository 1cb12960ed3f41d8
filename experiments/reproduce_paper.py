"""The whole paper: every experiment of the package beside its section, and its claims decided by code, on one page.

    python experiments/reproduce_paper.py --config=configs/reproduce_paper.py:quick --workdir=runs/paper --jobs=2
    python experiments/reproduce_paper.py --config=configs/reproduce_paper.py --from=train=runs/procedural_32 \
        --only=interference,pulse --workdir=runs/paper
    python experiments/reproduce_paper.py --config=configs/reproduce_paper.py --submit=slurm \
        --submit_options=slurm_partition=gpu,timeout_min=600 --workdir=runs/paper

Given again with the same work directory, it resumes: finished stages are kept, the page is made anew.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

from ich_jax.studies.paper.__main__ import start

if __name__ == "__main__":
    start()
