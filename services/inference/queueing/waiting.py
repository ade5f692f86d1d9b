"""Who waits, and whose turn it is: urgency first, callers in turn within it, first in first out for each.

A caller with a thousand ECGs in the queue delays another's single one by one place for each caller who
waits, not by a thousand. A class of urgency that was passed over `patience` times in a row gets the next
place. Nothing here locks; `services.inference.queueing.batching` does.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from precordia.prediction import Priority

Job = TypeVar("Job")
Answer = TypeVar("Answer")
Answer_contra = TypeVar("Answer_contra", contravariant=True)

ORDER = (Priority.STAT, Priority.ROUTINE, Priority.BACKGROUND)

_FOR_STAT = 4
"""Times the patience with which a class lets STAT go first: it has its turn sooner when no STAT waits."""


class Reply(Protocol[Answer_contra]):
    """Where an answer goes; `concurrent.futures.Future` is one."""

    def cancelled(self) -> bool:
        """Whether nobody waits any more."""

    def set_running_or_notify_cancel(self) -> bool:
        """Claims the item; False where it was cancelled."""

    def set_result(self, result: Answer_contra) -> None:
        """Answers, from any thread."""

    def set_exception(self, exception: BaseException) -> None:
        """Fails, from any thread."""


@dataclass(frozen=True, eq=False)
class Call:
    """What the items of one request share.

    Attributes:
        priority: whose turn it is.
        deadline: `time.monotonic()` after which an answer is of no use.
        caller: whose request it is; callers take turns.
    """

    priority: Priority = Priority.ROUTINE
    deadline: float | None = None
    caller: str = ""
    queued_at: float = field(default_factory=time.monotonic)

    def ends_before(self, moment: float) -> bool:
        """Whether an answer at this moment comes too late."""
        return self.deadline is not None and moment >= self.deadline


@dataclass(frozen=True, eq=False)
class Item(Generic[Job, Answer]):
    """One ECG of a request, and the wait that was reckoned for it when it came."""

    job: Job
    call: Call
    reply: Reply[Answer]
    reckoned_s: float = 0.0


class Line(Generic[Job, Answer]):
    """One class of urgency: callers in turn."""

    def __init__(self) -> None:
        self._of: dict[str, deque[Item[Job, Answer]]] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Item[Job, Answer]]:
        for items in self._of.values():
            yield from items

    def push(self, item: Item[Job, Answer]) -> None:
        """Behind the others of its caller; a caller who waits for nothing yet comes last."""
        items = self._of.get(item.call.caller)
        if items is None:
            items = self._of[item.call.caller] = deque()
        items.append(item)
        self._length += 1

    def pop(self) -> Item[Job, Answer]:
        """The next item; its caller's turn is over."""
        caller = next(iter(self._of))
        items = self._of.pop(caller)
        item = items.popleft()
        if items:
            self._of[caller] = items
        self._length -= 1
        return item

    def keep(self, wanted: Callable[[Item[Job, Answer]], bool]) -> None:
        """Lets go of the items that are not wanted; asks once about each."""
        kept = {caller: deque(filter(wanted, items)) for caller, items in self._of.items()}
        self._of = {caller: items for caller, items in kept.items() if items}
        self._length = sum(map(len, self._of.values()))

    def of(self, caller: str) -> int:
        """Items of one caller."""
        return len(self._of.get(caller, ()))

    def before_last_of(self, caller: str, more: int) -> int:
        """Items of others that go first if this caller adds `more`."""
        turns = self.of(caller) + more
        return sum(min(len(items), turns) for other, items in self._of.items() if other != caller)

    def newest_calls(self) -> Iterator[list[Item[Job, Answer]]]:
        """Waiting items by call: those of the caller who waits for most, newest first, then of the next such."""
        left = {caller: list(items) for caller, items in self._of.items()}
        while left:
            caller = max(left, key=lambda one: len(left[one]))
            items = left[caller]
            call = items[-1].call
            yield [item for item in items if item.call is call]
            left[caller] = [item for item in items if item.call is not call]
            if not left[caller]:
                del left[caller]


class Waiting(Generic[Job, Answer]):
    """All classes of urgency.

    Args:
        patience: how often a class is passed over before it gets a turn; for STAT, four times as often.
    """

    def __init__(self, patience: int) -> None:
        self._lines: dict[Priority, Line[Job, Answer]] = {priority: Line() for priority in ORDER}
        self._passed_over = dict.fromkeys(ORDER, 0)
        self._patience = patience
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, item: Item[Job, Answer]) -> None:
        """Queues it."""
        self._lines[item.call.priority].push(item)
        self._length += 1

    def pop(self) -> Item[Job, Answer]:
        """The item whose turn it is; there must be one."""
        self._length -= 1
        return self._lines[self._next_class()].pop()

    def keep(self, wanted: Callable[[Item[Job, Answer]], bool]) -> None:
        """Lets go of the items that are not wanted; asks once about each."""
        for line in self._lines.values():
            if line:
                line.keep(wanted)
        self._length = sum(map(len, self._lines.values()))

    def earliest_deadline(self) -> float | None:
        """Of all that waits."""
        deadlines = [item.call.deadline for line in self._lines.values() for item in line if item.call.deadline]
        return min(deadlines, default=None)

    def before(self, call: Call, count: int) -> int:
        """Items that go before the last of `count` new ones of this call."""
        ahead = sum(len(self._lines[urgent]) for urgent in ORDER[: ORDER.index(call.priority)])
        own = self._lines[call.priority]
        first = own.before_last_of(call.caller, count) + own.of(call.caller)
        return first + min(ahead, (first + count) * self._patience)  # its class has a turn after so many others

    def room_from(self, call: Call, count: int, needed: int, spared: int = 0) -> list[Item[Job, Answer]]:
        """Items to give up so that `needed` places become free for `count` new ones; none where that is not fair.

        Less urgent work goes first, then that of callers who, even afterwards, wait for more than this one.
        Whole calls go, the newest first. Of each less urgent class `spared` items stay: a class that lost every
        place would never have the turn that it waits for.
        """
        chosen: list[Item[Job, Answer]] = []
        for priority in reversed(ORDER[ORDER.index(call.priority) + 1 :]):
            staying = len(self._lines[priority])
            for items in self._lines[priority].newest_calls():
                if len(chosen) >= needed:
                    return chosen
                if staying - len(items) < spared:
                    break
                staying -= len(items)
                chosen += items
        line = self._lines[call.priority]
        own = line.of(call.caller) + count
        left: dict[str, int] = {}
        for items in line.newest_calls():
            if len(chosen) >= needed:
                return chosen
            other = items[0].call.caller
            left[other] = left.get(other, line.of(other)) - len(items)
            if other == call.caller or left[other] < own:
                break
            chosen += items
        return chosen if len(chosen) >= needed else []

    def _next_class(self) -> Priority:
        waiting = [priority for priority in ORDER if self._lines[priority]]
        patience = self._patience * (_FOR_STAT if waiting[0] is Priority.STAT else 1)
        patient = [priority for priority in waiting if self._passed_over[priority] >= patience]
        chosen = patient[-1] if patient else waiting[0]
        for priority in waiting:
            self._passed_over[priority] += 1
        self._passed_over[chosen] = 0
        return chosen
