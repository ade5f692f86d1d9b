"""`precordia datasets`: labelled sets of recordings, and the splits that are made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import forms, options
from cli.filtering import parse_filter, say_filter
from cli.labelling import attach_labels, parse_choices, say_labels
from cli.naming import NamedGroup
from cli.output import Output
from cli.running import run_connected
from cli.splitting import parse_rules
from precordia.client import Connection
from precordia.dataset import LabelScheme, Snapshot, SplitRef
from precordia.errors import PrecordiaError
from precordia.quality import Grade
from precordia.record import Sex

app = typer.Typer(cls=NamedGroup, rich_markup_mode="markdown", add_completion=False)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The dataset.")]


@app.callback()
def datasets() -> None:
    """List datasets, or show one: `precordia datasets`, `precordia datasets NAME`.

    A dataset comes to be with `precordia import ... --dataset NAME`.
    """


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="The dataset; none = all.")] = "",
    as_json: options.Json = False,
) -> None:
    """List all datasets, or show one with its labels and snapshots."""

    async def work(precordia: Connection, output: Output) -> bool:
        if name:
            return await _show(precordia, output, name)
        found = await precordia.ingest.datasets()
        rows = [(one.name, one.records, one.labelled, one.patients, len(one.label_groups)) for one in found]
        output.table("datasets", ("dataset", "#records", "#labelled", "#patients", "#label groups"), rows)
        output.document({"datasets": [forms.dataset_form(one) for one in found]})
        return True

    run_connected(work, as_json=as_json)


async def _show(precordia: Connection, output: Output, name: str) -> bool:
    found = await precordia.ingest.get_dataset(name)
    snapshots = await precordia.ingest.snapshots(name)
    output.line(found.name, "bold")
    output.line(f"{found.records} records, {found.labelled} labelled, {found.patients} patients")
    if found.folds:
        output.line(f"folds {', '.join(found.folds)}")
    for group in found.label_groups:
        output.line()
        output.table("labels", (group.name or "label", "#records"), list(group.labels))
    output.line()
    for snapshot in snapshots:
        _snapshot_table(output, snapshot)
    document = forms.dataset_form(found) | {"snapshots": [forms.snapshot_form(one) for one in snapshots]}
    output.document({"datasets": [document]})
    return True


def _snapshot_table(output: Output, snapshot: Snapshot) -> None:
    made = snapshot.created_at.strftime("%Y-%m-%d %H:%M") if snapshot.created_at else ""
    output.line(f"snapshot {snapshot.snapshot_id}  {made}  digest {snapshot.digest[:12]}")
    rows = [(split.name, split.records, split.patients) for split in snapshot.splits]
    output.table("splits", ("split", "#records", "#patients"), rows)
    say_filter(output, snapshot)


@app.command()
def labels(
    name: Name,
    table: Annotated[
        Path | None,
        typer.Argument(metavar="[LABELS.csv]", exists=True, dir_okay=False, help="None with --scheme challenge."),
    ] = None,
    scheme: Annotated[LabelScheme, typer.Option("--scheme", help="Layout of the table.")] = LabelScheme.AUTO,
    id_column: Annotated[str, typer.Option("--id-column", help="Column that names the record.")] = "",
    patient_column: Annotated[str, typer.Option("--patient-column", help="Column that names the patient.")] = "",
    fold_column: Annotated[str, typer.Option("--fold-column", help="Column that holds the fold.")] = "",
    targets: Annotated[
        str, typer.Option("--targets", metavar="COLUMNS", help="Numeric targets, as in age,LVEF,QTc.")
    ] = "",
    statements: Annotated[
        Path | None,
        typer.Option("--statements", exists=True, dir_okay=False, help="PTB-XL's scp_statements.csv; else 1.0.3's."),
    ] = None,
    minimum_likelihood: Annotated[
        float, typer.Option("--min-likelihood", min=0, max=100, help="PTB-XL: leave out what is stated with less.")
    ] = 0.0,
    mapping: Annotated[
        str,
        typer.Option("--map", metavar="NAME|CSV", help="Add a group: snomed, challenge, table1, table2, or a table."),
    ] = "",
    as_json: options.Json = False,
) -> None:
    """Attach a label table to a dataset.

    `exchangeai`: file_name,label,ICD-10, several rows a file are several labels. `table`: one row a record, one-hot
    columns "group:label", optional patient and fold columns. `ptbxl`: ptbxl_database.csv. `challenge`: codes of #Dx,
    from the recordings' own headers where no table is given. Rows, recordings and labels that do not match are said.

    Examples: `precordia datasets labels study labels.csv --targets LVEF` ·
    `precordia datasets labels ptbxl ptbxl_database.csv --map table1`
    """
    if table is None and scheme is not LabelScheme.CHALLENGE:
        raise typer.BadParameter("Name a table; only --scheme challenge does without.", param_hint="LABELS.csv")

    async def work(precordia: Connection, output: Output) -> bool:
        choices = parse_choices(targets, statements, minimum_likelihood, mapping)
        outcome = await attach_labels(precordia, name, table, scheme, id_column, patient_column, fold_column, choices)
        say_labels(output, outcome)
        output.document({"labels": forms.labels_form(outcome)})
        return True

    run_connected(work, as_json=as_json)


@app.command()
def snapshot(
    name: Name,
    splits: Annotated[
        list[str] | None,
        typer.Option("--split", metavar="NAME=RULE", help="RULE is folds (1-6 or 1,3) or a share of patients (80%)."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="For shares of patients.")] = 0,
    ages: Annotated[str, typer.Option("--age", metavar="18-65", help="Only these ages, in years.")] = "",
    sex: Annotated[Sex | None, typer.Option("--sex", help="Only this sex.")] = None,
    quality: Annotated[Grade | None, typer.Option("--quality", help="Only signals of this grade or better.")] = None,
    with_labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="[GROUP:]LABEL", help="Only records with one of these.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="[GROUP:]LABEL", help="Only records with none of these.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Freeze a dataset as it is now, with named splits. Patients are never shared between splits.

    A record whose age, sex or quality is asked for and not known is left out, and counted.

    Examples: `precordia datasets snapshot study --split train=1-6 --split test=7` ·
    `precordia datasets snapshot study --split train=80% --split test=20% --seed 1 --age 18- --quality usable`
    """
    rules = parse_rules(splits or [])
    only = parse_filter(ages, sex, quality, with_labels or [], without or [])

    async def work(precordia: Connection, output: Output) -> bool:
        made = await precordia.ingest.create_snapshot(name, rules, seed, only=only)
        _snapshot_table(output, made)
        output.document({"snapshot": forms.snapshot_form(made)})
        return True

    run_connected(work, as_json=as_json)


@app.command()
def export(
    split: Annotated[str, typer.Argument(metavar="NAME[:SPLIT]", help="A dataset, or a split of its newest snapshot.")],
    to: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", file_okay=False, help="Where to.")],
    rate: Annotated[float | None, typer.Option("--rate", metavar="HZ", help="Resample to this rate.")] = None,
    as_json: options.Json = False,
) -> None:
    """Write a frozen split as one NPZ of arrays and a table of its labels. A dataset never frozen is frozen first.

    The NPZ holds x, float32 (records, leads, samples), NaN where a record is shorter or has no such lead; leads,
    rate_hz, unit, samples; recording_ids, patients, folds, ages, sexes; for each label group y_GROUP (1, 0, 255 = not
    known) and labels_GROUP.

    Example: `precordia datasets export study:train -o arrays/`
    """
    try:
        ref = SplitRef.parse(split)
    except PrecordiaError as error:
        raise typer.BadParameter(error.message, param_hint="NAME[:SPLIT]") from None

    async def work(precordia: Connection, output: Output) -> bool:
        try:
            paths = await precordia.ingest.export_dataset(ref, to, sample_rate_hz=rate)
        except OSError as error:
            raise typer.BadParameter(f"It cannot be written: {error.strerror}.", param_hint="--output") from None
        written = [{"path": str(path), "bytes": path.stat().st_size} for path in paths]
        output.table("files", ("file", "#bytes"), [tuple(one.values()) for one in written])
        output.document({"exported": written})
        return True

    run_connected(work, as_json=as_json)


@app.command()
def union(
    name: Annotated[str, typer.Argument(metavar="NEW", help="The dataset to be made.")],
    sources: Annotated[list[str], typer.Argument(metavar="DATASET...", help="Two datasets or more.")],
    as_json: options.Json = False,
) -> None:
    """Make a dataset of all records of others, with their labels, patients and folds.

    A label group that only some of them have stays unknown for the records of the others.

    Example: `precordia datasets union all ptbxl challenge`
    """

    async def work(precordia: Connection, output: Output) -> bool:
        made = await precordia.ingest.union_datasets(name, sources)
        output.line(f"{made.name}: {made.records} records, {made.labelled} labelled, {made.patients} patients")
        output.document({"datasets": [forms.dataset_form(made)]})
        return True

    run_connected(work, as_json=as_json)


@app.command()
def delete(name: Name, as_json: options.Json = False) -> None:
    """Remove a dataset and its labels. Recordings and frozen snapshots stay."""

    async def work(precordia: Connection, output: Output) -> bool:
        await precordia.ingest.delete_dataset(name)
        output.line(f"{name} is removed; its recordings stay.")
        output.document({"deleted": {"dataset": name}})
        return True

    run_connected(work, as_json=as_json)
