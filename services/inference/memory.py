"""Memory that the C library holds back after large work is given to the system again; glibc only, else nothing."""

from __future__ import annotations

import contextlib
import ctypes

_M_ARENA_MAX = -8


def share_arenas(count: int = 2) -> None:
    """Keeps threads from having a heap each, most of it empty. Call before threads start."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, count)


def give_back() -> None:
    """Returns free pages of the heaps to the system."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
