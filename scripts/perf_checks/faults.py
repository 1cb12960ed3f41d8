"""Faults that the self-test plants, each with the stage that has to find it and the line that it has to name."""

import dataclasses
import subprocess
from pathlib import Path

from ich_jax import errors

PLANTED = Path(__file__).resolve().parent / "planted"


@dataclasses.dataclass(frozen=True)
class Fault:
    """A change that a check must not pass.

    Attributes:
        name: What it is.
        workload: Which passes through it; empty: none does.
        old: Text of planted/work.py.
        new: What takes its place.
        stage: `reach`, `lower`, `compile`, `run` or `time`.
        fact: Beginning of the name of a fact that has to be worse; empty for stages without facts.
        verdicts: Any of them will do.
    """

    name: str
    workload: str
    old: str
    new: str
    stage: str
    fact: str = ""
    verdicts: tuple[str, ...] = ("SLOWER",)


FAULTS = (
    Fault("extra transpose", "dense", "jnp.tanh(x @ w)", "jnp.tanh((w.T @ x.T).T)", "lower", "operations.transpose"),
    Fault("lost donation", "donated", "jax.jit(update, donate_argnums=0)", "jax.jit(update)", "lower", "donated"),
    Fault(
        "retrace in each step",
        "looped",
        "x = traced(x, jnp.float32(0.5))",
        "x = jax.jit(lambda y: scaled(y, 0.5))(x)",
        "run",
        "traces",
    ),
    Fault("host sync in the loop", "looped", "    return loss", "    float(loss)\n    return loss", "run", "reads"),
    Fault(
        "float64 leak",
        "precise",
        "jnp.cumsum(x, axis=0)",
        "jnp.cumsum(x * np.float64(1.0), axis=0)",
        "lower",
        "float64",
        ("SLOWER", "DIFFERENT ANSWER"),
    ),
    Fault("dropped jit", "drawn", "drawn = jax.jit(chained)", "drawn = chained", "run", "launches"),
    Fault(
        "constant folded into the program",
        "added",
        "return x + table",
        "return x + jnp.asarray(TABLE)",
        "lower",
        "literal_bytes",
        ("SLOWER", "DIFFERENT ANSWER"),
    ),
    Fault(
        "doubled convolution",
        "convolved",
        "return once(x, kernel)",
        "return 0.5 * (once(x, kernel) + once(x, kernel[::-1][::-1]))",
        "lower",
        "operations.convolution",
    ),
    Fault(
        "bfloat16 upcast",
        "half",
        "narrow = jnp.bfloat16",
        "narrow = jnp.float32",
        "lower",
        "convolution_types",
        ("SLOWER", "DIFFERENT ANSWER"),
    ),
    Fault(
        "lost merged form",
        "enlarged",
        "    y = convolved(x, kernel)\n    return jnp.repeat(jnp.repeat(y, 2, axis=1), 2, axis=2)",
        "    y = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)\n    return convolved(y, kernel)",
        "lower",
        "flops",
    ),
    Fault(
        "extra transfer",
        "transferred",
        "return drawn_with(x, table)",
        "return drawn_with(x, TABLE)",
        "run",
        "puts",
    ),
    Fault("5 % more time", "five", "spin(0.0100)", "spin(0.0105)", "time"),
    Fault("2 % more time", "two", "spin(0.01000)", "spin(0.01020)", "time", "", ("SLOWER", "UNDECIDED")),
    Fault("changed answer", "answered", "jnp.tanh(0.50 * x)", "jnp.tanh(0.51 * x)", "run", "", ("DIFFERENT ANSWER",)),
    Fault("change that nothing reaches", "", "return x + 1.0", "return x + 2.0", "reach", "", ("NOT MEASURED",)),
)


def plant(folder: Path, faults: tuple[Fault, ...], *, commits: bool = False) -> dict[Fault, int]:
    """Makes a repository with the planted package, and plants faults into its working tree.

    Args:
        folder: Empty.
        faults: Any of them that do not change the same text.
        commits: Commit them, too.

    Returns:
        The first line of each fault in `planted/work.py`.

    Raises:
        ConfigError: The text of a fault is not there exactly once.
    """
    (folder / "planted").mkdir(parents=True)
    for name in ("__init__.py", "work.py"):
        (folder / "planted" / name).write_text((PLANTED / name).read_text())
    _git(folder, "init", "-q", "-b", "main")
    _commit(folder, "Base")
    path = folder / "planted" / "work.py"
    text = path.read_text()
    for fault in faults:
        if text.count(fault.old) != 1:
            raise errors.ConfigError(f"{fault.name}: its text stands {text.count(fault.old)} times in planted/work.py.")
        text = text.replace(fault.old, fault.new)
    path.write_text(text)
    if commits:
        _commit(folder, "Faults")
    return {fault: text[: text.index(fault.new)].count("\n") + 1 for fault in faults}


def _commit(folder: Path, message: str) -> None:
    _git(folder, "add", "-A")
    _git(folder, "-c", "user.name=perf_check", "-c", "user.email=perf_check@localhost", "commit", "-q", "-m", message)


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)
