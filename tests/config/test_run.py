import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import hypothesis
import ml_collections
import pytest
from hypothesis import strategies as st

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.data import augment
from tests.helpers import resolve

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


# ---------------------------------------------------------------- checks


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"data__source": "folders", "data__path": "x"}, "--config.data.source: got 'folders'; did you mean 'folder'?"),
        ({"generator__arm": "residul"}, "--config.generator.arm: got 'residul'; did you mean 'residual'?"),
        ({"discriminator__arm": "flat"}, "--config.discriminator.arm: got 'flat'; Allowed: residual, plain"),
        ({"generator__activation": "sillu"}, "--config.generator.activation: got 'sillu'; did you mean 'silu'"),
        ({"discriminator__activation": "tanh"}, "--config.discriminator.activation: got 'tanh'"),
        ({"objective__loss": "hing"}, "--config.objective.loss: got 'hing'; did you mean 'hinge'?"),
        ({"objective__penalty": "r3"}, "--config.objective.penalty: got 'r3'"),
        (
            {"objective__update": "alternating"},
            "--config.objective.update: got 'alternating'; did you mean 'alternate'?",
        ),
        ({"compute__dtype": "float16"}, "--config.compute.dtype: got 'float16'; did you mean 'bfloat16' or 'float32'?"),
        ({"data__augment": "flip,colour"}, "--config.data.augment: got 'colour'; did you mean 'color' or"),
        ({"data__channels": 2}, "--config.data.channels: got 2; expected 1 or 3."),
        ({"data__source": "folder"}, "--config.data.path is empty but --config.data.source is 'folder'"),
        ({"data__source": "npz"}, "--config.data.path is empty but --config.data.source is 'npz'"),
        ({"data__channels": 1}, "Procedural data are colour images"),
        ({"data__size": 8}, "Procedural data are colour images of 16 to 256 px, got --config.data.size=8"),
        ({"data__size": 512}, "Procedural data are colour images of 16 to 256 px"),
        (
            {"objective__d_steps": 2},
            "--config.objective.d_steps other than 1 needs --config.objective.update=alternate",
        ),
        ({"objective__penalty_share": 0.0}, "penalty is 'r1_r2' but --config.objective.penalty_share is 0"),
        ({"data__size": 36}, "--config.generator.widths has 3 stages, but 36 px cannot be halved 3 times"),
        ({"generator__widths": (8,) * 5}, "--config.generator.widths has 5 stages"),
        ({"discriminator__widths": (8,) * 5}, "--config.discriminator.widths has 5 stages"),
        (
            {"generator__widths": ()},
            "--config.generator.widths: got (); expected one or more whole numbers of at least 1.",
        ),
        (
            {"inspector__widths": (8, 0)},
            "--config.inspector.widths: got (8, 0); expected one or more whole numbers of at least 1.",
        ),
        ({"train__batch": 0}, "--config.train.batch: got 0; expected a whole number of at least 1."),
        (
            {"train__batch": 0, "train__images": 64},
            "--config.train.batch: got 0; expected a whole number of at least 1.",
        ),
        ({"train__g_lr": -1e-3}, "--config.train.g_lr: got -0.001; expected a number above 0."),
        ({"evaluation__n_designs": 0}, "--config.evaluation.n_designs: got 0; expected a whole number of at least 1."),
        ({"data__max_bad_share": 1.5}, "--config.data.max_bad_share: got 1.5; expected a number from 0 to 1."),
        ({"train__final_lr": -0.1}, "--config.train.final_lr: got -0.1; expected a number from 0 to 1."),
        ({"train__ema": 1.0}, "--config.train.ema: got 1.0; expected a number of at least 0 and below 1."),
        (
            {"data__holdout_share": 1},
            "--config.data.holdout_share: got 1.0; expected a number of at least 0 and below 1.",
        ),
        (
            {"seed": -1},
            "--config.seed: got -1; expected a whole number from 0 to 4,294,967,295: of a seed only 32 bits",
        ),
        ({"seed": 2**32}, "--config.seed: got 4294967296; expected a whole number from 0 to 4,294,967,295: of a seed"),
        ({"inspector__seed": 2**32}, "--config.inspector.seed: got 4294967296; expected a whole number from 0 to"),
        ({"evaluation__seed": 2**40}, "--config.evaluation.seed: got 1099511627776; expected a whole number from 0 to"),
        ({"train__warmup": -1}, "--config.train.warmup: got -1; expected a whole number of at least 0."),
        (
            {"train__steps": -5, "train__images": 64},
            "--config.train.steps: got -5; expected a whole number of at least 0.",
        ),
        ({"train__steps": 0}, "--config.train.steps and --config.train.images are both 0; state how"),
        (
            {"train__images": 64},
            "--config.train.steps=100 and --config.train.images=64 differ at",
        ),
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
        {"seed": 2**32 - 1, "inspector__seed": 2**32 - 1, "evaluation__seed": 2**32 - 1},
        {"data__size": 16, "generator__widths": (8, 8, 8), "discriminator__widths": (8, 8, 8)},
        {"data__source": "npz", "data__path": "x.npz", "data__size": 28, "data__channels": 1}
        | {"generator__widths": (8, 8), "discriminator__widths": (8, 8)},
    ],
)
def test_values_at_the_edge_of_what_works_are_accepted(overrides: dict[str, Any]) -> None:
    assert isinstance(resolve(**overrides), config_lib.Config)


# Seeds of the other configs: a field, the largest value that leaves every derived seed one of its own.
_SEEDS = [
    (config_lib.ErrorComparisonConfig, "seed", 2**32 - 1 - 1_001_000),
    (config_lib.InterferenceConfig, "sweep.seeds", 2**32 - 1),
    (config_lib.InterferenceConfig, "pulse.seeds", 2**32 - 1 - 1_000_003),
    (config_lib.InterferenceConfig, "judge.seed", 2**32 - 1),
    (config_lib.DesignConfig, "seed", 2**32 - 1),
    (config_lib.DesignConfig, "seeds", 2**32 - 1),
    (config_lib.BenefitConfig, "seed", 2**32 - 1),
    (config_lib.BenefitConfig, "simulation.seed", 2**32 - 1),
    (config_lib.KanseiConfig, "seed", 2**32 - 1),
    (config_lib.MarketConfig, "seed", 2**32 - 1),
]


@pytest.mark.parametrize(("cls", "name", "largest"), _SEEDS, ids=lambda part: getattr(part, "__name__", str(part)))
def test_seeds_that_jax_does_not_keep_apart_are_refused(cls: type, name: str, largest: int) -> None:
    def made(seed: int) -> Any:
        section, _, field = name.rpartition(".")
        values: dict[str, Any] = {field: (seed,) if field == "seeds" else seed}
        values = {section: values} if section else values
        return config_lib.resolve({"train": {"steps": 10}} | values if cls is _SEEDS[0][0] else values, cls)

    assert made(0) and made(largest)
    for seed in (-1, largest + 1, 2**32, 2**64):
        with pytest.raises(errors.ConfigError, match=rf"{name}: got {seed}; .* from 0 to [\d,]+: of a seed only 32"):
            made(seed)


def test_every_seed_of_every_config_is_checked() -> None:
    def seeds(cls: type, prefix: str = "") -> Iterator[str]:
        for field in dataclasses.fields(cls):
            if field.metadata["kind"] == "section":
                yield from seeds(field.default_factory, f"{prefix}{field.name}.")  # type: ignore[arg-type]
            elif field.name == "seed" or (field.name == "seeds" and isinstance(field.default, tuple)):
                yield prefix + field.name

    checked = {(cls, name) for cls, name, _ in _SEEDS}
    own = {(config_lib.Config, name) for name in seeds(config_lib.Config)}
    assert own == {(config_lib.Config, name) for name in ("seed", "inspector.seed", "evaluation.seed")}
    for cls in {cls for cls, _, _ in _SEEDS} - {config_lib.ErrorComparisonConfig}:  # whose fields are those of a run
        assert {(cls, name) for name in seeds(cls)} <= checked


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


# ---------------------------------------------------------------- round trip

_widths = st.lists(st.integers(1, 512), min_size=1, max_size=3).map(tuple)
_configs = st.builds(
    config_lib.Config,
    name=st.text(max_size=8),
    seed=st.integers(0, 2**32 - 1),
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
    assert isinstance(outcome, config_lib.Config) or outcome.startswith("--config.")
