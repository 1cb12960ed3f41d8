"""How configurations are declared, edited, loaded, checked and identified, independently of their fields.

A configuration is a tree of frozen dataclasses. Config files return an editable copy of one (`editable`), absl flags
change single fields of that copy, and `resolve` turns it back into the typed tree, checks it and fills in derived
values. After that nothing changes: code receives the dataclass of its section and never looks up a default.

Fields are of two kinds, marked where they are declared:

* `result(...)`: changes the result of the run. Another value in the same work directory is refused.
* `execution(...)`: how the run is carried out (devices, logging, progress). May change between resumes.

A field also states its limits, which `resolve` checks in one place. Conditions on several fields of a section are
checked by the method `check(flag)` of the section. Messages name a field as it is given on the command line.
"""

import ast
import dataclasses
import hashlib
import importlib.util
import inspect
import json
import math
import os
import sys
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import ml_collections

from ich_jax import errors
from ich_jax.config import shipped

FLAG = "--config"
_KINDS = {int: "a whole number", float: "a number", bool: "True or False", str: "text"}


LARGEST = 2**32
"""Limit of whole numbers that state none."""


class Limits(typing.TypedDict, total=False):
    """Limits of a field.

    Numbers are at least 0 unless `at_least` or `above` says otherwise. For a tuple the limits hold for each item, and
    a tuple with limits has at least one item.

    Attributes:
        choices: The values that are allowed.
        at_least: The least number.
        above: A number that the value exceeds.
        at_most: The largest number.
        below: A number that the value stays below.
        most: More than any run needs, so that a typing error does not take all memory or never end. Whole numbers
            without it are at most `LARGEST`.
        distinct: Whether the items of a tuple all differ.
        seed: Whether the numbers are seeds, see `errors.require_seed`; `at_most` may lower the largest.
    """

    choices: Sequence[str | int]
    at_least: float
    above: float
    at_most: float
    below: float
    most: float
    distinct: bool
    seed: bool


def result(default: Any, doc: str, *, added: bool = False, location: bool = False, **limits: Unpack[Limits]) -> Any:
    """Declares a field that changes the result of a run.

    One that was `added` when runs were stored already leaves fingerprints as they were while it has its default. A
    `location` says where files lie; their contents, not the text of the field, identify a run (`workdir.claim`).
    """
    metadata = {"kind": "result", "doc": doc, "limits": limits, "added": added, "location": location}
    return dataclasses.field(default=default, metadata=metadata)


def execution(default: Any, doc: str, *, location: bool = False, **limits: Unpack[Limits]) -> Any:
    """Declares a field that changes only how a run is carried out; `location` as for `result`."""
    metadata = {"kind": "execution", "doc": doc, "limits": limits, "location": location}
    return dataclasses.field(default=default, metadata=metadata)


def section(cls: type) -> Any:
    """Declares a section: a dataclass of fields, documented by the first line of its docstring."""
    return dataclasses.field(
        default_factory=cls, metadata={"kind": "section", "doc": (cls.__doc__ or "").split("\n")[0]}
    )


def editable(config: Any) -> ml_collections.ConfigDict:
    """Returns a ConfigDict with the fields of a config dataclass, for config files and absl flags."""

    def convert(value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return {f.name: convert(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return value

    return ml_collections.ConfigDict(convert(config))


def resolve(config: Any, cls: type) -> Any:
    """Turns an edited ConfigDict (or mapping, or dataclass) into the typed, checked and completed tree.

    Args:
        config: Result of a config file's `get_config()`, after overrides.
        cls: The dataclass to build. If it has a method `completed`, that returns it with derived values filled in.

    Raises:
        ConfigError: An unknown name, an ill-typed value, one outside its limits, or values that cannot work together.
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        config = editable(config)
    typed = _build(cls, config, FLAG)
    _check_limits(typed, FLAG)
    _check_sections(typed, FLAG)
    return typed.completed() if hasattr(typed, "completed") else typed


def load(path: str | Path, overrides: Mapping[str, Any] | None, cls: type) -> Any:
    """Loads a config, named as for `shipped.locate`, and applies overrides named by dotted path.

    Example:
        `load("quick", {"train.steps": 10})`

    Raises:
        ConfigError: The file, the variant, or a name in it does not exist, or a value is ill-typed.
    """
    config = load_editable(path).to_dict()  # a ConfigDict would convert values on its own terms, True to 1.0 say
    for dotted, value in (overrides or {}).items():
        _override(config, dotted, value)
    return resolve(config, cls)


def load_editable(path: str | Path) -> ml_collections.ConfigDict:
    """Runs `get_config()` of a config file, or `get_config("variant")`; see `shipped.locate` for how it is named."""
    file, _, variant = shipped.locate(path).partition(":")
    spec = importlib.util.spec_from_file_location("ich_jax_config_file", file)
    if spec is None or spec.loader is None:
        raise errors.ConfigError(f"{file} is not a Python file; a config file is named like configs/quick.py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise errors.ConfigError(f"{file} has no get_config(); see configs/quick.py for the form.")
    if variant and not inspect.signature(module.get_config).parameters:
        raise errors.ConfigError(f"{file} has no variants: its get_config() takes no argument; drop ':{variant}'.")
    return module.get_config(variant) if variant else module.get_config()


def _override(config: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, name = dotted.split(".")
    node = config
    for section in sections:
        known = [key for key in node if isinstance(node[key], dict)]
        if section not in known:
            raise errors.ConfigError(
                f"{FLAG}.{dotted}: there is no section {section!r}; {errors.nearest(section, known)}."
            )
        node = node[section]
    if name not in node:
        raise errors.ConfigError(f"{FLAG}.{dotted}: there is no field {name!r}; {errors.nearest(name, node)}.")
    if isinstance(node[name], dict):
        example = f"{dotted}.{next(iter(node[name]))}"
        raise errors.ConfigError(f"{FLAG}.{dotted} is a section; override its fields, such as {example!r}.")
    node[name] = value


def _build(cls: type, values: Any, where: str) -> Any:
    if not isinstance(values, Mapping | ml_collections.ConfigDict):
        raise errors.ConfigError(f"{where}: got {values!r}; expected the fields of {cls.__name__}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for name in values:
        if name not in fields:
            raise errors.ConfigError(f"{where}.{name}: there is no field {name!r}; {errors.nearest(name, fields)}.")
    hints = typing.get_type_hints(cls)
    built = {name: _convert(hints[name], values[name], f"{where}.{name}") for name in values}
    for name, value in built.items():
        if fields[name].metadata.get("location"):
            built[name] = os.path.expanduser(value)  # shells leave ~ as it is after =
    return cls(**built)


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, where)
    if typing.get_origin(hint) is tuple:
        if isinstance(value, str):
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                value = (value,)
        if not isinstance(value, tuple | list):
            value = (value,)
        item = typing.get_args(hint)[0]
        if item is str:  # no name has a comma
            parts = [v.split(",") if isinstance(v, str) else [v] for v in value]
            value = [v.strip() if isinstance(v, str) else v for part in parts for v in part]
        return tuple(_convert(item, v, f"{where}[{i}]") for i, v in enumerate(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise errors.ConfigError(f"{where}: got {errors.abbreviated(value)}; expected {_KINDS[hint]}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise errors.ConfigError(f"{where}: got {value!r}; expected a finite number.")
    return value


def _check_limits(config: Any, flag: str) -> None:
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), f"{flag}.{field.name}"
        if dataclasses.is_dataclass(value):
            _check_limits(value, name)
            continue
        if field.metadata["limits"].get("seed"):
            for seed in value if isinstance(value, tuple) else (value,):
                errors.require_seed(seed, name, largest=field.metadata["limits"].get("at_most", errors.LARGEST_SEED))
        for item in value if isinstance(value, tuple) else (value,):
            _check_most(item, field.metadata["limits"], name)
        if isinstance(value, tuple):
            _check_items(value, typing.get_args(field.type)[0], field.metadata["limits"], name)
        elif "choices" in field.metadata["limits"]:
            _check_choice(value, field.metadata["limits"]["choices"], name)
        elif isinstance(value, int | float) and not _is_within(value, field.metadata["limits"]):
            kind = "a whole number" if isinstance(value, int) else "a number"
            raise errors.ConfigError(
                f"{name}: got {errors.abbreviated(value)}; expected {kind}{_bounds(field.metadata['limits'])}."
            )


def _check_most(value: Any, limits: Limits, flag: str) -> None:
    whole = isinstance(value, int) and not limits.get("seed") and "at_most" not in limits
    most = limits.get("most", LARGEST if whole else math.inf)
    if isinstance(value, int | float) and value > most:
        raise errors.ConfigError(f"{flag}: got {errors.abbreviated(value)}; more than {most:,} is of no use here.")


def _check_items(values: tuple[Any, ...], item: type, limits: Limits, flag: str) -> None:
    if not limits:
        return
    for value in values if "choices" in limits else ():
        _check_choice(value, limits["choices"], flag)
    distinct = limits.get("distinct", False)
    numbers = item in (int, float)
    within = not numbers or all(_is_within(value, limits) for value in values)
    if not values or not within or (distinct and len(set(values)) < len(values)):
        kind = {int: "whole numbers", float: "numbers"}.get(item, "names")
        raise errors.ConfigError(
            f"{flag}: got {errors.abbreviated(values)}; expected one or more {'different ' if distinct else ''}{kind}"
            f"{_bounds(limits) if numbers else ''}."
        )


def _check_choice(value: Any, choices: Sequence[str | int], flag: str) -> None:
    if isinstance(value, str):
        errors.require(value, map(str, choices), flag)
    elif value not in choices:
        raise errors.ConfigError(f"{flag}: got {value!r}; expected {' or '.join(map(str, choices))}.")


def _is_within(value: float, limits: Limits) -> bool:
    low = value > limits["above"] if "above" in limits else value >= limits.get("at_least", 0)
    return low and value <= limits.get("at_most", math.inf) and value < limits.get("below", math.inf)


def _bounds(limits: Limits) -> str:
    """Returns the limits of a number in words that follow `a number`."""
    least = limits.get("at_least", 0)
    if "at_most" in limits and "above" not in limits:
        return f" from {least:,} to {limits['at_most']:,}"
    low = f" above {limits['above']:,}" if "above" in limits else f" of at least {least:,}"
    high = f" and at most {limits['at_most']:,}" if "at_most" in limits else ""
    return low + (f" and below {limits['below']:,}" if "below" in limits else high)


def _check_sections(config: Any, flag: str) -> None:
    """Runs the checks of values that depend on each other, of each section before the section that holds it."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            _check_sections(value, f"{flag}.{field.name}")
    if hasattr(config, "check"):
        config.check(flag)


def to_dict(config: Any) -> dict[str, Any]:
    """Returns nested plain dictionaries, ready for JSON."""
    return dataclasses.asdict(config)


def flatten(config: Any, kind: str | None = None, prefix: str = "") -> dict[str, Any]:
    """Returns `{dotted name: value}` of all fields, or of those of one kind (`result` or `execution`)."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            flat |= flatten(value, kind, f"{prefix}{field.name}.")
        elif kind is None or field.metadata["kind"] == kind:
            flat[prefix + field.name] = value
    return flat


def locations(config: Any, prefix: str = "") -> set[str]:
    """Returns the dotted names of the fields that say where files lie."""
    names: set[str] = set()
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            names |= locations(value, f"{prefix}{field.name}.")
        elif field.metadata.get("location"):
            names.add(prefix + field.name)
    return names


def _added(config: Any, prefix: str = "") -> set[str]:
    """Returns the dotted names of added fields that stand at their defaults."""
    names: set[str] = set()
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            names |= _added(value, f"{prefix}{field.name}.")
        elif field.metadata.get("added") and value == field.default:
            names.add(prefix + field.name)
    return names


def fingerprint(values: Any, *, located: bool = True) -> str:
    """Returns 16 hex digits that identify the result fields of a config, or any JSON value.

    Args:
        values: A config, or a JSON value.
        located: Whether locations count as their text. Without, the same run has the same identity wherever its files
            lie, as long as their contents are compared apart.
    """
    if dataclasses.is_dataclass(values):
        silent, elsewhere = _added(values), set() if located else locations(values)
        values = {
            name: "" if name in elsewhere else value
            for name, value in flatten(values, "result").items()
            if name not in silent
        }
    text = json.dumps(values, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
