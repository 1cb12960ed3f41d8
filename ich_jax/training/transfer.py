"""Starting a run from the networks of another one, also where the two know different products and elements.

Weights that belong to a name, the column of a product in a reading head or what a category adds to the style, go with
the name: those that both runs know are kept, those of new names start as in any new run. All other arrays must have the
same shapes. Optimisers and counters start afresh.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.models import layers
from ich_jax.training import checkpoint, data_description, shipped
from ich_jax.training import state as state_lib
from ich_jax.training.state import TrainState
from ich_jax.types import DesignSpace, ImageSpec, Params

SHIPPED = "shipped"
"""Names the generator that ships with the package, where a run to start from is named."""


@dataclasses.dataclass(frozen=True)
class Start:
    """Networks that a run can start from.

    Attributes:
        networks: Parameters by the names of `checkpoint.NETWORKS`; an encoder that is absent is empty.
        spec: Design space and shape of the images that they were trained on; None if that is not known.
        where: Names them in messages.
        lineage: What a new run writes down of them: `given`, `path`, `step`, `fingerprint` and `parent`.
    """

    networks: Mapping[str, Params]
    spec: ImageSpec | None
    where: str
    lineage: Mapping[str, Any]


def init_from(source: str | Path, state: TrainState, spec: ImageSpec) -> tuple[TrainState, dict[str, Any]]:
    """Starts a new run with the networks of another one.

    Args:
        source: A work directory (its newest checkpoint is taken), `<workdir>/checkpoints/<step>`, or `shipped`.
        state: The fresh state of the new run.
        spec: Design space and shape of its images.

    Returns:
        The state with the other run's parameters, and the lineage to record: path, step, fingerprint of the other run's
        config, SHA-256 of its parameters, its own lineage, and the names whose weights were `kept` and are `fresh`.

    Raises:
        CheckpointError: There is no good checkpoint, its images have another size, or its networks other shapes.
    """
    start = read(source)
    before, after = start.spec or spec, spec
    if (before.size, before.channels) != (after.size, after.channels):
        raise errors.CheckpointError(
            f"{start.where}: its images have {before.size} px and {before.channels} channels, those of this run "
            f"{after.size} px and {after.channels}. --init_from needs a run of the same size: set --config.data.size."
        )
    # Whether there is an encoder is a choice of the objective: one that either run lacks stays as it is.
    used = [name for name in checkpoint.NETWORKS if start.networks.get(name) and getattr(state, name)]
    networks = {name: start.networks[name] for name in used}
    if before.space != after.space:
        fresh = {name: getattr(state, name) for name in used}
        networks = by_name(networks, fresh, before.space, after.space)
    placed = {name: _fit(getattr(state, name), networks[name], f"{start.where}, {name}") for name in used}
    state = state.replace(**placed)
    kept, fresh_names = names(before.space, after.space)
    lineage = {
        **start.lineage,
        "params_sha256": state_lib.params_sha256(state),
        "kept": kept,
        "fresh": [*fresh_names, *(["the encoder"] if state.e_params and "e_params" not in used else [])],
    }
    return state, lineage


def read(source: str | Path) -> Start:
    """Reads the networks that a run can start from.

    Raises:
        CheckpointError: There is no good checkpoint, or the shipped generator does not fit this version.
        WorkdirError: A file beside it is damaged.
    """
    if str(source) == SHIPPED:
        model = shipped.load()
        networks = {name: getattr(model, name) for name in ("g_params", "d_params", "ema_params")}
        lineage = {
            "given": SHIPPED,
            "path": SHIPPED,
            "step": model.step,
            "fingerprint": config_lib.fingerprint(model.config),
            "parent": None,
        }
        where = "the shipped generator"
        return Start(networks, model.spec, where, lineage)
    path, networks = checkpoint.read_networks(source)
    run = path.parent.parent
    config_file, lineage_file = run / workdir.CONFIG_FILE, run / checkpoint.LINEAGE_FILE
    lineage = {
        "given": str(source),
        "path": str(path),
        "step": int(path.name),
        "fingerprint": _noted(config_file, "fingerprint"),
        "parent": _noted(lineage_file),
    }
    return Start(networks, data_description.read_spec(run), str(path), lineage)


def _noted(path: Path, name: str = "") -> Any:
    """What a file says, for the lineage; None if there is none or it is damaged, which costs the new run nothing."""
    try:
        values = workdir.read_object(path)
    except errors.WorkdirError:
        return None
    return values.get(name) if name else values


# ---------------------------------------------------------------- weights that belong to names


def names(before: DesignSpace, after: DesignSpace) -> tuple[list[str], list[str]]:
    """Returns the names of products, categories and axes of `after` that `before` knows, and those that are new."""
    known = set(_named(before))
    return [name for name in _named(after) if name in known], [name for name in _named(after) if name not in known]


def by_name(
    stored: Mapping[str, Params], fresh: Mapping[str, Params], before: DesignSpace, after: DesignSpace
) -> dict[str, Params]:
    """Returns networks for the space `after` with the weights that networks for the space `before` have.

    Args:
        stored: Parameters of networks by the names of `checkpoint.NETWORKS`.
        fresh: Those of a new run, of which the weights of new names are taken.
        before: Design space of `stored`.
        after: Design space of `fresh`.
    """
    features = layers.feature_names(before), layers.feature_names(after)
    heads_before, heads_after = _heads(before), _heads(after)
    found = {}
    for name, params in stored.items():
        flat, new = _flat(params), _flat(fresh[name])
        for path, value in new.items():
            if path[-2:] in _READS_FEATURES.get(name, ()):
                n_noise = value.shape[0] - len(features[1])
                noise = tuple(f"noise {i}" for i in range(n_noise))
                rows = noise + features[0], noise + features[1]
                flat[path] = _mixed(flat.get(path), value, *rows, axis=0, path=path)
            elif path[0] == "reading":
                head, categories = heads_after[path[1]]
                old = next((key for key, (known, _) in heads_before.items() if known == head), None)
                if old is None:
                    flat[path] = value
                    continue
                flat[path] = _mixed(
                    _flat(params).get(("reading", old, path[2])), value, heads_before[old][1], categories,
                    axis=value.ndim - 1, path=path,
                )  # fmt: skip
            elif path not in flat and _is_of_sketches(path):
                flat[path] = value
        # Heads of other elements, and layers for sketches, are dropped; other differences are refused.
        gone = [path for path in flat if path not in new and (path[0] == "reading" or _is_of_sketches(path))]
        found[name] = _nested({path: value for path, value in flat.items() if path not in gone})
    return found


_READS_FEATURES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "g_params": (("mapping_0", "kernel"),),
    "ema_params": (("mapping_0", "kernel"),),
    "d_params": (("projection", "kernel"),),
    "e_params": (("brief", "kernel"),),
}
"""Layers that read the features of a brief, by network; the generator's reads them after the noise."""


def _is_of_sketches(path: Sequence[str]) -> bool:
    return any(part.startswith("sketch") for part in path)


def _mixed(
    stored: Any, fresh: Any, before: Sequence[str], after: Sequence[str], *, axis: int, path: Sequence[str]
) -> Any:
    """Returns `fresh` with those rows (or columns) of `stored` whose names both know."""
    if stored is None or stored.ndim != fresh.ndim or stored.shape[axis] != len(before):
        return fresh if stored is None else stored  # another kind of network: refused by its shape
    places = {name: i for i, name in enumerate(before)}
    to = [i for i, name in enumerate(after) if name in places]
    if not to:
        return fresh
    taken = np.take(np.asarray(stored), [places[after[i]] for i in to], axis)
    result = np.array(fresh)
    other = [n for i, n in enumerate(result.shape) if i != axis % result.ndim]
    if other != [n for i, n in enumerate(taken.shape) if i != axis % taken.ndim]:
        return stored  # other widths: refused by its shape
    np.moveaxis(result, axis, 0)[to] = np.moveaxis(taken, axis, 0)
    return jnp.asarray(result)


def _named(space: DesignSpace) -> list[str]:
    categories = [f"{element.name}={category}" for element in space.elements for category in element.categories]
    return [*(f"product={name}" for name in space.products), *categories, *space.axes]


def _heads(space: DesignSpace) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Returns the reading heads by the names of their layers: what each reads, and its columns."""
    found = {"product": ("product", space.products)}
    found |= {f"element_{i}": (element.name, element.categories) for i, element in enumerate(space.elements)}
    return found | {"axes": ("axes", space.axes)}


def _flat(params: Params) -> dict[tuple[str, ...], Any]:
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {tuple(str(key.key) for key in path): leaf for path, leaf in leaves}


def _nested(flat: Mapping[tuple[str, ...], Any]) -> Params:
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        place = tree
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value
    return tree


def _fit(like: Params, stored: Params, where: str) -> Params:
    if wrong := checkpoint.differences(stored, like):
        raise errors.CheckpointError(
            f"{where}: the networks differ from those of this config, so --init_from cannot use them:\n"
            f"{checkpoint.shorten(wrong)}\nUse the widths, blocks and network of the run to start from."
        )
    return jax.tree.map(lambda leaf, value: jax.device_put(value, leaf.sharding), like, stored)
