import dataclasses
import runpy
from pathlib import Path
from typing import Any

import pytest

from ich_jax import config as config_lib
from ich_jax import errors

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
# Of other experiments than train.
OTHERS = {
    "economic_benefit": config_lib.BenefitConfig,
    "error_comparison": config_lib.ErrorComparisonConfig,
    "interference_sweep": config_lib.InterferenceConfig,
    "kansei_study": config_lib.KanseiConfig,
}
NAMES = sorted(path.stem for path in CONFIGS.glob("*.py") if path.stem not in OTHERS)
VARIANTS = [
    (name, variant) for name in OTHERS for variant in runpy.run_path(str(CONFIGS / f"{name}.py"))["VARIANTS"] if variant
]


def _load(name: str, **overrides: object) -> config_lib.Config:
    path = CONFIGS / f"{name}.py"
    if config_lib.load_editable(path).data.source != "procedural":
        overrides = {"data.path": "some/path"} | overrides
    return config_lib.load(path, overrides)


def test_the_configs_of_the_readme_exist() -> None:
    assert {"quick", "procedural_32", "procedural_64", "paper", "folder_32", "folder_64", "grey_28"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_config_resolves_is_named_after_its_file(name: str) -> None:
    config = _load(name)
    assert config.name == name
    assert config.train.steps > 0


@pytest.mark.parametrize("name", OTHERS)
def test_configs_of_other_experiments_resolve(name: str) -> None:
    assert config_lib.load(CONFIGS / f"{name}.py", cls=OTHERS[name]).name == name


def _variant(name: str, variant: str) -> Any:
    path = f"{CONFIGS / name}.py:{variant}"
    own_images = variant in ("csv", "folder") and name != "interference_sweep"
    return config_lib.load(path, {"data.path": "some/path"} if own_images else {}, OTHERS[name])


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_variants_of_other_experiments_resolve_and_are_described(name: str, variant: str) -> None:
    assert _variant(name, variant).name == f"{name}:{variant}"
    assert f"\n    :{variant} " in (CONFIGS / f"{name}.py").read_text().split("Variants:")[1]
    with pytest.raises(errors.ConfigError, match=variant):
        config_lib.load_editable(f"{CONFIGS / name}.py:{variant}y")


@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_config_says_how_to_run_it_and_what_to_expect(name: str) -> None:
    text = (CONFIGS / f"{name}.py").read_text()
    for words in (f"--config=configs/{name}.py", f"--workdir=runs/{name}", "Expected time:", "Expected result:"):
        assert words in text


@pytest.mark.parametrize("name", ["folder_32", "folder_64", "grey_28"])
def test_own_images_need_a_path(name: str) -> None:
    with pytest.raises(errors.ConfigError, match=r"--config\.data\.path=PATH"):
        config_lib.load(CONFIGS / f"{name}.py")


def test_paper_is_alternate_minimax_without_penalty() -> None:
    objective = _load("paper").objective
    assert (objective.loss, objective.update, objective.d_steps, objective.penalty) == (
        "minimax",
        "alternate",
        1,
        "none",
    )


def test_folder_baseline_is_plain_on_the_same_images_for_as_many_steps() -> None:
    ours = _load("folder_32")
    baseline = config_lib.load(f"{CONFIGS / 'folder_32.py'}:baseline", {"data.path": "some/path"})
    assert baseline.generator.arm == baseline.discriminator.arm == "plain"
    assert baseline.objective.penalty == "none"
    assert baseline.train.images == ours.train.images
    assert baseline.evaluation == ours.evaluation
    assert dataclasses.replace(baseline.data, augment=ours.data.augment) == ours.data


def test_grey_has_one_channel_and_two_stages() -> None:
    config = _load("grey_28")
    assert (config.data.channels, config.data.size) == (1, 28)
    assert len(config.generator.widths) == len(config.discriminator.widths) == 2


def test_tiny_variant_keeps_the_road_and_shrinks_it() -> None:
    tiny, quick = config_lib.load(f"{CONFIGS / 'quick.py'}:tiny"), _load("quick")
    assert tiny.train.steps < 10
    assert len(tiny.generator.widths) == len(quick.generator.widths)
    with pytest.raises(errors.ConfigError, match="tiny"):
        config_lib.load(f"{CONFIGS / 'quick.py'}:tinny")


def test_tiny_variants_of_other_experiments_keep_the_road() -> None:
    compared = _variant("error_comparison", "tiny")
    assert compared.comparison.trial_steps == compared.train.steps < 10  # trials share the compiled steps of the cells
    assert compared.comparison.seeds > 1 and compared.comparison.best_of > 1

    swept = _variant("interference_sweep", "tiny")
    assert swept.task == "sweep" and any(kind.startswith("image_") for kind in swept.sweep.kinds) and swept.sweep.real
    assert _variant("interference_sweep", "tiny_pulse").task == "pulse"

    # Two products, worked on at once as they are by :quick: what makes threads wait for each other has to be there.
    tiny, quick = _variant("economic_benefit", "tiny"), _variant("economic_benefit", "quick")
    assert (tiny.task, tiny.data.source, len(tiny.simulation.products)) == ("analyse", "simulated", 2)
    assert tiny.threads == quick.threads != 1
