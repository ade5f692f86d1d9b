"""One bounded queue for one model, and the worker threads that own its sessions.

Who goes first is `services.inference.queueing.waiting`'s: STAT before ROUTINE before BACKGROUND, callers in turn.
A full queue refuses (`Overloaded`, with the time after which a place is likely), unless less urgent work, or
that of a caller with more in the queue, can make room. So does a queue too long for the caller's deadline:
work that comes too late would only delay the work that does not. What waits beyond its deadline is
answered at that moment; what is cancelled, expired or cannot be done in time never runs. Each item carries
its own reply, so answers cannot cross.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic

from precordia.errors import DeadlineExceeded, InternalError, Overloaded, PrecordiaError, ServiceUnavailable, TooLarge
from precordia.prediction import Priority
from services.inference.queueing.forecast import Forecast
from services.inference.queueing.waiting import Answer, Call, Item, Job, Reply, Waiting

log = logging.getLogger(__name__)

_SWEEP_S = 0.002
"""Deadlines closer together than this are looked after together."""

_PLACES = 16
"""One place in so many stays with each class of urgency that is waiting, whoever else wants it."""

_SEARCH_S = 0.02
"""A long queue is searched for places that callers left no more often: a flood of refusals must not cost that each."""

_SHORT = 16
"""Items of a queue that is searched whenever a place is wanted."""


@dataclass(frozen=True)
class BatchPolicy:
    """How a model is batched.

    Attributes:
        max_batch: items of one run at most.
        workers: runs at once; each has a thread.
        max_delay_s: how long an unfilled batch waits for company. STAT never waits.
        capacity: items that may wait.
        item_s: measured seconds of one item in a full batch; what the first waits are reckoned with.
        patience: how often a class is passed over before it gets a turn.
        nice: added to the threads' niceness, where the system has it: what has 19 runs in idle time alone.
    """

    max_batch: int = 1
    workers: int = 1
    max_delay_s: float = 0.0
    capacity: int = 1024
    item_s: float = 0.005
    patience: int = 16
    nice: int = 0


@dataclass
class BatchCounts:
    """What became of the items so far."""

    executed: int = 0
    dropped_expired: int = 0
    dropped_cancelled: int = 0
    refused: int = 0


class Batcher(Generic[Job, Answer]):
    """Collects jobs into batches and answers each through its own future.

    Args:
        run: takes jobs, gives an answer or an exception for each, in order. Called from `workers`
            threads at once.
        policy: sizes and times.
        name: of the threads.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Job]], Sequence[Answer | PrecordiaError]],
        policy: BatchPolicy,
        *,
        name: str = "model",
    ) -> None:
        self.policy = policy
        self.counts = BatchCounts()
        self._run = run
        self._waiting: Waiting[Job, Answer] = Waiting(policy.patience)
        self._forecast = Forecast(policy.item_s * policy.max_batch, policy.item_s, policy.workers)
        self._closed = False
        self._forming = False
        self._earliest = math.inf
        self._swept_at = -math.inf
        self._lock = threading.Lock()
        self._work_came = threading.Condition(self._lock)
        self._company_came = threading.Condition(self._lock)
        self._deadline_came = threading.Condition(self._lock)
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(policy.workers)
        ]
        self._threads.append(threading.Thread(target=self._keep_deadlines, name=f"{name}-clock", daemon=True))
        for thread in self._threads:
            thread.start()

    @property
    def depth(self) -> int:
        """Items that wait now."""
        return len(self._waiting)

    def submit(
        self,
        jobs: Sequence[Job],
        *,
        priority: Priority = Priority.ROUTINE,
        deadline: float | None = None,
        caller: str = "",
    ) -> list[Future[Answer]]:
        """Queues all of the jobs or none, and gives a future for each; see `put`."""
        futures: list[Future[Answer]] = [Future() for _ in jobs]
        self.put(jobs, futures, Call(priority, deadline, caller))
        return futures

    def put(self, jobs: Sequence[Job], replies: Sequence[Reply[Answer]], call: Call) -> None:
        """Queues all of the jobs or none; each is answered through its own reply.

        Args:
            jobs: what to run.
            replies: one for each job.
            call: whose they are, how urgent, and until when.

        Raises:
            Overloaded: there is no room now, or too much to do before the deadline.
            TooLarge: there never is room for so many.
            ServiceUnavailable: the batcher is closed.
        """
        with self._lock:
            reckoned_s = self._admit(call, len(jobs))
            items = [Item(job, call, reply, reckoned_s) for job, reply in zip(jobs, replies, strict=True)]
            for item in items:
                self._waiting.push(item)
            if call.deadline is not None and call.deadline < self._earliest:
                self._earliest = call.deadline
                self._deadline_came.notify()
            if self._forming:
                self._company_came.notify()
            else:
                self._work_came.notify(len(items))

    def check(self, count: int, call: Call) -> None:
        """Refuses what `put` would refuse now, before anything is done for it; queues nothing.

        Raises:
            Overloaded, TooLarge, ServiceUnavailable: see `put`.
        """
        with self._lock:
            self._room_for(call, count)

    def close(self, *, timeout_s: float | None = None) -> None:
        """Takes no more work, finishes what waits, and ends the threads."""
        with self._lock:
            self._closed = True
            for condition in (self._work_came, self._company_came, self._deadline_came):
                condition.notify_all()
        for thread in self._threads:
            thread.join(timeout_s)

    def _admit(self, call: Call, count: int) -> float:
        """Makes room, or refuses; gives the wait as it is reckoned."""
        reckoned_s, given_up = self._room_for(call, count)
        self._give_up(given_up)
        return reckoned_s

    def _room_for(self, call: Call, count: int) -> tuple[float, list[Item[Job, Answer]]]:
        """The wait as it is reckoned, and who has to make room; a refusal where nobody has to, or it is too long."""
        if self._closed:
            raise ServiceUnavailable("The model is being unloaded; ask again.", service="inference")
        capacity = self.policy.capacity
        if count > capacity:
            raise TooLarge(f"The queue of this model holds {capacity} ECGs; send fewer at once.", limit=capacity)
        reckoned_s, late_s = self._wait(call, count)
        if (late_s > 0 or len(self._waiting) + count > capacity) and self._search_is_due(now := time.monotonic()):
            self._sweep(now)
            reckoned_s, late_s = self._wait(call, count)
        if late_s > 0:
            raise self._refused("The queue of this model is too long for the deadline", late_s, count)
        excess = len(self._waiting) + count - capacity
        if excess <= 0:
            return reckoned_s, []
        given_up = self._waiting.room_from(call, count, excess, capacity // _PLACES)
        if not given_up:
            raise self._refused("The queue of this model is full", self._forecast.reckoned_s(excess), count)
        return reckoned_s, given_up

    def _wait(self, call: Call, count: int) -> tuple[float, float]:
        """The wait as it is reckoned, and by how much the last of the items would miss the deadline.

        Both are 0 where there is no deadline, or nothing waits.
        """
        if call.deadline is None or not self._waiting:
            return 0.0, 0.0
        forecast = self._forecast
        own_s = forecast.needed_s + forecast.reckoned_s(count - 1)
        reckoned_s = forecast.reckoned_s(self._waiting.before(call, count))
        left_s = call.deadline - time.monotonic() - own_s
        return reckoned_s, max(0.0, forecast.wait_s(reckoned_s, call.priority) - left_s)

    def _refused(self, why: str, wait_s: float, count: int) -> Overloaded:
        self.counts.refused += count
        return _overloaded(why, wait_s, places=count)

    def _give_up(self, items: Sequence[Item[Job, Answer]]) -> None:
        if not items:
            return
        chosen, wait_s = set(map(id, items)), self._forecast.reckoned_s(len(items))
        self._waiting.keep(lambda item: id(item) not in chosen)
        for item in items:
            self.counts.refused += 1
            if item.reply.set_running_or_notify_cancel():
                item.reply.set_exception(
                    _overloaded("More urgent work, or that of other callers, took the place", wait_s)
                )

    def _search_is_due(self, now: float) -> bool:
        return now >= min(self._earliest, self._swept_at + _SEARCH_S) or len(self._waiting) <= _SHORT

    def _sweep(self, now: float) -> None:
        """Lets go of what is cancelled or expired, and notes when to look again."""
        self._swept_at = now
        self._waiting.keep(lambda item: not self._left(item, now))
        self._earliest = self._waiting.earliest_deadline() or math.inf

    def _left(self, item: Item[Job, Answer], now: float) -> bool:
        """Whether an item leaves the queue without having had its turn."""
        if item.call.ends_before(now):
            self._forecast.waited_in_vain(item.call.priority, item.reckoned_s, now - item.call.queued_at)
        return self._dropped(item, now)

    def _dropped(self, item: Item[Job, Answer], now: float) -> bool:
        expired = item.call.ends_before(now)
        if item.reply.cancelled():
            # A caller whose deadline passed cancels too; what made it go is what counts.
            if expired:
                self.counts.dropped_expired += 1
            else:
                self.counts.dropped_cancelled += 1
            return True
        if expired and item.reply.set_running_or_notify_cancel():
            self.counts.dropped_expired += 1
            item.reply.set_exception(DeadlineExceeded("The deadline passed while the ECG waited for its turn."))
        return expired

    def _keep_deadlines(self) -> None:
        """Answers what expires at its deadline, whatever the workers do."""
        with self._lock:
            while not (self._closed and not self._waiting):
                pause_s = self._earliest - time.monotonic()
                if pause_s > 0:
                    self._deadline_came.wait(pause_s if self._earliest < math.inf else None)
                else:
                    self._sweep(time.monotonic())
                    self._deadline_came.wait(_SWEEP_S)

    def _work(self) -> None:
        if self.policy.nice and hasattr(os, "PRIO_PROCESS"):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self.policy.nice)
        while batch := self._next_batch():
            self._answer(batch)

    def _next_batch(self) -> list[Item[Job, Answer]]:
        """Waits for work; empty only when the batcher is closed and nothing waits."""
        with self._lock:
            while True:
                while self._forming or not self._waiting:
                    if self._closed and not self._waiting:
                        self._deadline_came.notify()
                        return []
                    self._work_came.wait()
                if batch := self._formed():
                    return batch

    def _formed(self) -> list[Item[Job, Answer]]:
        """A batch of what waits and what soon comes; one worker forms at a time, so that batches fill."""
        batch: list[Item[Job, Answer]] = []
        self._forming = True
        try:
            while True:
                self._take_into(batch)
                patience_s = self._patience_s(batch)
                if patience_s <= 0:
                    break
                self._company_came.wait(patience_s)
        finally:
            self._forming = False
            if self._waiting or self._closed:
                self._work_came.notify()
        if self.policy.max_delay_s == 0:
            return batch
        now = time.monotonic()
        return [item for item in batch if not self._dropped(item, now) and self._claimed(item)]

    def _patience_s(self, batch: list[Item[Job, Answer]]) -> float:
        """How much longer a batch may wait for company."""
        if not batch or self._closed or len(batch) >= self.policy.max_batch:
            return 0.0
        if any(item.call.priority is Priority.STAT for item in batch):
            return 0.0
        until = min(item.call.queued_at for item in batch) + self.policy.max_delay_s
        last_start = min((item.call.deadline for item in batch if item.call.deadline), default=math.inf)
        return min(until, last_start - self._forecast.needed_s) - time.monotonic()

    def _take_into(self, batch: list[Item[Job, Answer]]) -> None:
        """Items whose turn it is, as many as fit; claimed at once where the batch does not wait for company."""
        now, waits = time.monotonic(), self.policy.max_delay_s > 0
        while self._waiting and len(batch) < self.policy.max_batch:
            item = self._waiting.pop()
            self._forecast.waited(item.call.priority, item.reckoned_s, now - item.call.queued_at)
            if item.call.ends_before(now + self._forecast.needed_s):
                self._forecast.hopeless()
                self._dropped(item, math.inf)
            elif not self._dropped(item, now) and (waits or self._claimed(item)):
                batch.append(item)

    def _claimed(self, item: Item[Job, Answer]) -> bool:
        """Whether the item is ours to run; it is not when its caller cancelled at this very moment."""
        if item.reply.set_running_or_notify_cancel():
            return True
        self.counts.dropped_cancelled += 1
        return False

    def _answer(self, batch: list[Item[Job, Answer]]) -> None:
        began = time.monotonic()
        try:
            answers = self._run([item.job for item in batch])
        except PrecordiaError as error:
            answers = [error] * len(batch)
        except Exception:  # its callers must hear of it, and the thread goes on
            log.exception("a batch of %d failed", len(batch))
            answers = [InternalError("The model failed on this batch; the service's log has the cause.")] * len(batch)
        took_s = time.monotonic() - began
        with self._lock:
            self.counts.executed += len(batch)
            self._forecast.ran(took_s, len(batch))
        for item, answer in zip(batch, answers, strict=True):
            if isinstance(answer, PrecordiaError):
                item.reply.set_exception(answer)
            else:
                item.reply.set_result(answer)


def _overloaded(what: str, wait_s: float, **details: int) -> Overloaded:
    retry_s = round(min(30.0, max(0.05, wait_s)), 3)
    return Overloaded(f"{what}; try again after the stated time.", retry_after_s=retry_s, **details)
