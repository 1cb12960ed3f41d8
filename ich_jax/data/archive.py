"""Reading `.npz` files of others: what a file says of itself is checked before memory is taken for it."""

import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from ich_jax import errors

LARGEST = 2**37
"""Bytes of all arrays of a file beyond which it is refused on machines of any memory: 128 GiB."""


def read(path: Path, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Reads arrays of a `.npz` file.

    Args:
        path: The file.
        names: Arrays to read, of those that it holds; None: all.

    Raises:
        DataError: It is no such file, damaged, encrypted, of Python objects, or larger than memory; the message gives
            the reason only, since the caller knows the file.
    """
    limit = min(LARGEST, _memory() // 2)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            chosen = {name: info for name, info in members.items() if names is None or name in names}
            n_bytes = sum(_checked(archive, info) for info in chosen.values())
            if n_bytes > limit:
                raise errors.DataError(
                    f"its arrays take {n_bytes / 2**30:,.1f} GiB, of which this machine can hold {limit / 2**30:,.1f}"
                )
            found = {}
            for name, info in chosen.items():
                with archive.open(info) as stream:
                    found[name] = np.asarray(npy.read_array(stream, allow_pickle=False))
            return found
    except errors.DataError:
        raise
    except MemoryError:
        raise errors.DataError("its arrays do not fit into memory") from None
    # RuntimeError and its kin: encrypted, or compressed in an unknown way; the others: damage of any kind.
    except (OSError, ValueError, EOFError, RuntimeError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise errors.DataError(errors.abbreviated(str(error) or type(error).__name__, 200)) from error
    except (OverflowError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error) as error:
        raise errors.DataError(errors.abbreviated(str(error), 200)) from error


def listed(path: Path) -> list[str]:
    """Returns the names of the arrays of a `.npz` file; none if it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        return []


def _checked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> int:
    """Returns the bytes that an array takes; refuses one whose header promises more than the file holds."""
    with archive.open(info) as stream:
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(stream)
        if dtype.hasobject:
            raise errors.DataError("it holds Python objects, which are refused because reading them can run code")
        n_bytes = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or n_bytes > info.file_size:
            raise errors.DataError(f"{info.filename} is damaged: its header promises {n_bytes:,} bytes")
        return n_bytes


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # a system that does not say
        return LARGEST
