"""Keeps the memory that a step frees for the next step.

XLA's CPU client takes its temporaries from malloc at every call and frees them afterwards. Blocks as large glibc takes
from the system and hands back at once, so that in each step the system maps and clears every page again: 17,500 page
faults a step of `procedural_32`, a quarter of its time (docs/results/speed).

References:
    mallopt(3), Linux man-pages.
"""

import ctypes
import os
from collections.abc import Mapping

from absl import logging

# Of <malloc.h>: what to set, and to what.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_SETTINGS = (
    (_M_ARENA_MAX, 1),  # one heap, which can grow; those of single threads cannot hold large blocks
    (_M_MMAP_MAX, 0),  # large blocks come from it, too
    (_M_TRIM_THRESHOLD, 2**31 - 1),  # the heap does not shrink
)


def keep_freed_memory(environ: Mapping[str, str] = os.environ) -> bool:
    """Makes malloc keep what is freed, for this process and from now on; call it before the first computation.

    The process then holds the most memory that it needed at any time. Nothing is changed where there is no glibc, or
    where the user has set malloc up: `GLIBC_TUNABLES=glibc.malloc.mmap_max=65536` leaves it as the system has it.

    Args:
        environ: The environment, where users set malloc up.

    Returns:
        Whether it was done.
    """
    named = [name for name in environ if name.startswith("MALLOC_")]
    if named or "glibc.malloc." in environ.get("GLIBC_TUNABLES", ""):
        logging.info("malloc stays as %s sets it up.", named[0] if named else "GLIBC_TUNABLES")
        return False
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):  # TypeError: Windows has no library without a name
        return False
    if not hasattr(libc, "gnu_get_libc_version"):  # others may have a mallopt that means something else
        return False
    return all([libc.mallopt(what, value) == 1 for what, value in _SETTINGS])
