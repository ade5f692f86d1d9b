"""`precordia import`: files in, recordings kept, a verdict for each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.prompt import Confirm

from cli import forms, options
from cli.hint_words import hints_text
from cli.import_report import ImportReport
from cli.importing import find_files, for_each_source, refusals, verdicts_on
from cli.labelling import attach_labels, say_labels
from cli.output import Output
from cli.profiling import ask, save_profile, someone_is_there, with_profile
from cli.running import run_connected
from precordia.client import Connection, SourceFile
from precordia.errors import PrecordiaError
from precordia.record import Hints
from precordia.source import Source
from precordia.stored import ImportPreview

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@dataclass(frozen=True)
class _Wish:
    """What was asked for on the command line."""

    paths: list[str]
    hints: Hints
    dataset: str
    labels: Path | None
    deidentify: bool
    profile: str
    save_profile: str
    report: Path | None


@app.command()
def import_(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders, archives, or patterns.")],
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
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME", help="Saved hints; options given here go before them.")
    ] = "",
    save_as: Annotated[
        str,
        typer.Option("--save-profile", metavar="NAME", help="Keep the hints of this import for further files."),
    ] = "",
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="CSV", dir_okay=False, help="Write a verdict for each file there."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Read ECG files and keep their recordings.

    A header takes its companions along (`.hea` with `.dat` or `.mat`). A unit is never guessed: where a file does not
    say it, the file is refused and the refusal names the option that is missing; on a terminal you are asked for it.
    The same file again is the same recording. ZIP and tar archives are read without being unpacked. An import that was
    broken off goes on when it is run again.

    Examples: `precordia import ecg.dcm` · `precordia import study/ --dataset study --labels labels.csv` ·
    `precordia import raw.csv --rate 500 --unit uV --save-profile cart7` ·
    `precordia import archive.zip --profile cart7 --report verdicts.csv`
    """
    hints = options.hints_from(rate, unit, gain, leads, applied, delimiter, decimal_mark, time_column, variable)
    if labels is not None and not dataset:
        raise typer.BadParameter("Labels belong to a dataset: give --dataset NAME as well.", param_hint="--labels")

    wish = _Wish(paths, hints, dataset, labels, deidentify, profile, save_as, report)

    async def work(precordia: Connection, output: Output) -> bool:
        return await _preview(precordia, output, wish) if preview else await _import(precordia, output, wish)

    run_connected(work, as_json=as_json)


async def _import(precordia: Connection, output: Output, wish: _Wish) -> bool:
    hints = await with_profile(precordia, wish.profile, wish.hints)
    files = find_files(output, wish.paths)
    with ImportReport(output, wish.report) as report:
        await _import_all(precordia, output, report, wish, files, range(len(files)), hints)
        if report.incomplete and someone_is_there(output):
            hints = await _ask_and_import(precordia, output, report, wish, files, hints)
    if wish.save_profile:
        await save_profile(precordia, output, wish.save_profile, hints)
    document = report.document()
    report.show()
    if wish.labels is not None and report.counts["imported"] + report.counts["existing"]:
        outcome = await attach_labels(precordia, wish.dataset, wish.labels)
        document["labels"] = forms.labels_form(outcome)
        say_labels(output, outcome)
    output.document(document)
    return not report.refused


async def _import_all(
    precordia: Connection,
    output: Output,
    report: ImportReport,
    wish: _Wish,
    files: Sequence[SourceFile],
    indices: Sequence[int],
    hints: Hints,
) -> None:
    """Import some of the files; each verdict goes into the report under the file's own index."""
    some = [files[index] for index in indices]
    verdicts = verdicts_on(precordia, output, some, hints, wish.dataset, deidentify=wish.deidentify)
    async with aclosing(verdicts):
        async for verdict in verdicts:
            report.add(replace(verdict, index=indices[verdict.index]))


async def _ask_and_import(
    precordia: Connection,
    output: Output,
    report: ImportReport,
    wish: _Wish,
    files: Sequence[SourceFile],
    hints: Hints,
) -> Hints:
    """Ask what the refused files do not say, and import them with the answers; gives the hints used."""
    lacking = sorted(report.incomplete)
    first = files[lacking[0]]
    preview = await precordia.ingest.preview(await asyncio.to_thread(first.read), hints)
    said = ask(output, str(first.path), len(lacking), preview, hints)
    if said is None:
        return hints
    for index in lacking:
        report.forget(index)
    await _import_all(precordia, output, report, wish, files, lacking, said)
    return said


async def _preview(precordia: Connection, output: Output, wish: _Wish) -> bool:
    hints = await with_profile(precordia, wish.profile, wish.hints)

    async def previewed(source: Source) -> ImportPreview:
        return await precordia.ingest.preview(source, hints)

    answers = await for_each_source(output, "Reading", wish.paths, previewed)
    shown = [(path, answer) for path, answer in answers if not isinstance(answer, PrecordiaError)]
    refused = refusals(answers, output)
    rows = [
        (
            path,
            one.format,
            hints_text(one.proposal),
            ", ".join(one.missing_fields),
            forms.remarks_text(one.remarks),
        )
        for path, one in shown
    ]
    if rows:
        output.table("files", ("source", "format", "would be read with", "still missing", "warnings"), rows)
    output.document({"previews": [forms.preview_form(path, one) for path, one in shown], "refused": list(refused)})
    if wish.save_profile:
        return await _save_proposal(precordia, output, wish.save_profile, [one for _, one in shown]) and not refused
    return not refused


async def _save_proposal(precordia: Connection, output: Output, name: str, previews: Sequence[ImportPreview]) -> bool:
    """Keep what all files would be read with, where they agree and nothing is missing."""
    proposals = {str(one.proposal.to_json()): one.proposal for one in previews}
    lacking = sorted({field for one in previews for field in one.missing_fields})
    if lacking:
        output.refuse(f"No profile is saved: {', '.join(lacking)} must be said first.")
        return False
    if len(proposals) != 1:
        output.refuse("No profile is saved: the files would be read in different ways; name files of one kind.")
        return False
    (proposal,) = proposals.values()
    if someone_is_there(output) and not Confirm.ask("Save this as the profile?", default=True):
        return False
    await save_profile(precordia, output, name, proposal)
    return True
