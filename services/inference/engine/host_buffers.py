"""Host memory that batches are written into: kept by each thread, page-locked where a GPU reads it.

A GPU reads page-locked memory directly and while it computes; from other memory the driver copies first.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import math
import threading
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Tensor = NDArray[np.float32]

_RUNTIME = "libcudart.so"


class HostBuffers:
    """One buffer a thread and name, grown to the largest batch it was asked for.

    Args:
        page_locked: lock the pages for CUDA; where that does not work they are ordinary memory.
    """

    def __init__(self, *, page_locked: bool = False) -> None:
        self._page_locked = page_locked
        self._kept = threading.local()

    def room(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """float32 of this shape, with whatever is in it; good until this thread asks for the name again."""
        kept: dict[str, Tensor] = self._kept.__dict__
        size = math.prod(shape)
        buffer = kept.get(name)
        if buffer is None or buffer.size < size:
            buffer = kept[name] = np.empty(size, np.float32)
            if self._page_locked:
                lock_pages(buffer)
        return buffer[:size].reshape(shape)


def lock_pages(buffer: Tensor) -> bool:
    """Locks a buffer's pages for as long as it lives; False where the CUDA runtime is not loaded or refuses."""
    runtime = _cuda_runtime()
    address = ctypes.c_void_p(buffer.ctypes.data)
    if runtime is None or runtime.cudaHostRegister(address, ctypes.c_size_t(buffer.nbytes), 0) != 0:
        log.info("page-locked memory is not to be had; the GPU reads batches by way of the driver's copy")
        return False
    weakref.finalize(buffer, runtime.cudaHostUnregister, address)
    return True


def _cuda_runtime() -> ctypes.CDLL | None:
    """The CUDA runtime that ONNX Runtime brought into this process; never another one."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            path = line.split(maxsplit=5)[-1]
            if _RUNTIME in path:
                return ctypes.CDLL(path)
    return None
