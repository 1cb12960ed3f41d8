"""How processes take memory: in processes of their own, since malloc is set up when one starts."""

import ast
import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ich_jax.perf import memory

ROOT = Path(__file__).resolve().parents[2]
REPORT = """
import json, os, sys
from ich_jax.perf import memory
if __name__ == "__main__":
    with open(os.environ["STARTS"], "a") as starts:
        starts.write("start\\n")
    memory.set_up()
    tunables = os.environ.get("GLIBC_TUNABLES")
    print(json.dumps([os.getpid(), sys.argv[1:], sys.orig_argv[1:], memory.described(), tunables]))
"""

large_pages = pytest.mark.skipif(
    memory._unfit() is not None, reason=f"no large pages for those who ask: {memory._unfit()}"
)


def run(
    command: list[str], folder: Path, code: str = REPORT, **variables: str
) -> tuple[subprocess.CompletedProcess[str], int]:
    """Runs Python on `folder/command.py`, with nothing set about malloc; also returns how often that was started."""
    named = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", memory.SWITCH, memory.ASKED)
    untouched = {name: value for name, value in os.environ.items() if not name.startswith(named)}
    (folder / "command.py").write_text(code)
    (folder / "starts").unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**untouched, "STARTS": str(folder / "starts"), "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done, len((folder / "starts").read_text().splitlines()) if (folder / "starts").exists() else 0


@large_pages
@pytest.mark.parametrize("options", [["command.py"], ["-X", "utf8", "-u", "command.py"], ["-m", "command"]])
def test_a_command_is_run_once_more_with_all_its_arguments(tmp_path: Path, options: list[str]) -> None:
    given = ["--name=a b", "-m", "", "é"]
    done, starts = run([*options, *given], tmp_path, GLIBC_TUNABLES="glibc.rtld.optional_static_tls=1024")
    _, arguments, command, described, tunables = json.loads(done.stdout)
    assert (arguments, command, starts) == (given, [*options, *given], 2)
    assert described == "large pages (glibc.malloc.hugetlb=1)"
    assert tunables == "glibc.rtld.optional_static_tls=1024:glibc.malloc.hugetlb=1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (memory.SWITCH, "system"),
        ("GLIBC_TUNABLES", "glibc.malloc.arena_max=4"),
        ("MALLOC_ARENA_MAX", "4"),
        ("LD_PRELOAD", "libc.so.6"),
        (memory.ASKED, "1"),  # what a process started so leaves to its children: no loop
    ],
)
def test_what_users_have_decided_stays(tmp_path: Path, name: str, value: str) -> None:
    done, starts = run(["command.py"], tmp_path, **{name: value})
    *_, described, tunables = json.loads(done.stdout)
    assert starts == 1
    assert tunables == (value if name == "GLIBC_TUNABLES" else None)
    assert (f"{name}={value}" in described) != (name == memory.ASKED)


@pytest.mark.parametrize(
    "command",
    [
        ["-c", "import runpy; runpy.run_path('command.py', run_name='__main__')", "command.py"],  # `%run` of a notebook
        ["launcher.py", "command.py"],
        ["-m", "cProfile", "command.py"],
    ],
)
def test_what_another_program_runs_is_never_run_once_more(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "launcher.py").write_text(
        "import runpy, sys\nsys.argv = sys.argv[1:]\nrunpy.run_path('command.py', run_name='__main__')"
    )
    done, starts = run(command, tmp_path)
    assert starts == 1, done.stderr
    assert "as the system has it (" in done.stdout


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("import jax", "work has begun"),
        ("import threading; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", "work has begun"),
    ],
)
def test_a_process_that_has_begun_is_not_run_once_more(tmp_path: Path, before: str, why: str) -> None:
    code = f"import time\n{before}\nfrom ich_jax.perf import memory\nprint(memory.reason({{}}))"
    done, _ = run(["command.py"], tmp_path, code)
    assert why in done.stdout or memory._unfit() is not None, done.stderr


@large_pages
def test_process_id_exit_code_and_signals_are_kept(tmp_path: Path) -> None:
    """As Slurm and mpirun, which wait for the process that they started, need it."""
    code = "import os, sys\nprint(os.getpid())\n" + REPORT.replace("print(json", "print(os.getpid()); sys.exit(7) #")
    done, starts = run(["command.py"], tmp_path, code)
    assert (done.returncode, starts) == (7, 2)
    assert len(set(done.stdout.split())) == 1
    code = REPORT.replace("print(json", "import signal; os.kill(os.getpid(), signal.SIGTERM) #")
    done, starts = run(["command.py"], tmp_path, code)
    assert (done.returncode, starts) == (-signal.SIGTERM, 2)


@large_pages
def test_other_programs_get_the_same(tmp_path: Path) -> None:
    code = REPORT.replace("    memory.set_up()\n", "")
    done, starts = run(["-m", "ich_jax.perf.memory", "command.py", "--name"], tmp_path, code)
    _, arguments, _, described, tunables = json.loads(done.stdout)
    assert (arguments, starts, tunables) == (["--name"], 1, memory.LARGE_PAGES)
    assert described.startswith("large pages")


def test_a_switch_that_means_nothing_is_refused(tmp_path: Path) -> None:
    done, _ = run(["command.py"], tmp_path, **{memory.SWITCH: "sytem"})
    assert done.returncode == 1
    assert done.stderr.startswith("error: ICH_JAX_MALLOC=sytem: expected 'system'")


def test_one_who_imports_the_package_is_never_run_once_more(tmp_path: Path) -> None:
    for line in ("import ich_jax", "from ich_jax import liveness", "from ich_jax.perf import memory"):
        done, starts = run(["command.py"], tmp_path, REPORT.replace("    memory.set_up()", f"    {line}"))
        assert (starts, json.loads(done.stdout)[4]) == (1, None)


@large_pages
def test_blocks_come_in_large_pages(tmp_path: Path) -> None:
    """Counted in page faults, of 4 KiB each where memory is taken as the system has it."""
    code = """
import ctypes
from ich_jax.perf import memory
memory.set_up()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.memset.argtypes, libc.free.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], [ctypes.c_void_p]
before = memory.usage()
for _ in range(4):
    block = libc.malloc(64 << 20)
    libc.memset(block, 1, 64 << 20)
    during = memory.usage()
    libc.free(block)
print(memory.usage().faults - before.faults, during.large_mib)
"""
    pages = 4 * (64 << 20) // os.sysconf("SC_PAGE_SIZE")
    faults, large = map(float, run(["command.py"], tmp_path, code)[0].stdout.split())
    assert faults < pages / 16 and large >= 60  # both ends of a block are taken in pages of 4 KiB
    faults, large = map(float, run(["command.py"], tmp_path, code, **{memory.SWITCH: "system"})[0].stdout.split())
    assert faults >= pages / 2 and large < 4


@pytest.mark.skipif(platform.system() != "Linux", reason="only Linux says how much memory a process uses")
def test_usage_is_what_the_system_tells() -> None:
    before = memory.usage()
    held = bytearray(os.urandom(1 << 20) * 32)
    after = memory.usage()
    assert before is not None and after is not None
    assert after.resident_mib - before.resident_mib > 24 and after.peak_mib >= after.resident_mib * 0.9
    assert len(held) == 32 << 20


@pytest.mark.parametrize(
    ("text", "mode"), [("always [madvise] never\n", "madvise"), ("[always] madvise never", "always")]
)
def test_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: str) -> None:
    monkeypatch.setattr(memory, "_KERNEL", tmp_path / "enabled")
    assert memory.large_page_mode() == "unknown"
    (tmp_path / "enabled").write_text(text)
    assert memory.large_page_mode() == mode
    if memory._unfit() is not None:
        assert memory.reason({}) is not None


@pytest.mark.parametrize("confstr", [lambda _: "glibc 2.34", lambda _: "musl 1.2.4", lambda _: None])
def test_libraries_that_know_no_large_pages(monkeypatch: pytest.MonkeyPatch, confstr: object) -> None:
    monkeypatch.setattr(os, "confstr", confstr)
    assert "glibc" in str(memory.reason({}))


def test_every_script_that_computes_begins_with_it() -> None:
    """Before anything else is imported: later it could do nothing."""
    starts = ("experiments/*.py", "scripts/*.py", "ich_jax/studies/*/__main__.py")
    for path in (path for pattern in starts for path in ROOT.glob(pattern)):
        text = path.read_text()
        if 'if __name__ == "__main__"' in text and ("import jax" in text or "from ich_jax" in text):
            docstring, first, *_ = ast.parse(text).body
            assert isinstance(docstring, ast.Expr) and isinstance(first, ast.If), path
            assert "memory.set_up()" in ast.unparse(first), path
