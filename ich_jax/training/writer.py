"""Outputs of the metrics of a run: `metrics.jsonl`, TensorBoard and the terminal, all from the same dictionary."""

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import rich.console
import rich.progress
from absl import logging

from ich_jax import errors, liveness, workdir

METRICS_FILE = "metrics.jsonl"


def read_history(path: str | Path) -> list[dict[str, Any]]:
    """Reads `metrics.jsonl`: one dictionary per line, each with a `step`.

    Lines that are damaged are left out, and counted in a warning: a log never stops a run. The last line is often one,
    cut off when a process was killed.
    """
    path = Path(path)
    if not path.exists():
        return []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        logging.warning("%s The log begins anew.", workdir.explain(error, path, action="read"))
        return []
    rows, damaged = [], []
    for number, line in enumerate(lines, start=1):
        row = _row(line)
        if row is not None:
            rows.append(row)
        elif line.strip():
            damaged.append(number)
    if damaged:
        shown = ", ".join(map(str, damaged[:5])) + (", ..." if len(damaged) > 5 else "")
        logging.warning("%s: line %s of %d cannot be read and is left out.", path, shown, len(lines))
    return rows


def _row(line: bytes) -> dict[str, Any] | None:
    """Returns a line of the log; None if it is not one."""
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        return None
    values = (value for name, value in row.items() if name != "step")
    numbers = all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)
    return row if numbers else None


class MetricWriter:
    """Appends metrics to `metrics.jsonl` and, if asked, to TensorBoard event files, under the same names.

    Lines beyond `step` are dropped first: a resumed run writes them again, and the file stays in order.

    Attributes:
        history: All rows up to now, those of earlier processes included.
    """

    def __init__(self, folder: str | Path, *, step: int, tensorboard: bool) -> None:
        """Args: work directory; step from which the run resumes; whether to write TensorBoard files."""
        self._path = Path(folder) / METRICS_FILE
        before = read_history(self._path)
        self.history = [row for row in before if row["step"] <= step]
        workdir.write_text(self._path, "".join(workdir.json_text(row) + "\n" for row in self.history))
        self._folder, self._tensorboard = folder, tensorboard
        self._board: Any = None
        self._open_board(step + 1 if before else None)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes one row.

        Raises:
            WorkdirError: The disk is full or the file cannot be written.
        """
        row = {"step": step, **metrics}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(workdir.json_text(row) + "\n")
            if self._board is not None:
                for name, value in metrics.items():
                    if math.isfinite(value):
                        self._board.add_scalar(name, value, step)
                self._board.flush()
        except OSError as error:
            raise errors.WorkdirError(workdir.explain(error, self._path)) from error
        self.history.append(row)

    def rewind(self, step: int) -> None:
        """Drops the rows beyond `step`, to which the run was rolled back, from all outputs."""
        self.history = [row for row in self.history if row["step"] <= step]
        workdir.write_text(self._path, "".join(workdir.json_text(row) + "\n" for row in self.history))
        self._open_board(step + 1)

    def _open_board(self, purge_step: int | None) -> None:
        """Begins a file of TensorBoard, which hides the events that earlier ones hold from `purge_step` on."""
        if self._board is not None:
            self._board.close()
        self._board = _summary_writer(self._folder, purge_step) if self._tensorboard else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._board is not None:
            self._board.close()


def _summary_writer(folder: str | Path, purge_step: int | None) -> Any:
    """Opens TensorBoard's event file, or returns None with a warning: a log never stops a run."""
    try:
        # Imported here because it imports PyTorch where that is installed, which takes seconds, and raises whatever a
        # damaged installation of PyTorch raises (findings/tensorboardx_imports_torch.sh).
        import tensorboardX
    except Exception as error:
        logging.warning("No TensorBoard files are written; tensorboardX cannot be imported: %s", error)
        return None
    return tensorboardX.SummaryWriter(str(folder), purge_step=purge_step)


class Progress(Protocol):
    """Shows how far a run is."""

    def __call__(self, step: int, *, img_per_s: float, eta_s: float, text: str = "") -> None:
        """Shows the state at `step`; `text` holds the metrics of a log line."""


@contextlib.contextmanager
def progress(steps: int, *, live: bool) -> Iterator[Progress]:
    """Yields a function that shows progress: a live bar on a terminal, one log line per call that has text elsewhere.

    Args:
        steps: Steps of the whole run.
        live: Whether a live bar is wanted, if there is a terminal.
    """
    console = rich.console.Console(stderr=True)
    if not (live and console.is_terminal):

        def log(step: int, *, img_per_s: float, eta_s: float, text: str = "") -> None:
            liveness.stage(f"step {step + 1} of {steps}")
            if text:
                logging.info("step %d/%d  %s  %.1f img/s  ETA %s", step, steps, text, img_per_s, duration(eta_s))

        yield log
        return

    columns = (
        rich.progress.TextColumn("step"),
        rich.progress.MofNCompleteColumn(),
        rich.progress.BarColumn(),
        rich.progress.TextColumn("{task.fields[img_per_s]:.1f} img/s  ETA {task.fields[eta]}  {task.fields[text]}"),
    )
    with rich.progress.Progress(*columns, console=console) as bar:
        task = bar.add_task("train", total=steps, img_per_s=0.0, eta="-", text="")

        def show(step: int, *, img_per_s: float, eta_s: float, text: str = "") -> None:
            liveness.stage(f"step {step + 1} of {steps}")
            bar.update(task, completed=step, img_per_s=img_per_s, eta=duration(eta_s))
            if text:
                bar.update(task, text=text)

        yield show


def duration(seconds: float) -> str:
    """Returns for example `1:02:03` or `4:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
