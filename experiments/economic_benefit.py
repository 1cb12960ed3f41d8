"""The benefit of a product line per day: the effect of AI-assisted design, preceded by an audit of the study design.

    python experiments/economic_benefit.py --config=configs/economic_benefit.py:quick --workdir=runs/benefit
    python experiments/economic_benefit.py --write_template=sales.csv
    python experiments/economic_benefit.py --config=configs/economic_benefit.py:csv --config.data.path=sales.csv \
        --workdir=runs/sales

The printed order is that of Baker et al. (2025), Difference-in-differences designs: a practitioner's guide. The same
command with the same work directory repeats the analysis and rewrites its files.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

from ich_jax.studies.benefit.__main__ import start

if __name__ == "__main__":
    start()
