"""Removes predictions that are older than the operator wants them kept.

A thread of its own, and a slice of rows a transaction with a pause behind each: however much there is to
remove at first, an answer that is to be kept waits for one slice at most.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

log = logging.getLogger(__name__)

SLICE = 1000
"""Rows of one transaction."""

_EVERY_S = 3600.0
_PAUSE_S = 0.15
"""Longer than SQLite's own sleep while it waits for the lock, so that whoever waits gets it."""

Forget = Callable[[datetime, int], int]
"""Removes so many of the rows that are older than a time, in one transaction; how many that were."""


class Retention:
    """Removes old rows once an hour.

    Args:
        forgetting: one for each kind of rows.
        days: older ones are removed; 0 = none is.
        pause: waits so many seconds between two slices.
    """

    def __init__(
        self, forgetting: Sequence[Forget], *, days: int, pause: Callable[[float], object] | None = None
    ) -> None:
        self._forgetting = tuple(forgetting)
        self._days = days
        self._closing = threading.Event()
        self._pause = pause or self._closing.wait
        self._thread = threading.Thread(target=self._run, name="remove old predictions", daemon=True)

    def start(self) -> None:
        """Begin, where anything is to be removed at all."""
        if self._days:
            self._thread.start()

    def close(self) -> None:
        """End after the slice that is being removed."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(2 * _PAUSE_S)

    def remove(self, now: datetime) -> int:
        """Removes all that is too old now; how many rows that were."""
        before = now - timedelta(days=self._days)
        return sum(self._removed(forget, before) for forget in self._forgetting)

    def _removed(self, forget: Forget, before: datetime) -> int:
        gone = 0
        while not self._closing.is_set() and (some := forget(before, SLICE)):
            gone += some
            self._pause(_PAUSE_S)
        return gone

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                gone = self.remove(datetime.now(UTC))
            except Exception:  # removing waits for the next time
                log.exception("old predictions could not be removed")
            else:
                if gone:
                    log.info("%d predictions older than %d days were removed", gone, self._days)
            self._closing.wait(_EVERY_S)
