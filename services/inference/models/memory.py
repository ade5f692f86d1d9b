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

_SMALL = 16 * 2**20
"""One ECG's run of most models, with what the runtime loads for its first session."""

_LARGE = 256 * 2**20
"""One ECG's run of a model with many wide layers."""


def share_arenas(count: int = 2) -> None:
    """Keeps threads from having a heap each, most of it empty. Call before threads start."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, count)


def give_back() -> None:
    """Returns free pages of the heaps to the system, and those of the compiler's code that its loading has touched."""
    trim_heaps()
    _leave_code(_COMPILER)


def trim_heaps() -> None:
    """Returns free pages of the heaps to the system."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


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


def charged(grown_bytes: int, file_bytes: int) -> int:
    """What a model counts for, where the process grew by so much while its session was made.

    Other work of the same moment must neither be charged to it nor hide what it takes. So it counts for its file
    at least, which is its weights, and at most for weights of a byte each that were unpacked to four beside
    themselves, with a run of many wide layers.
    """
    return min(max(file_bytes, grown_bytes), 5 * file_bytes + _LARGE)


def is_plausible(grown_bytes: int, file_bytes: int) -> bool:
    """Whether it is no more than weights, twice where they are laid out anew for the processor, and a small run."""
    return grown_bytes <= 2 * file_bytes + _SMALL


def resident_bytes() -> int:
    """What this process has in RAM; 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
