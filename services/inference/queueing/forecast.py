"""What runs and waits will take, learnt from those that took place; what deadlines are weighed against.

A wait is reckoned as the items that go before, each at the pace of late, times what experience says: urgent
work comes in between, and threads share a core with callers' requests. The experience of each class of
urgency is an expectile (Newey and Powell, Econometrica 1987;55:819-847) of waits as they were over waits as
reckoned: a wait longer than expected moves it thirty times as far as a shorter one, so that deadlines that were
accepted are kept. Nothing here locks; `services.inference.queueing.batching` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from precordia.prediction import Priority

_WEIGHT = 0.1
"""Of the newest run in what runs are expected to take."""

_SPREADS = 2.0
"""Mean deviations that a run may take longer than expected."""

_ANSWER_S = 0.002
"""From the end of a run to the caller, who has the deadline."""

_FORGETTING = 0.95
"""Where only hopeless deadlines come, what runs are expected to take shrinks: nothing would measure it again."""

_PERSISTENT = 8
"""Items dropped as hopeless, and none run in between, before that happens."""

_LONGER, _SHORTER = 0.1, 0.003
"""Weights of a wait that was longer or shorter than experience says."""

_FIRST, _LEAST, _MOST = 1.25, 1.0, 4.0
"""Experience before there is any, and its bounds: one stall of the machine must not refuse callers for long."""

_TELLING = 4
"""Items' times that a wait must have been reckoned at to teach anything: shorter ones are mostly chance."""


@dataclass
class Forecast:
    """Of one model's queue.

    Attributes:
        run_s: what a run takes, on average.
        item_s: what an item takes in it.
        workers: runs at once.
    """

    run_s: float
    item_s: float
    workers: int = 1
    _spread_s: float = 0.0
    _hopeless: int = 0
    _experience: dict[Priority, float] = field(default_factory=lambda: dict.fromkeys(Priority, _FIRST))

    @property
    def needed_s(self) -> float:
        """What a run that must not come too late should be given."""
        return self.run_s + _SPREADS * self._spread_s + _ANSWER_S

    def reckoned_s(self, before: int) -> float:
        """The wait behind so many items if nothing comes in between."""
        return before * self.item_s / self.workers

    def wait_s(self, reckoned_s: float, priority: Priority) -> float:
        """The wait that a reckoned one turns into."""
        return reckoned_s * self._experience[priority]

    def ran(self, took_s: float, count: int) -> None:
        """A run of so many items took so long."""
        self._hopeless = 0
        self._spread_s += _WEIGHT * (min(abs(took_s - self.run_s), self.run_s) - self._spread_s)
        self.run_s += _WEIGHT * (min(took_s, 4 * self.run_s + 0.001) - self.run_s)
        self.item_s += _WEIGHT * (min(took_s / count, 4 * self.item_s + 0.001) - self.item_s)

    def waited(self, priority: Priority, reckoned_s: float, waited_s: float) -> None:
        """A wait is over."""
        if reckoned_s < _TELLING * self.item_s:
            return
        known, ratio = self._experience[priority], waited_s / reckoned_s
        known += (_LONGER if ratio > known else _SHORTER) * (min(ratio, 2 * known) - known)
        self._experience[priority] = min(_MOST, max(_LEAST, known))

    def waited_in_vain(self, priority: Priority, reckoned_s: float, waited_s: float) -> None:
        """A wait was given up; it would have been longer still, so it teaches nothing where it was short."""
        if waited_s > self.wait_s(reckoned_s, priority):
            self.waited(priority, reckoned_s, waited_s)

    def hopeless(self) -> None:
        """An item was dropped because a run would have come too late."""
        self._hopeless += 1
        if self._hopeless > _PERSISTENT:
            self.run_s *= _FORGETTING
            self.item_s *= _FORGETTING
            self._spread_s *= _FORGETTING
