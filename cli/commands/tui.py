"""`precordia tui`: the terminal user interface."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@app.command()
def tui(recording: Annotated[str, typer.Argument(metavar="[REC]", help="Open on this recording.")] = "") -> None:
    """Open the terminal user interface: recordings, 12 leads with grid, predictions."""
    from tui.app import run  # textual is loaded for those who want it

    run(recording)
