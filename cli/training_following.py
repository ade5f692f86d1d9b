"""A training job, followed: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from cli.following import detachable, narrate
from cli.output import Output
from cli.training_view import TrainingView
from precordia.client import OperationsClient
from precordia.errors import PrecordiaError, ServiceUnavailable
from precordia.operation import Operation, OperationState
from precordia.training_progress import KIND, TrainingFacts, places_in_queue, waiting_words, with_place

_LOOK_S = 2.0
"""How often the trainer is asked whether it is there, and while the job waits, for its place in the queue."""


async def follow_training(client: OperationsClient, operation: Operation, output: Output) -> Operation:
    """Show a job until it is finished. A trainer that goes away and comes back is followed from the last event on."""
    job = operation.operation_id
    async with detachable(output, job):
        if output.watched:
            await _watch(client, operation, output)
        else:
            await _tell(client, operation, output)
    return await client.get(job)


async def _watch(client: OperationsClient, operation: Operation, output: Output) -> None:
    view = TrainingView(operation.operation_id, TrainingFacts.of(operation))
    with output.live(view.render):
        async with _looking_after(client, view):
            async for event in client.watch(operation.operation_id):
                view.away = False
                view.progress = view.progress.after(event)
                if event.kind == "log":
                    narrate(event, output)


@asynccontextmanager
async def _looking_after(client: OperationsClient, view: TrainingView) -> AsyncIterator[None]:
    """Keeps the view told of what no event says: the place in the queue, and a trainer that is away."""
    looking = asyncio.create_task(_look(client, view))
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


async def _look(client: OperationsClient, view: TrainingView) -> None:
    while not view.progress.state.finished:
        try:
            jobs = tuple(await client.list(KIND))
            place = places_in_queue(jobs).get(view.job, 0)
            view.progress, view.away = with_place(view.progress, place), False
        except ServiceUnavailable:
            view.away = True
        except PrecordiaError:
            pass  # the events say what matters
        await asyncio.sleep(_LOOK_S)


async def _tell(client: OperationsClient, operation: Operation, output: Output) -> None:
    if operation.state is OperationState.PENDING:
        place = places_in_queue(tuple(await client.list(KIND))).get(operation.operation_id, 0)
        output.say(f"{waiting_words(place).capitalize()}.")
    async for event in client.watch(operation.operation_id):
        narrate(event, output)
