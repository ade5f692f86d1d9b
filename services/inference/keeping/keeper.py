"""Keeps predictions as they are given: one thread writes, and callers who come together share a commit.

An answer waits until it is kept, so that what a caller saw can be shown later. It does not wait long,
never beyond its own deadline, and never fails for it: a clinician's answer goes out with a warning where
the database is away. What its caller no longer waits for is not written any more.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from precordia.prediction import Prediction
from precordia.record import Remark
from services.inference.keeping.kept import KeptPredictions

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 2.0
"""How long an answer waits to be kept."""

_TO_ANSWER_S = 0.25
"""What is left of a caller's time for the answer itself; of a shorter time, half."""

_LONGEST_CLOSING_S = 20.0
_MOST_WAITING = 10_000


class Keeping(Enum):
    """What became of predictions that were to be kept."""

    KEPT = "kept"
    NOT_KEPT = "not_kept"
    """They are not listed, and will not be."""
    NOT_CONFIRMED = "not_confirmed"
    """Their write had begun, and nobody knows yet how it ended."""


REMARKS = {
    Keeping.NOT_KEPT: Remark(
        "not_kept", "This prediction is not in the list of kept predictions: it could not be written there."
    ),
    Keeping.NOT_CONFIRMED: Remark(
        "keeping_not_confirmed",
        "This prediction may be missing from the list of kept predictions: the database did not confirm it in time.",
    ),
}
"""What is said of an answer that is not known to be kept."""


@dataclass(eq=False)
class _Entry:
    """Predictions that wait to be written, and who waits for them."""

    predictions: Sequence[Prediction]
    loop: asyncio.AbstractEventLoop
    settled: asyncio.Future[None]
    outcome: Keeping | None = None


class Keeper:
    """Writes predictions in the background of calls.

    Args:
        kept: where they go.
        longest_wait_s: how long an answer waits for that, where its caller has the time.
    """

    def __init__(self, kept: KeptPredictions, *, longest_wait_s: float = LONGEST_WAIT_S) -> None:
        self._kept = kept
        self._longest_wait_s = longest_wait_s
        self._waiting: dict[_Entry, None] = {}
        self._news = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._write, name="keep predictions", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    async def keep(self, predictions: Sequence[Prediction], *, left_s: float | None = None) -> Keeping:
        """Whether the predictions are in the database now. Those without a recording or scores need not be.

        Args:
            predictions: of one answer.
            left_s: until its caller gives up; None = he does not.
        """
        worth = [one for one in predictions if one.recording_id and one.scores]
        if not worth:
            return Keeping.KEPT
        loop = asyncio.get_running_loop()
        entry = _Entry(worth, loop, loop.create_future())
        with self._news:
            if self._closing or len(self._waiting) >= _MOST_WAITING:
                return Keeping.NOT_KEPT
            self._waiting[entry] = None
            self._news.notify()
        try:
            async with asyncio.timeout(self._wait_s(left_s)):
                await entry.settled
        except TimeoutError:
            log.warning("%d predictions were not kept in time", len(worth))
        finally:  # a caller who hung up gives up, too
            outcome = self._outcome(entry)
        return outcome

    def close(self) -> None:
        """Write what waits, and end."""
        with self._news:
            self._closing = True
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join(_LONGEST_CLOSING_S)

    def _wait_s(self, left_s: float | None) -> float:
        if left_s is None:
            return self._longest_wait_s
        return min(self._longest_wait_s, max(0.0, left_s - min(_TO_ANSWER_S, left_s / 2)))

    def _outcome(self, entry: _Entry) -> Keeping:
        """How it stands now; what nobody has begun to write is dropped."""
        with self._news:
            if entry in self._waiting:
                del self._waiting[entry]
                return Keeping.NOT_KEPT
            return entry.outcome or Keeping.NOT_CONFIRMED

    def _write(self) -> None:
        while self._has_work():
            self._write_together()

    def _has_work(self) -> bool:
        """Waits for entries; False where there are none, and will be none."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._closing)
            return bool(self._waiting)

    def _write_together(self) -> None:
        """One transaction for all who wait when it has begun: a locked database holds none of them fast."""
        taken: list[_Entry] = []
        outcome = Keeping.NOT_KEPT
        try:
            with self._kept.adding() as add:
                taken = self._take()
                add([one for entry in taken for one in entry.predictions])
                outcome = Keeping.NOT_CONFIRMED  # a commit that fails may have reached its server
            outcome = Keeping.KEPT
        except Exception:  # whatever the database says, answers go out
            taken = taken or self._take()
            log.exception("predictions of %d answers could not be kept", len(taken))
        self._settle(taken, outcome)

    def _take(self) -> list[_Entry]:
        with self._news:
            taken = list(self._waiting)
            self._waiting.clear()
        return taken

    def _settle(self, entries: Sequence[_Entry], outcome: Keeping) -> None:
        with self._news:
            for entry in entries:
                entry.outcome = outcome
        for entry in entries:
            try:
                entry.loop.call_soon_threadsafe(_wake, entry.settled)
            except RuntimeError:  # the loop ended before its callers heard
                log.debug("a caller is gone")


def _wake(settled: asyncio.Future[None]) -> None:
    if not settled.done():
        settled.set_result(None)
