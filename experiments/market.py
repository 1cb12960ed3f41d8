"""Which designs people choose, what they would pay, and how a new product spreads.

    python experiments/market.py --config=configs/market.py --workdir=runs/market
    python experiments/market.py --write_templates=answers
    python experiments/market.py --config=configs/market.py:csv --config.data.path=answers --workdir=runs/answers

Given again with the same work directory, the analysis is made and written anew.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

from ich_jax.studies.market.__main__ import start

if __name__ == "__main__":
    start()
