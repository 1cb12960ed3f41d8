import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import ml_collections
import pytest
from hypothesis import strategies as st

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.data import augment

ROOT = Path(__file__).resolve().parents[1]
# Of other experiments than train; see test_configs.py.
OTHERS = {"economic_benefit", "error_comparison", "interference_sweep", "kansei_study"}
CONFIGS = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "configs").glob("*.py") if p.stem not in OTHERS)


def resolve(**overrides: Any) -> config_lib.Config:
    """The default config with fields changed; `__` stands for the dot of a dotted name."""
    values = config_lib.to_dict(config_lib.Config())
    values["train"]["steps"] = 100
    for name, value in overrides.items():
        section, _, field = name.rpartition("__")
        (values[section] if section else values)[field] = value
    return config_lib.resolve(values)


def write(path: Path, body: str) -> str:
    path.write_text(f"from ich_jax import config as config_lib\n\n{body}")
    return str(path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return write(
        tmp_path / "small.py",
        """
def get_config(variant=""):
    config_lib.errors.require(variant, ("", "short"), "variant of small.py")
    steps = 10 if variant == "short" else 1000
    return config_lib.editable(config_lib.Config(name="small", train=config_lib.TrainConfig(steps=steps, batch=8)))
""",
    )


# ---------------------------------------------------------------- declarations


def test_every_field_is_of_a_stated_kind_and_documented() -> None:
    def walk(cls: type) -> None:
        for field in dataclasses.fields(cls):
            assert field.metadata["kind"] in {"result", "execution", "section"}, field.name
            assert field.metadata["doc"].endswith("."), field.name
            if field.metadata["kind"] == "section":
                walk(field.default_factory)

    walk(config_lib.Config)


def test_configs_are_frozen_and_hashable() -> None:
    config = resolve()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1
    assert hash(config) == hash(resolve())


def test_augmentation_names_are_those_that_exist() -> None:
    assert callable(augment.make_augment(",".join(config_lib.AUGMENTATIONS)))


# ---------------------------------------------------------------- files, variants and overrides


@pytest.mark.parametrize("path", CONFIGS)
def test_shipped_configs_resolve_and_say_how_to_run_them(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    editable = config_lib.load_editable(path)
    if editable.data.source != "procedural":
        with pytest.raises(errors.ConfigError, match=r"--config\.data\.path=PATH"):
            config_lib.load(path)
        editable.data.path = "images"
    assert isinstance(config_lib.resolve(editable), config_lib.Config)
    docstring = Path(path).read_text()
    assert f"python experiments/train.py --config={path}" in docstring
    assert "Expected time:" in docstring
    assert "Expected result:" in docstring


def test_load_applies_overrides_by_dotted_name(file: str) -> None:
    config = config_lib.load(file, {"train.g_lr": 1e-4, "seed": 3, "generator.widths": (16, 8)})
    assert (config.name, config.train.steps, config.train.g_lr, config.seed) == ("small", 1000, 1e-4, 3)
    assert config.generator.widths == (16, 8)


def test_load_passes_the_variant(file: str) -> None:
    assert config_lib.load(f"{file}:short").train.steps == 10
    with pytest.raises(errors.ConfigError, match=r"got 'shrt'; did you mean 'short'\?"):
        config_lib.load(f"{file}:shrt")


def test_a_file_without_variants_refuses_one(tmp_path: Path) -> None:
    path = write(tmp_path / "plain.py", "def get_config():\n    return config_lib.editable(config_lib.Config())\n")
    with pytest.raises(errors.ConfigError, match=r"has no variants.*drop ':tiny'"):
        config_lib.load(f"{path}:tiny")


def test_a_missing_file_names_its_neighbours(file: str) -> None:
    wrong = file.replace("small", "smal")
    with pytest.raises(errors.ConfigError, match=rf"No config file at '{wrong}'; did you mean '{file}'\?"):
        config_lib.load(wrong)


def test_a_missing_folder_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="there is none to choose from"):
        config_lib.load(tmp_path / "nowhere" / "x.py")


def test_files_that_are_no_config_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(errors.ConfigError, match="not a Python file"):
        config_lib.load(tmp_path / "notes.txt")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(errors.ConfigError, match=r"has no get_config\(\)"):
        config_lib.load(tmp_path / "empty.py")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("train.stepz", 1, "Unknown config field 'train.stepz'; did you mean 'steps'?"),
        ("trian.steps", 1, "Unknown config section 'trian' in 'trian.steps'; did you mean 'train'?"),
        ("sed", 1, "Unknown config field 'sed'; did you mean 'seed'?"),
        ("train.steps.more", 1, "Unknown config section 'steps' in 'train.steps.more'"),
        ("name.small", 1, "Unknown config section 'name' in 'name.small'"),
        ("train.clip", True, "config.train.clip: expected float, got True (bool)."),
        ("train", {"steps": 5}, "'train' is a config section; override its fields, such as 'train."),
        ("train.steps", "many", "config.train.steps: expected int, got 'many' (str)."),
    ],
)
def test_overrides_that_do_not_fit_are_refused(file: str, name: str, value: Any, message: str) -> None:
    with pytest.raises(errors.ConfigError, match=re.escape(message)):
        config_lib.load(file, {name: value})


def test_a_name_misspelt_in_a_config_file_is_refused(tmp_path: Path) -> None:
    body = """
def get_config():
    config = config_lib.editable(config_lib.Config())
    config.train.step = 5
    return config
"""
    with pytest.raises(errors.ConfigError, match=r"Unknown config field 'config\.train\.step'; did you mean 'steps'"):
        config_lib.load(write(tmp_path / "misspelt.py", body))


# ---------------------------------------------------------------- typed conversion


def test_an_int_serves_as_a_float() -> None:
    value = resolve(train__clip=1).train.clip
    assert value == 1.0
    assert isinstance(value, float)


@pytest.mark.parametrize(
    ("given", "widths"),
    [("(64, 32)", (64, 32)), ("[64, 32]", (64, 32)), ("64, 32", (64, 32)), ([64, 32], (64, 32)), (64, (64,))],
)
def test_tuples_are_read_from_command_line_strings_and_lists(given: Any, widths: tuple[int, ...]) -> None:
    assert resolve(generator__widths=given).generator.widths == widths


@pytest.mark.parametrize("given", ["axis_noise, quantised", "('axis_noise', 'quantised')", ["axis_noise,quantised"]])
def test_names_may_be_separated_by_commas(given: Any) -> None:
    resolved = config_lib.resolve({"sweep": {"kinds": given}}, config_lib.InterferenceConfig)
    assert resolved.sweep.kinds == ("axis_noise", "quantised")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", True, "config.seed: expected int, got True (bool)."),
        ("seed", 1.0, "config.seed: expected int, got 1.0 (float)."),
        ("seed", None, "config.seed: expected int, got None (NoneType)."),
        ("train__g_lr", "fast", "config.train.g_lr: expected float, got 'fast' (str)."),
        ("train__g_lr", False, "config.train.g_lr: expected float, got False (bool)."),
        ("train__g_lr", float("nan"), "config.train.g_lr: expected a finite number, got nan."),
        ("train__g_lr", float("inf"), "config.train.g_lr: expected a finite number, got inf."),
        ("train__g_lr", 10**400, "config.train.g_lr: expected float"),
        ("loop__progress", 1, "config.loop.progress: expected bool, got 1 (int)."),
        ("data__path", Path("x"), "config.data.path: expected str"),
        ("generator__widths", "(8, wide)", "config.generator.widths[0]: expected int, got '(8, wide)' (str)."),
        ("generator__widths", (8, 8.5, 8), "config.generator.widths[1]: expected int, got 8.5 (float)."),
        ("train", 5, "config.train: expected the fields of TrainConfig, got 5."),
    ],
)
def test_ill_typed_values_are_refused_by_name(name: str, value: Any, message: str) -> None:
    with pytest.raises(errors.ConfigError, match=re.escape(message)):
        resolve(**{name: value})


# ---------------------------------------------------------------- checks


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"data__source": "folders", "data__path": "x"}, "config.data.source: got 'folders'; did you mean 'folder'?"),
        ({"generator__arm": "residul"}, "config.generator.arm: got 'residul'; did you mean 'residual'?"),
        ({"discriminator__arm": "flat"}, "config.discriminator.arm: got 'flat'; Allowed: residual, plain"),
        ({"generator__activation": "sillu"}, "config.generator.activation: got 'sillu'; did you mean 'silu'"),
        ({"discriminator__activation": "tanh"}, "config.discriminator.activation: got 'tanh'"),
        ({"objective__loss": "hing"}, "config.objective.loss: got 'hing'; did you mean 'hinge'?"),
        ({"objective__penalty": "r3"}, "config.objective.penalty: got 'r3'"),
        ({"objective__update": "alternating"}, "config.objective.update: got 'alternating'; did you mean 'alternate'?"),
        ({"compute__dtype": "float16"}, "config.compute.dtype: got 'float16'; did you mean 'bfloat16' or 'float32'?"),
        ({"data__augment": "flip,colour"}, "config.data.augment: got 'colour'; did you mean 'color' or"),
        ({"data__channels": 2}, "config.data.channels: expected 1 (grey) or 3 (colour), got 2."),
        ({"data__source": "folder"}, "config.data.path is empty but config.data.source is 'folder'"),
        ({"data__source": "npz"}, "config.data.path is empty but config.data.source is 'npz'"),
        ({"data__channels": 1}, "Procedural data are colour images"),
        ({"data__size": 8}, "Procedural data are colour images of 16 to 256 px, got config.data.size=8"),
        ({"data__size": 512}, "Procedural data are colour images of 16 to 256 px"),
        ({"objective__d_steps": 2}, "config.objective.d_steps other than 1 needs config.objective.update='alternate'"),
        ({"objective__penalty_share": 0.0}, "penalty is 'r1_r2' but config.objective.penalty_share is 0"),
        ({"data__size": 36}, "config.generator.widths has 3 stages, but 36 px cannot be halved 3 times"),
        ({"generator__widths": (8,) * 5}, "config.generator.widths has 5 stages"),
        ({"discriminator__widths": (8,) * 5}, "config.discriminator.widths has 5 stages"),
        ({"generator__widths": ()}, "config.generator.widths: expected one or more positive numbers, got ()."),
        ({"inspector__widths": (8, 0)}, "config.inspector.widths: expected one or more positive numbers, got (8, 0)."),
        ({"train__batch": 0}, "config.train.batch: expected a positive number, got 0."),
        ({"train__batch": 0, "train__images": 64}, "config.train.batch: expected a positive number, got 0."),
        ({"train__g_lr": -1e-3}, "config.train.g_lr: expected a positive number, got -0.001."),
        ({"evaluation__n_designs": 0}, "config.evaluation.n_designs: expected a positive number, got 0."),
        ({"data__max_bad_share": 1.5}, "config.data.max_bad_share: expected a share in [0, 1], got 1.5."),
        ({"train__final_lr": -0.1}, "config.train.final_lr: expected a share in [0, 1], got -0.1."),
        ({"train__ema": 1.0}, "config.train.ema: expected a number in [0, 1), got 1.0."),
        ({"data__holdout_share": 1}, "config.data.holdout_share: expected a number in [0, 1), got 1.0."),
        ({"seed": -1}, "config.seed: expected 0 or more, got -1."),
        ({"train__warmup": -1}, "config.train.warmup: expected 0 or more, got -1."),
        ({"train__steps": -5, "train__images": 64}, "config.train.steps: expected 0 or more, got -5."),
        ({"train__steps": 0}, "config.train.steps is 0 and so is config.train.images; state how long to train."),
        ({"train__images": 64}, "config.train states both steps=100 and images=64, which differ at batch=32"),
    ],
)
def test_values_that_cannot_work_are_refused(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ConfigError, match=re.escape(message)):
        resolve(**overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        {"objective__update": "alternate", "objective__d_steps": 5},
        {"objective__penalty": "none", "objective__penalty_share": 0.0},
        {"data__augment": ""},
        {"data__size": 16, "generator__widths": (8, 8, 8), "discriminator__widths": (8, 8, 8)},
        {"data__source": "npz", "data__path": "x.npz", "data__size": 28, "data__channels": 1}
        | {"generator__widths": (8, 8), "discriminator__widths": (8, 8)},
    ],
)
def test_values_at_the_edge_of_what_works_are_accepted(overrides: dict[str, Any]) -> None:
    assert isinstance(resolve(**overrides), config_lib.Config)


# ---------------------------------------------------------------- derived values


def test_steps_and_images_follow_from_each_other() -> None:
    assert resolve(train__steps=10, train__batch=8).train.images == 80
    from_images = resolve(train__steps=0, train__images=81, train__batch=8).train
    assert (from_images.steps, from_images.images) == (11, 88)


def test_intervals_follow_from_the_length_of_the_run() -> None:
    loop = resolve(train__steps=1000).loop
    assert (loop.log_every, loop.validate_every, loop.checkpoint_every, loop.sample_every) == (10, 100, 100, 100)
    short = resolve(train__steps=3, loop__log_every=2).loop
    assert (short.log_every, short.validate_every, short.checkpoint_every, short.sample_every) == (2, 1, 1, 1)


def test_resolving_twice_changes_nothing() -> None:
    config = resolve(train__steps=0, train__images=1000)
    assert config_lib.resolve(config) == config


# ---------------------------------------------------------------- fingerprint


def test_the_fingerprint_changes_with_every_result_field_and_no_other() -> None:
    config = resolve()
    base = config_lib.fingerprint(config)
    assert re.fullmatch("[0-9a-f]{16}", base)
    changes: dict[type, Callable[[Any], Any]] = {
        bool: lambda v: not v,
        int: lambda v: v + 1,
        float: lambda v: v + 0.125,
        str: lambda v: v + "x",
        tuple: lambda v: (*v, 1),
    }
    for kind, changed in (("result", True), ("execution", False)):
        for name, value in config_lib.flatten(config, kind).items():
            *sections, field = name.split(".")
            other = {field: changes[type(value)](value)}
            if sections:
                other = {sections[0]: dataclasses.replace(getattr(config, sections[0]), **other)}
            assert (config_lib.fingerprint(dataclasses.replace(config, **other)) != base) == changed, name


def test_flatten_splits_fields_by_kind_without_loss() -> None:
    config = resolve()
    result, execution = config_lib.flatten(config, "result"), config_lib.flatten(config, "execution")
    assert not result.keys() & execution.keys()
    assert result | execution == config_lib.flatten(config)
    assert execution.keys() >= {"loop.progress", "compute.compilation_cache"}
    assert result["generator.widths"] == config.generator.widths


def test_the_fingerprint_is_the_same_in_another_process() -> None:
    # Stored fingerprints (work directories, the shipped inspector) must stay readable: this one is a constant.
    assert config_lib.fingerprint({"b": (1, 2), "a": 0.5}) == config_lib.fingerprint({"a": 0.5, "b": [1, 2]})
    assert config_lib.fingerprint({"a": 0.5, "b": [1, 2]}) == "61c62de8eeea3030"


# ---------------------------------------------------------------- experiments with fields of their own


@dataclasses.dataclass(frozen=True)
class _SweepConfig(config_lib.Config):
    offset: float = config_lib.result(0.0, "A signed field of an experiment.")


def test_an_experiment_may_add_fields_of_its_own() -> None:
    config = config_lib.editable(_SweepConfig())
    config.train.steps, config.offset = 10, -1.5
    resolved = config_lib.resolve(config, _SweepConfig)
    assert (resolved.offset, resolved.train.images) == (-1.5, 320)


# ---------------------------------------------------------------- round trip

_widths = st.lists(st.integers(1, 512), min_size=1, max_size=3).map(tuple)
_configs = st.builds(
    config_lib.Config,
    name=st.text(max_size=8),
    seed=st.integers(0, 2**31),
    data=st.builds(
        config_lib.DataConfig,
        path=st.text(max_size=8),
        size=st.sampled_from([16, 32, 64, 256]),
        holdout_share=st.floats(0, 0.9),
        augment=st.sampled_from(["", "flip", "color,cutout"]),
    ),
    generator=st.builds(config_lib.GeneratorConfig, widths=_widths, arm=st.sampled_from(config_lib.ARMS)),
    discriminator=st.builds(config_lib.DiscriminatorConfig, widths=_widths),
    objective=st.builds(
        config_lib.ObjectiveConfig,
        loss=st.sampled_from(config_lib.LOSSES),
        update=st.just("alternate"),
        d_steps=st.integers(1, 5),
        penalty_weight=st.floats(0, 1e6),
    ),
    train=st.builds(
        config_lib.TrainConfig,
        images=st.integers(1, 10**9),
        batch=st.integers(1, 4096),
        g_lr=st.floats(0, 10, exclude_min=True),
    ),
    loop=st.builds(config_lib.LoopConfig, progress=st.booleans(), log_every=st.integers(0, 100)),
)


@hypothesis.settings(deadline=None, max_examples=25)
@hypothesis.given(_configs)
def test_round_trip_through_json_and_the_editable_form(config: config_lib.Config) -> None:
    resolved = config_lib.resolve(config)
    stored = json.loads(json.dumps(config_lib.to_dict(resolved)))
    for restored in (
        config_lib.resolve(stored),
        config_lib.resolve(config_lib.editable(resolved)),
        config_lib.resolve(ml_collections.ConfigDict(stored)),
    ):
        assert restored == resolved
        assert config_lib.fingerprint(restored) == config_lib.fingerprint(resolved)


@hypothesis.settings(deadline=None, max_examples=25)
@hypothesis.given(
    st.sampled_from(sorted(config_lib.flatten(config_lib.Config()))),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers())),
)
def test_any_value_is_accepted_or_refused_with_a_message(name: str, value: Any) -> None:
    try:
        outcome = resolve(**{name.replace(".", "__"): value})
    except errors.ConfigError as error:
        outcome = str(error)
    assert isinstance(outcome, config_lib.Config) or "config." in outcome
