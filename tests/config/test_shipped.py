import dataclasses
import runpy
from pathlib import Path
from typing import Any

import pytest

from ich_jax import config as config_lib
from ich_jax import errors

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def _class(path: Path) -> type:
    """The dataclass that a config file makes editable."""
    made: list[type] = []
    editable = config_lib.editable

    def noted(config: Any) -> Any:
        made.append(type(config))
        return editable(config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config_lib, "editable", noted)
        runpy.run_path(str(path))["get_config"]()
    return made[-1]


CLASSES = {path.stem: _class(path) for path in sorted(CONFIGS.glob("*.py"))}
OTHERS = {name: cls for name, cls in CLASSES.items() if cls is not config_lib.Config}  # of other experiments than train
NAMES = sorted(CLASSES.keys() - OTHERS.keys())
VARIANTS = [
    (name, variant) for name in OTHERS for variant in runpy.run_path(str(CONFIGS / f"{name}.py"))["VARIANTS"] if variant
]


def _load(name: str, **overrides: object) -> config_lib.Config:
    path = CONFIGS / f"{name}.py"
    if config_lib.load_editable(path).data.source != "procedural":
        overrides = {"data.path": "some/path"} | overrides
    return config_lib.load(path, overrides)


# A work directory is known by it. It changes with every result field that is added or given another default: then work
# directories of before are compared field by field (see workdir.claim), and this table takes the new values.
FINGERPRINTS = {
    "benchmark_32": "b2d5202ce2708b0a",
    "benchmark_64": "09959ab3fd626d5f",
    "design": "04c0ef4ecf28f4d1",
    "design:folder": "9c4005dfc48df0a0",
    "design:quick": "ac3ad30aa736c37c",
    "design:sketch": "23406604c0dbab96",
    "design:tiny": "7f5c7aefbee4f7f6",
    "economic_benefit": "5721c2d1f7717a6a",
    "economic_benefit:csv": "0215df15412cf47a",
    "economic_benefit:quick": "046c6123e4832965",
    "economic_benefit:size_study": "fa56ab399c1158fe",
    "economic_benefit:tiny": "2eedc0037f913976",
    "error_comparison": "5706100a59e0d3ad",
    "error_comparison:depth": "7a7b1ecc0c79b6a3",
    "error_comparison:folder": "f131920a0cae7b2f",
    "error_comparison:quick": "79e91497f2a1d52a",
    "error_comparison:tiny": "2d8e77a71b7ef3a5",
    "finetune_32": "3cef9e0c75ce9382",
    "folder_32": "7e12a194024a42a4",
    "folder_32:baseline": "089ddf2d2de42495",
    "folder_64": "950caa0bcde7d461",
    "grey_28": "f0b3f0e83fc03baf",
    "interference_sweep": "2f85a75ff91032d0",
    "interference_sweep:folder": "4ffcd693be245f57",
    "interference_sweep:pulse": "1be26f2b43cb7cd5",
    "interference_sweep:pulse_quick": "78c4c7abb541c81d",
    "interference_sweep:quick": "bcc2a9cd942e218b",
    "interference_sweep:tiny": "80db5749dfdcde9f",
    "interference_sweep:tiny_pulse": "4e9c78ca3d11dc66",
    "kansei_study": "dc2c24ad2ac399cd",
    "kansei_study:csv": "53c24e628ea81252",
    "kansei_study:loop": "a238e6e1191a8e8d",
    "kansei_study:loop_tiny": "b098b53363e90966",
    "kansei_study:tiny": "79e1ae9ab48a535d",
    "market": "ab2d1d80813b5b2e",
    "market:csv": "bbe69fa9fd79b09c",
    "market:quick": "08b00707ab85a99f",
    "market:tiny": "8451ec041e9f6300",
    "paper": "6928997ff157470a",
    "procedural_128": "8457238645945646",
    "procedural_32": "df45d8f17a65f2ec",
    "procedural_64": "e0cb5f04b699b2c8",
    "quick": "03a0f95cb34bb9c3",
    "quick:tiny": "f7acf1794693814c",
    "r3gan_32": "0fa2c0aa7ddd8a5b",
    "reproduce_paper": "a5a16313f84a1397",
    "reproduce_paper:quick": "c9b6cf4e1bae345c",
    "reproduce_paper:tiny": "9b9e07b944e59c0b",
    "sketch_32": "6426caf6d59beb3b",
}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_fingerprints_stay(name: str) -> None:
    cls = OTHERS.get(name.partition(":")[0], config_lib.Config)
    values = config_lib.load_editable(name)
    if "data" in values and not values.data.path:
        values.data.path = "" if values.data.source in ("procedural", "simulated") else "some/path"
    assert config_lib.fingerprint(config_lib.resolve(values, cls)) == FINGERPRINTS[name]


def test_every_shipped_config_has_its_fingerprint() -> None:
    assert {name.partition(":")[0] for name in FINGERPRINTS} == {*NAMES, *OTHERS}
    assert {f"{name}:{variant}" for name, variant in VARIANTS} <= FINGERPRINTS.keys()


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
    own_images = variant in ("csv", "folder") and name not in ("design", "interference_sweep")
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
