"""Attaches a label table to a dataset: which row speaks of which record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, bindparam, select, update

from precordia.dataset import LabelImport
from precordia.errors import InvalidLabels
from services.ingest.datasets import Columns, Datasets, Member, columns_of, read_members
from services.ingest.label_table import LabelRow, LabelTable
from services.ingest.membership import find_dataset, forget_counts
from services.ingest.tables import datasets, members

MAX_NAMED = 1000
"""Rows and records that an answer names at most."""


@dataclass(frozen=True)
class Matches:
    """Rows by the record they speak of, and what found no partner."""

    by_recording: Mapping[int, LabelRow]
    unmatched: tuple[str, ...]
    unlabelled: tuple[str, ...]
    ambiguous: int


class Labels:
    """The label tables of a database's datasets.

    Args:
        engine: the database.
        patient_key: makes a patient's identifier pseudonymous, as the file readers do, so that the
            same patient has the same key wherever the identifier came from.
    """

    def __init__(self, engine: Engine, patient_key: Callable[[str], str]) -> None:
        self._engine = engine
        self._datasets = Datasets(engine)
        self._patient_key = patient_key

    def attach(self, dataset: str, table: LabelTable) -> LabelImport:
        """Attach a table. Groups that it has replace those of earlier tables, others stay.

        Raises:
            DatasetNotFound: there is no dataset of this name.
            InvalidLabels: no row speaks of any record of the dataset.
        """
        with self._engine.begin() as connection:
            seq = find_dataset(connection, dataset)
            found = read_members(connection, seq)
            matches = match_rows(table.rows, found)
            if not matches.by_recording:
                raise InvalidLabels(
                    "No row of the table names a record of the dataset: by its own identifier, its file's name, "
                    "or its recording id."
                )
            self._write(connection, seq, table, matches, {member.seq: member for member in found})
        after, contents = self._datasets.get(dataset), self._datasets.contents(dataset)[1]
        return LabelImport(
            dataset=after,
            matched_records=len(matches.by_recording),
            unmatched_rows=matches.unmatched[:MAX_NAMED],
            unlabelled_records=matches.unlabelled[:MAX_NAMED],
            remarks=(*table.remarks, *_remarks(matches, contents)),
            unmapped=table.unmapped[:MAX_NAMED],
        )

    def _write(
        self,
        connection: Connection,
        seq: int,
        table: LabelTable,
        matches: Matches,
        found: Mapping[int, Member],
    ) -> None:
        rows = [self._row(seq, found[number], row, table) for number, row in matches.by_recording.items()]
        statement = (
            update(members)
            .where(members.c.dataset_seq == bindparam("in_dataset"), members.c.recording_seq == bindparam("of"))
            .values({name: bindparam(f"new_{name}") for name in ("labelled", "patient", "fold", "labels", "numeric")})
        )
        connection.execute(statement, rows)
        of_this = datasets.c.seq == seq
        columns = columns_of(connection.execute(select(datasets).where(of_this)).mappings().one())
        merged = json.dumps(list(merged_columns(columns, table.columns).items()), ensure_ascii=False)
        connection.execute(update(datasets).where(of_this).values(columns=merged))
        forget_counts(connection, [seq])

    def _row(self, seq: int, member: Member, row: LabelRow, table: LabelTable) -> dict[str, object]:
        labels = {**member.labels, **{group: list(labels) for group, labels in row.labels.items()}}
        return {
            "in_dataset": seq,
            "of": member.seq,
            "new_labelled": True,
            "new_patient": self._patient_key(row.patient) if row.patient else member.patient,
            "new_fold": row.fold if table.has_folds else member.fold,
            "new_labels": json.dumps(labels, ensure_ascii=False),
            "new_numeric": json.dumps({**member.numeric, **row.numeric}, ensure_ascii=False),
        }


def match_rows(rows: Sequence[LabelRow], found: Sequence[Member]) -> Matches:
    """Find each row's record: by the source's own identifier, else the file's name, else without extension.

    A name that two records of the dataset have means neither of them: it is answered as unmatched.
    """
    lookups = [
        _unique((member.recording_id, member.seq) for member in found),
        _unique((member.source_record, member.seq) for member in found if member.source_record),
        _unique((member.source_name, member.seq) for member in found),
        _unique((_stem(member.source_name), member.seq) for member in found),
    ]
    by_recording: dict[int, LabelRow] = {}
    unmatched, ambiguous = [], 0
    for row in rows:
        hits = [
            lookup[name] for key in (row.key, *row.also) for name in _names(key) for lookup in lookups if name in lookup
        ]
        if not hits or hits[0] is None or hits[0] in by_recording:
            unmatched.append(row.key)
            ambiguous += bool(hits)
        else:
            by_recording[hits[0]] = row
    unlabelled = tuple(member.recording_id for member in found if member.seq not in by_recording)
    return Matches(by_recording, tuple(unmatched), unlabelled, ambiguous)


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int | None]:
    """Record by name; None where two records have it."""
    found: dict[str, int | None] = {}
    for name, seq in pairs:
        found[name] = None if name in found else seq
    return found


def _stem(name: str) -> str:
    return name.rsplit(".", 1)[0]


def _names(key: str) -> tuple[str, ...]:
    """The key itself, its last part where it is a path, and that without extension."""
    last = key.replace("\\", "/").rsplit("/", 1)[-1]
    return tuple(dict.fromkeys((key, last, _stem(last))))


def merged_columns(before: Columns, table: Mapping[str, Sequence[str]]) -> Columns:
    """Label columns after a table: its own order first, then what was there before."""
    merged = {group: list(labels) for group, labels in before.items()}
    for group, labels in table.items():
        merged[group] = list(dict.fromkeys([*labels, *before.get(group, [])]))
    return merged


def _remarks(matches: Matches, contents: Sequence[Member]) -> tuple[str, ...]:
    remarks = []
    if matches.ambiguous:
        remarks.append(f"{matches.ambiguous} rows name a file or record that stands more than once; none was taken.")
    alone = sum(not member.patient for member in contents)
    if alone:
        remarks.append(f"{alone} records have no patient; each counts as a patient of its own in splits.")
    return tuple(remarks)
