"""The process's memory: what it takes, and what the C library holds back after large work (glibc only)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
from collections.abc import Iterator
from pathlib import Path

_M_ARENA_MAX = -8
_MADV_DONTNEED = 4
_COMPILER = "libllvmlite.so"
_MAPPING = re.compile(
    r"^(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) (?P<mode>\S{4}) \S+ \S+ \d+ *(?P<path>.*)\n(?P<facts>(?:[A-Z].*\n)+)",
    re.MULTILINE,
)
_CHANGED = re.compile(r"^(?:Private_Dirty|Anonymous|Swap): +[1-9]", re.MULTILINE)


def share_arenas(count: int = 2) -> None:
    """Keeps threads from having a heap each, most of it empty. Call before threads start."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, count)


def give_back() -> None:
    """Returns free pages of the heaps to the system, and those of the compiler's code that its loading has touched."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
    _leave_code(_COMPILER)


def _leave_code(library: str) -> None:
    """Lets go of the pages of a library's code and constants; they are read from its file again where they are needed.

    Compiled kernels come from disk, so the compiler is loaded, touched in passing, and not used.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        madvise = ctypes.CDLL(None).madvise
        for start, length in _unchanged(library, Path("/proc/self/smaps").read_text()):
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), _MADV_DONTNEED)


def _unchanged(library: str, smaps: str) -> Iterator[tuple[int, int]]:
    """Address and length of a library's read-only mappings in which nothing was changed since they were read.

    What the linker wrote into others (relocations) would be lost.
    """
    for mapping in _MAPPING.finditer(smaps):
        read_only = mapping["path"].endswith(library) and "w" not in mapping["mode"]
        if read_only and not _CHANGED.search(mapping["facts"]):
            start = int(mapping["start"], 16)
            yield start, int(mapping["end"], 16) - start


def resident_bytes() -> int:
    """What this process has in RAM; 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
