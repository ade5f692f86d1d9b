"""`precordia export`: recordings out, as files."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import forms, options
from cli.output import Output
from cli.running import error_form, explain, run_connected
from precordia.client import Connection, ExportedFile
from precordia.errors import PrecordiaError, ServiceUnavailable

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


class View(StrEnum):
    """What of a recording is written."""

    RAW = "raw"
    FILTERED = "filtered"


class Format(StrEnum):
    """What it is written as."""

    NPZ = "npz"
    CSV = "csv"
    JSON = "json"
    WFDB = "wfdb"
    EDF = "edf"
    DICOM = "dicom"
    FHIR = "fhir"


@app.command()
def export(
    recordings: Annotated[list[str], typer.Argument(metavar="REC...", help="Recording ids.")],
    file_format: Annotated[Format, typer.Option("--format", help="What to write.")],
    to: Annotated[
        str, typer.Option("-o", "--output", metavar="PATH", help="A file where one is written, else a folder.")
    ],
    view: Annotated[
        View, typer.Option("--view", help="`filtered` is the diagnostic band, 0.05 to 150 Hz, zero-phase.")
    ] = View.RAW,
    rate: Annotated[float | None, typer.Option("--rate", metavar="HZ", help="Resample to this rate.")] = None,
    deidentify: Annotated[
        bool, typer.Option("--deidentify", help="Another pseudonym, moved dates, no free text, neutral file names.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Write recordings to files.

    Integers stay the source's own in json, wfdb, edf, dicom and fhir. `npz` holds x, float32 (leads, samples) in mV,
    NaN where missing; rate_hz; leads. `csv` holds the same as a table. `wfdb` is two files and goes into a folder.

    Examples: `precordia export rec-1 --format npz -o ecg.npz` · `precordia export rec-1 rec-2 --format wfdb -o folder/`
    """
    if len(recordings) > 1 and Path(to).is_file():
        raise typer.BadParameter("Several recordings need a folder.", param_hint="--output")

    async def work(precordia: Connection, output: Output) -> bool:
        exported: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        with output.progress("Exporting", len(recordings)) as step:
            for number, recording in enumerate(recordings, 1):
                try:
                    stream = precordia.ingest.export([recording], file_format.value, view.value, rate, deidentify)
                    files = [file async for file in stream]
                    paths = _paths(files, to, alone=len(recordings) == 1)
                    exported += [_written(recording, file, path) for file, path in zip(files, paths, strict=True)]
                    _say(output, recording, files)
                except ServiceUnavailable:
                    raise
                except PrecordiaError as error:
                    output.refuse(f"{recording}: {explain(error)}")
                    refused.append({"recording": recording, **error_form(error)})
                step(number, len(recordings))
        rows = [(one["recording"], one["path"], one["bytes"]) for one in exported]
        output.table("files", ("recording", "file", "#bytes"), rows)
        output.document({"exported": exported, "refused": refused})
        return not refused

    run_connected(work, as_json=as_json)


def _paths(files: list[ExportedFile], to: str, *, alone: bool) -> list[Path]:
    """Where each file of a recording goes: under the name given, or into the folder given.

    Raises:
        typer.BadParameter: several files, which name each other, under one name.
    """
    path = Path(to)
    if alone and len(files) == 1 and not path.is_dir() and not to.endswith(("/", os.sep)):
        return [path]
    if path.suffix and not path.is_dir() and not to.endswith(("/", os.sep)):
        raise typer.BadParameter(f"{len(files)} files need a folder; end it with a slash.", param_hint="--output")
    return [path / Path(file.name).name for file in files]


def _say(output: Output, recording: str, files: list[ExportedFile]) -> None:
    """What the files could not hold, or no longer hold, each thing once."""
    for message, leads in _by_message(files).items():
        output.say(f"{recording}: {message}{f' ({leads})' if leads else ''}", "yellow")


def _by_message(files: list[ExportedFile]) -> dict[str, str]:
    leads: dict[str, list[str]] = {}
    for remark in (remark for file in files for remark in file.remarks):
        leads.setdefault(remark.message, []).append(remark.lead)
    return {message: ", ".join(filter(None, names)) for message, names in leads.items()}


def _written(recording: str, file: ExportedFile, path: Path) -> dict[str, Any]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
        unfinished.write_bytes(file.content)
        unfinished.replace(path)
    except OSError as error:
        raise typer.BadParameter(f"It cannot be written: {error.strerror}.", param_hint="--output") from None
    return {
        "recording": recording,
        "path": str(path),
        "bytes": len(file.content),
        "warnings": forms.remarks_form(file.remarks),
    }
