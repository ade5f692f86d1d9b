"""`precordia export`: recordings out, as files."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import options
from cli.output import Output
from cli.running import error_form, explain, run_connected
from precordia.client import Connection, ExportedFile
from precordia.errors import PrecordiaError, ServiceUnavailable

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


class View(StrEnum):
    """What of a recording is written."""

    RAW = "raw"
    FILTERED = "filtered"
    QRS = "qrs"
    FIDUCIALS = "fiducials"
    MEDIAN = "median"
    ALIGNED = "aligned"


@app.command()
def export(
    recordings: Annotated[list[str], typer.Argument(metavar="REC...", help="Recording ids.")],
    file_format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="npz or csv.")],
    to: Annotated[str, typer.Option("-o", "--output", metavar="PATH", help="A file for one recording, else a folder.")],
    view: Annotated[View, typer.Option("--view", help="What of the recording.")] = View.RAW,
    rate: Annotated[float | None, typer.Option("--rate", metavar="HZ", help="Resample to this rate.")] = None,
    as_json: options.Json = False,
) -> None:
    """Write recordings to files.

    `npz` holds x, float32 (leads, samples) in mV, NaN where missing; rate_hz; leads.

    Examples: `precordia export rec-1 --format npz -o ecg.npz` · `precordia export rec-1 rec-2 --format csv -o folder/`
    """
    if len(recordings) > 1 and Path(to).is_file():
        raise typer.BadParameter("Several recordings need a folder.", param_hint="--output")

    async def work(precordia: Connection, output: Output) -> bool:
        exported: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        with output.progress("Exporting", len(recordings)) as step:
            for number, recording in enumerate(recordings, 1):
                try:
                    files = [file async for file in precordia.ingest.export([recording], file_format, view.value, rate)]
                    paths = _paths(recording, files, to, alone=len(recordings) == 1)
                    exported += [_written(recording, file, path) for file, path in zip(files, paths, strict=True)]
                except ServiceUnavailable:
                    raise
                except PrecordiaError as error:
                    output.refuse(f"{recording}: {explain(error)}")
                    refused.append({"recording": recording, **error_form(error)})
                step(number, len(recordings))
        output.table("files", ("recording", "file", "#bytes"), [tuple(one.values()) for one in exported])
        output.document({"exported": exported, "refused": refused})
        return not refused

    run_connected(work, as_json=as_json)


def _paths(recording: str, files: list[ExportedFile], to: str, *, alone: bool) -> list[Path]:
    """Where each file of a recording goes: under the name given, or into the folder given."""
    path = Path(to)
    if path.is_dir() or not alone or to.endswith(("/", os.sep)):
        names = [Path(file.name).name for file in files]
        return [path / (name if alone or name.startswith(recording) else f"{recording}-{name}") for name in names]
    if len(files) == 1:
        return [path]
    return [path.with_suffix(Path(file.name).suffix) for file in files]


def _written(recording: str, file: ExportedFile, path: Path) -> dict[str, Any]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
        unfinished.write_bytes(file.content)
        unfinished.replace(path)
    except OSError as error:
        raise typer.BadParameter(f"It cannot be written: {error.strerror}.", param_hint="--output") from None
    return {"recording": recording, "path": str(path), "bytes": len(file.content)}
