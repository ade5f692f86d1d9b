"""`precordia recordings`: what is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import forms, options
from cli.output import Output
from cli.running import run_connected
from precordia.client import Connection

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@app.command()
def recordings(
    dataset: Annotated[str, typer.Option("--dataset", metavar="NAME", help="Only those of this dataset.")] = "",
    as_json: options.Json = False,
) -> None:
    """List the recordings that are kept.

    Examples: `precordia recordings` · `precordia recordings --dataset study --json`
    """

    async def work(precordia: Connection, output: Output) -> bool:
        found = [recording async for recording in precordia.ingest.recordings(dataset)]
        rows = [
            (
                one.recording_id,
                one.source_name,
                one.source_record,
                one.format,
                len(one.leads),
                f"{one.sample_rate_hz:g}",
                one.samples,
                " ".join(one.labels),
            )
            for one in found
        ]
        output.table(
            "recordings", ("recording", "source", "record", "format", "#leads", "#Hz", "#samples", "labels"), rows
        )
        output.document({"recordings": [forms.recording_form(one) for one in found]})
        return True

    run_connected(work, as_json=as_json)
