"""A service that said when to come back is not asked before: a flood of refusals would cost it the work it could do.

The time is the one that comes with RESOURCE_EXHAUSTED (google.rpc.RetryInfo); to keep to it on the caller's
side is what Google's Site Reliability Engineering (2016), chapter 21, calls client-side throttling. STAT is
never held off: whether there is room for it is the service's to say.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from precordia.catalog import ModelRef
from precordia.errors import Overloaded
from precordia.prediction import Priority

_MOST_KNOWN = 256
"""Models and classes of urgency that are remembered; beyond that the service is asked."""


@dataclass(frozen=True)
class _Refusal:
    """What was refused: so many places, for an answer of use for so long; and until when that stands."""

    count: int
    patience_s: float
    until: float

    def answers(self, count: int, patience_s: float, now: float) -> bool:
        """Whether a call would hear the same: it asks for no less, in no longer time."""
        return now < self.until and count >= self.count and patience_s <= self.patience_s


class HoldingOff:
    """Refusals of one service that still stand.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refusals: dict[tuple[ModelRef, Priority], _Refusal] = {}

    @contextmanager
    def call(self, ref: ModelRef, priority: Priority, count: int, timeout_s: float | None) -> Iterator[None]:
        """Around one call: it is not made where it would be refused, and what it hears is remembered.

        Args:
            ref: the model.
            priority: of the call.
            count: its ECGs.
            timeout_s: how long an answer is of use; None = for ever.

        Raises:
            Overloaded: the service refused such a call a moment ago, and its time is not over.
        """
        key, patience_s = (ref, priority), math.inf if timeout_s is None else timeout_s
        refusal, now = self._refusals.get(key), self._clock()
        if refusal is not None and priority is not Priority.STAT and refusal.answers(count, patience_s, now):
            raise Overloaded(
                "The service refused such a call a moment ago; try again after the stated time.",
                retry_after_s=round(refusal.until - now, 3),
            )
        try:
            yield
        except Overloaded as error:
            # A recording of hours asks for many places: its refusal says nothing of an ECG that asks for one.
            places = int(error.details.get("places", count))
            self._remember(key, _Refusal(max(count, places), patience_s, self._clock() + error.retry_after_s))
            raise
        self._refusals.pop(key, None)

    def _remember(self, key: tuple[ModelRef, Priority], refusal: _Refusal) -> None:
        if len(self._refusals) >= _MOST_KNOWN:
            now = self._clock()
            self._refusals = {known: one for known, one in self._refusals.items() if now < one.until}
        if len(self._refusals) < _MOST_KNOWN or key in self._refusals:
            self._refusals[key] = refusal
