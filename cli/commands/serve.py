"""`precordia serve`: one service, in this very process."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.embedded import service_environment
from precordia.client.addresses import PORTS
from precordia.home import home_folder

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


class Service(StrEnum):
    """The four services."""

    INGEST = "ingest"
    INFERENCE = "inference"
    TRAINER = "trainer"
    REGISTRY = "registry"


@app.command()
def serve(
    service: Annotated[Service, typer.Argument(help="Which one.")],
    home: Annotated[
        Path | None, typer.Option("--home", metavar="DIR", help="Data folder; else PRECORDIA_HOME.")
    ] = None,
) -> None:
    """Run one service in the foreground, with its settings from the environment (`PRECORDIA_<SERVICE>_<SETTING>`).

    It finds the others by PRECORDIA_INGEST, PRECORDIA_REGISTRY and so on, host:port.

    Example: `PRECORDIA_INFERENCE_LISTEN=127.0.0.1:6000 precordia serve inference`
    """
    name = service.value
    environment = service_environment(name, (home or home_folder()).absolute(), PORTS[name])
    os.execve(sys.executable, [sys.executable, "-m", f"services.{name}"], environment)  # noqa: S606 - no shell wanted
