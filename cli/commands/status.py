"""`precordia status`: who answers, and where."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.text import Text

from cli import options
from cli.embedded import SERVICES
from cli.output import Output
from cli.running import run_connected
from precordia.client import Connection
from precordia.errors import PrecordiaError
from precordia.home import home_folder

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)

_STYLES = {"serving": "green", "not_serving": "yellow", "unreachable": "red"}


Named = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SERVICE]...", help="Only these: ingest, inference, trainer, registry.", show_default=False
    ),
]


@app.command()
def status(services: Named = None, as_json: options.Json = False) -> None:
    """Say which services answer, and where. Status 0 only when all that were asked for serve."""
    asked = _checked(services or [])

    async def work(precordia: Connection, output: Output) -> bool:
        states = await asyncio.gather(*(precordia.health(service) for service in asked))
        rows = [(one.service, Text(one.state.replace("_", " "), _STYLES[one.state]), one.address) for one in states]
        output.line(f"precordia {version('precordia')}  home {home_folder()}")
        output.table("services", ("service", "state", "address"), rows)
        training = await _training(precordia) if "trainer" in asked else None
        if training and not training["can_train"]:
            output.say(training["message"], "yellow")
        document: dict[str, Any] = {
            "version": version("precordia"),
            "home": str(home_folder()),
            "services": [vars(one) for one in states],
            "training": training,
        }
        output.document(document)
        if not all(one.serving for one in states):
            output.refuse(_advice([one.service for one in states if not one.serving], len(states)))
            return False
        return True

    run_connected(work, as_json=as_json)


def _advice(away: list[str], asked: int) -> str:
    if len(away) == asked:
        return "No service answers. Start them with `precordia up`."
    return f"No answer from {', '.join(away)}. `precordia down`, then `precordia up`, starts all of them anew."


def _checked(named: list[str]) -> tuple[str, ...]:
    for service in named:
        if service not in SERVICES:
            raise typer.BadParameter(f"'{service}' is none of {', '.join(SERVICES)}.", param_hint="SERVICE")
    return tuple(named) or tuple(SERVICES)


async def _training(precordia: Connection) -> dict[str, Any] | None:
    """What the trainer can do; None where it does not answer."""
    try:
        found = await precordia.trainer.status()
    except PrecordiaError:
        return None
    return dict(vars(found)) | {"devices": list(found.devices)}
