"""`precordia show`: one recording."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import forms, options
from cli.output import Output
from cli.running import run_connected
from precordia.client import Connection
from precordia.stored import StoredRecording

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@app.command()
def show(
    recording: Annotated[str, typer.Argument(metavar="REC", help="A recording's id.")], as_json: options.Json = False
) -> None:
    """Show everything known about one recording: channels, patient facts, warnings, where it came from.

    `precordia tui REC` shows its signal.
    """

    async def work(precordia: Connection, output: Output) -> bool:
        found = await precordia.ingest.get_recording(recording)
        _facts(output, found)
        output.document(forms.full_recording_form(found))
        return True

    run_connected(work, as_json=as_json)


def _facts(output: Output, found: StoredRecording) -> None:
    form = forms.full_recording_form(found)
    for name in ("recording", "source", "record", "format", "unit", "acquired_at", "age_years", "sex", "sha256"):
        if form[name] not in (None, ""):
            output.line(f"{name:<12} {form[name]}")
    applied = ", ".join(step.name for step in found.applied)
    grade = found.quality.grade.value if found.quality else ""
    for name, text in (
        ("quality", grade),
        ("labels", ", ".join(found.labels)),
        ("applied", applied),
        ("read by", _reader(found)),
    ):
        if text:
            output.line(f"{name:<12} {text}")
    rows = [
        (
            channel.label,
            channel.unit,
            f"{channel.sample_rate_hz:g}",
            channel.samples,
            channel.dtype,
            f"{channel.missing_fraction:.1%}",
            "derived" if channel.derived else "",
        )
        for channel in found.channels
    ]
    output.line()
    output.table("channels", ("channel", "unit", "#Hz", "#samples", "type", "#missing", ""), rows)
    for remark in found.remarks:
        output.line(f"! {remark.lead + ': ' if remark.lead else ''}{remark.message}", "yellow")


def _reader(found: StoredRecording) -> str:
    return f"{found.reader} {found.reader_version}".strip()
