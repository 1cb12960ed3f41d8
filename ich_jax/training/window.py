"""Metrics of several steps, kept on the device until they are read."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

MEANS = (
    "d_loss",  # adversarial part only
    "g_loss",  # adversarial part only
    "penalty",  # weighted
    "reading_real",  # reading loss on real images, every known part
    "reading_fake",  # reading loss on generated images, stated parts
    "reconstruction",  # mean absolute error of real images drawn again, pixels in [-1, 1]; 0 if never done
    "noise_kl",  # nats between the noise read off one real image and standard normal noise; 0 if never done
    "noise_mismatch",  # of the noise read off all real images and standard normal noise; 0 if never done
    "real_beats_fake",  # share of pairs in which the real image scores higher; 0.5 at balance, 1 when D has won
    "d_accuracy",  # share of images on the right side of score 0
    "score_real",
    "score_fake",
    "d_grad_norm",  # before clipping
    "g_grad_norm",
    "pixel_sd_real",  # deviation over the batch, averaged over pixels
    "pixel_sd_fake",
)
"""Metrics that a window averages over its finite steps."""
LAST = ("step", "d_lr", "g_lr", "skipped", "skipped_in_a_row")
"""Values of which a window keeps the newest."""


class Window(NamedTuple):
    """Metrics since the last log line, on the device.

    Attributes:
        sums: Sum of each of `MEANS` over the finite steps.
        last: Newest value of each of `LAST`.
        count: int32, number of finite steps.
    """

    sums: dict[str, jax.Array]
    last: dict[str, jax.Array]
    count: jax.Array  # type: ignore[assignment]  # hides tuple.count, which a window does not need


@jax.jit
def new_window() -> Window:
    """Returns an empty window. Compiled, so that its zeros are made on the device and each has a buffer to donate."""
    return Window(
        sums={name: jnp.zeros((), jnp.float32) for name in MEANS},
        last={name: jnp.zeros((), jnp.float32) for name in LAST},
        count=jnp.zeros((), jnp.int32),
    )


def read_window(window: Window) -> dict[str, float]:
    """Copies a window to the host, in one transfer that waits for the device.

    Returns:
        The mean of each of `MEANS` over the finite steps (NaN if there was none), and the newest of each of `LAST`.
    """
    host = jax.device_get(window)
    count = int(host.count)
    means = {name: float(value) / count if count else float("nan") for name, value in host.sums.items()}
    return means | {name: float(value) for name, value in host.last.items()}
