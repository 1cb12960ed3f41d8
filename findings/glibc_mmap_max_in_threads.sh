#!/usr/bin/env bash
# glibc 2.36 with NumPy 2.2.6: which freed blocks malloc uses again when it is told never to map memory.
#
# Guess:   GLIBC_TUNABLES=glibc.malloc.mmap_max=0 with a trim threshold of 2 GiB keeps malloc from mapping and unmapping
#          blocks of any size, so that a block that was freed is used again without a page fault.
# Outcome: so it is in the main thread. In any other one a block of over 64 MiB, the largest heap of a thread's arena, is
#          mapped, cleared page by page and unmapped every time: 20,480 page faults for each block of 80 MiB. It matters to
#          whoever tunes malloc for a library that allocates in threads of its own, such as XLA's CPU client.
#
# Exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -c 'import platform, sys; sys.exit(platform.libc_ver()[0] != "glibc")' || { echo "No glibc here."; exit 1; }
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.2.6
cat > "$work/count.py" <<'PYTHON'
import platform, resource, threading
import numpy as np

def faults(n_bytes, found):
    def once():
        np.empty(n_bytes, np.uint8).fill(1)
    once()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        once()
    found.append((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 4)

found = []
for mib in (48, 80):
    faults(mib << 20, found)
    thread = threading.Thread(target=faults, args=(mib << 20, found))
    thread.start()
    thread.join()
print(platform.libc_ver(), np.__version__, "faults a block; 48 MiB: main", found[0], "thread", found[1], "; 80 MiB: main",
      found[2], "thread", found[3])
assert found[0] < 100 and found[1] < 100 and found[2] < 100, "the main thread, or a thread with a small block, maps anew"
assert found[3] > 10_000, "a thread keeps a block of 80 MiB now"
PYTHON
export GLIBC_TUNABLES=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=2147483647
NUMPY_MADVISE_HUGEPAGE=0 "$work/venv/bin/python" "$work/count.py"
