"""The networks of `ich_jax.models.sngan` and their training step in PyTorch, to compare speed with.

The same weights give the same losses, gradients and updates (tests/scripts/test_peers.py). Resampling is `written` as
in other GAN code, before or after the convolution, or with the same algebra as merged forms of
`ich_jax.models.convolutions`: `phases` makes the four sub-pixels by one 2x2 convolution and interleaves them,
`transposed` makes them by one 4x4 transposed convolution of stride 2.

References:
    Miyato et al., Spectral normalization for GANs, 2018, table 4 (without the normalisation).
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # its customary name
from torch import Tensor, nn

from ich_jax import errors
from ich_jax.config import Config

ALGEBRAS = ("written", "phases", "transposed")


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the step in PyTorch.

    Attributes:
        algebra: One of `ALGEBRAS`.
        compiled: Whether `torch.compile` makes both networks.
        passes: 1: the discriminator judges real and generated images in one pass; 2: in two, so that the generator's
            gradient need not go through the real ones.
        graph: Whether the whole step is captured in a CUDA graph and replayed. On a CPU the step that would be captured
            runs as it is.
    """

    algebra: str = "written"
    compiled: bool = False
    passes: int = 2
    graph: bool = False

    @property
    def name(self) -> str:
        """For tables."""
        how = "torch.compile" if self.compiled else "eager"
        passes = "one pass" if self.passes == 1 else "two passes"
        return f"torch {how}, {self.algebra}, {passes}{', CUDA graph' if self.graph else ''}"


# ---------------------------------------------------------------- networks


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
        with torch.autocast(h.device.type, enabled=False):  # as ours: what follows the convolutions is float32
            return self.score(h)[:, 0] + (self.projection(features) * h).sum(1)


def load(module: nn.Module, params: Mapping[str, Any]) -> None:
    """Copies Flax parameters into a network; those of reading heads, which are not trained here, are left out."""
    own = dict(module.named_parameters())
    for path, value in _leaves(params):
        name = ".".join(path).replace("kernel", "weight")
        name = f"blocks.{name}" if name.startswith("block_") else name
        if name.startswith("reading."):
            continue
        with torch.no_grad():
            own.pop(name).copy_(torch.from_numpy(_to_torch(name, np.asarray(value))))
    if own:
        raise ValueError(f"no Flax parameters for {sorted(own)}")


def gradients_like(module: nn.Module, gradients: list[Tensor]) -> dict[str, np.ndarray]:
    """Returns gradients in the shapes and under the paths of the Flax parameters, such as `block_0/conv1/kernel`."""
    found = {}
    for (name, _), gradient in zip(module.named_parameters(), gradients, strict=True):
        path = name.removeprefix("blocks.").replace("weight", "kernel").replace(".", "/")
        found[path] = _from_torch(name, gradient.detach().float().cpu().numpy())
    return found


# ---------------------------------------------------------------- training


def check(config: Config) -> None:
    """Checks that a run is one that this module can take.

    Raises:
        ConfigError: It asks for another network, objective or update; the message names each field.
    """
    objective = config.objective
    expected = {
        "generator.network": (config.generator.network, "sngan"),
        "discriminator.network": (config.discriminator.network, "sngan"),
        "generator.activation": (config.generator.activation, "relu"),
        "discriminator.activation": (config.discriminator.activation, "relu"),
        "objective.loss": (objective.loss, "hinge"),
        "objective.update": (objective.update, "simultaneous"),
        "objective.penalty": (objective.penalty, "none"),
        "objective.reading_d": (objective.reading_d, 0.0),
        "objective.reading_g": (objective.reading_g, 0.0),
        "objective.reconstruction": (objective.reconstruction, 0.0),
        "objective.condition_dropout": (objective.condition_dropout, 0.0),
        "data.augment": (config.data.augment, ""),
        "train.clip": (config.train.clip, 0.0),
    }
    other = [f"config.{name}={was!r} (not {can!r})" for name, (was, can) in expected.items() if was != can]
    if other:
        raise errors.ConfigError(
            f"The step in PyTorch is that of configs/benchmark_32.py and benchmark_64.py; {config.name} differs in "
            f"{', '.join(other)}. Use one of those, or leave --versus out."
        )


class Step:
    """The simultaneous update: both networks from one pair of forward passes, hinge loss, Adam, averaged generator.

    Attributes:
        generator: The generator.
        discriminator: The discriminator.
        ema: Averaged parameters of the generator.
        steps: Steps taken.
    """

    def __init__(
        self,
        config: Config,
        images: np.ndarray,
        features: np.ndarray,
        g_params: Mapping[str, Any],
        d_params: Mapping[str, Any],
        variant: Variant,
        device: str = "cpu",
    ) -> None:
        """Builds the networks.

        Args:
            config: The run; its networks are `sngan`.
            images: `[N, H, W, C]` uint8, kept on the device.
            features: `[N, F]` float32, of their briefs.
            g_params: Flax parameters to start from.
            d_params: Flax parameters to start from.
            variant: How to compute.
            device: `cpu` or `cuda`.

        Raises:
            ConfigError: The run asks for something that is not written here.
        """
        check(config)
        own, other, channels = config.generator, config.discriminator, images.shape[-1]
        n_features = features.shape[1]
        self._config, self._variant, self._device = config, variant, torch.device(device)
        generator = Generator(own.z_dim + n_features, images.shape[1], channels, own.widths, variant.algebra)
        discriminator = Discriminator(n_features, channels, other.widths, other.blocks, variant.algebra)
        load(generator, g_params)
        load(discriminator, d_params)
        self.generator = generator.to(self._device, memory_format=torch.channels_last)
        self.discriminator = discriminator.to(self._device, memory_format=torch.channels_last)
        self.ema = [p.detach().clone() for p in self.generator.parameters()]
        self.steps = 0
        self._images = torch.tensor(images, device=self._device).permute(0, 3, 1, 2)  # channels last in memory
        self._features = torch.tensor(features, device=self._device)
        train = config.train
        on_cuda = self._device.type == "cuda"
        fused = {"fused": True} if on_cuda or variant.graph else {"foreach": True}
        # What a captured step reads has to stand in memory of its own: numbers would be captured as they are.
        held = {"capturable": on_cuda} if variant.graph else {}
        options: dict[str, Any] = {"betas": (train.beta1, train.beta2), "eps": 1e-8, **fused, **held}
        self._rates: list[Any] = [train.g_lr, train.d_lr]
        if variant.graph:
            self._rates = [torch.tensor(rate, device=self._device) for rate in self._rates]
        self._optimisers = [
            torch.optim.Adam(self.generator.parameters(), self._rates[0], **options),
            torch.optim.Adam(self.discriminator.parameters(), self._rates[1], **options),
        ]
        self._decay = torch.zeros((), device=self._device)
        self._graph: Any = None
        self._draw: Any = torch.compile(self.generator) if variant.compiled else self.generator
        self._judge: Any = torch.compile(self.discriminator) if variant.compiled else self.discriminator
        if variant.compiled:  # both losses pull on one graph
            torch._functorch.config.donated_buffer = False

    def batch(self, index: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns images `[B, C, H, W]` in [-1, 1] and features `[B, F]` of a batch, drawn at random by default."""
        if index is None:
            index = torch.randint(len(self._images), (self._config.train.batch,), device=self._device)
        real = (self._images[index].float() * 2 - 255) * (1 / 255)
        return real.contiguous(memory_format=torch.channels_last), self._features[index]

    def losses_and_gradients(
        self, real: Tensor, features: Tensor, z: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        """Returns both losses and the gradients of generator and discriminator."""
        half = self._config.compute.dtype == "bfloat16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=half):
            fake = self._draw(z, features)
            if self._variant.passes == 1:
                score = self._judge(torch.cat([real, fake]), torch.cat([features, features]))
                on_real, on_fake = score.chunk(2)
            else:
                on_real, on_fake = self._judge(real, features), self._judge(fake, features)
        d_loss = (F.relu(1 - on_real) + F.relu(1 + on_fake)).mean()
        g_loss = -on_fake.mean()
        d_gradients = torch.autograd.grad(d_loss, list(self.discriminator.parameters()), retain_graph=True)
        g_gradients = torch.autograd.grad(g_loss, list(self.generator.parameters()))
        return d_loss.detach(), g_loss.detach(), list(g_gradients), list(d_gradients)

    def __call__(self, real: Tensor | None = None, features: Tensor | None = None, z: Tensor | None = None) -> Any:
        """Takes a step, on a batch and noise drawn at random by default; returns both losses, on the device.

        A step that is captured draws its own.
        """
        share, train = _lr_share(self._config, self.steps), self._config.train
        decay = min(train.ema, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for i, (optimiser, lr) in enumerate(zip(self._optimisers, (train.g_lr, train.d_lr), strict=True)):
            if self._variant.graph:
                self._rates[i].fill_(lr * share)
            else:
                optimiser.param_groups[0]["lr"] = lr * share
        self._decay.fill_(decay)
        own = real is None and features is None and z is None
        if not (own and self._variant.graph and self._device.type == "cuda"):
            return self._update(real, features, z, decay)
        if self._graph is None:
            self._capture(decay)
        self._graph.replay()
        return self._losses

    def _update(self, real: Tensor | None, features: Tensor | None, z: Tensor | None, decay: float) -> Any:
        if real is None or features is None:
            real, features = self.batch()
        if z is None:
            z = torch.randn(len(real), self._config.generator.z_dim, device=self._device)
        d_loss, g_loss, *both = self.losses_and_gradients(real, features, z)
        for optimiser, gradients in zip(self._optimisers, both, strict=True):
            (group,) = optimiser.param_groups
            for parameter, gradient in zip(group["params"], gradients, strict=True):
                parameter.grad = _laid_out_as(parameter, gradient)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            if self._variant.graph:
                torch._foreach_mul_(self.ema, self._decay)
                torch._foreach_add_(self.ema, torch._foreach_mul(list(self.generator.parameters()), 1 - self._decay))
            else:
                torch._foreach_lerp_(self.ema, list(self.generator.parameters()), 1 - decay)
        return d_loss, g_loss

    def _capture(self, decay: float) -> None:
        """Captures a step, after a few on a stream of their own, as PyTorch asks for."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._update(None, None, None, decay)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._losses = self._update(None, None, None, decay)

    def wait(self) -> None:
        """Returns when the device has done all that it was asked to do."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def set_up(threads: int, *, dtype: str, tf32: bool = False) -> None:
    """Sets what holds for all of PyTorch: threads, and whether float32 products may use TF32."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high" if tf32 and dtype == "float32" else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True


# ---------------------------------------------------------------- inner workings


def _laid_out_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """A gradient in its parameter's memory layout, as `backward` leaves it; fused Adam on CUDA refuses another one."""
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter, requires_grad=False).copy_(gradient)


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
    """`[O, I, 3, 3]` to what one old pixel adds to the 4x4 new ones around it, `[O, I, 4, 4]`."""
    w = w.flip(2, 3)
    return sum(F.pad(w, (i, 1 - i, j, 1 - j)) for i in (0, 1) for j in (0, 1))


def _pooled(w: Tensor) -> Tensor:
    """`[O, I, 3, 3]` to the 4x4 kernel that convolves and averages 2x2 pixels."""
    return sum(F.pad(w, (i, 1 - i, j, 1 - j)) for i in (0, 1) for j in (0, 1)) / 4


def _lr_share(config: Config, step: int) -> float:
    train = config.train
    warmup = max(1, min(train.warmup, train.steps // 2))
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / train.steps)))
    return min(1.0, (step + 1) / warmup) * (train.final_lr + (1 - train.final_lr) * fall)


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
