"""A label table of any scheme, read into rows and mapped where that is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from precordia.dataset import LabelChoices, LabelScheme
from precordia.errors import InvalidLabels
from services.ingest.label_challenge import challenge_labels, is_scored_table, read_challenge
from services.ingest.label_mapping import find_mapping, map_labels
from services.ingest.label_ptbxl import read_ptbxl
from services.ingest.label_table import (
    ColumnNames,
    LabelTable,
    read_cells,
    read_exchangeai,
    read_one_hot,
    recognised,
)

Recordings = Iterable[tuple[str, Sequence[str]]]
"""Id of each recording of a dataset, and the labels that its own file says."""


def read_labels(
    content: bytes,
    scheme: LabelScheme = LabelScheme.AUTO,
    names: ColumnNames | None = None,
    choices: LabelChoices | None = None,
    recordings: Recordings = (),
) -> LabelTable:
    """Read a table, or for scheme challenge what the recordings' own files say.

    Args:
        content: CSV, separated by comma, semicolon or tab; UTF-8. Empty only with scheme challenge.
        scheme: its layout; AUTO recognises it by its columns.
        names: columns that are not called as usual.
        choices: numeric targets, statements, mapping.
        recordings: for scheme challenge without a table of records.

    Raises:
        InvalidLabels: the table cannot be used; the message says what it lacks.
        TooLarge: beyond 64 MiB.
    """
    names, choices = names or ColumnNames(), choices or LabelChoices()
    table = _table(content, scheme, names, choices, recordings)
    if not choices.mapping and not choices.mapping_table:
        return table
    return map_labels(table, find_mapping(choices.mapping, choices.mapping_table))


def _table(
    content: bytes, scheme: LabelScheme, names: ColumnNames, choices: LabelChoices, recordings: Recordings
) -> LabelTable:
    if not content and scheme is LabelScheme.CHALLENGE:
        return _without_targets(challenge_labels(recordings), choices)
    header, rows = read_cells(content)
    if scheme in (LabelScheme.AUTO, LabelScheme.CHALLENGE) and is_scored_table(header):
        return _without_targets(challenge_labels(recordings, content), choices)
    scheme = recognised(header) if scheme is LabelScheme.AUTO else scheme
    if scheme is LabelScheme.PTBXL:
        return read_ptbxl(header, rows, names, choices)
    if choices.statements or choices.minimum_likelihood:
        raise InvalidLabels("Statements and likelihoods belong to scheme ptbxl; this table is of another scheme.")
    if scheme is LabelScheme.EXCHANGEAI:
        return read_exchangeai(header, rows, names, choices.targets)
    if scheme is LabelScheme.CHALLENGE:
        return _without_targets(read_challenge(header, rows, names), choices)
    return read_one_hot(header, rows, names, choices.targets)


def _without_targets(table: LabelTable, choices: LabelChoices) -> LabelTable:
    if not choices.targets:
        return table
    return replace(table, remarks=(*table.remarks, "Scheme challenge has no numeric targets; attach them as a table."))
