"""Stages as jobs of a cluster, through submitit (extra `cluster`): jobs that can run at once are one Slurm array."""

import concurrent.futures
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_jax import errors
from ich_jax.studies.paper import running
from ich_jax.studies.paper.running import Entry, Start, Work

CLUSTERS = ("slurm", "local")
"""`local` runs the same jobs as processes of this machine."""

_POLL_S = 0.5


def options(words: Sequence[str]) -> dict[str, Any]:
    """Reads options of submitit, such as `timeout_min=120` or `slurm_partition=gpu`.

    Raises:
        ConfigError: A word is no `name=value`.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise errors.ConfigError(f"--submit_options: {word!r}: expected NAME=VALUE, such as slurm_partition=gpu.")
        found[name] = int(value) if value.isdigit() else value
    return found


def as_jobs(pool: concurrent.futures.Executor, cluster: str, root: Path, parameters: Mapping[str, Any]) -> Start:
    """Returns the function that starts stages as jobs of a cluster.

    Args:
        pool: Its threads wait for the jobs, one for each.
        cluster: One of `CLUSTERS`.
        root: Work directory, which all machines see.
        parameters: Options of submitit.

    Raises:
        ConfigError: There is no such cluster here, submitit is not installed, or it refuses an option.
    """
    errors.require(cluster, CLUSTERS, "--submit")
    try:
        import submitit
    except ImportError:
        raise errors.ConfigError(
            "--submit needs submitit, which is not installed: pip install 'ich_jax[cluster]'."
        ) from None
    try:
        executor = submitit.AutoExecutor(folder=root / "stages" / "jobs", cluster=cluster)
        executor.update_parameters(**{"timeout_min": 12 * 60, "name": "ich_jax", **parameters})
    except (RuntimeError, NameError, ValueError, TypeError) as error:
        raise errors.ConfigError(f"--submit={cluster}: {error}") from error

    def start(root: Path, work: Sequence[Work]) -> list[concurrent.futures.Future[Entry]]:
        try:
            with executor.batch():
                jobs = [executor.submit(running.execute, root.absolute(), *one) for one in work]
        except Exception as error:  # whatever the cluster refuses: failed stages, which the page shows
            failed = [_failed(name, error) for name, _ in work]
            return [pool.submit(lambda entry=entry: entry) for entry in failed]  # type: ignore[misc]
        return [pool.submit(_wait, job, name) for job, (name, _) in zip(jobs, work, strict=True)]

    return start


def _wait(job: Any, name: str) -> Entry:
    try:
        while not job.done():
            time.sleep(_POLL_S)
        entry: Entry = job.result()
    except Exception as error:  # whatever a cluster does to a job: it is a failed stage, and the others go on
        return _failed(name, error)
    return entry


def _failed(name: str, error: Exception) -> Entry:
    return Entry(name, running.FAILED, reason=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
