"""The two sides of a comparison: copies of two revisions in a temporary folder, and the lines in which they differ."""

import contextlib
import dataclasses
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ich_jax import errors

WORKTREE = "worktree"
"""Name of the side that is the working tree, including uncommitted changes."""

_PREFIX = "perf_check-"
_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclasses.dataclass(frozen=True, slots=True)
class Side:
    """One revision.

    Attributes:
        name: `base` or `head`.
        revision: Revision as given by the user.
        sha: Commit; for a working tree its HEAD.
        folder: Folder of its copy.
        digest: Digest of the names and contents of its files.
        requirements: Lines that declare dependencies; they must agree, since one environment runs both sides.
    """

    name: str
    revision: str
    sha: str
    folder: Path
    digest: str
    requirements: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A block of lines that differ.

    Attributes:
        path: File relative to the root of the tree; for renamed files, that of the head.
        old: First line and number of lines in the base.
        new: First line and number of lines in the head.
    """

    path: str
    old: tuple[int, int]
    new: tuple[int, int]

    def lines(self, side: str) -> range:
        """Returns the lines of the change on one side."""
        first, n = self.old if side == "base" else self.new
        return range(first, first + n)


def git(root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Returns the output of a git command.

    Raises:
        ConfigError: Git is not installed, or the command fails.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError as error:
        raise errors.ConfigError("git: not installed; two revisions cannot be compared without it.") from error
    if done.returncode:
        raise errors.ConfigError(f"git {' '.join(arguments)}: {done.stderr.strip() or 'failed'}")
    return done.stdout


def root_of(folder: Path) -> Path:
    """Returns the root of the checkout that contains a folder.

    Raises:
        ConfigError: The folder is not in a git checkout.
    """
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel").strip())
    except errors.ConfigError as error:
        raise errors.ConfigError(f"{folder} is not in a git checkout: there are no revisions to compare.") from error


def default_base(root: Path) -> str:
    """Returns the merge base of HEAD with the default branch; HEAD itself on that branch.

    Raises:
        ConfigError: No default branch was found.
    """
    for branch in ("origin/HEAD", "main", "master", "origin/main", "origin/master"):
        with contextlib.suppress(errors.ConfigError):
            return git(root, "merge-base", "HEAD", branch).strip()
    raise errors.ConfigError(
        "No default branch (origin/HEAD, main, master) shares a commit with HEAD: give --base=REV."
    )


def commit(root: Path, revision: str) -> str:
    """Returns the commit that a revision names.

    Raises:
        MissingBaseError: The checkout is shallow and lacks the commit.
        ConfigError: There is no such revision.
    """
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    except errors.ConfigError as error:
        if git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
            raise MissingBaseError(
                f"{revision}: this checkout is shallow and does not hold that commit. Fetch more of the history "
                "(git fetch --unshallow, or fetch-depth: 0 in CI)."
            ) from error
        if "^" in revision or "~" in revision:
            raise MissingBaseError(f"{revision}: this commit has no such parent.") from error
        raise errors.ConfigError(f"{revision}: unknown revision.") from error


class MissingBaseError(errors.ConfigError):
    """There is no commit to compare with: nothing can be measured, which is not a fault of the change."""


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yields a temporary folder and removes it after the block, along with folders of processes that were killed.

    Raises:
        WorkdirError: The temporary folder cannot be written.
    """
    parent = Path(tempfile.gettempdir())
    for abandoned in parent.glob(f"{_PREFIX}*-*"):
        number = abandoned.name.removeprefix(_PREFIX).split("-")[0]
        if number.isdigit() and not _alive(int(number)):
            shutil.rmtree(abandoned, ignore_errors=True)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    except OSError as error:
        raise errors.WorkdirError(
            f"{parent}: cannot be written ({error.strerror}). Set TMPDIR to a writable folder with space for two "
            "copies of this checkout."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def extract(root: Path, revision: str, folder: Path, name: str) -> Side:
    """Copies a revision, or the working tree, without writing anything into the checkout or its repository.

    Args:
        root: Root of the checkout.
        revision: Any name of a commit, or `WORKTREE`.
        folder: Parent folder of the copy, which is named after the side.
        name: `base` or `head`.

    Raises:
        ConfigError: There is no such revision.
        WorkdirError: The copy cannot be written.
    """
    target = folder / name
    try:
        target.mkdir()
        if revision == WORKTREE:
            sha = commit(root, "HEAD")
            _copy_worktree(root, target)
        else:
            sha = commit(root, revision)
            index = {"GIT_INDEX_FILE": str(folder / f"{name}.index")}
            git(root, "read-tree", sha, environment=index)
            git(root, "checkout-index", "--all", f"--prefix={target}/", environment=index)
    except OSError as error:
        raise errors.WorkdirError(f"{target}: no copy of {revision} could be made ({error.strerror}).") from error
    return Side(name, revision, sha, target, _digest(target), _requirements(target))


def changes(base: Side, head: Side) -> list[Change]:
    """Returns the blocks of lines that differ between the sides."""
    options = ("--no-index", "--no-color", "--no-prefix", "--no-ext-diff", "-U0", "-M")
    done = subprocess.run(
        ["git", "diff", *options, base.name, head.name],
        cwd=base.folder.parent,
        capture_output=True,
        text=True,
        errors="replace",
    )
    hunks: list[Change] = []
    old = new = ""
    for line in done.stdout.splitlines():
        if line.startswith("diff --git "):
            old = new = ""
        elif line.startswith("--- "):
            old = _inside(line[4:])
        elif line.startswith("+++ "):
            new = _inside(line[4:])
        elif line.startswith("Binary files "):
            path = line.removeprefix("Binary files ").rsplit(" and ", 1)[-1].removesuffix(" differ")
            hunks.append(Change(_inside(path), (1, 1), (1, 1)))
        elif hunk := _HUNK.match(line):
            first, n, first_new, n_new = (1 if x is None else int(x) for x in hunk.groups())
            hunks.append(Change(new or old, (first, n), (first_new, n_new)))
    return hunks


def accepted(root: Path, base: Side, head: Side) -> dict[str, str]:
    """Returns the reasons of `Perf-Accept: <workload>.<fact> reason` trailers of the commits of the head, by fact."""
    text = git(root, "log", "--format=%(trailers:key=Perf-Accept,valueonly,unfold)", f"{base.sha}..{head.sha}")
    pairs = (line.strip().partition(" ") for line in text.splitlines() if line.strip())
    return {fact: reason.strip() or "no reason given" for fact, _, reason in pairs}


def different_receipts(base: Mapping[str, object], head: Mapping[str, object]) -> list[str]:
    """Returns the entries in which two receipts differ, in words."""
    return [
        f"{name}: {base.get(name)} in the base, {head.get(name)} in the head"
        for name in sorted({*base, *head})
        if base.get(name) != head.get(name)
    ]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _copy_worktree(root: Path, target: Path) -> None:
    names = git(root, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, names):
        source = root / name
        if source.is_file():  # deleted files are still in the index
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def _inside(path: str) -> str:
    """Returns a path relative to the folder of the side; empty for /dev/null."""
    path = path.strip().strip('"')
    return "" if path == "/dev/null" else path.partition("/")[2]


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def _requirements(folder: Path) -> tuple[str, ...]:
    """Returns the lines of `install_requires`, `dependencies` and `python_requires` in the files that declare them."""
    requirements: list[str] = []
    for name in ("setup.cfg", "pyproject.toml", "requirements.txt"):
        path = folder / name
        text = path.read_text(errors="replace") if path.is_file() else ""
        if name == "requirements.txt":
            requirements += [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        for block in re.findall(
            r"^(?:install_requires|python_requires)\s*=((?:.*\n(?:[ \t]+.*\n)*))", text, re.MULTILINE
        ):
            requirements += [line.strip() for line in block.splitlines() if line.strip()]
        for block in re.findall(r"^(?:dependencies|requires-python)\s*=\s*(\[[^\]]*\]|.*)$", text, re.MULTILINE):
            requirements += [line.strip(" \"',") for line in block.strip("[]").splitlines() if line.strip()]
    return tuple(sorted(requirements))


def shown(path_lines: Sequence[tuple[str, Sequence[int]]]) -> list[str]:
    """Formats files with their lines as `file.py:3-5,9`."""
    texts = []
    for path, lines in path_lines:
        runs: list[list[int]] = []
        for line in sorted(lines):
            if runs and line == runs[-1][1] + 1:
                runs[-1][1] = line
            else:
                runs.append([line, line])
        texts.append(f"{path}:" + ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs))
    return texts
