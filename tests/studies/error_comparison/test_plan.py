"""The pieces of work of a comparison."""

from pathlib import Path

from ich_jax import config as config_lib
from ich_jax.studies.error_comparison import plan
from tests.studies.error_comparison.made import make_config


def test_arms_differ_in_nothing_but_shortcut_and_gain(images: Path) -> None:
    config = make_config(images, depths=(1, 2))
    for pieces in (plan.cells(config, ()), plan.trials(config)):
        assert len({piece.name for piece in pieces}) == len(pieces)
    by_piece = {
        (p.arm, p.depth, p.seed): config_lib.flatten(plan.cell_config(config, p)) for p in plan.cells(config, ())
    }
    plain, residual = by_piece["plain", 2, 1], by_piece["residual", 2, 1]
    differing = {name for name in plain if plain[name] != residual[name]}
    assert differing == {"name", "generator.arm", "discriminator.arm"}
    assert (plain["generator.blocks"], plain["discriminator.blocks"], plain["seed"]) == (2, 2, 1)
    only = make_config(images, networks="generator")
    plain, residual = (config_lib.flatten(plan.cell_config(only, p)) for p in plan.cells(only, ())[:2])
    assert {name for name in plain if plain[name] != residual[name]} == {"name", "generator.arm"}
