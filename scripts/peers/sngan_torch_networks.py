"""The networks of `ich_jax.models.sngan` in PyTorch, and their weights to and from Flax.

Resampling is `written` as in other GAN code, before or after the convolution, or with the same algebra as merged forms
of `ich_jax.models.convolutions`: `phases` makes the four sub-pixels by one 2x2 convolution and interleaves them,
`transposed` makes them by one 4x4 transposed convolution of stride 2.

References:
    Miyato et al., Spectral normalization for GANs, 2018, table 4 (without the normalisation).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # its customary name
from torch import Tensor, nn

ALGEBRAS = ("written", "phases", "transposed")


class Conv3x3(nn.Module):
    """A 3x3 convolution, alone or beside a change of resolution; weight `[out, in, 3, 3]`."""

    def __init__(self, n_in: int, n_out: int, resample: str, algebra: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_out, n_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.resample, self.algebra = resample, algebra

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[B, C, H, W]`."""
        w, b = self.weight, self.bias
        if self.resample == "up":
            if self.algebra == "written":
                return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), w, b, padding=1)
            if self.algebra == "transposed":
                return F.conv_transpose2d(x, _spread(w).transpose(0, 1), b, stride=2, padding=1)
            return _interleave(F.conv2d(x, _phases(w), b.repeat(4), padding=1))
        if self.resample == "down":
            if self.algebra == "written":
                return F.avg_pool2d(F.conv2d(x, w, b, padding=1), 2)
            return F.conv2d(x, _pooled(w), b, stride=2, padding=1)
        return F.conv2d(x, w, b, padding=1)


class Shortcut(nn.Module):
    """A 1x1 convolution beside a change of resolution; weight `[out, in, 1, 1]`."""

    def __init__(self, n_in: int, n_out: int, resample: str, algebra: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_out, n_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.resample, self.written = resample, algebra == "written"

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[B, C, H, W]` to twice or half the height and width."""
        if self.resample == "up":
            if self.written:
                return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), self.weight, self.bias)
            return F.interpolate(F.conv2d(x, self.weight, self.bias), scale_factor=2, mode="nearest")
        if self.written:
            return F.avg_pool2d(F.conv2d(x, self.weight, self.bias), 2)
        return F.conv2d(F.avg_pool2d(x, 2), self.weight, self.bias)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, n_in: int, n_out: int, resample: str, algebra: str, *, first: bool = False) -> None:
        super().__init__()
        up, down = (resample if resample == name else "" for name in ("up", "down"))
        self.conv1 = Conv3x3(n_in, n_out, up, algebra)
        self.conv2 = Conv3x3(n_out, n_out, down, algebra)
        self.shortcut = Shortcut(n_in, n_out, resample, algebra) if resample else nn.Identity()
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[B, C, H, W]`."""
        h = self.conv2(F.relu(self.conv1(x if self.first else F.relu(x))))
        return self.shortcut(x) + h


class Generator(nn.Module):
    """Noise `[B, Z]` and features of briefs `[B, F]` to pictures `[B, C, H, W]` in [-1, 1]."""

    def __init__(self, n_in: int, size: int, channels: int, widths: tuple[int, ...], algebra: str) -> None:
        super().__init__()
        self.side, self.width = size // 2 ** (len(widths) - 1), widths[0]
        self.base = nn.Linear(n_in, self.side**2 * self.width)
        blocks = {f"block_{i}": Block(widths[i], width, "up", algebra) for i, width in enumerate(widths[1:])}
        self.blocks = nn.ModuleDict(blocks)
        self.picture = Conv3x3(widths[-1], channels, "", algebra)

    def forward(self, z: Tensor, features: Tensor) -> Tensor:
        """Draws."""
        x = self.base(torch.cat([z, features], 1)).reshape(-1, self.side, self.side, self.width)
        x = x.permute(0, 3, 1, 2)  # channels stay last in memory
        for block in self.blocks.values():
            x = block(x)
        return torch.tanh(self.picture(F.relu(x)).float())


class Discriminator(nn.Module):
    """Pictures `[B, C, H, W]` and features of briefs `[B, F]` to scores `[B]`."""

    def __init__(self, features: int, channels: int, widths: tuple[int, ...], n_blocks: int, algebra: str) -> None:
        super().__init__()
        blocks, n_in = {}, channels
        for i, width in enumerate(widths):
            blocks[f"block_{i}"] = Block(n_in, width, "down", algebra, first=i == 0)
            n_in = width
        for i in range(n_blocks):
            blocks[f"block_{len(widths) + i}"] = Block(n_in, n_in, "", algebra)
        self.blocks = nn.ModuleDict(blocks)
        self.projection = nn.Linear(features, n_in, bias=False)
        self.score = nn.Linear(n_in, 1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """Judges."""
        for block in self.blocks.values():
            x = block(x)
        h = F.relu(x).float().sum((2, 3))
        with torch.autocast(h.device.type, enabled=False):  # as ours: everything after the convolutions is float32
            return self.score(h)[:, 0] + (self.projection(features) * h).sum(1)


def load(module: nn.Module, params: Mapping[str, Any]) -> None:
    """Copies Flax parameters into a network; those of reading heads, which are not trained here, are left out."""
    parameters = dict(module.named_parameters())
    for path, value in _leaves(params):
        name = ".".join(path).replace("kernel", "weight")
        name = f"blocks.{name}" if name.startswith("block_") else name
        if name.startswith("reading."):
            continue
        with torch.no_grad():
            parameters.pop(name).copy_(torch.from_numpy(_to_torch(name, np.asarray(value))))
    if parameters:
        raise ValueError(f"no Flax parameters for {sorted(parameters)}")


def gradients_like(module: nn.Module, gradients: list[Tensor]) -> dict[str, np.ndarray]:
    """Returns gradients in the shapes and under the paths of the Flax parameters, such as `block_0/conv1/kernel`."""
    gradients_by_path = {}
    for (name, _), gradient in zip(module.named_parameters(), gradients, strict=True):
        path = name.removeprefix("blocks.").replace("weight", "kernel").replace(".", "/")
        gradients_by_path[path] = _from_torch(name, gradient.detach().float().cpu().numpy())
    return gradients_by_path


def _phases(w: Tensor) -> Tensor:
    """`[O, I, 3, 3]` to the 2x2 kernels of the four sub-pixels `[4 * O, I, 2, 2]`, ordered row, column, channel."""

    def pairs(kernel: Tensor, dim: int, place: int) -> Tensor:
        a, b, c = kernel.unbind(dim)
        return torch.stack([a, b + c] if place == 0 else [a + b, c], dim)

    return torch.cat([pairs(pairs(w, 2, row), 3, column) for row in (0, 1) for column in (0, 1)])


def _interleave(y: Tensor) -> Tensor:
    """`[B, 4 * O, H + 1, W + 1]` to `[B, O, 2H, 2W]`: sub-pixel 0 of pixel i stands at i, sub-pixel 1 at i + 1."""
    b, n, h, w = y.shape
    y = y.permute(0, 2, 3, 1).reshape(b, h, w, 2, 2, n // 4)
    y = torch.stack([y[:, : h - 1, :, 0], y[:, 1:, :, 1]], 2)  # [B, H, 2, W + 1, 2, O]
    y = torch.stack([y[:, :, :, : w - 1, 0], y[:, :, :, 1:, 1]], 4)  # [B, H, 2, W, 2, O]
    return y.reshape(b, 2 * h - 2, 2 * w - 2, n // 4).permute(0, 3, 1, 2)


def _spread(w: Tensor) -> Tensor:
    """`[O, I, 3, 3]` to the contribution of an old pixel to the 4x4 new ones around it, `[O, I, 4, 4]`."""
    w = w.flip(2, 3)
    return _shifted_sum(w)


def _pooled(w: Tensor) -> Tensor:
    """`[O, I, 3, 3]` to the 4x4 kernel that convolves and averages 2x2 pixels."""
    return _shifted_sum(w) / 4


def _shifted_sum(w: Tensor) -> Tensor:
    """The sum of a 3x3 kernel at the four places where it fits into 4x4."""
    a, b, c, d = (F.pad(w, (i, 1 - i, j, 1 - j)) for i in (0, 1) for j in (0, 1))
    return a + b + c + d


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _to_torch(name: str, value: np.ndarray) -> np.ndarray:
    if value.ndim == 4:
        value = value.transpose(3, 2, 0, 1)
    elif value.ndim == 2:
        value = value.T[:, :, None, None] if "shortcut" in name else value.T
    return np.array(value)  # a copy that is contiguous and may be written


def _from_torch(name: str, value: np.ndarray) -> np.ndarray:
    if "shortcut" in name and value.ndim == 4:
        return value[:, :, 0, 0].T
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
