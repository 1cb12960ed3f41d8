"""A generator as a file: it draws the same in a process that cannot import this package, and damage is refused."""

import dataclasses
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.training import checkpoint, export, sampling
from ich_jax.types import Brief
from tests.training import made

ALONE = """
import sys, json
sys.modules["ich_jax"] = sys.modules["flax"] = None  # importing either fails
import jax, numpy as np
draw = jax.export.deserialize(bytearray(open(sys.argv[1], "rb").read())).call
for name in ("small", "large"):
    inputs = np.load(sys.argv[2] + name + ".npz")
    np.save(sys.argv[2] + name + ".npy", np.asarray(draw(*(inputs[key] for key in "zpeag"))))
"""


def model(**evaluation):
    run = made.config(evaluation=evaluation) if evaluation else made.config()
    state = made.initial_state(run, made.SPEC)
    # Pixel noise starts at strength 0: give it some, so that its random numbers are part of the comparison.
    params = jax.tree_util.tree_map_with_path(
        lambda path, x: x + 0.1 if "strength" in jax.tree_util.keystr(path) else x, state.ema_params
    )
    return checkpoint.TrainedModel(run, made.SPACE, made.SIZE, 3, 7, None, params, state.g_params, state.d_params)


def inputs(n, seed=0):
    rng = np.random.default_rng(seed)
    brief = Brief(
        rng.integers(0, 2, n).astype(np.int32),
        rng.integers(0, 2, (n, 1)).astype(np.int32),
        rng.uniform(-3, 3, (n, 1)).astype(np.float32),
        rng.integers(0, 2, (n, 3)).astype(np.float32),
    )
    return rng.normal(size=(n, 3)).astype(np.float32), brief


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "generator.jaxexport"
    path.write_bytes(export.export_generator(model(), ("cpu", "tpu")))
    return path


def test_it_draws_the_same_without_this_package_any_number_at_once(exported, tmp_path):
    sets = {"small": inputs(2), "large": inputs(9, seed=1)}
    for name, (z, brief) in sets.items():
        np.savez(tmp_path / f"{name}.npz", z=z, p=brief.product, e=brief.elements, a=brief.axes, g=brief.given)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", ALONE, str(exported), f"{tmp_path}{os.sep}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    trained = model()
    draw = jax.jit(sampling.make_draw(trained.config, made.SPEC))
    for name, (z, brief) in sets.items():
        found = np.load(tmp_path / f"{name}.npy")
        assert found.shape == (len(z), made.SIZE, made.SIZE, 3) and found.std() > 0.01
        np.testing.assert_allclose(found, draw(trained.ema_params, z, brief), atol=1e-5)


def test_check_tells_what_it_compared(exported):
    found = export.check(model(), exported, n=5)
    assert found.n == 5 and 0 <= found.largest_difference < 1e-5 and found.bytes == exported.stat().st_size


def test_the_file_gives_one_array_and_takes_no_empty_ones(exported):
    """JAX writes no file of a program that returns a named tuple of its own, and holds an open size to be 1 or more."""
    read = jax.export.deserialize(bytearray(exported.read_bytes()))
    assert len(read.out_avals) == 1 and read.out_tree.num_leaves == 1
    z, brief = inputs(1)
    assert read.call(z, *brief[:4]).shape == (1, made.SIZE, made.SIZE, 3)
    with pytest.raises(ValueError, match="n"):
        read.call(z[:0], *(part[:0] for part in brief[:4]))
    with pytest.raises(errors.ConfigError, match="n: got 0; expected a whole number from 1"):
        export.check(model(), exported, n=0)


def test_style_strength_is_part_of_the_file(tmp_path):
    strong = model(style_strength=1.5)
    path = tmp_path / "strong"
    path.write_bytes(export.export_generator(strong, ("cpu",)))
    assert export.check(strong, path).largest_difference < 1e-5
    with pytest.raises(errors.MismatchError, match=r"draws other pictures than the checkpoint of step 7"):
        export.check(model(), path)


def test_other_weights_are_noticed(exported):
    other = dataclasses.replace(model(), ema_params=jax.tree.map(lambda x: x * 1.01, model().ema_params))
    with pytest.raises(errors.MismatchError, match="Export it again"):
        export.check(other, exported)


def test_a_generator_of_another_version_is_refused():
    old = dict(model().ema_params)
    del old["base"]
    with pytest.raises(errors.CheckpointError, match="another version trained it"):
        export.export_generator(dataclasses.replace(model(), ema_params=old))


def test_description_names_what_the_function_takes():
    found = export.describe(model())
    assert json.loads(json.dumps(found)) == found
    assert found["inputs"]["z"] == {"shape": ["n", 3], "dtype": "float32"}
    assert found["inputs"]["given"]["shape"] == ["n", 3] and found["output"]["shape"] == ["n", 8, 8, 3]
    assert found["elements"] == {"fill": ["plain", "dotted"]} and found["product"] == ["disc", "square"]


@pytest.mark.parametrize(("platforms", "message"), [((), "got none"), (("cpu", "tpus"), "did you mean 'tpu'")])
def test_bad_platforms_are_refused(platforms, message):
    with pytest.raises(errors.ConfigError, match=message):
        export.export_generator(model(), platforms)


def test_an_absent_package_is_named(monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.ConfigError, match="pip install flatbuffers"):
        export.export_generator(model())


def test_a_damaged_or_missing_file_is_refused(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(errors.WorkdirError, match="does not exist"):
        export.check(model(), path)
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(errors.MismatchError, match="is not an exported generator"):
        export.check(model(), path)
