"""scripts/benchmarks/design.py: PyTorch draws and reads what we do, or no time is reported."""

import dataclasses
import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.config import DesignConfig
from ich_jax.training import checkpoint

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def design():
    pytest.importorskip("torch", reason='PyTorch is absent: pip install -e ".[bench]"')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield importlib.import_module("benchmarks.design")


@pytest.fixture(scope="module")
def work(design, untrained):
    model = checkpoint.restore_for_inference(untrained)
    rng = np.random.default_rng(0)

    def random(leaf):  # every parameter matters: those that start at zero, too
        return jnp.asarray(rng.normal(0, 0.5 / max(1, np.prod(leaf.shape[:-1])) ** 0.5, leaf.shape), jnp.float32)

    model = dataclasses.replace(
        model, ema_params=jax.tree.map(random, model.ema_params), d_params=jax.tree.map(random, model.d_params)
    )
    product = model.space.products[0]
    made = design.Work(DesignConfig(candidates=8, deliver=2, batch=4), model)
    (asked,) = design.briefs.read((f"product={product}",), "", model.space)
    made.__dict__["job"] = design.plan.brief_job(made.config, asked)
    return made


def test_designs_and_readings_are_ours(design, work):
    peer = design.load_peer().Designer(work.model, work.features.shape[1])
    design.compare(work, peer, n=4)
    chosen = design.make_torch(work, compiled=False)()
    assert len(chosen.index) <= 2


@pytest.mark.parametrize("network", ["generator", "reader"])
def test_another_network_is_found_out(design, work, network):
    import torch

    peer = design.load_peer().Designer(work.model, work.features.shape[1])
    with torch.inference_mode():
        for parameter in getattr(peer, network).parameters():
            parameter.mul_(1.05)
    with pytest.raises(errors.MismatchError, match="no time is reported"):
        design.compare(work, peer, n=4)
