"""`precordia up`: everything, here."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.embedded import Fleet, RunningService, ServiceDied, ports_from
from cli.output import Output
from cli.running import reported
from precordia.home import home_folder

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@app.command()
def up(
    home: Annotated[
        Path | None, typer.Option("--home", metavar="DIR", help="Data folder; else PRECORDIA_HOME.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Leave them running; `precordia down` stops them.")] = False,
    ports: Annotated[
        int | None,
        typer.Option("--ports", metavar="N", min=0, max=65_532, help="First of four ports; 0 = free ones."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Start registry, ingest, inference and trainer here, on one data folder, reachable from this machine only.

    Stays until Ctrl-C, which lets every service finish what it is doing; with `--detach` it leaves them running. A
    service that ends by itself is not restarted in silence: its log is shown and the others are stopped.

    Examples: `precordia up` · `precordia up --home ./data --ports 0 --detach`
    """
    output = Output(as_json)
    folder = (home or home_folder()).expanduser().absolute()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_interrupt)
    with reported(output), Fleet(folder, ports_from(ports), output.say) as fleet:
        try:
            _run(output, folder, fleet, detach=detach)
        except ServiceDied as error:
            output.say(f"The end of the log of {error.details['service']}:\n{error.log}")
            raise


def _run(output: Output, home: Path, fleet: Fleet, *, detach: bool) -> None:
    fleet.start()
    _ready(output, home, fleet.running, detached=detach)
    if detach:
        fleet.let_go()
        return
    try:
        fleet.watch()
    except KeyboardInterrupt:
        output.say("Stopping: every service finishes what it is doing.")


def _as_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _ready(output: Output, home: Path, running: list[RunningService], *, detached: bool) -> None:
    output.table("services", ("service", "address", "#pid"), [(one.service, one.address, one.pid) for one in running])
    output.document({"home": str(home), "services": [vars(one) for one in running]})
    if home != home_folder():
        output.say(f"For other commands: export PRECORDIA_HOME={shlex.quote(str(home))}")
    output.say("Stop them with `precordia down`." if detached else "Ctrl-C stops them.")
