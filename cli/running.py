"""How a command runs: connected, with errors as one line that says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import typer

from cli.output import Output
from precordia.client import Connection, connect
from precordia.errors import PrecordiaError, ServiceUnavailable

Work = Callable[[Connection, Output], Awaitable[bool]]
"""A command's work. False = something was refused, and the document says what."""

REFUSED = 1
INTERRUPTED = 130


def run_connected(work: Work, *, as_json: bool) -> None:
    """Run a command's work against the services.

    Raises:
        typer.Exit: 1 where something was refused; 130 where the user broke off.
    """
    output = Output(as_json)

    async def connected() -> bool:
        async with connect() as precordia:
            return await work(precordia, output)

    with reported(output):
        if not asyncio.run(connected()):
            raise typer.Exit(REFUSED)


class reported:  # noqa: N801 - used as a statement, like the context managers of contextlib
    """Turns our errors into one line on stderr (and a document), and leaves with status 1."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PrecordiaError):
            self._output.refuse(explain(error))
            self._output.document({"error": error_form(error)})
            raise typer.Exit(REFUSED) from None
        if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
            self._output.say("Broken off.")
            raise typer.Exit(INTERRUPTED) from None


def explain(error: PrecordiaError) -> str:
    """What went wrong and what to do, on one line."""
    text = " ".join(error.message.split())
    if isinstance(error, ServiceUnavailable):
        return f"{text.removesuffix('; is it running?').rstrip('.')}. Start the services with `precordia up`."
    request_id = error.details.get("request_id")
    return f"{text} ({request_id})" if request_id else text


def error_form(error: PrecordiaError) -> dict[str, str]:
    """An error in a document: reason, message, and the field concerned where there is one."""
    form = {"reason": error.reason, "message": explain(error)}
    return form | {"field": error.field} if error.field else form
