"""`precordia jobs`: long work of all services."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli import forms, options
from cli.following import find_operation, follow
from cli.output import Output
from cli.running import explain, run_connected
from cli.training_following import follow_training
from cli.training_summary import say_summary
from precordia.client import Connection
from precordia.errors import ServiceUnavailable
from precordia.operation import Operation, OperationState
from precordia.training_progress import KIND, duration_words, places_in_queue

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)

_EARLIEST = datetime.min.replace(tzinfo=UTC)


@app.command()
def jobs(
    job: Annotated[str, typer.Argument(metavar="[JOB]", help="A job's id; none = all.")] = "",
    follow_it: Annotated[bool, typer.Option("--follow", help="Show its events until it is finished.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Call it off, at its next safe point.")] = False,
    kind: Annotated[str, typer.Option("--kind", help="Only of this kind: import, train, evaluate, ...")] = "",
    as_json: options.Json = False,
) -> None:
    """List long work (imports, training, evaluations, dataset predictions), follow it, or call it off.

    Examples: `precordia jobs` · `precordia jobs JOB --follow` · `precordia jobs JOB --cancel`
    """
    if (follow_it or cancel) and not job:
        raise typer.BadParameter("Name the JOB to follow or to cancel.")

    async def work(precordia: Connection, output: Output) -> bool:
        if not job:
            return await _list(precordia, output, kind)
        service, client, found = await find_operation(precordia, job)
        if cancel:
            found = await client.cancel(job)
            if not found.state.finished:
                output.say("Called off; it ends at its next safe point.")
        if follow_it:
            watching = follow_training if found.kind == KIND else follow
            found = await watching(client, found, output)
            if found.kind == KIND:
                await say_summary(precordia, output, found)
        if not (follow_it and found.kind == KIND):
            _table(output, [(service, found)])
        if found.error_message:
            output.refuse(found.error_message)
        output.document({"jobs": [forms.job_form(found, service)]})
        return not (follow_it and found.state is OperationState.FAILED)

    run_connected(work, as_json=as_json)


async def _list(precordia: Connection, output: Output, kind: str) -> bool:
    found: list[tuple[str, Operation]] = []
    away: list[ServiceUnavailable] = []
    clients = precordia.operations()
    for service, client in clients.items():
        try:
            found += [(service, operation) for operation in await client.list(kind)]
        except ServiceUnavailable as error:
            away.append(error)
    if len(away) == len(clients):
        raise away[0]
    for unreachable in away:
        output.refuse(explain(unreachable))
    found.sort(key=lambda one: one[1].created_at or _EARLIEST, reverse=True)
    _table(output, found)
    output.document({"jobs": [forms.job_form(operation, service) for service, operation in found]})
    return not away


def _table(output: Output, found: list[tuple[str, Operation]]) -> None:
    places = places_in_queue(tuple(one for _, one in found if one.kind == KIND))
    now = datetime.now(UTC)
    rows = [
        (one.operation_id, one.kind, subject(one), one.state.value, _progress(one, places), _age(one, now))
        for _, one in found
    ]
    output.table("jobs", ("job", "kind", "of", "state", "#progress", "#age"), rows)


def subject(operation: Operation) -> str:
    """What the work is on or makes: the model of a training, the dataset of an import."""
    request = operation.request
    return next((str(request[name]) for name in ("name", "model", "dataset") if request.get(name)), "")


def _progress(operation: Operation, places: dict[str, int]) -> str:
    if operation.operation_id in places:
        return f"place {places[operation.operation_id]}"
    unit = " epochs" if operation.kind == KIND else ""
    return f"{operation.done}/{operation.total}{unit}" if operation.total else ""


def _age(operation: Operation, now: datetime) -> str:
    if operation.created_at is None:
        return ""
    return duration_words(max(0.0, (now - operation.created_at).total_seconds()))
