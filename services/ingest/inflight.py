"""Bounds what is held in memory of all sources that are coming in at once."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from precordia.errors import Overloaded


class InFlight:
    """Bytes that calls in progress may hold together.

    Args:
        limit: of all calls; one call alone may always go on.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._lock = threading.Lock()

    def share(self) -> Share:
        """One call's part; what it took is given back when its `with` block ends."""
        return Share(self)

    def take(self, size: int, *, alone: int) -> None:
        """Count bytes of a call that holds `alone` already.

        Raises:
            Overloaded: others hold too much; nothing is counted then.
        """
        with self._lock:
            if self._held > alone and self._held + size > self._limit:
                raise Overloaded("Too many bytes are coming in at once; try again.", retry_after_s=2)
            self._held += size

    def give_back(self, size: int) -> None:
        """Count no more."""
        with self._lock:
            self._held -= size


class Share:
    """What one call holds."""

    def __init__(self, all_calls: InFlight) -> None:
        self._all = all_calls
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.give_back(self._held)

    def take(self, size: int) -> None:
        """Announce further bytes.

        Raises:
            Overloaded: the other calls hold too much.
        """
        self._all.take(size, alone=self._held)
        self._held += size
