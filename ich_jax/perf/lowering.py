"""Programs lowered for devices that are not at hand: StableHLO for `tpu` and `cuda`, checked on any machine.

Nothing is compiled. The checks concern mistakes that cost much and go unnoticed: a callback to the host in every step,
arithmetic in float64, channels that do not come last, shapes that are not known beforehand, float32 convolutions in a
config that asks for bfloat16.
"""

import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import jax
from jax.extend.core import ClosedJaxpr  # type: ignore[attr-defined]  # it is public

from ich_jax import errors
from ich_jax.perf import counts

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
TPU_LANES = 128
"""Width of a TPU's vector registers and matrix unit: channels are padded to a multiple of it."""

_LARGE_CONSTANT = 2**20  # bytes
_HOST = re.compile(r"callback|host_|infeed|outfeed|send|recv")
_OPERATION = re.compile(r"(?:^|\s)\"?(stablehlo|chlo|sdy|mhlo)\.(\w+)\"?", re.MULTILINE)
_CUSTOM_CALL = re.compile(r"custom_call(?:\"?\(.*call_target_name = \"| @)([\w.$-]+)")
_TYPE = re.compile(r"tensor<((?:[\d?]+x)*)([a-zA-Z]\w*)")
_CONVOLUTION = re.compile(r"dim_numbers = \[([^\]]*)\]x\[[^\]]*\]->\[([^\]]*)\].*?: \(tensor<([^>]*)>, tensor<([^>]*)>")
_CONSTANT = re.compile(r"stablehlo\.constant dense<\"0x[0-9A-Fa-f]*\"> : tensor<([^>]*)>")
_DONATED = re.compile(r"tf\.aliasing_output|jax\.buffer_donor")
# Activations: batch, rows, columns, channels. In the gradient of a kernel batch and channels trade roles.
_CHANNELS_LAST = {"b,0,1,f", "f,0,1,b", "0,1,b,f", "0,1,f,b", "0,1,i,o", "0,1,o,i"}


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """Contents of a lowered program.

    Attributes:
        platform: For which it was lowered.
        operations: Number of each StableHLO operation.
        custom_calls: Number of each target of a custom call.
        types: Element types that occur.
        convolution_types: Element types of the operands of convolutions, with the number of convolutions.
        layouts: Dimension orders of the operands and results of convolutions, such as `b,0,1,f`, with their number.
        dynamic: Whether a shape is not known before the program runs.
        constant_bytes: Bytes of the arrays written into the program; short ones, and those of one value, not counted.
        donated: Arguments that the program may overwrite.
        text_bytes: Length of its text.
    """

    platform: str
    operations: Mapping[str, int]
    custom_calls: Mapping[str, int]
    types: frozenset[str]
    convolution_types: Mapping[str, int]
    layouts: Mapping[str, int]
    dynamic: bool
    constant_bytes: int
    donated: int
    text_bytes: int


def lower(traced: jax.stages.Traced, platform: str) -> str:
    """Lowers a program for a platform, which need not be present.

    Args:
        traced: Result of `jitted.trace(*arguments)`; arguments may be `jax.ShapeDtypeStruct`s.
        platform: One of `PLATFORMS`.

    Returns:
        Its text in StableHLO.

    Raises:
        ConfigError: No such platform.
    """
    errors.require(platform, PLATFORMS, "platform")
    return str(traced.lower(lowering_platforms=(platform,)).as_text())


def digest(text: str) -> str:
    """Returns 16 hex digits that identify what a lowered program computes, whatever its functions are called.

    Args:
        text: From `lower`.
    """
    numbers: dict[str, str] = {}
    named = re.sub(r"@[\w.$]+", lambda name: numbers.setdefault(name[0], f"@{len(numbers)}"), text)
    return hashlib.sha256(re.sub(r" loc\([^)]*\)", "", named).encode()).hexdigest()[:16]


def facts(text: str, platform: str) -> Facts:
    """Reads from a lowered program the facts that `problems` judges.

    Args:
        text: From `lower`.
        platform: For which it was lowered.
    """
    convolutions = _CONVOLUTION.findall(text)
    shapes = _TYPE.findall(text)
    return Facts(
        platform=platform,
        operations=Counter(name for _, name in _OPERATION.findall(text)),
        custom_calls=Counter(_CUSTOM_CALL.findall(text)),
        types=frozenset(kind for _, kind in shapes) | ({"f64"} if "complex<f64>" in text else set()),
        convolution_types=Counter(
            kind for *_, a, b in convolutions for kind in {a.rpartition("x")[2], b.rpartition("x")[2]}
        ),
        layouts=Counter(order.replace(" ", "") for left, out, *_ in convolutions for order in (left, out)),
        dynamic=any("?" in shape for shape, _ in shapes),
        constant_bytes=sum(_constant_bytes(shape) for shape in _CONSTANT.findall(text)),
        donated=len(_DONATED.findall(text)),
        text_bytes=len(text),
    )


def problems(program: Facts, *, compute: str = "float32", donated: int = 0) -> list[str]:
    """Returns the problems of a program, one sentence each; empty if there are none.

    Args:
        program: Its facts.
        compute: Type in which convolutions are to be computed.
        donated: Arguments that are expected to be donated, at least.
    """
    wrong = []
    where = f"lowered for {program.platform}"
    if host := sorted(name for name in program.custom_calls if _HOST.search(name)):
        wrong.append(f"calls the host from the device ({', '.join(host)})")
    if host := sorted(name for name in program.operations if _HOST.fullmatch(name)):
        wrong.append(f"waits for the host ({', '.join(host)})")
    if "f64" in program.types:
        wrong.append("computes in float64")
    if program.dynamic:
        wrong.append("has shapes that are not known before it runs")
    if unwanted := sorted(set(program.layouts) - _CHANNELS_LAST):
        wrong.append(f"has convolutions whose channels do not come last ({'; '.join(unwanted)})")
    asked = {"float32": "f32", "bfloat16": "bf16"}[errors.require(compute, ("float32", "bfloat16"), "compute")]
    if unwanted := sorted(set(program.convolution_types) - {asked}):
        n = sum(program.convolution_types[kind] for kind in unwanted)
        wrong.append(f"has {n} convolutions of {', '.join(unwanted)} instead of {asked}")
    if program.constant_bytes > _LARGE_CONSTANT:
        wrong.append(f"holds {program.constant_bytes / 2**20:.1f} MiB of constants, which each compilation copies")
    if program.donated < donated:
        wrong.append(f"may write over {program.donated} of its arguments instead of {donated}")
    return [f"The program {where} {problem}." for problem in wrong]


def advice(program: ClosedJaxpr, platform: str) -> list[str]:
    """Returns advice on widths of a network that waste a device, one sentence each; nothing is changed.

    Args:
        program: As for `counts.count`.
        platform: One of `PLATFORMS`; there is nothing to say about `cpu`.
    """
    errors.require(platform, PLATFORMS, "platform")
    if platform == "cpu":
        return []
    multiple = TPU_LANES if platform == "tpu" else 8  # tensor cores take 16 bytes at a time
    wide: Counter[int] = Counter()
    for inputs, _, outputs in counts.convolutions(program):
        # Layouts in which the last dimension is a batch (gradients of kernels) end in channels all the same.
        wide.update({width for width in (inputs[-1], outputs[-1]) if width % multiple})
    if not wide:
        return []
    worst = ", ".join(f"{width} ({n})" for width, n in sorted(wide.items()))
    unit = "lanes of the matrix unit" if platform == "tpu" else "16-byte tiles of the tensor cores in bfloat16"
    return [
        f"Convolutions have channels that are no multiple of {multiple}, the {unit}, and are padded to one: {worst}. "
        f"Widths of {multiple}, {2 * multiple}, ... waste nothing."
    ]


def check(traced: jax.stages.Traced, platforms: Sequence[str], *, compute: str, donated: int = 0) -> list[Facts]:
    """Lowers a program for each platform and checks it.

    Raises:
        ConfigError: It has a problem; the message names all of them.
    """
    lowered = [facts(lower(traced, platform), platform) for platform in platforms]
    wrong = [line for each in lowered for line in problems(each, compute=compute, donated=donated)]
    if wrong:
        raise errors.ConfigError(" ".join(wrong))
    return lowered


def _constant_bytes(shape: str) -> int:
    *sizes, kind = shape.split("x")
    bits = re.sub(r"\D", "", kind)
    n = 1
    for size in sizes:
        n *= int(size)
    return n * max(1, int(bits or 8) // 8)
