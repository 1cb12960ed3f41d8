"""Residual networks of a common size at 64 px, to time training steps and compare them with PyTorch.

Command:
    python scripts/benchmark.py train --config=configs/benchmark_64.py
    python experiments/train.py --config=configs/benchmark_64.py --workdir=runs/benchmark_64

Expected time: five minutes for the benchmark on two cores; two seconds a step to train it there.

Expected result: as configs/benchmark_32.py, with one more resolution.
"""

from typing import Any

from ich_jax import config as config_lib


def get_config() -> Any:
    config = config_lib.load_editable(__file__.replace("benchmark_64", "benchmark_32"))
    config.name, config.data.size = "benchmark_64", 64
    config.generator.widths = (128,) * 5
    config.discriminator.widths = (64,) * 3
    return config
