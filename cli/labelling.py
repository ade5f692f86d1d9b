"""Label tables, attached to datasets."""

from __future__ import annotations

from pathlib import Path

from cli.output import Output
from precordia.client import Connection
from precordia.dataset import LabelImport, LabelScheme
from precordia.errors import UnreadableFile


async def attach_labels(
    precordia: Connection,
    dataset: str,
    table: Path,
    scheme: LabelScheme = LabelScheme.AUTO,
    id_column: str = "",
    patient_column: str = "",
    fold_column: str = "",
) -> LabelImport:
    """Send a label table to a dataset.

    Raises:
        UnreadableFile: the file cannot be opened.
        InvalidLabels, DatasetNotFound: the service refused it.
    """
    try:
        content = table.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"The label table cannot be read: {error.strerror}.", format="csv") from None
    return await precordia.ingest.import_labels(
        dataset, table.name, content, scheme, id_column, patient_column, fold_column
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
    for remark in outcome.remarks:
        output.say(remark, "yellow")
