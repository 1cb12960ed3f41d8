"""What people want and how they judge it: questionnaires, semantic differentials, design elements, expert review.

    python experiments/kansei_study.py --config=configs/kansei_study.py --workdir=runs/kansei_study
    python experiments/kansei_study.py --write_templates=answers
    python experiments/kansei_study.py --config=configs/kansei_study.py:csv --config.data.path=answers \
        --workdir=runs/answers

Given again with the same work directory, the analysis is made and written anew.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

from ich_jax.studies.kansei.__main__ import start

if __name__ == "__main__":
    start()
