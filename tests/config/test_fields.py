import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from tests.helpers import resolve


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


# ---------------------------------------------------------------- files, variants and overrides


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
        ("train.stepz", 1, "--config.train.stepz: there is no field 'stepz'; did you mean 'steps'?"),
        ("trian.steps", 1, "--config.trian.steps: there is no section 'trian'; did you mean 'train'?"),
        ("sed", 1, "--config.sed: there is no field 'sed'; did you mean 'seed'?"),
        ("train.steps.more", 1, "--config.train.steps.more: there is no section 'steps'"),
        ("name.small", 1, "--config.name.small: there is no section 'name'"),
        ("train.clip", True, "--config.train.clip: got True; expected a number."),
        ("train", {"steps": 5}, "--config.train is a section; override its fields, such as 'train."),
        ("train.steps", "many", "--config.train.steps: got 'many'; expected a whole number."),
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
    with pytest.raises(
        errors.ConfigError, match=r"--config\.train\.step: there is no field 'step'; did you mean 'steps'"
    ):
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
        ("seed", True, "--config.seed: got True; expected a whole number."),
        ("seed", 1.0, "--config.seed: got 1.0; expected a whole number."),
        ("seed", None, "--config.seed: got None; expected a whole number."),
        ("train__g_lr", "fast", "--config.train.g_lr: got 'fast'; expected a number."),
        ("train__g_lr", False, "--config.train.g_lr: got False; expected a number."),
        ("train__g_lr", float("nan"), "--config.train.g_lr: got nan; expected a finite number."),
        ("train__g_lr", float("inf"), "--config.train.g_lr: got inf; expected a finite number."),
        ("train__g_lr", 10**400, "--config.train.g_lr: got 1000"),
        ("loop__progress", 1, "--config.loop.progress: got 1; expected True or False."),
        ("data__path", Path("x"), "--config.data.path: got"),
        ("generator__widths", "(8, wide)", "--config.generator.widths[0]: got '(8, wide)'; expected a whole number."),
        ("generator__widths", (8, 8.5, 8), "--config.generator.widths[1]: got 8.5; expected a whole number."),
        ("train", 5, "--config.train: got 5; expected the fields of TrainConfig."),
    ],
)
def test_ill_typed_values_are_refused_by_name(name: str, value: Any, message: str) -> None:
    with pytest.raises(errors.ConfigError, match=re.escape(message)):
        resolve(**{name: value})


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
    offset: float = config_lib.result(0.0, "A signed field of an experiment.", at_least=-2)


def test_an_experiment_may_add_fields_of_its_own() -> None:
    config = config_lib.editable(_SweepConfig())
    config.train.steps, config.offset = 10, -1.5
    resolved = config_lib.resolve(config, _SweepConfig)
    assert (resolved.offset, resolved.train.images) == (-1.5, 320)


def test_a_field_added_to_stored_runs_leaves_their_fingerprints() -> None:
    values = config_lib.flatten(resolve(), "result")
    added = ("data.sketches", "objective.sketch_dropout", "train.freeze_d")
    assert [values.pop(name) for name in added] == ["none", 0.5, 0]
    assert config_lib.fingerprint(resolve()) == config_lib.fingerprint(values)
    assert config_lib.fingerprint(resolve(data__sketches="derived")) != config_lib.fingerprint(values)
