"""Which designs people choose, what they would pay, and how a new product spreads; here in a SIMULATED market.

Command:
    python experiments/market.py --config=configs/market.py --workdir=runs/market

Expected time: about a minute on two cores, without an accelerator.

Expected result: the intervals of the part-worths hold the true ones about 19 times in 20; the sales have passed their
peak, so the market is known within a few percent, while refits of the periods up to the peak miss it.

Variants:
    :quick  fewer resamples: half a minute.
    :tiny  as few as are allowed.
    :csv   your own files: --config.data.path=FOLDER; --write_templates=FOLDER writes examples and a data dictionary.
"""

from typing import Any

from ich_jax import config as config_lib

VARIANTS = ("", "quick", "tiny", "csv")


def get_config(variant: str = "") -> Any:
    config_lib.errors.require(variant, VARIANTS, "variant of configs/market.py")
    if variant == "csv":
        config = config_lib.MarketConfig(
            name="market:csv", data=config_lib.MarketDataConfig(source="csv", path="answers")
        )
    elif variant == "quick":
        config = config_lib.MarketConfig(
            name="market:quick", analysis=config_lib.MarketAnalysisConfig(n_resamples=999, n_window_resamples=99)
        )
    elif variant == "tiny":
        config = config_lib.MarketConfig(
            name="market:tiny",
            data=config_lib.MarketDataConfig(persons=60, tasks=4, periods=12),
            analysis=config_lib.MarketAnalysisConfig(n_resamples=99, n_window_resamples=99, horizon=4, n_briefs=3),
        )
    else:
        config = config_lib.MarketConfig(name="market")
    return config_lib.editable(config)
