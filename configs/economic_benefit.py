"""The benefit of a product line per day: four simulated product lines with 20 local outlets each for comparison.

Command:
    python experiments/economic_benefit.py --config=configs/economic_benefit.py --workdir=runs/economic_benefit

Expected time: about 3 minutes on two cores, without an accelerator.

Expected result: the audit names the tests that can detect an effect with one treated outlet and 20 local ones for each
product; effects are near 25 % of the level, as simulated, and intervals have about their nominal coverage. The data are
SIMULATED and match only the two final benefits of the paper, 1,312 and 1,118 yuan a day.

Variants:
    :quick       the same with 8 local outlets and fewer draws, in under two minutes.
    :tiny        two of the product lines with the draws of :quick, to run every step: what its page says about power,
                 errors and intervals is too coarse to use. SIMULATED as well; one to two minutes the first time, nearly
                 all of it compilation.
    :csv         your own file: --config.data.path=sales.csv; --write_template=sales.csv writes an example.
    :size_study  do the tests hold their level? Thousands of simulated panels without an effect; about 10 minutes.
"""

from typing import Any

from ich_jax import config as config_lib

VARIANTS = ("", "quick", "tiny", "csv", "size_study")


def get_config(variant: str = "") -> Any:
    config_lib.errors.require(variant, VARIANTS, "variant of configs/economic_benefit.py")
    if variant == "csv":
        config = config_lib.BenefitConfig(
            name="economic_benefit:csv",
            data=config_lib.SalesConfig(source="csv", path="sales.csv"),
        )
    elif variant == "size_study":
        config = config_lib.BenefitConfig(
            name="economic_benefit:size_study",
            task="size_study",
            size_study=config_lib.SizeStudyConfig(n_panels=4000, n_pairs=400),
        )
    elif variant == "quick":
        config = config_lib.BenefitConfig(
            name="economic_benefit:quick",
            simulation=config_lib.SimulationConfig(local=8),
            analysis=config_lib.AnalysisConfig(n_simulations=400, n_refits=50, n_resamples=1999, n_placebos=100),
            plan=config_lib.PlanConfig(investment=20_000.0, running_cost=20.0),
        )
    elif variant == "tiny":
        config = config_lib.BenefitConfig(
            name="economic_benefit:tiny",
            simulation=config_lib.SimulationConfig(products=("earrings", "figurine"), local=8),
            # The sizes of :quick, so that it shares the compiled programs; most of the time is compilation.
            analysis=config_lib.AnalysisConfig(n_simulations=400, n_refits=50, n_resamples=1999, n_placebos=100),
            plan=config_lib.PlanConfig(investment=20_000.0, running_cost=20.0),
        )
    else:
        config = config_lib.BenefitConfig(
            name="economic_benefit",
            simulation=config_lib.SimulationConfig(local=20),
            plan=config_lib.PlanConfig(investment=20_000.0, running_cost=20.0),
        )
    return config_lib.editable(config)
