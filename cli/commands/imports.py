"""`precordia import`: files in, recordings kept, a verdict for each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import forms, options
from cli.importing import Imported, for_each_source, import_files, refusals
from cli.labelling import attach_labels, say_labels
from cli.output import Output
from cli.running import run_connected
from precordia.client import Connection
from precordia.errors import PrecordiaError
from precordia.record import Hints
from precordia.source import Source
from precordia.stored import ImportPreview

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@app.command()
def import_(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders, or patterns.")],
    rate: options.Rate = None,
    unit: options.UnitOption = None,
    gain: options.Gain = None,
    leads: options.Leads = None,
    applied: options.Applied = None,
    delimiter: options.Delimiter = "",
    decimal_mark: options.DecimalMark = "",
    time_column: options.TimeColumn = None,
    variable: options.Variable = "",
    dataset: Annotated[str, typer.Option("--dataset", metavar="NAME", help="Put them into this dataset, too.")] = "",
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="CSV", exists=True, dir_okay=False, help="Label table of the dataset."),
    ] = None,
    deidentify: Annotated[
        bool,
        typer.Option("--deidentify", help="Keep nothing that identifies the patient; the warnings say what went."),
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Keep nothing: say how each file would be read.")] = False,
    as_json: options.Json = False,
) -> None:
    """Read ECG files and keep their recordings.

    A header takes its companions along (`.hea` with `.dat` or `.mat`). A unit is never guessed: where a file does not
    say it, the file is refused and the refusal names the option that is missing. The same file again is the same
    recording.

    Examples: `precordia import ecg.dcm` · `precordia import study/ --dataset study --labels labels.csv` ·
    `precordia import raw.csv --rate 500 --unit uV`
    """
    hints = options.hints_from(rate, unit, gain, leads, applied, delimiter, decimal_mark, time_column, variable)
    if labels is not None and not dataset:
        raise typer.BadParameter("Labels belong to a dataset: give --dataset NAME as well.", param_hint="--labels")

    async def work(precordia: Connection, output: Output) -> bool:
        if preview:
            return await _preview(precordia, output, paths, hints)
        return await _import(precordia, output, paths, hints, dataset, labels, deidentify=deidentify)

    run_connected(work, as_json=as_json)


async def _import(
    precordia: Connection,
    output: Output,
    paths: list[str],
    hints: Hints,
    dataset: str,
    labels: Path | None,
    *,
    deidentify: bool = False,
) -> bool:
    verdicts = await import_files(precordia, output, paths, hints, dataset, deidentify=deidentify)
    document: dict[str, Any] = {
        "imported": [forms.imported_form(one.source, one.recording, one.created) for one in verdicts.imported],
        "refused": list(verdicts.refused),
    }
    if verdicts.imported:
        _table(output, verdicts.imported)
    if labels is not None and verdicts.imported:
        outcome = await attach_labels(precordia, dataset, labels)
        document["labels"] = forms.labels_form(outcome)
        say_labels(output, outcome)
    output.document(document)
    return not verdicts.refused


def _table(output: Output, imported: tuple[Imported, ...]) -> None:
    rows = [
        (
            one.recording.recording_id,
            one.source,
            one.recording.format,
            len(one.recording.leads),
            f"{one.recording.sample_rate_hz:g}",
            one.recording.samples,
            "" if one.created else "was there",
            forms.remarks_text(one.recording.remarks),
        )
        for one in imported
    ]
    output.table("recordings", ("recording", "source", "format", "#leads", "#Hz", "#samples", "", "warnings"), rows)


async def _preview(precordia: Connection, output: Output, paths: list[str], hints: Hints) -> bool:
    async def previewed(source: Source) -> ImportPreview:
        return await precordia.ingest.preview(source, hints)

    answers = await for_each_source(output, "Reading", paths, previewed)
    shown = [(path, answer) for path, answer in answers if not isinstance(answer, PrecordiaError)]
    refused = refusals(answers, output)
    rows = [
        (
            path,
            one.format,
            ", ".join(f"{name} {value}" for name, value in one.proposal.to_json().items()),
            ", ".join(one.missing_fields),
            forms.remarks_text(one.remarks),
        )
        for path, one in shown
    ]
    if rows:
        output.table("files", ("source", "format", "would be read with", "still missing", "warnings"), rows)
    output.document({"previews": [forms.preview_form(path, one) for path, one in shown], "refused": list(refused)})
    return not refused
