"""The trainer, as its screen needs it: jobs, one job's progress, what can be trained, a new job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from precordia.client import Connection
from precordia.dataset import Dataset, NumericFacts, Snapshot
from precordia.operation import Operation, OperationEvent
from precordia.training import TrainerStatus, TrainingSpec
from precordia.training_progress import KIND, TrainingProgress
from tui.messages import TrainingChoices

_SNAPSHOT_S = 0.25
"""The least time between two snapshots of a job: four a second are as many as anybody can read."""


class Training:
    """Asks the trainer and its neighbours. The connection may change from call to call."""

    def __init__(self, connection: Callable[[], Connection]) -> None:
        self._connection = connection

    async def jobs(self) -> tuple[tuple[Operation, ...], TrainerStatus]:
        """All training jobs, newest first, and what the trainer can do."""
        trainer = self._connection().trainer
        jobs, status = await asyncio.gather(trainer.operations.list(KIND), trainer.status())
        return tuple(jobs), status

    async def progress(self, job: str, known: TrainingProgress) -> AsyncIterator[TrainingProgress]:
        """Snapshots of a job from the last known event on, until it is finished; the last one is always given.

        Raises:
            ServiceUnavailable: the trainer stayed away too long.
        """
        events = aiter(self._connection().trainer.operations.watch(job, known.number))
        async for snapshot in paced(events, known, _SNAPSHOT_S):
            yield snapshot

    async def cancel(self, job: str) -> Operation:
        """Call a job off, at its next safe point."""
        return await self._connection().trainer.operations.cancel(job)

    async def choices(self) -> TrainingChoices:
        """What a training can be made of."""
        connection = self._connection()
        datasets, networks, models = await asyncio.gather(
            connection.ingest.datasets(), connection.trainer.networks(), connection.registry.models()
        )
        newest = await asyncio.gather(*(self._newest(dataset) for dataset in datasets))
        pairs = zip(datasets, newest, strict=True)
        labelled = [(one, snapshot) for one, snapshot in pairs if one.label_groups or numbers_of(snapshot)]
        return TrainingChoices(tuple(labelled), tuple(networks), tuple(models))

    async def _newest(self, dataset: Dataset) -> Snapshot | None:
        found = await self._connection().ingest.snapshots(dataset.name)
        return found[0] if found else None

    async def start(self, name: str, spec: TrainingSpec) -> Operation:
        """Start a job.

        Raises:
            PrecordiaError: it cannot be carried out; the message says why.
        """
        return await self._connection().trainer.train(name, spec)


def numbers_of(snapshot: Snapshot | None) -> tuple[NumericFacts, ...]:
    """The numeric targets of a snapshot; none where it does not say."""
    return snapshot.facts[0].numeric if snapshot and snapshot.facts else ()


async def paced(
    events: AsyncIterator[OperationEvent], known: TrainingProgress, pause_s: float
) -> AsyncIterator[TrainingProgress]:
    """Events folded into snapshots, with a pause after each in which further events are only folded."""
    clock = asyncio.get_running_loop().time
    progress, given, due = known, known, clock()
    upcoming: asyncio.Future[OperationEvent] = asyncio.ensure_future(anext(events))
    try:
        while True:
            wait_s = None if progress is given else max(0.0, due - clock())
            done, _ = await asyncio.wait({upcoming}, timeout=wait_s)
            if done:
                try:
                    progress = progress.after(upcoming.result())
                except StopAsyncIteration:
                    break
                upcoming = asyncio.ensure_future(anext(events))
            if progress is not given and clock() >= due:
                yield progress
                given, due = progress, clock() + pause_s
        if progress is not given:
            yield progress
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)
