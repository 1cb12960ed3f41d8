"""Freed memory is kept: counted in page faults, in processes of their own, since malloc is set up for good."""

import os
import platform
import subprocess
import sys

import pytest

from ich_jax.perf import memory

_FAULTS = """
import ctypes, resource, threading
from ich_jax.perf import memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.memset.argtypes, libc.free.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], [ctypes.c_void_p]
done = memory.keep_freed_memory() if KEEP else False

def use(times):
    for _ in range(times):
        block = libc.malloc(64 << 20)
        libc.memset(block, 1, 64 << 20)
        libc.free(block)

def counted():
    use(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use(4)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

faults = []
counted()
thread = threading.Thread(target=counted)
thread.start()
thread.join()
print(int(done), *faults)
"""


def faults(*, keep: bool) -> list[int]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    code = _FAULTS.replace("KEEP", str(keep))
    out = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=True)
    return [int(word) for word in out.stdout.split()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is set up; others are left alone")
def test_freed_blocks_are_used_again_in_every_thread() -> None:
    pages = 4 * (64 << 20) // os.sysconf("SC_PAGE_SIZE")
    done, main, thread = faults(keep=True)
    assert done == 1
    assert max(main, thread) < pages // 100
    assert min(faults(keep=False)[1:]) >= pages // 1000  # 2 MiB pages at the least


def test_malloc_that_the_user_has_set_up_is_left_alone() -> None:
    assert not memory.keep_freed_memory({"MALLOC_ARENA_MAX": "2"})
    assert not memory.keep_freed_memory({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"})
