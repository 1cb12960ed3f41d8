"""The networks of `ich_jax.models.generator` and `.discriminator` in PyTorch, to compare the speed of designing with.

Written as people write them in PyTorch: NCHW with channels last in memory, `pixel_shuffle`, a convolution for a change
of width. The same weights draw the same designs and read the same off them (tests/scripts/test_design_benchmark.py).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # its customary name
from torch import Tensor, nn

from ich_jax import errors
from ich_jax.training.checkpoint import TrainedModel

_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "relu": F.relu,
    "gelu": F.gelu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
}
_BACKDROP = 16


class Ramps(nn.Module):
    """Adds a linear function of position to every channel."""

    def __init__(self, channels: int, style: int, side: int) -> None:
        super().__init__()
        self.coefficients = nn.Linear(style, 3 * channels)
        along = torch.linspace(-1, 1, side)
        self.register_buffer("across", along[None, None, None, :])
        self.register_buffer("down", along[None, None, :, None])

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Maps `[B, C, H, W]`, given the style `[B, S]`."""
        across, down, level = self.coefficients(style)[:, :, None, None].chunk(3, 1)
        return x + across * self.across + down * self.down + level


class Block(nn.Module):
    """Two 3x3 convolutions with pre-activation, modulated by a style in between, and perhaps a shortcut."""

    def __init__(self, width: int, style: int, activation: str, *, residual: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(style, 2 * width) if style else None
        self.act, self.residual = _ACTIVATIONS[activation], residual

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """Maps `[B, C, H, W]`."""
        h = self.conv1(self.act(x))
        if self.film is not None:
            scale, shift = self.film(style)[:, :, None, None].chunk(2, 1)
            h = h * (1 + scale) + shift
        h = self.conv2(self.act(h))
        return x + h if self.residual else h


class Generator(nn.Module):
    """Noise `[B, Z]` and features of briefs `[B, F]` to pictures `[B, C, H, W]`."""

    def __init__(self, model: TrainedModel, n_features: int) -> None:
        super().__init__()
        config, spec = model.config.generator, model.spec
        self.act, self.widths, self.n_blocks = _ACTIVATIONS[config.activation], config.widths, config.blocks
        self.side = spec.size // 2 ** len(config.widths)
        self.sides = (*(self.side * 2**i for i in range(len(config.widths))), spec.size)
        layers: dict[str, nn.Module] = {
            "mapping_0": nn.Linear(config.z_dim + n_features, config.mapping),
            "mapping_1": nn.Linear(config.mapping, config.mapping),
            "base": nn.Linear(config.mapping, self.side**2 * config.widths[0]),
        }
        before = config.widths[0]
        for stage, width in enumerate(config.widths):
            if width != before:
                layers[f"width_{stage}"] = nn.Conv2d(before, width, 1)
            before = width
            layers[f"ramps_{stage}"] = Ramps(width, config.mapping, self.sides[stage])
            for i in range(config.blocks):
                residual = config.arm == "residual"
                layers[f"stage_{stage}_block_{i}"] = Block(width, config.mapping, config.activation, residual=residual)
        layers["subpixel"] = nn.Conv2d(before, 4 * (spec.channels + 1), 3, padding=1)
        layers["backdrop_ramps"] = Ramps(_BACKDROP, config.mapping, spec.size)
        layers["backdrop_hidden"] = nn.Conv2d(_BACKDROP, _BACKDROP, 1)
        layers["backdrop"] = nn.Conv2d(_BACKDROP, spec.channels, 1)
        self.layers = nn.ModuleDict(layers)
        channels = (*config.widths, spec.channels)
        self.strengths = nn.ParameterList([nn.Parameter(torch.zeros(1, n, 1, 1)) for n in channels])

    def forward(self, z: Tensor, features: Tensor, grain: Sequence[Tensor] | None = None) -> Tensor:
        """Draws; `grain` is the noise of the pixels `[B, 1, H, W]` of each stage, drawn here by default."""
        layers, act, b = self.layers, self.act, len(z)
        if grain is None:
            grain = [torch.randn(b, 1, side, side) for side in self.sides]
        style = act(layers["mapping_1"](act(layers["mapping_0"](torch.cat([z, features], 1)))))
        x = layers["base"](style).reshape(b, self.side, self.side, -1).permute(0, 3, 1, 2)  # channels last in memory
        for stage in range(len(self.widths)):
            if stage:
                if f"width_{stage}" in layers:
                    x = layers[f"width_{stage}"](x)
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = layers[f"ramps_{stage}"](x, style) + grain[stage] * self.strengths[stage]
            for i in range(self.n_blocks):
                x = layers[f"stage_{stage}_block_{i}"](x, style)
        x = F.pixel_shuffle(layers["subpixel"](act(x)), 2)
        colour, cover = x[:, :-1], torch.sigmoid(x[:, -1:])
        size = self.sides[-1]
        blank = x.new_zeros(b, _BACKDROP, size, size).contiguous(memory_format=torch.channels_last)
        behind = act(layers["backdrop_hidden"](act(layers["backdrop_ramps"](blank, style))))
        backdrop = layers["backdrop"](behind)
        return backdrop + cover * (colour - backdrop) + grain[-1] * self.strengths[-1]


class Reader(nn.Module):
    """Pictures `[B, C, H, W]` in [-1, 1] to what a discriminator reads off them, and its features."""

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        config, spec = model.config.discriminator, model.spec
        self.act, self.widths, self.n_blocks = _ACTIVATIONS[config.activation], config.widths, config.blocks
        layers: dict[str, nn.Module] = {"stem": nn.Conv2d(4 * spec.channels, config.widths[0], 3, padding=1)}
        before, side = config.widths[0], spec.size // 2
        for stage, width in enumerate(config.widths):
            if stage and side % 2 == 0:
                side //= 2
            if width != before:
                layers[f"width_{stage}"] = nn.Conv2d(before, width, 1)
            before = width
            for i in range(config.blocks):
                residual = config.arm == "residual"
                layers[f"stage_{stage}_block_{i}"] = Block(width, 0, config.activation, residual=residual)
        self.side = side
        layers["hidden"] = nn.Linear(side**2 * before, 4 * before)
        layers["product"] = nn.Linear(4 * before, len(spec.space.products))
        for i, n in enumerate(spec.space.cardinalities):
            layers[f"element_{i}"] = nn.Linear(4 * before, n)
        if spec.space.axes:
            layers["axes"] = nn.Linear(4 * before, len(spec.space.axes))
        self.layers = nn.ModuleDict(layers)
        heads = [name for name in layers if name in ("product", "axes") or name.startswith("element_")]
        self.heads = tuple(heads)

    def forward(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Reads."""
        layers = self.layers
        x = layers["stem"](F.pixel_unshuffle(images, 2))
        for stage in range(len(self.widths)):
            if stage and x.shape[2] % 2 == 0:
                x = F.avg_pool2d(x, 2)
            if f"width_{stage}" in layers:
                x = layers[f"width_{stage}"](x)
            for i in range(self.n_blocks):
                x = layers[f"stage_{stage}_block_{i}"](x)
        h = self.act(layers["hidden"](self.act(x).flatten(1)))
        return {name: layers[name](h) for name in self.heads}, h


class Designer:
    """Draws candidates in batches, and reads them.

    Attributes:
        generator: The generator.
        reader: The discriminator, without its score.
    """

    def __init__(self, model: TrainedModel, n_features: int, *, compiled: bool = False) -> None:
        """Builds both networks from a trained model.

        Args:
            model: The weights.
            n_features: Length of the features of a brief.
            compiled: Whether `torch.compile` makes them.

        Raises:
            ConfigError: The model has other networks.
        """
        if model.config.generator.network != "own" or model.config.discriminator.network != "own":
            raise errors.ConfigError(
                f"The networks in PyTorch are those of generator.network='own'; {model.config.name} has others. Take "
                "another run, or leave --versus out."
            )
        self.generator, self.reader = Generator(model, n_features), Reader(model)
        load_generator(self.generator, model.ema_params)
        load_reader(self.reader, model.d_params)
        for module in (self.generator, self.reader):
            module.to(memory_format=torch.channels_last)
            module.requires_grad_(False)
            module.eval()
        self._draw: Any = torch.compile(self.generator) if compiled else self.generator
        self._read: Any = torch.compile(self.reader) if compiled else self.reader

    def draw(self, z: Tensor, features: Tensor, grain: Sequence[Tensor] | None = None) -> Tensor:
        """Draws designs, `[B, C, H, W]` uint8; see `Generator.forward`."""
        with torch.inference_mode():
            images = self._draw(z, features) if grain is None else self._draw(z, features, grain)
            return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)

    def read(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Reads designs `[B, C, H, W]` uint8."""
        with torch.inference_mode():
            unit = (images.to(torch.float32) * 2 - 255) * (1 / 255)
            found: tuple[dict[str, Tensor], Tensor] = self._read(unit.contiguous(memory_format=torch.channels_last))
            return found


def load_generator(module: Generator, params: Mapping[str, Any]) -> None:
    """Copies Flax parameters of the generator."""
    flat = _flat(params)
    shuffled = flat["subpixel.weight"].shape[-1] // 4
    order = np.arange(4 * shuffled).reshape(4, shuffled).T.ravel()  # (row, column, channel) to channel first
    flat["subpixel.weight"], flat["subpixel.bias"] = flat["subpixel.weight"][..., order], flat["subpixel.bias"][order]
    strengths = [flat.pop(f"noise_{stage}.strength") for stage in range(len(module.widths))]
    for parameter, value in zip(module.strengths, [*strengths, flat.pop("noise.strength")], strict=True):
        _copy(parameter, value[None, :, None, None])
    _load(module.layers, flat)


def load_reader(module: Reader, params: Mapping[str, Any]) -> None:
    """Copies Flax parameters of the discriminator; those of its score are left out."""
    flat = _flat(params)
    flat = {name: value for name, value in flat.items() if name.partition(".")[0] not in ("score", "projection")}
    stem = flat["stem.weight"]
    channels = stem.shape[2] // 4
    order = np.arange(4 * channels).reshape(4, channels).T.ravel()
    flat["stem.weight"] = stem[:, :, order]
    hidden = flat["hidden.weight"]
    by_place = hidden.reshape(module.side, module.side, -1, hidden.shape[1])
    flat["hidden.weight"] = by_place.transpose(2, 0, 1, 3).reshape(hidden.shape)
    _load(module.layers, {name.removeprefix("reading."): value for name, value in flat.items()})


def _load(layers: nn.ModuleDict, flat: dict[str, npt.NDArray[np.float32]]) -> None:
    own = dict(layers.named_parameters())
    for name, value in flat.items():
        parameter = own.pop(name)
        if value.ndim == 4:
            value = value.transpose(3, 2, 0, 1)
        elif value.ndim == 2:
            value = value.T[:, :, None, None] if parameter.ndim == 4 else value.T
        _copy(parameter, value)
    if own:
        raise ValueError(f"no Flax parameters for {sorted(own)}")


def _copy(parameter: Tensor, value: npt.NDArray[np.float32]) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.array(value)))


def _flat(params: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[str, npt.NDArray[np.float32]]:
    found: dict[str, npt.NDArray[np.float32]] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            found |= _flat(value, (*path, name))
        else:
            found[".".join((*path, name)).replace("kernel", "weight")] = np.asarray(value, np.float32)
    return found
