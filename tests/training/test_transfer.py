"""ich_jax.training.transfer: known names keep their weights, new ones start fresh, other shapes are refused."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from ich_jax import errors, workdir
from ich_jax.models import layers, networks
from ich_jax.training import checks, loop, transfer
from ich_jax.types import Brief, DesignSpace, Element, ImageSpec
from tests import helpers
from tests.training import made

OTHER = DesignSpace(
    products=("star", "square"),
    elements=(Element("edge", ("thin", "thick")), Element("fill", ("striped", "dotted", "plain"))),
    axes=("height", "width"),
)
CONFIG = made.config()


def features(space: DesignSpace, **stated: str | float) -> np.ndarray:
    return np.asarray(layers.brief_features(jax.tree.map(jax.numpy.asarray, space.brief(**stated)), space))[0]


def test_every_column_of_the_features_has_a_name() -> None:
    for space in (made.SPACE, OTHER):
        names = layers.feature_names(space)
        assert len(names) == len(set(names)) == len(features(space))
    lit = {
        name: value
        for name, value in zip(
            layers.feature_names(OTHER), features(OTHER, product="square", fill="dotted", width=1.5), strict=True
        )
        if value
    }
    assert lit == {
        "product=square": 1.0,
        "fill=dotted": 1.0,
        "width": 0.5,
        "product=square, width": 0.5,
        "given product": 1.0,
        "given fill": 1.0,
        "given width": 1.0,
    }


@pytest.fixture(scope="module")
def moved():
    """Random networks for `made.SPACE`, fresh ones for `OTHER`, and the former moved to the latter."""
    rng = np.random.default_rng(0)
    stored, fresh = (
        jax.tree.map(
            lambda leaf: rng.normal(size=leaf.shape).astype(np.float32),
            {name: getattr(made.initial_state(CONFIG, spec), name) for name in ("g_params", "d_params")},
        )
        for spec in (made.SPEC, ImageSpec(OTHER, made.SIZE, 3))
    )
    return stored, fresh, transfer.by_name(stored, fresh, made.SPACE, OTHER)


def test_a_brief_that_both_spaces_know_is_drawn_and_judged_as_before(moved) -> None:
    stored, _, new = moved
    z = np.random.default_rng(1).normal(size=(1, CONFIG.generator.z_dim)).astype(np.float32)
    seen = []
    for params, space in ((stored, made.SPACE), (new, OTHER)):
        brief: Brief = jax.tree.map(jax.numpy.asarray, space.brief(product="square", fill="dotted", width=-1.5))
        generator = networks.create_generator(CONFIG, ImageSpec(space, made.SIZE, 3))
        image = generator.apply({"params": params["g_params"]}, z, brief)
        score, reading = networks.create_discriminator(CONFIG, space).apply(
            {"params": params["d_params"]}, image, brief
        )
        seen.append((image, score, reading))
    (image, score, reading), (new_image, new_score, new_reading) = seen
    np.testing.assert_allclose(new_image, image, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(new_score, score, rtol=1e-3, atol=1e-3)
    pairs = [
        (reading.product[:, 1], new_reading.product[:, 1]),  # square
        (reading.elements[0][:, 0], new_reading.elements[1][:, 2]),  # plain
        (reading.elements[0][:, 1], new_reading.elements[1][:, 1]),  # dotted
        (reading.axes[:, 0], new_reading.axes[:, 1]),  # width
    ]
    for before, after in pairs:
        np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3)


def test_weights_of_new_names_are_those_of_a_fresh_run(moved) -> None:
    _, fresh, new = moved
    names = layers.feature_names(OTHER)
    rows = [
        i for i, name in enumerate(names) if "star" in name or "edge" in name or "height" in name or "striped" in name
    ]
    shift = CONFIG.generator.z_dim
    for network, path, start in (("g_params", "mapping_0", shift), ("d_params", "projection", 0)):
        moved_rows, fresh_rows = (np.asarray(tree[network][path]["kernel"])[start:] for tree in (new, fresh))
        others = [i for i in range(len(names)) if i not in rows]
        np.testing.assert_array_equal(moved_rows[rows], fresh_rows[rows])
        assert not np.isclose(moved_rows[others], fresh_rows[others]).any()
    np.testing.assert_array_equal(
        new["d_params"]["reading"]["element_0"]["kernel"], fresh["d_params"]["reading"]["element_0"]["kernel"]
    )
    assert transfer.names(made.SPACE, OTHER) == (
        ["product=square", "fill=dotted", "fill=plain", "width"],
        ["product=star", "edge=thin", "edge=thick", "fill=striped", "height"],
    )


def test_the_same_space_keeps_every_bit(moved) -> None:
    stored, *_ = moved
    helpers.assert_trees_equal(
        transfer.by_name({"d_params": stored["d_params"]}, {"d_params": stored["d_params"]}, made.SPACE, made.SPACE),
        {"d_params": stored["d_params"]},
    )


def test_layers_for_sketches_start_fresh_and_are_dropped_again() -> None:
    with_sketches = dataclasses.replace(made.SPACE, sketches=True)
    rows = {space: len(layers.feature_names(space)) for space in (made.SPACE, with_sketches)}
    assert rows[with_sketches] == rows[made.SPACE] + 1
    critic = {"sketch": {"stem": {"kernel": np.ones((2, 2))}}}
    plain, other = (
        {"projection": {"kernel": np.full((rows[space], 4), value, np.float32)}, **more}
        for space, value, more in ((made.SPACE, 1.0, {}), (with_sketches, 2.0, critic))
    )
    new = transfer.by_name({"d_params": plain}, {"d_params": other}, made.SPACE, with_sketches)["d_params"]
    np.testing.assert_array_equal(new["projection"]["kernel"][:, 0], [1.0] * rows[made.SPACE] + [2.0])
    helpers.assert_trees_equal(new["sketch"], critic["sketch"])
    back = transfer.by_name({"d_params": new}, {"d_params": plain}, with_sketches, made.SPACE)["d_params"]
    helpers.assert_trees_equal(back, plain)


def test_a_run_of_another_space_starts_and_writes_down_what_it_kept(tmp_path: Path) -> None:
    workdir.claim(tmp_path / "parent", CONFIG)
    parent = loop.train(CONFIG, tmp_path / "parent", made.dataset(), stop_after=1)
    spec = ImageSpec(OTHER, made.SIZE, 3)
    fresh = made.initial_state(CONFIG, spec)
    state, lineage = transfer.init_from(tmp_path / "parent", jax.tree.map(jax.numpy.asarray, fresh), spec)
    helpers.assert_trees_equal(state.g_params["base"], parent.state.g_params["base"])
    assert state.step == 0 and lineage["kept"] == ["product=square", "fill=dotted", "fill=plain", "width"]
    assert json.loads(json.dumps(lineage))["fresh"][0] == "product=star"
    with pytest.raises(errors.CheckpointError, match=r"have 8 px and 3 channels, those of this run 16 px and 3"):
        transfer.init_from(tmp_path / "parent", state, dataclasses.replace(spec, size=16))


def test_freezing_without_weights_to_keep_is_refused(tmp_path: Path) -> None:
    config = made.config(train={"freeze_d": 1})
    with pytest.raises(errors.ConfigError, match=r"freeze_d=1 keeps stages .* give --init_from=RUN"):
        checks.check(config, tmp_path, made.dataset())
    with pytest.raises(errors.ConfigError, match=r"freeze_d: got 3; expected 0 to 2"):
        made.config(train={"freeze_d": 3})
