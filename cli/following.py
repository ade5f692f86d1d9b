"""Long work, followed: a bar or a line an epoch on stderr, the finished operation at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import typer

from cli.output import Output, Step
from cli.running import INTERRUPTED
from precordia.client import Connection, OperationsClient
from precordia.errors import OperationNotFound, ServiceUnavailable
from precordia.operation import Operation, OperationEvent, result_of
from precordia.training_progress import FIGURES


async def follow(client: OperationsClient, operation: Operation, output: Output, what: str = "") -> Operation:
    """Narrate the events of an operation until it is finished. Who breaks off leaves the work going on, and is told."""
    async with detachable(output, operation.operation_id):
        with output.progress(what or operation.kind, operation.total) as step:
            async for event in client.watch(operation.operation_id):
                narrate(event, output, step)
    return await client.get(operation.operation_id)


@asynccontextmanager
async def detachable(output: Output, job: str) -> AsyncIterator[None]:
    """Ctrl+C inside leaves the work going on, and says how to come back to it.

    Raises:
        typer.Exit: the user left, with the status of an interrupt.
    """
    try:
        yield
    except asyncio.CancelledError:
        output.say("The work goes on.", "")
        output.say(f"  precordia jobs {job} --follow    come back to it", "")
        output.say(f"  precordia jobs {job} --cancel    call it off", "")
        raise typer.Exit(INTERRUPTED) from None


async def succeeded(client: OperationsClient, operation: Operation, output: Output, what: str = "") -> Operation:
    """Follow an operation that must succeed.

    Raises:
        PrecordiaError: it failed or was cancelled; the class is the one that the service named.
    """
    finished = await follow(client, operation, output, what)
    result_of(finished)
    return finished


def _no_bar(done: int, total: int) -> None:
    """Where there is none."""


def narrate(event: OperationEvent, output: Output, step: Step = _no_bar) -> None:
    """An event as a line, or as a step of a bar."""
    payload = event.payload
    if event.kind == "progress":
        step(int(payload.get("done") or 0), int(payload.get("total") or 0))
    elif event.kind == "epoch":
        output.say(epoch_line(payload))
    elif event.kind == "log":
        output.say(str(payload.get("message", "")))
    elif event.kind == "verdict" and payload.get("status") == "refused":
        output.refuse(f"{payload.get('source', '')}: {payload.get('message', '')}")
    elif event.kind in ("published", "checkpoint"):
        output.say(f"{event.kind} {_facts(payload)}")
    elif event.kind == "state" and int(payload.get("attempt") or 1) > 1:
        output.say(f"{payload.get('state', '')}, attempt {payload['attempt']}", "yellow")


def _facts(payload: Mapping[str, Any]) -> str:
    return "  ".join(
        f"{name} {_short(value)}" for name, value in payload.items() if isinstance(value, str | int | float)
    )


def epoch_line(payload: Mapping[str, Any]) -> str:
    """An epoch event on one line: its number first, then its numbers by name."""
    numbers = {name: value for name, value in payload.items() if name not in ("epoch", "epochs")}
    flat = {
        name: value
        for outer, inner in numbers.items()
        for name, value in (inner.items() if isinstance(inner, Mapping) else [(outer, inner)])
    }
    known = [figure.name for figure in FIGURES if figure.name in flat]  # the order of the live view, too
    named = {name: flat[name] for name in (*known, *flat)}
    shown = "  ".join(f"{name} {_short(value)}" for name, value in named.items() if isinstance(value, int | float))
    of = f"/{payload['epochs']}" if payload.get("epochs") else ""
    return f"epoch {payload.get('epoch', '?')}{of}  {shown}"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


async def find_operation(precordia: Connection, operation_id: str) -> tuple[str, OperationsClient, Operation]:
    """An operation, and the service that has it.

    Raises:
        OperationNotFound: no service that answers has it.
        ServiceUnavailable: none has it, and one could not be asked.
    """
    away: ServiceUnavailable | None = None
    for service, client in precordia.operations().items():
        try:
            return service, client, await client.get(operation_id)
        except OperationNotFound:
            continue
        except ServiceUnavailable as error:
            away = error
    if away is not None:
        raise away
    raise OperationNotFound("No job has this id; `precordia jobs` lists them.")
