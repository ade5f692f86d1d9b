"""One call's jobs through a model's queue: all are awaited, none is left behind, the call is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from precordia.errors import DeadlineExceeded, Overloaded, PrecordiaError
from precordia.prediction import Priority
from precordia.rpc.caller import current_caller
from services.inference.models.serving import ServingModel
from services.inference.queueing.waiting import Call
from services.inference.scoring.running import Answer, Job


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
        Overloaded, TooLarge, ServiceUnavailable: nothing was queued; or what waited had to make room.
        DeadlineExceeded: it passed while a job waited.
    """
    if not jobs:
        return []
    async with _counted(model) as answers:
        answers += await _answers(model, jobs, Call(priority, deadline, current_caller()))
    return answers


async def answers_by_stretches(
    model: ServingModel,
    job: Callable[[int], Job],
    count: int,
    size: int,
    *,
    priority: Priority,
    deadline: float | None,
) -> list[Answer | PrecordiaError]:
    """An answer or an error for each of many jobs of one call, of which few wait at a time.

    What comes meanwhile gets its turn between them. Where others have taken the room, a stretch waits
    for it: what was done for those before must not be lost.

    Args:
        model: held by the caller until this returns.
        job: makes a job by its number, when its stretch is queued.
        count: jobs.
        size: jobs that are queued together.
        priority: whose turn it is.
        deadline: as for `answers_to`.

    Raises:
        Overloaded, ServiceUnavailable: the queue refused the first stretch; nothing was done.
        DeadlineExceeded: it passed.
    """
    async with _counted(model) as answers:
        while len(answers) < count:
            jobs = [job(number) for number in range(len(answers), min(len(answers) + size, count))]
            try:
                answers += await _answers(model, jobs, Call(priority, deadline, current_caller()))
            except Overloaded as error:
                if not answers:
                    raise
                await _room_again(error, deadline)
    return answers


async def _room_again(refusal: Overloaded, deadline: float | None) -> None:
    """Waits as long as the queue says; not beyond the deadline."""
    if deadline is not None and time.monotonic() + refusal.retry_after_s >= deadline:
        raise DeadlineExceeded("The queue had no room for the rest of this ECG before the deadline.")
    await asyncio.sleep(refusal.retry_after_s)


@asynccontextmanager
async def _counted(model: ServingModel) -> AsyncIterator[list[Answer | PrecordiaError]]:
    """Counts one call by the answers that it puts into the list."""
    came_ns = time.perf_counter_ns()
    answers: list[Answer | PrecordiaError] = []
    try:
        yield answers
    except BaseException:
        model.statistics.failed(came_ns)
        raise
    runs = [answer.phases for answer in answers if not isinstance(answer, PrecordiaError)]
    if runs:
        model.statistics.answered(came_ns, runs)
    else:
        model.statistics.failed(came_ns)


async def _answers(model: ServingModel, jobs: Sequence[Job], call: Call) -> list[Answer | PrecordiaError]:
    replies = [_LoopReply() for _ in jobs]
    model.batcher.put(jobs, replies, call)
    return await _outcomes(replies)


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
        return [_unless_whole(await reply.waiter) for reply in replies]
    except BaseException:
        for reply in replies:
            reply.waiter.cancel()
        raise


def _unless_whole(outcome: Answer | PrecordiaError) -> Answer | PrecordiaError:
    """What concerns one ECG; what concerns the whole call is raised."""
    if isinstance(outcome, (DeadlineExceeded, Overloaded)):
        raise outcome
    return outcome
