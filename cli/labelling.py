"""Label tables, attached to datasets."""

from __future__ import annotations

from pathlib import Path

from cli.output import Output
from precordia.client import Connection
from precordia.dataset import LabelChoices, LabelImport, LabelScheme
from precordia.errors import UnreadableFile

AS_USUAL = LabelChoices()


async def attach_labels(
    precordia: Connection,
    dataset: str,
    table: Path | None,
    scheme: LabelScheme = LabelScheme.AUTO,
    id_column: str = "",
    patient_column: str = "",
    fold_column: str = "",
    choices: LabelChoices = AS_USUAL,
) -> LabelImport:
    """Send a label table to a dataset; none for scheme challenge, where the recordings' own files say it.

    Raises:
        UnreadableFile: the file cannot be opened.
        InvalidLabels, DatasetNotFound: the service refused it.
    """
    return await precordia.ingest.import_labels(
        dataset,
        table.name if table else "",
        read_table(table) if table else b"",
        scheme,
        id_column,
        patient_column,
        fold_column,
        choices=choices,
    )


def read_table(table: Path) -> bytes:
    """A table's bytes.

    Raises:
        UnreadableFile: the file cannot be opened.
    """
    try:
        return table.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"The table cannot be read: {error.strerror}.", format="csv") from None


def parse_choices(targets: str, statements: Path | None, minimum_likelihood: float, mapping: str) -> LabelChoices:
    """How a table is to be taken, as it was typed: a mapping is a file, or a ready one's name.

    Raises:
        UnreadableFile: a file cannot be opened.
    """
    file = Path(mapping) if mapping else None
    from_file = file is not None and file.is_file()
    return LabelChoices(
        targets=tuple(name.strip() for name in targets.split(",") if name.strip()),
        statements=read_table(statements) if statements else b"",
        minimum_likelihood=minimum_likelihood,
        mapping=file.stem if file is not None and from_file else mapping,
        mapping_table=read_table(file) if file is not None and from_file else b"",
    )


def say_labels(output: Output, outcome: LabelImport) -> None:
    """What matched, and what did not, for people."""
    output.line(f"{outcome.matched_records} of {outcome.dataset.records} recordings have labels now.")
    for group in outcome.dataset.label_groups:
        counts = ", ".join(f"{label} {records}" for label, records in group.labels)
        output.line(f"  {group.name or 'labels'}: {counts}")
    if outcome.unmatched_rows:
        output.say(f"{len(outcome.unmatched_rows)} rows name no recording of the dataset.", "yellow")
    if outcome.unlabelled_records:
        output.say(f"{len(outcome.unlabelled_records)} recordings are in no row.", "yellow")
    if outcome.unmapped:
        named = ", ".join(f"{label} {records}" for label, records in outcome.unmapped)
        output.say(f"Without a counterpart in the mapping, kept in their own group: {named}.", "yellow")
    for remark in outcome.remarks:
        output.say(remark, "yellow")
