"""The time of a step by part of the networks and by kind of operation, and the passes that wait for memory."""

import dataclasses
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
from benchmarks.stages import device, step
from benchmarks.stages.job import Job

STEPS, SHOWN = 3, 12
_NAMED = re.compile(r"^\s*(?:ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$")
_SHAPE = re.compile(r"\b(pred|s4|u4|s8|u8|s16|u16|bf16|f16|s32|u32|f32|s64|u64|f64)\[([\d,]*)\]")
_BYTES = {
    "pred": 1,
    "s4": 1,
    "u4": 1,
    "s8": 1,
    "u8": 1,
    "s16": 2,
    "u16": 2,
    "bf16": 2,
    "f16": 2,
    "s64": 8,
    "u64": 8,
    "f64": 8,
}
_CALLERS = ("while", "call", "conditional")  # the operations that they call appear in the profile as well
_COPIES = ("copy", "transpose", "reshape", "concatenate", "pad", "slice", "broadcast")


@dataclasses.dataclass(frozen=True)
class Operation:
    """An instruction of a compiled program.

    Attributes:
        name: As in profiles.
        opcode: Its kind.
        n_bytes: Bytes of its operands and results.
        scope: Part of the program that it belongs to, such as `Discriminator/block_0, backward`.
    """

    name: str
    opcode: str
    n_bytes: int
    scope: str


def run(job: Job) -> None:
    """Profiles some steps of the fastest form."""
    program = step.best_program(job)
    program(1)
    operations = parse(program.compiled.as_text())
    seconds = profiled(lambda: program(STEPS), operations)
    total = sum(seconds.values())
    if not total:
        job.leave_out("profile", "the profile of this backend does not name the operations that ran")
        return
    copy = job.known("device", "copy_bytes") or device.peak(job, "bfloat16").bytes_per_s

    def shares(table: str, key: str, part_of: Callable[[str], str]) -> None:
        sums: dict[str, float] = defaultdict(float)
        for name, s in seconds.items():
            sums[part_of(name)] += s
        for part, s in sorted(sums.items(), key=lambda item: -item[1])[:SHOWN]:
            job.add(table, **{key: part, "ms_a_step": 1e3 * s / STEPS, "share": s / total})

    shares("Time by part", "part", lambda name: operations[name].scope if name in operations else "not named by XLA")
    shares("Time by kind", "kind", lambda name: kind(name, operations.get(name)))
    waiting = 0.0
    for name, s in sorted(seconds.items(), key=lambda item: -item[1]):
        if name not in operations:
            continue
        of_copy = operations[name].n_bytes * STEPS / s / copy
        waiting += s if of_copy > 0.5 else 0.0
        if sum(row["table"] == "Longest operations" for row in job.entry.rows) < SHOWN:
            job.add(
                "Longest operations",
                operation=name,
                kind=kind(name, operations[name]),
                part=operations[name].scope,
                ms_a_step=1e3 * s / STEPS,
                share=s / total,
                of_copy_rate=of_copy,
            )
    # Bytes are those of an operation's own operands: caches can make it look faster than memory is.
    job.figure("memory_bound_share", waiting / total)
    if (mfu := job.known("step", "mfu")) is not None:
        job.figure("mfu", mfu)


def profiled(call: Callable[[], Any], operations: Mapping[str, Operation]) -> dict[str, float]:
    """Returns the seconds that each operation of a program ran, by name, on one device or on all threads of a CPU."""
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            call()
        planes = [
            plane
            for path in Path(folder).rglob("*.xplane.pb")
            for plane in jax.profiler.ProfileData.from_file(str(path)).planes
        ]
        seconds: list[dict[str, float]] = []
        for plane in planes:
            lines = list(plane.lines)
            if plane.name.startswith("/device:"):  # a line of operations, if there is one, repeats the same events
                lines = [line for line in lines if line.name == "XLA Ops"] or [
                    line for line in lines if line.name.startswith("Stream")
                ]
            seconds.append(seconds_by_operation((event for line in lines for event in line.events), operations))
    return max(seconds, key=lambda each: sum(each.values()), default={})


def seconds_by_operation(events: Iterable[Any], operations: Mapping[str, Operation]) -> dict[str, float]:
    """Sums events that belong to an operation; those of a device that XLA does not name keep their own name."""
    sums: dict[str, float] = defaultdict(float)
    for event in events:
        name = event.name
        if name not in operations:
            stats = {key: value for key, value in event.stats if key in ("hlo_op", "hlo_module")}
            if "hlo_op" not in stats:
                continue
            name = str(stats["hlo_op"])
        if name in operations and operations[name].opcode in _CALLERS:
            continue
        sums[name] += event.duration_ns * 1e-9
    return dict(sums)


def parse(text: str) -> dict[str, Operation]:
    """Reads the instructions of an optimised program as XLA prints it."""
    lines = [match for line in text.splitlines() if (match := _NAMED.match(line))]
    sizes = {match[1]: _size(match[2]) for match in lines}
    operations = {}
    for match in lines:
        name, opcode, rest = match[1], match[3], match[4]
        operands = re.findall(r"%([\w.\-]+)", rest.split("), ")[0])
        path = re.search(r'op_name="([^"]*)"', rest)
        n_bytes = sizes[name] + sum(sizes.get(operand, 0) for operand in operands)
        operations[name] = Operation(name, opcode, n_bytes, scope(path[1] if path else ""))
    return operations


def scope(path: str) -> str:
    """Returns the part of the networks that an operation's path names, with its direction.

    Example:
        >>> scope("jit(placed)/transpose(jvp(Discriminator))/block_0/conv1/dot_general")
        'Discriminator/block_0, backward'
    """
    match = re.search(r"(transpose\()?(?:jvp\()?\b(\w*(?:Generator|Discriminator|Encoder)\w*)\)*/(\w+)?", path)
    if match is None:
        return "gradients, losses" if "jvp(" in path else "draws, optimisers, averages"
    block = f"/{match[3]}" if match[3] and match[3].startswith(("block", "base", "picture", "stage", "mapping")) else ""
    return f"{match[2]}{block}, {'backward' if match[1] else 'forward'}"


def kind(name: str, operation: Operation | None) -> str:
    """Returns the kind of work of an operation, by its opcode and the name that XLA gave it."""
    opcode = operation.opcode if operation else ""
    if opcode in ("convolution", "dot") or re.search(r"conv(?!ert)|dot|gemm|cudnn|cublas", name):
        return "convolutions, products"
    if opcode == "custom-call":
        return "library calls"
    if opcode in _COPIES or name.startswith(_COPIES):
        return "copies, transposes"
    return "elementwise, reductions"


def _size(shapes: str) -> int:
    total = 0
    for dtype, dimensions in _SHAPE.findall(shapes):
        n = _BYTES.get(dtype, 4)
        for side in dimensions.split(","):
            n *= int(side) if side else 1
        total += n
    return total
