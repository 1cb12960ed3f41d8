"""The training step of the networks of `ich_jax.models.sngan` in PyTorch, to compare speed with.

The same weights give the same losses, gradients and updates (tests/scripts/test_peers.py).
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # its customary name
from peers.sngan_torch_networks import ALGEBRAS, Discriminator, Generator, gradients_like, load
from torch import Tensor

from ich_jax import errors
from ich_jax.config import Config

__all__ = ["ALGEBRAS", "Step", "Variant", "check", "gradients_like", "load", "set_up"]


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


def check(config: Config) -> None:
    """Checks that a run is one that this module can take.

    Raises:
        ConfigError: It uses another network, objective or update; the message names each field.
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
            ConfigError: The run needs a feature that is not implemented here.
        """
        check(config)
        g_config, d_config, channels = config.generator, config.discriminator, images.shape[-1]
        n_features = features.shape[1]
        self._config, self._variant, self._device = config, variant, torch.device(device)
        generator = Generator(g_config.z_dim + n_features, images.shape[1], channels, g_config.widths, variant.algebra)
        discriminator = Discriminator(n_features, channels, d_config.widths, d_config.blocks, variant.algebra)
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
        # Inputs of a captured step need separate memory: plain numbers would be captured as constants.
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

        A captured step draws its own batch and noise.
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
        default_batch = real is None and features is None and z is None
        if not (default_batch and self._variant.graph and self._device.type == "cuda"):
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
        """Captures a step, after a few on a side stream, as PyTorch requires."""
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
        """Returns when the device has finished all its work."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def set_up(threads: int, *, dtype: str, tf32: bool = False) -> None:
    """Sets global options of PyTorch: threads, and whether float32 products may use TF32."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high" if tf32 and dtype == "float32" else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True


def _laid_out_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """A gradient in the memory layout of its parameter, as `backward` leaves it; fused Adam on CUDA needs it."""
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter, requires_grad=False).copy_(gradient)


def _lr_share(config: Config, step: int) -> float:
    train = config.train
    warmup = max(1, min(train.warmup, train.steps // 2))
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / train.steps)))
    return min(1.0, (step + 1) / warmup) * (train.final_lr + (1 - train.final_lr) * fall)
