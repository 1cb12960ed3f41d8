"""Descriptions of a run, an inspector and a network in words."""

import math

import jax
import rich.console
import rich.table

from ich_jax import config as config_lib
from ich_jax.config import Config
from ich_jax.data.dataset import Dataset
from ich_jax.studies.console import shown
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import state as state_lib
from ich_jax.types import Params


def describe(config: Config, dataset: Dataset) -> None:
    """Prints config, images, devices and the size of the networks."""
    table = rich.table.Table("section", "fields", box=None, pad_edge=False)
    for section, fields in config_lib.to_dict(config).items():
        values = fields if isinstance(fields, dict) else {section: fields}
        table.add_row(section, "  ".join(f"{name}={shown(value)}" for name, value in values.items()))
    rich.console.Console().print(table, markup=False, highlight=False)

    with jax.disable_jit():  # its jit carries compiler options, which only an outermost one may
        state = jax.eval_shape(lambda: state_lib.create_state(config, dataset.spec))
    space, devices = dataset.space, [device.device_kind for device in jax.devices()]
    print(f"config {config.name}, fingerprint {config_lib.fingerprint(config)}")
    print(f"images {dataset.size} px, {dataset.channels} channels, {dataset.n_train} for training")
    print(f"products {', '.join(space.products)}")
    print(f"elements {', '.join(f'{e.name} ({len(e.categories)})' for e in space.elements) or 'none'}")
    print(f"axes {', '.join(space.axes) or 'none'}")
    print(f"generator {parameter_count(state.g_params):,} parameters")
    print(f"discriminator {parameter_count(state.d_params):,} parameters")
    print(f"devices {', '.join(f'{devices.count(kind)} x {kind}' for kind in dict.fromkeys(devices))}", flush=True)


def errors_of(report: inspector_lib.InspectorReport) -> str:
    """Returns the inspector's own error on held-out real images in one line."""

    def figure(name: str, value: float, decimals: int) -> str:
        return f"{name} not judged" if math.isnan(value) else f"{name} {value:.{decimals}f}"

    elements = (figure(name, accuracy, 4) for name, accuracy in report.element_accuracy.items())
    axes = (figure(name, error, 3) for name, error in zip(report.axes, report.axis_p999, strict=True))
    read = ", ".join([figure("product", report.product_accuracy, 4), *elements])
    return f"read right {read}; P99.9 of the axis error {', '.join(axes) or '-'}; n {report.n}."


def parameter_count(params: Params) -> int:
    """Returns the number of values in a tree of arrays."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
