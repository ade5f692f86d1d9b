"""Keeps predictions as they are given: one thread writes, and callers who come together share a commit.

An answer waits until it is kept, so that what a caller saw can be shown later. It does not wait long
and never fails for it: a clinician's answer goes out with a warning where the database is away.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from precordia.prediction import Prediction
from precordia.record import Remark
from services.inference.keeping.kept import KeptPredictions

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 2.0
"""How long an answer waits to be kept."""

NOT_KEPT = Remark("not_kept", "This prediction is not in the list of kept predictions: the database did not take it.")

_MOST_WAITING = 10_000
_TIDY_EVERY_S = 3600.0


class Keeper:
    """Writes predictions in the background of calls.

    Args:
        kept: where they go.
        days: older ones are removed; 0 = none is.
    """

    def __init__(self, kept: KeptPredictions, *, days: int = 0) -> None:
        self._kept = kept
        self._days = days
        self._waiting: deque[tuple[Sequence[Prediction], asyncio.AbstractEventLoop, asyncio.Future[bool]]] = deque()
        self._news = threading.Condition()
        self._closing = False
        self._tidied = -_TIDY_EVERY_S
        self._thread = threading.Thread(target=self._write, name="keep predictions", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    async def keep(self, predictions: Sequence[Prediction]) -> bool:
        """Whether the predictions are in the database now. Those without a recording or scores need not be."""
        worth = [one for one in predictions if one.recording_id and one.scores]
        if not worth:
            return True
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        with self._news:
            if self._closing or len(self._waiting) >= _MOST_WAITING:
                return False
            self._waiting.append((worth, loop, done))
            self._news.notify()
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                return await asyncio.shield(done)
        except TimeoutError:
            return False

    def close(self) -> None:
        """Write what waits, and end."""
        with self._news:
            self._closing = True
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join(10 * LONGEST_WAIT_S)

    def _write(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._closing, timeout=_TIDY_EVERY_S)
                together = list(self._waiting)
                self._waiting.clear()
                if self._closing and not together:
                    return
            if together:
                kept = self._add([one for predictions, _, _ in together for one in predictions])
                for _, loop, done in together:
                    _settle(loop, done, kept)
            self._tidy()

    def _add(self, predictions: Sequence[Prediction]) -> bool:
        try:
            self._kept.add(predictions)
        except Exception:  # whatever the database says, answers go out
            log.exception("%d predictions could not be kept", len(predictions))
            return False
        return True

    def _tidy(self) -> None:
        if not self._days or time.monotonic() - self._tidied < _TIDY_EVERY_S:
            return
        self._tidied = time.monotonic()
        try:
            gone = self._kept.forget_before(datetime.now(UTC) - timedelta(days=self._days))
        except Exception:  # tidying waits for the next time; what is being answered does not
            log.exception("old predictions could not be removed")
            return
        if gone:
            log.info("%d predictions older than %d days were removed", gone, self._days)


def _settle(loop: asyncio.AbstractEventLoop, done: asyncio.Future[bool], kept: bool) -> None:
    def settle() -> None:
        if not done.done():
            done.set_result(kept)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop ended before its callers heard
        log.debug("a caller is gone")
