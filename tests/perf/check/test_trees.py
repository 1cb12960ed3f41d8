import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from ich_jax import errors
from ich_jax.perf.check import trees


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits on main: a file whose third line changes, one that is renamed, one that goes."""
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "room").mkdir()
    (root / "room" / "a.py").write_text("one = 1\ntwo = 2\nthree = 3\nfour = 4\n")
    (root / "room" / "old.py").write_text("".join(f"line_{i} = {i}\n" for i in range(20)))
    (root / "gone.py").write_text("x = 1\n")
    (root / ".gitignore").write_text("ignored/\n")
    (root / "setup.cfg").write_text(
        "[options]\npython_requires = >=3.11\ninstall_requires =\n    jax>=0.10\n    numpy\n"
    )
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "First")
    (root / "room" / "a.py").write_text("one = 1\ntwo = 2\nthree = 33\nfour = 4\nfive = 5\n")
    git(root, "mv", "room/old.py", "room/new.py")
    git(root, "rm", "-q", "gone.py")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Second\n\nPerf-Accept: step.flops one more block\nPerf-Accept: draw.time")
    return root


def test_changes_between_two_commits(repository: Path, tmp_path: Path) -> None:
    base, head = (trees.extract(repository, rev, tmp_path, name) for rev, name in (("HEAD^", "base"), ("HEAD", "head")))
    assert [(c.path, list(c.lines("base")), list(c.lines("head"))) for c in trees.changes(base, head)] == [
        ("gone.py", [1], []),
        ("room/a.py", [3], [3]),
        ("room/a.py", [], [5]),
    ]
    assert trees.accepted(repository, base, head) == {"step.flops": "one more block", "draw.time": "no reason given"}
    assert base.requirements == head.requirements == (">=3.11", "jax>=0.10", "numpy")
    assert base.digest != head.digest


def test_the_working_tree_is_copied_as_it_is_and_nothing_is_written(repository: Path, tmp_path: Path) -> None:
    (repository / "room" / "a.py").write_text("one = 1\n")
    (repository / "untracked.py").write_text("y = 2\n")
    (repository / "ignored").mkdir()
    (repository / "ignored" / "z.py").write_text("z = 3\n")
    (repository / "room" / "new.py").unlink()
    before = sorted(path for path in repository.rglob("*"))
    status = git(repository, "status", "--porcelain")
    head = trees.extract(repository, trees.WORKTREE, tmp_path, "head")
    names = sorted(path.relative_to(head.folder).as_posix() for path in head.folder.rglob("*") if path.is_file())
    assert names == [".gitignore", "room/a.py", "setup.cfg", "untracked.py"]
    assert sorted(path for path in repository.rglob("*")) == before
    assert git(repository, "status", "--porcelain") == status
    base = trees.extract(repository, "HEAD", tmp_path, "base")
    assert ("untracked.py", (0, 0), (1, 1)) in [(c.path, c.old, c.new) for c in trees.changes(base, head)]
    assert sorted(path for path in repository.rglob("*")) == before, "copying a commit left something in the repository"


def test_revisions_that_cannot_be(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="nonsense: unknown revision"):
        trees.commit(repository, "nonsense")
    with pytest.raises(trees.MissingBaseError, match="no such parent"):
        trees.commit(repository, "HEAD~2")
    with pytest.raises(errors.ConfigError, match="not in a git checkout"):
        trees.root_of(tmp_path)
    assert trees.root_of(repository / "room") == repository.resolve()
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", str(shallow))
    with pytest.raises(trees.MissingBaseError, match="shallow"):
        trees.commit(shallow, git(repository, "rev-parse", "HEAD^"))


def test_the_base_by_default_is_where_the_branch_began(repository: Path) -> None:
    began = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "-q", "-b", "topic")
    (repository / "room" / "a.py").write_text("six = 6\n")
    git(repository, "commit", "-q", "-a", "-m", "Third")
    assert trees.default_base(repository) == began
    git(repository, "branch", "-q", "-m", "main", "trunk")
    with pytest.raises(errors.ConfigError, match="give --base"):
        trees.default_base(repository)


def test_the_folder_of_a_process_that_was_killed_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    left, running = tmp_path / f"perf_check-{ended.pid}-x", tmp_path / f"perf_check-{os.getpid()}-x"
    for folder in (left, running):
        folder.mkdir()
        (folder / "file").write_text("")
    with trees.scratch() as folder:
        assert folder.is_dir() and not left.exists() and running.exists()
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt), trees.scratch() as folder:
        raise KeyboardInterrupt
    assert not folder.exists()


def test_a_temporary_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(errors.WorkdirError, match="Set TMPDIR"), trees.scratch():
        pass


def test_lines_are_written_in_runs() -> None:
    assert trees.shown([("a.py", [3, 1, 2, 9]), ("b.py", [4])]) == ["a.py:1-3,9", "b.py:4"]


def test_receipts_that_differ() -> None:
    assert trees.different_receipts({"jax": "1", "cores": 2}, {"jax": "2", "cores": 2}) == [
        "jax: 1 in the base, 2 in the head"
    ]
