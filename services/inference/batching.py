"""One bounded priority queue for one model, and the worker threads that own its sessions.

STAT goes before ROUTINE goes before BACKGROUND, first in first out within each. A class that has
been passed over `patience` times in a row gets the next place, so that nobody starves. A full
queue refuses (`Overloaded`, with the time after which a place is likely). Work whose caller has
gone or whose deadline has passed is dropped when its turn comes, or earlier when room is needed,
before it costs anything. Each item carries its own reply, so answers cannot cross.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from precordia.errors import DeadlineExceeded, InternalError, Overloaded, PrecordiaError, ServiceUnavailable, TooLarge
from precordia.prediction import Priority

log = logging.getLogger(__name__)

Job = TypeVar("Job")
Answer = TypeVar("Answer")
Answer_contra = TypeVar("Answer_contra", contravariant=True)

_ORDER = (Priority.STAT, Priority.ROUTINE, Priority.BACKGROUND)


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


@dataclass(frozen=True)
class BatchPolicy:
    """How a model is batched.

    Attributes:
        max_batch: items of one run at most.
        workers: runs at once; each has a thread.
        max_delay_s: how long an unfilled batch waits for company. STAT never waits.
        capacity: items that may wait.
        item_s: measured seconds of one item in a full batch; what `Overloaded` reckons with.
        patience: how often a class is passed over before it gets a turn.
    """

    max_batch: int = 1
    workers: int = 1
    max_delay_s: float = 0.0
    capacity: int = 1024
    item_s: float = 0.005
    patience: int = 16


@dataclass
class BatchCounts:
    """What became of the items so far."""

    executed: int = 0
    dropped_expired: int = 0
    dropped_cancelled: int = 0
    refused: int = 0


@dataclass(eq=False)
class _Item(Generic[Job, Answer]):
    job: Job
    priority: Priority
    deadline: float | None
    reply: Reply[Answer]
    queued_at: float = field(default_factory=time.monotonic)

    def expired(self, now: float) -> bool:
        return self.deadline is not None and now >= self.deadline


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
        self._queues: dict[Priority, deque[_Item[Job, Answer]]] = {priority: deque() for priority in _ORDER}
        self._passed_over = dict.fromkeys(_ORDER, 0)
        self._waiting = 0
        self._closed = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(policy.workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def depth(self) -> int:
        """Items that wait now."""
        return self._waiting

    def submit(
        self,
        jobs: Sequence[Job],
        *,
        priority: Priority = Priority.ROUTINE,
        deadline: float | None = None,
    ) -> list[Future[Answer]]:
        """Queues all of the jobs or none, and gives a future for each; see `put`."""
        futures: list[Future[Answer]] = [Future() for _ in jobs]
        self.put(jobs, futures, priority=priority, deadline=deadline)
        return futures

    def put(
        self,
        jobs: Sequence[Job],
        replies: Sequence[Reply[Answer]],
        *,
        priority: Priority = Priority.ROUTINE,
        deadline: float | None = None,
    ) -> None:
        """Queues all of the jobs or none; each is answered through its own reply.

        Args:
            jobs: what to run.
            replies: one for each job.
            priority: whose turn it is.
            deadline: `time.monotonic()` after which an answer is of no use.

        Raises:
            Overloaded: there is no room now.
            TooLarge: there never is room for so many.
            ServiceUnavailable: the batcher is closed.
        """
        items = [_Item(job, priority, deadline, reply) for job, reply in zip(jobs, replies, strict=True)]
        with self._changed:
            self._admit(len(items))
            self._queues[priority].extend(items)
            self._waiting += len(items)
            self._changed.notify(len(items))

    def close(self, *, timeout_s: float | None = None) -> None:
        """Takes no more work, finishes what waits, and ends the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout_s)

    def _admit(self, count: int) -> None:
        if self._closed:
            raise ServiceUnavailable("The model is being unloaded; ask again.", service="inference")
        if count > self.policy.capacity:
            raise TooLarge(
                f"The queue of this model holds {self.policy.capacity} ECGs; send fewer at once.",
                limit=self.policy.capacity,
            )
        if self._waiting + count > self.policy.capacity:
            self._sweep(time.monotonic())
        if self._waiting + count > self.policy.capacity:
            self.counts.refused += count
            raise Overloaded(
                "The queue of this model is full; try again after the stated time.",
                retry_after_s=round(self._retry_after_s(count), 3),
            )

    def _retry_after_s(self, count: int) -> float:
        excess = self._waiting + count - self.policy.capacity
        return min(30.0, max(0.05, excess * self.policy.item_s / self.policy.workers))

    def _sweep(self, now: float) -> None:
        for queue in self._queues.values():
            live = [item for item in queue if not self._dropped(item, now)]
            self._waiting -= len(queue) - len(live)
            queue.clear()
            queue.extend(live)

    def _dropped(self, item: _Item[Job, Answer], now: float) -> bool:
        expired = item.expired(now)
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

    def _work(self) -> None:
        while batch := self._next_batch():
            self._answer(batch)

    def _next_batch(self) -> list[_Item[Job, Answer]]:
        """Waits for work; empty only when the batcher is closed and nothing waits."""
        batch: list[_Item[Job, Answer]] = []
        with self._changed:
            while True:
                self._take_into(batch)
                patience_s = self._patience_s(batch)
                if batch and patience_s <= 0:
                    return batch
                if not batch and self._closed:
                    return batch
                self._changed.wait(patience_s if batch else None)

    def _patience_s(self, batch: list[_Item[Job, Answer]]) -> float:
        """How much longer a batch may wait for company."""
        if not batch or self._closed or len(batch) >= self.policy.max_batch:
            return 0.0
        if any(item.priority is Priority.STAT for item in batch):
            return 0.0
        return min(item.queued_at for item in batch) + self.policy.max_delay_s - time.monotonic()

    def _take_into(self, batch: list[_Item[Job, Answer]]) -> None:
        now = time.monotonic()
        while self._waiting and len(batch) < self.policy.max_batch:
            item = self._queues[self._next_class()].popleft()
            self._waiting -= 1
            if not self._dropped(item, now) and self._claimed(item):
                batch.append(item)

    def _claimed(self, item: _Item[Job, Answer]) -> bool:
        """Whether the item is ours to run; it is not when its caller cancelled at this very moment."""
        if item.reply.set_running_or_notify_cancel():
            return True
        self.counts.dropped_cancelled += 1
        return False

    def _next_class(self) -> Priority:
        waiting = [priority for priority in _ORDER if self._queues[priority]]
        patient = [priority for priority in waiting if self._passed_over[priority] >= self.policy.patience]
        chosen = patient[-1] if patient else waiting[0]
        for priority in waiting:
            self._passed_over[priority] += 1
        self._passed_over[chosen] = 0
        return chosen

    def _answer(self, batch: list[_Item[Job, Answer]]) -> None:
        try:
            answers = self._run([item.job for item in batch])
        except PrecordiaError as error:
            answers = [error] * len(batch)
        except Exception:
            log.exception("a batch of %d failed", len(batch))
            answers = [InternalError("The model failed on this batch; the service's log has the cause.")] * len(batch)
        with self._changed:
            self.counts.executed += len(batch)
        for item, answer in zip(batch, answers, strict=True):
            if isinstance(answer, PrecordiaError):
                item.reply.set_exception(answer)
            else:
                item.reply.set_result(answer)
