"""`precordia down`: the end of `up --detach`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.embedded import stop_detached
from cli.output import Output
from precordia.home import home_folder

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@app.command()
def down(
    home: Annotated[
        Path | None, typer.Option("--home", metavar="DIR", help="Data folder; else PRECORDIA_HOME.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Stop the services of a data folder; each finishes what it is doing."""
    output = Output(as_json)
    folder = (home or home_folder()).expanduser().absolute()
    stopped = stop_detached(folder, output.say)
    output.line(f"Stopped: {', '.join(stopped)}." if stopped else "No services run on this home.")
    output.document({"home": str(folder), "stopped": stopped})
