"""scripts/peers: the step in PyTorch computes what ours does, from the same weights, images and noise."""

import functools
import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.data import pipeline, procedural
from ich_jax.models import layers
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
N, BATCH = 6, 4


@pytest.fixture(scope="module")
def peer():
    pytest.importorskip("torch", reason='PyTorch is absent: pip install -e ".[bench]"')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        module = importlib.import_module("peers.sngan_torch")
    return module


def run(**train):
    values = config_lib.load_editable(SCRIPTS.parent / "configs" / "benchmark_32.py").to_dict()
    values["data"]["size"] = 16
    values["generator"] |= {"z_dim": 5, "widths": (12, 8, 8)}
    values["discriminator"] |= {"widths": (6, 10)}
    values["train"] |= {"batch": BATCH, "steps": 40, "warmup": 4, "g_lr": 1e-3, "d_lr": 1e-3} | train
    return config_lib.resolve(values)


@functools.cache
def ours(steps):
    """Images, features, noise of each step, the states from the first to the last, and both losses of each step."""
    config = run()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N, 16, 16, 3)).astype(np.uint8)
    brief = jax.device_get(procedural.sample_brief(jax.random.key(1), N))
    records = pipeline.Records(
        space=procedural.SPACE,
        size=16,
        channels=3,
        brief=brief,
        rows={"train": np.arange(N), "validation": np.arange(0), "test": np.arange(0)},
        load=lambda rows: images[rows],
        fingerprint="random",
    )
    data = pipeline.make_dataset(records, device_limit_mib=1, workers=0)
    step = step_lib.make_step(config, data)
    state = state_lib.create_state(config, data.spec)
    states, losses, index, noise = [jax.device_get(state)], [], [], []
    for n in range(steps):
        index.append(np.asarray(pipeline.batch_indices(pipeline.data_key(config.seed), n, BATCH, N)))
        z_key = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), n), 4)[0]
        noise.append(np.asarray(jax.random.normal(z_key, (BATCH, config.generator.z_dim), jnp.float32)))
        state, window = step(state, data.arrays, window_lib.new_window())
        metrics = window_lib.read_window(window)
        losses.append((metrics["d_loss"], metrics["g_loss"]))
        states.append(jax.device_get(state))
    features = np.asarray(layers.brief_features(jax.tree.map(jnp.asarray, brief), procedural.SPACE))
    return config, images, features, index, noise, states, losses


def flat(tree):
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {"/".join(key.key for key in path): np.asarray(leaf) for path, leaf in leaves}


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("algebra", ["written", "phases", "transposed"])
def test_losses_gradients_and_updates_are_ours(peer, algebra, passes):
    import torch

    config, images, features, index, noise, states, losses = ours(3)
    start = states[0]
    step = peer.Step(config, images, features, start.g_params, start.d_params, peer.Variant(algebra, passes=passes))
    laid_out = []

    def look(optimiser, *_):
        of = [p for group in optimiser.param_groups for p in group["params"]]
        laid_out.extend(p.grad.stride() == p.stride() for p in of)

    for optimiser in step._optimisers:
        optimiser.register_step_pre_hook(look)
    for n in range(3):
        real, known = step.batch(torch.from_numpy(index[n].astype(np.int64)))
        z = torch.tensor(noise[n])
        if n == 0:
            _, _, *both = step.losses_and_gradients(real, known, z)
            # Without a first moment (beta1 is 0) Adam holds the newest gradient.
            for module, gradients, opt in zip(
                (step.generator, step.discriminator), both, (states[1].g_opt, states[1].d_opt), strict=True
            ):
                theirs, mine = peer.gradients_like(module, gradients), flat(opt.mu)
                mine = {path: g for path, g in mine.items() if not path.startswith("reading/")}
                assert theirs.keys() == mine.keys()
                for path, g in mine.items():
                    np.testing.assert_allclose(theirs[path], g, rtol=1e-4, atol=1e-4 * np.abs(g).max(), err_msg=path)
        d_loss, g_loss = step(real, known, z)
        np.testing.assert_allclose((float(d_loss), float(g_loss)), losses[n], rtol=1e-4, atol=1e-5)
    assert laid_out and all(laid_out)  # else fused Adam refuses them on CUDA
    theirs = peer.gradients_like(step.generator, step.ema)
    for path, mine in flat(states[3].ema_params).items():
        # Adam divides each gradient by its size: where that is rounding error, so is the direction of a step.
        np.testing.assert_allclose(theirs[path], mine, atol=2e-4, err_msg=path)
        assert np.abs(mine - flat(start.g_params)[path]).max() > 2e-4


def test_another_run_is_refused(peer):
    config = config_lib.load(SCRIPTS.parent / "configs" / "quick.py")
    with pytest.raises(errors.ConfigError, match=r"config\.generator\.network='own' \(not 'sngan'\).*--versus"):
        peer.check(config)
    peer.check(run())
    with pytest.raises(errors.ConfigError, match=r"differs in config\.train\.clip=1\.0 \(not 0\.0\)"):
        peer.check(run(clip=1.0))
