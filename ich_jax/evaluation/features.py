"""Features of untrained convolutional networks: a measure of realism that needs no download.

Untrained networks rank generators much as trained ones do, and suit pictures far from photographs. A distance taken in
these features is a random-feature Fréchet distance (RFD); it is not comparable with an FID, nor between networks of
different fingerprint, image sizes, or sample sizes.

References:
    Lee et al. (2022), Demystifying randomly initialized networks for evaluating generative models, arXiv:2208.09218.
    Brock et al. (2021), Characterizing signal propagation to close the performance gap in unnormalized ResNets (the
    scaled activation).
"""

import dataclasses
import hashlib
import math

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.data import pipeline

WIDTHS = (32, 48, 64, 64)
"""Channels per scale, from the full resolution downward."""

PER_SCALE = 32
"""Features per scale: random mixtures of each channel's mean and standard deviation over the picture; d = 128."""

MAX_SIZE = 64
"""Larger images are reduced to this size, so that features of a few thousand stay a matter of seconds."""

MIN_SIZE = 16
BATCH = 128
_RELU_MEAN, _RELU_SD = math.sqrt(0.5 / math.pi), math.sqrt(0.5 - 0.5 / math.pi)  # of a rectified standard normal
_BIAS = 0.5  # spread of the thresholds, in units of the activations' standard deviation


@dataclasses.dataclass(frozen=True)
class RandomFeatures:
    """A fixed network with random weights; call it with images.

    Attributes:
        seed: Seed of the weights.
        channels: Channels of the images.
        fingerprint: 16 hex digits of the weights and of the computation.
        weights: Per scale a `[3, 3, in, out]` kernel, an `[out]` bias and a `[2 out, PER_SCALE]` mixture, float32.
    """

    seed: int
    channels: int
    fingerprint: str
    weights: tuple[tuple[npt.NDArray[np.float32], ...], ...]

    def __call__(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Returns the features `[N, d]` float32 of uint8 images `[N, H, W, C]`.

        Batches have a fixed size (the last one is padded), so each image size compiles once, whatever N and the seed.

        Raises:
            DataError: The images are not uint8, have other channels, or are smaller than 16 px.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != self.channels:
            raise errors.DataError(
                f"Random features take uint8 images [N, H, W, {self.channels}]; got {images.dtype} "
                f"{list(images.shape)}. Quantise generated images as they would be stored, then measure."
            )
        if min(images.shape[1:3]) < MIN_SIZE:
            raise errors.DataError(f"Random features need images of {MIN_SIZE} px or more; got {list(images.shape)}.")
        parts = []
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            parts.append(_features(self.weights, np.pad(batch, ((0, BATCH - len(batch)), (0, 0), (0, 0), (0, 0)))))
        rows = [np.asarray(part) for part in parts] or [np.zeros((0, len(WIDTHS) * PER_SCALE), np.float32)]
        return np.concatenate(rows)[: len(images)]


def random_features(seed: int, channels: int) -> RandomFeatures:
    """Makes the network of a seed: the same bits on every machine and backend.

    Args:
        seed: Any non-negative integer; distances are averaged over several.
        channels: 1 or 3.
    """
    # numpy on the host: jax.random.normal goes through erf_inv, whose last bits depend on the backend.
    draw = np.random.Generator(np.random.Philox(seed))
    weights = []
    fan = channels
    for width in WIDTHS:
        kernel = draw.standard_normal((3, 3, fan, width)) / math.sqrt(9 * fan)
        # Every other filter sums to zero: blind to colour and light, which would drown edges and texture. Measured on
        # 1,024 images of 32 px: a 2x2 checkerboard of 6 grey levels, a smear of one pixel and ragged edges stand out 3
        # to 10 times further from the spread of real against real than without.
        kernel[..., ::2] -= kernel[..., ::2].mean(axis=(0, 1), keepdims=True)
        bias = draw.standard_normal(width) * _BIAS
        mixture = draw.standard_normal((2 * width, PER_SCALE)) / math.sqrt(2 * width)
        weights.append(tuple(part.astype(np.float32) for part in (kernel, bias, mixture)))
        fan = width
    digest = hashlib.sha256(f"conv3x3 scaled-relu mean-sd {WIDTHS} {PER_SCALE} resize>{MAX_SIZE}".encode())
    for part in (part for scale in weights for part in scale):
        digest.update(part.tobytes())
    return RandomFeatures(seed, channels, digest.hexdigest()[:16], tuple(weights))


@jax.jit
def _features(
    weights: tuple[tuple[jax.Array, jax.Array, jax.Array], ...],
    images: jax.Array,  # [B, H, W, C] uint8
) -> jax.Array:  # [B, d]
    x = pipeline.to_unit(images)
    b, height, width, channels = x.shape
    if max(height, width) > MAX_SIZE:
        shrink = MAX_SIZE / max(height, width)
        shape = (b, round(height * shrink), round(width * shrink), channels)
        x = jax.image.resize(x, shape, "linear", antialias=True)
    pooled = []
    for scale, (kernel, bias, mixture) in enumerate(weights):
        stride = 1 if scale == 0 else 2
        x = jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
        )
        # ReLU less its mean, over its standard deviation, for normal input: activations keep their scale with depth.
        x = (jax.nn.relu(x + bias.reshape(1, 1, 1, -1)) - _RELU_MEAN) / _RELU_SD
        statistics = jnp.concatenate([jnp.mean(x, axis=(1, 2)), jnp.std(x, axis=(1, 2))], axis=1)
        pooled.append(jnp.dot(statistics, mixture, precision="highest"))
    return jnp.concatenate(pooled, axis=1)
