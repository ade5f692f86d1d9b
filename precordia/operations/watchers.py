"""Coroutines that wait for news of an operation, woken from the threads that make the news."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator


class Watchers:
    """Who waits for which operation. A waiting coroutine costs an event, and no thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, dict[asyncio.Event, asyncio.AbstractEventLoop]] = defaultdict(dict)

    @contextlib.contextmanager
    def watching(self, operation_id: str) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set at every ring."""
        bell = asyncio.Event()
        with self._lock:
            self._waiting[operation_id][bell] = asyncio.get_running_loop()
        try:
            yield bell
        finally:
            with self._lock:
                del self._waiting[operation_id][bell]
                if not self._waiting[operation_id]:
                    del self._waiting[operation_id]

    def ring(self, operation_id: str) -> None:
        """Wake everyone who waits for this operation; from any thread."""
        with self._lock:
            bells = list(self._waiting.get(operation_id, {}).items())
        for bell, loop in bells:
            with contextlib.suppress(RuntimeError):  # that loop has ended, and its watcher with it
                loop.call_soon_threadsafe(bell.set)

    def ring_all(self) -> None:
        """Wake everyone."""
        with self._lock:
            operations = list(self._waiting)
        for operation_id in operations:
            self.ring(operation_id)
