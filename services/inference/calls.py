"""One call's jobs through a model's queue: all are awaited, none is left behind, the call is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from precordia.errors import DeadlineExceeded, PrecordiaError
from precordia.prediction import Priority
from services.inference.loading import ServingModel
from services.inference.running import Answer, Job


async def answers_to(
    model: ServingModel, jobs: Sequence[Job], *, priority: Priority, deadline: float | None
) -> list[Answer | PrecordiaError]:
    """An answer or an error for each job, in order.

    Args:
        model: held by the caller until this returns.
        jobs: queued together, or not at all.
        priority: whose turn it is.
        deadline: `time.monotonic()` after which an answer is of no use.

    Raises:
        Overloaded, TooLarge, ServiceUnavailable: nothing was queued.
        DeadlineExceeded: it passed while a job waited.
    """
    if not jobs:
        return []
    came_ns = time.perf_counter_ns()
    replies = [_LoopReply() for _ in jobs]
    try:
        model.batcher.put(jobs, replies, priority=priority, deadline=deadline)
        outcomes = await _outcomes(replies)
    except BaseException:
        model.statistics.failed(came_ns)
        raise
    runs = [outcome.phases for outcome in outcomes if not isinstance(outcome, PrecordiaError)]
    if runs:
        model.statistics.answered(came_ns, runs)
    else:
        model.statistics.failed(came_ns)
    return outcomes


class _LoopReply:
    """A reply that is awaited on the event loop; lighter than a future for threads wrapped into one."""

    __slots__ = ("_loop", "waiter")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.waiter: asyncio.Future[Answer | PrecordiaError] = self._loop.create_future()

    def cancelled(self) -> bool:
        return self.waiter.cancelled()

    def set_running_or_notify_cancel(self) -> bool:
        return not self.waiter.cancelled()

    def set_result(self, result: Answer) -> None:
        self._loop.call_soon_threadsafe(self._settle, result)

    def set_exception(self, exception: BaseException) -> None:
        assert isinstance(exception, PrecordiaError), "the batcher answers with our errors"
        self._loop.call_soon_threadsafe(self._settle, exception)

    def _settle(self, outcome: Answer | PrecordiaError) -> None:
        if not self.waiter.done():
            self.waiter.set_result(outcome)


async def _outcomes(replies: Sequence[_LoopReply]) -> list[Answer | PrecordiaError]:
    """Waits for all; a caller who goes away takes what still waits out of the queue."""
    try:
        outcomes = [await reply.waiter for reply in replies]
    except BaseException:
        for reply in replies:
            reply.waiter.cancel()
        raise
    for outcome in outcomes:
        if isinstance(outcome, DeadlineExceeded):
            raise outcome
    return outcomes
