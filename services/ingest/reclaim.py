"""Gives back the space of blobs that nothing refers to any more, without touching those in the making.

An import writes blobs first and records them afterwards. In between nothing refers to them, so a
blob is taken away only while no import is under way; what comes free meanwhile waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from precordia.storage.blobs import BlobStore


class Reclaimer:
    """Deletes unreferenced blobs of one store.

    Args:
        blobs: the store.
        referenced: whether any row refers to a hash.
    """

    def __init__(self, blobs: BlobStore, referenced: Callable[[str], bool]) -> None:
        self._blobs = blobs
        self._referenced = referenced
        self._lock = threading.Lock()
        self._writers = 0
        self._pending: set[str] = set()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Blobs written inside are safe until the block ends; record them before it does."""
        with self._lock:
            self._writers += 1
        try:
            yield
        finally:
            with self._lock:
                self._writers -= 1
                self._collect()

    def release(self, hashes: Iterable[str]) -> None:
        """These blobs lost a reference: delete those that have none left."""
        with self._lock:
            self._pending.update(hashes)
            self._collect()

    def _collect(self) -> None:
        if self._writers:
            return
        for sha256 in self._pending:
            if not self._referenced(sha256):
                self._blobs.delete(sha256)
        self._pending.clear()

    def sweep(self) -> int:
        """Delete what a killed process left behind; returns how many files went."""
        with self._lock:
            return self._blobs.sweep(self._referenced)
