"""The stages of the reproduction, one row each: an experiment, its config at every size, and what it starts from.

A new stage is a row here. `{train}` in a flag stands for the work directory of the stage of that name, which is run
before. The page shows a stage by the sections of `sections.py` and verdicts on claims by `ours.py`; a row alone is run,
and listed with a link to its own page.
"""

import dataclasses
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

from ich_jax import config as config_lib
from ich_jax import errors

_TRAINED = ("--checkpoint={train}",)
_SHIPPED = ("--checkpoint=shipped",)
_BRIEFS = tuple(f"--brief=product={product}" for product in ("figurine", "earrings", "fan", "book"))


@dataclasses.dataclass(frozen=True)
class Stage:
    """A row of the table.

    Attributes:
        name: Of the stage and of its folder.
        about: What it shows.
        paper: Place in the paper.
        study: The study of `ich_jax.studies` that it runs.
        configs: Name of its config at each size.
        flags: Further flags at each size.
        command: Runs instead of a study: arguments of the interpreter, for tests.
    """

    name: str
    about: str
    paper: str
    study: str = ""
    configs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    flags: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    command: tuple[str, ...] = ()

    def needs(self, size: str) -> tuple[str, ...]:
        """Names of the stages from whose work directories it starts."""
        words = (*self.flags.get(size, ()), *self.command)
        return tuple(name for word in words for name in re.findall(r"\{(\w+)\}", word) if name != "workdir")


STAGES = (
    Stage(
        "train",
        "a generator follows briefs, judged by an inspector that took no part in training",
        "2.1, 2.2, Figures 1 and 2",
        "train",
        {"full": "procedural_32", "quick": "quick", "tiny": "quick:tiny"},
    ),
    Stage(
        "design",
        "designs to briefs, chosen among many candidates",
        "2.3, 3.1.3",
        "design",
        {"full": "design", "quick": "design:quick", "tiny": "design:tiny"},
        {"full": (*_TRAINED, *_BRIEFS), "quick": _BRIEFS, "tiny": (*_TRAINED, _BRIEFS[2])},
    ),
    Stage(
        "error_comparison",
        "errors on each axis with and without residual blocks",
        "3.2.1, Figure 4",
        "error_comparison",
        {"full": "error_comparison", "quick": "error_comparison:quick", "tiny": "error_comparison:tiny"},
    ),
    Stage(
        "interference",
        "accuracy of a trained generator under interference",
        "3.2.1, Figure 5",
        "interference",
        {"full": "interference_sweep", "quick": "interference_sweep:quick", "tiny": "interference_sweep:tiny"},
        {"full": _TRAINED, "quick": _SHIPPED, "tiny": _TRAINED},
    ),
    Stage(
        "pulse",
        "loss and recovery of accuracy while training is disturbed",
        "3.2.1, Figure 5",
        "interference",
        {
            "full": "interference_sweep:pulse",
            "quick": "interference_sweep:pulse_quick",
            "tiny": "interference_sweep:tiny_pulse",
        },
        dict.fromkeys(config_lib.SIZES, _TRAINED),
    ),
    Stage(
        "kansei",
        "survey, words and expert review, analysed again",
        "3.1, Figure 3, Tables 1 and 2",
        "kansei",
        {"full": "kansei_study", "quick": "kansei_study", "tiny": "kansei_study:tiny"},
    ),
    Stage(
        "kansei_loop",
        "from designs to words, to wanted elements, to designs",
        "2.3, 3.1.2",
        "kansei",
        {"full": "kansei_study:loop", "quick": "kansei_study:loop", "tiny": "kansei_study:loop_tiny"},
        {"full": _TRAINED},
    ),
    Stage(
        "benefit",
        "the benefit of a product line per day, with what the study design can show",
        "3.2.2, Figure 6",
        "benefit",
        {"full": "economic_benefit", "quick": "economic_benefit:quick", "tiny": "economic_benefit:tiny"},
    ),
    Stage(
        "market",
        "choice among products, and their diffusion",
        "title, 3.2.2",
        "market",
        {"full": "market", "quick": "market:quick", "tiny": "market:tiny"},
    ),
)


def absent(stage: Stage, size: str) -> str:
    """Returns why a stage cannot be run by this version of the package; empty if it can."""
    if stage.command:
        return ""
    module = f"ich_jax.studies.{stage.study}"
    if importlib.util.find_spec(module) is None or importlib.util.find_spec(f"{module}.__main__") is None:
        return f"this version of ich_jax has no study `{stage.study}`"
    try:
        config_lib.load_editable(config_lib.locate(stage.configs[size]))
    except errors.ConfigError as error:
        return str(error)
    return ""


def arguments(stage: Stage, size: str, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Returns the arguments of the interpreter that run a stage.

    Args:
        stage: The stage.
        size: Of its config.
        folders: Work directory of this stage and of those that it needs, by name.
    """
    if stage.command:
        places = {"workdir": str(folders[stage.name]), **{name: str(path) for name, path in folders.items()}}
        return tuple(_filled(word, places) for word in stage.command)
    flags = (f"--config={stage.configs[size]}", f"--workdir={folders[stage.name]}", *stage.flags.get(size, ()))
    places = {name: str(path) for name, path in folders.items()}
    return ("-m", f"ich_jax.studies.{stage.study}", *(_filled(word, places) for word in flags))


def _filled(word: str, places: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: places[match[1]], word)
