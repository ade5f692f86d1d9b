"""Inputs that one version answered, scored once more by a copy of the other, when nothing else wants the processor.

What the copy cannot keep up with is left out and counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextvars import Context
from dataclasses import dataclass, replace

from precordia.catalog import ModelRef, ModelVersion
from precordia.errors import PrecordiaError
from precordia.prediction import Priority
from services.inference.models.calls import answers_to
from services.inference.models.holding import Models, ResolvedModel
from services.inference.models.serving import OperatingPoints
from services.inference.scoring.running import Answer, Job
from services.inference.scoring.scores import EcgJob
from services.inference.traffic.differences import ComparisonCount, Judge

log = logging.getLogger(__name__)

BEHIND = 16
"""Inputs that may wait for a copy; more are left out."""

RETRY_S = 60.0
"""Until what did not load is tried again."""


@dataclass(frozen=True, eq=False)
class _Offered:
    """An input, and what a version answered."""

    version: ModelVersion
    job: Job
    answer: Answer


class Comparer:
    """A copy of one version, and what it makes of the inputs that another answered.

    Args:
        ref: what the copy is of; where that is an alias, the copy follows it.
        models: where versions are.
        counted: told of every input.
        candidate_answered: whether the copy is of the version in service (for a canary), or of the
            candidate (its shadow).
    """

    def __init__(self, ref: ModelRef, models: Models, counted: ComparisonCount, *, candidate_answered: bool) -> None:
        self._ref = ref
        self._models = models
        self._counted = counted
        self._candidate_answered = candidate_answered
        self._offered: asyncio.Queue[_Offered] = asyncio.Queue(BEHIND)
        self._worker: asyncio.Task[None] | None = None
        self._retry_at = 0.0

    def offer(self, version: ModelVersion, job: Job, answer: Answer) -> None:
        """Takes it for later, if there is room."""
        if (self._worker is None or self._worker.done()) and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + RETRY_S
            self._worker = asyncio.create_task(self._work(), name=f"compare with {self._ref}", context=Context())
        try:
            self._offered.put_nowait(_Offered(version, job, answer))
        except asyncio.QueueFull:
            self._counted.skipped += 1

    async def close(self) -> None:
        """Gives the copy back; what waits for it is left out."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        self._worker, self._retry_at = None, 0.0
        while not self._offered.empty():
            self._offered.get_nowait()
            self._counted.skipped += 1

    async def _work(self) -> None:
        try:
            offered = await self._offered.get()
            while True:
                async with self._models.copy(self._ref) as copy:
                    while self._is_meant(copy.version):
                        await self._compare(copy, offered)
                        offered = await self._offered.get()
        except PrecordiaError as error:
            self._counted.skipped += 1
            log.warning("a copy of %s to compare with does not load (%s)", self._ref, error.reason)

    def _is_meant(self, version: ModelVersion) -> bool:
        """False once an alias has moved on to another version."""
        now = self._models.meaning(self._ref)
        return now is None or now.ref == version.ref

    async def _compare(self, copy: ResolvedModel, offered: _Offered) -> None:
        if offered.version.ref == copy.version.ref:
            self._counted.skipped += 1  # the alias moved to the candidate meanwhile
            return
        points = OperatingPoints.of(copy.version)
        again = replace(offered.job, temperature=points.temperature) if isinstance(offered.job, EcgJob) else offered.job
        try:
            (second,) = await answers_to(copy.serving, [again], priority=Priority.BACKGROUND, deadline=None)
        except PrecordiaError as error:
            second = error
        if isinstance(second, PrecordiaError):
            (self._counted.current if self._candidate_answered else self._counted.candidate).failed += 1
        elif self._candidate_answered:
            self._count((copy.version, second), (offered.version, offered.answer))
        else:
            self._count((offered.version, offered.answer), (copy.version, second))

    def _count(self, current: tuple[ModelVersion, Answer], candidate: tuple[ModelVersion, Answer]) -> None:
        counted = self._counted
        (ours, our_answer), (theirs, their_answer) = current, candidate
        judges = Judge.of(ours), Judge.of(theirs)
        values = judges[0].scores(our_answer), judges[1].scores(their_answer)
        if values[0] is None or values[1] is None:
            counted.skipped += 1
            return
        counted.differences.add(judges[0], values[0], judges[1], values[1])
        counted.current.add(our_answer.phases.total_ns / 1e6)
        counted.candidate.add(their_answer.phases.total_ns / 1e6)
