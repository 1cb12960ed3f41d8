"""Facts about a program that is not run: from its jaxpr, its StableHLO, and the code that XLA compiles from it.

A fact is a number, or a table of numbers by name; lower is better unless `verdicts` says otherwise. Facts that a
backend does not report are absent, never zero.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr  # type: ignore[attr-defined]  # both are public

from ich_jax import jaxprs
from ich_jax.perf import compilation, counts, lowering
from ich_jax.perf.check.reach import Frames

Facts = dict[str, Any]
"""Name -> number, or name -> numbers by kind."""

_METADATA = re.compile(
    r",? ?(?:metadata|frontend_attributes|backend_config|origin)=\{(?:[^{}\"]|\"[^\"]*\"|\{[^{}]*\})*\}"
)
_STACK = re.compile(r",? ?stack_frame_id=\d+")
_NAME = re.compile(r"%?[A-Za-z_][\w\-]*(?:\.\d+)+|%[\w.\-]+")
_OPERATION = re.compile(r"^\s*(?:ROOT )?%?[\w.\-]+ = (?:\([^=]*?\)|\S+) ([a-z][\w\-]*)\(", re.MULTILINE)
_FUSION = re.compile(r"fusion\(.*?kind=(\w+)")
_TARGET = re.compile(r'custom_call_target="([^"]+)"')
_TABLES = ("FileNames", "FunctionNames", "FileLocations", "StackFrames")


def of_jaxpr(program: ClosedJaxpr) -> Facts:
    """Counts the operations of a program, bodies of scans once for each iteration.

    Args:
        program: The program, from `jitted.trace(*arguments).jaxpr`.
    """
    counted = counts.count(program)
    primitives: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for equation, times in walk(program.jaxpr):
        primitives[equation.primitive.name] += times
        for variable in equation.outvars:
            types[str(getattr(variable.aval, "dtype", "none"))] += times
    return {
        "equations": sum(primitives.values()),
        "flops": counted.flops,
        "other_flops": counted.other_flops,
        "operand_bytes": counted.operand_bytes,
        "memory_estimate": counts.memory_bytes(program),
        "argument_bytes": counts.argument_bytes(program),
        "constant_bytes": sum(int(getattr(constant, "nbytes", 0)) for constant in program.consts),
        "primitives": dict(sorted(primitives.items())),
        "dtypes": dict(sorted(types.items())),
    }


def walk(jaxpr: Jaxpr, times: int = 1) -> Any:
    """Yields each equation without inner equations and its number of runs; counts bodies of `while` and `cond` once."""
    for equation in jaxpr.eqns:
        bodies = list(jaxprs.bodies(equation))
        repeats = times * int(equation.params.get("length", 1)) if equation.primitive.name == "scan" else times
        for body in bodies:
            yield from walk(body, repeats)
        if not bodies:
            yield equation, times


def by_line(program: ClosedJaxpr, frames: Frames, changed: Mapping[str, Sequence[int]]) -> list[list[Any]]:
    """Counts equations by the line that they come from: the innermost changed line, else the innermost in the tree.

    Args:
        program: As for `of_jaxpr`.
        frames: Frames of the tree.
        changed: File -> lines that differ from the other side.

    Returns:
        Rows `[file, line, changed, scope, primitive, n]`; equations from outside the tree have file "" and line 0.
    """
    lines = {name: set(numbers) for name, numbers in changed.items()}
    rows: dict[tuple[str, int, bool, str, str], int] = defaultdict(int)
    for equation, times in walk(program.jaxpr):
        chain = frames.calls(equation)
        touched = next(((name, line) for name, line in chain if line in lines.get(name, ())), None)
        name, line = touched or (chain[0] if chain else ("", 0))
        scope = str(equation.source_info.name_stack)
        rows[name, line, touched is not None, scope, equation.primitive.name] += times
    return [[*key, n] for key, n in sorted(rows.items())]


def of_lowered(text: str, platform: str) -> Facts:
    """Reads a lowered program.

    Args:
        text: Program in StableHLO.
        platform: Platform for which it was lowered.
    """
    facts = lowering.facts(text, platform)
    return {
        "operations": dict(sorted(facts.operations.items())),
        "custom_calls": dict(sorted(facts.custom_calls.items())),
        "convolution_types": dict(sorted(facts.convolution_types.items())),
        "float64": int("f64" in facts.types),
        "literal_bytes": facts.constant_bytes,
        "donated": facts.donated,
        "text_bytes": facts.text_bytes,
        "fingerprint": lowering.digest(text),
    }


def of_compiled(compiled: jax.stages.Compiled) -> Facts:
    """Reads a compiled program: its operations, fusions and kernels by kind, memory, and XLA's own counts."""
    text = compiled.as_text() or ""
    memory = compilation.memory(compiled)
    analysis: Any = compiled.cost_analysis()
    analysis = analysis[0] if isinstance(analysis, list) and analysis else analysis
    cost = {name: float(value) for name, value in dict(analysis or {}).items() if value >= 0}
    facts: Facts = {
        "optimised_operations": dict(sorted(Counter(_OPERATION.findall(text)).items())),
        "fusions": dict(sorted(Counter(_FUSION.findall(text)).items())),
        "kernels": dict(sorted(Counter(_TARGET.findall(text)).items())),
        "optimised_fingerprint": fingerprint(text),
    }
    named = {
        "temp_bytes": memory.temp_bytes,
        "output_bytes": memory.output_bytes,
        "alias_bytes": memory.alias_bytes,
        "code_bytes": memory.code_bytes,
        "total_bytes": memory.total_bytes,
        "xla_flops": cost.get("flops"),
        "xla_bytes": cost.get("bytes accessed"),
        "transcendentals": cost.get("transcendentals"),
    }
    return facts | {name: value for name, value in named.items() if value is not None}


def normalised(text: str) -> str:
    """Returns an optimised program without source locations and numbering, which do not affect its computation.

    Names are numbered in order of appearance; tables of files and frames are removed.
    """
    kept = []
    skipping = False
    for line in text.splitlines():
        if line.strip() in _TABLES:
            skipping = True
        elif skipping and (not line.strip() or not line[0].isdigit()):
            skipping = False
        if not skipping:
            kept.append(line)
    body = "\n".join(kept)
    body = re.sub(r"^HloModule [^,\n]*", "HloModule", body)
    body = _STACK.sub("", _METADATA.sub("", body))
    numbers: dict[str, str] = {}
    return _NAME.sub(lambda name: numbers.setdefault(name[0].lstrip("%"), f"%{len(numbers)}"), body)


def fingerprint(text: str) -> str:
    """Returns 16 hex digits that identify the computation of an optimised program."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()[:16]
