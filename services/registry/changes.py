"""Live changes of models: what happened after a number, then what happens."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

from precordia.catalog import ModelEvent
from precordia.errors import InvalidArgument
from services.registry.store import ModelStore

_POLL_S = 5.0
"""Changes made by this process wake a watcher at once; those of another on the same database, within this time."""
_NUMBERS = 1 << 63
"""Event numbers are 64-bit in the database."""


class ModelChanges:
    """Durable events of the store, handed to any number of watchers. A waiting watcher holds no thread."""

    def __init__(self, store: ModelStore, *, poll_s: float = _POLL_S) -> None:
        self._store = store
        self._poll_s = poll_s
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._closed = False

    def announce(self) -> None:
        """Something was committed. From any thread."""
        with self._lock:
            waiting = list(self._waiting)
        for loop, wake in waiting:
            with contextlib.suppress(RuntimeError):  # its loop has ended, and the watcher with it
                loop.call_soon_threadsafe(wake.set)

    def close(self) -> None:
        """Let every watcher end."""
        self._closed = True
        self.announce()

    async def watch(self, after: int = 0) -> AsyncIterator[ModelEvent]:
        """Events numbered above `after`, in order and without a gap, until the service closes.

        Raises:
            InvalidArgument: no event can have so high a number.
        """
        if not 0 <= after < _NUMBERS:
            raise InvalidArgument("'after_number' is the number of an event, or 0.", field="after_number")
        waiter = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._waiting.add(waiter)
        try:
            while not self._closed:
                waiter[1].clear()
                events = await asyncio.to_thread(self._store.events, after)
                for event in events:
                    after = event.number
                    yield event
                if not events and not self._closed:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(waiter[1].wait(), self._poll_s)
        finally:
            with self._lock:
                self._waiting.discard(waiter)
