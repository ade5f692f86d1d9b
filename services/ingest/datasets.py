"""Datasets: named sets of recordings with labels, patients and folds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, exists, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from precordia.catalog import checked_name
from precordia.dataset import Dataset, LabelGroup
from precordia.errors import AlreadyExists, InvalidArgument
from precordia.storage.database import read_only
from services.ingest.facts import as_utc
from services.ingest.membership import add_members, ensure_dataset, find_dataset
from services.ingest.pages import checked_page_size, page_token, token_row
from services.ingest.samples import Place
from services.ingest.store import place_from_row
from services.ingest.tables import datasets, members, recordings

_SCOPE = "datasets"

Columns = dict[str, list[str]]
"""Labels of each label group, in column order."""


@dataclass(frozen=True)
class Member:
    """A recording as a dataset has it.

    Attributes:
        patient: of the label table, else of the recording; empty where neither says.
        labels: label group -> labels present; a group that is not named is unknown.
    """

    seq: int
    recording_id: str
    source_record: str
    source_name: str
    labelled: bool
    patient: str
    fold: str
    labels: Mapping[str, Sequence[str]]
    numeric: Mapping[str, float]
    place: Place

    @property
    def patient_or_self(self) -> str:
        """A key for the patient; a record of unknown patient counts as a patient of its own."""
        return self.patient or f"record {self.recording_id}"


class Datasets:
    """The datasets of one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = read_only(engine)

    def create(self, name: str) -> Dataset:
        """A new, empty dataset.

        Raises:
            InvalidArgument: the name cannot be one.
            AlreadyExists: it is taken.
        """
        checked_name(name)
        taken = AlreadyExists("There is a dataset of this name already.", name=name)
        try:
            with self._engine.begin() as connection:
                if connection.scalar(select(exists().where(datasets.c.name == name))):
                    raise taken
                ensure_dataset(connection, name)
        except IntegrityError:
            raise taken from None
        return self.get(name)

    def get(self, name: str) -> Dataset:
        """A dataset with its counts.

        Raises:
            DatasetNotFound: there is none of this name.
        """
        with self._engine.begin() as connection:
            seq = find_dataset(connection, name)
            return _dataset(connection, connection.execute(_by_seq(seq)).mappings().one())

    def page(self, *, page_size: int = 0, token: str = "") -> tuple[tuple[Dataset, ...], str]:
        """Datasets in order of their making, and the token for what follows.

        Raises:
            InvalidArgument: a page size or token that cannot be.
        """
        limit = checked_page_size(page_size)
        query = select(datasets).where(datasets.c.seq > token_row(token, _SCOPE)).order_by(datasets.c.seq)
        with self._engine.begin() as connection:
            rows = connection.execute(query.limit(limit + 1)).mappings().all()
            found = tuple(_dataset(connection, row) for row in rows[:limit])
        return found, page_token(rows[limit - 1]["seq"], _SCOPE) if len(rows) > limit else ""

    def delete(self, name: str) -> None:
        """Remove a dataset and its labels; recordings and snapshots stay.

        Raises:
            DatasetNotFound: there is none of this name.
        """
        with self._engine.begin() as connection:
            seq = find_dataset(connection, name)
            connection.execute(delete(members).where(members.c.dataset_seq == seq))
            connection.execute(delete(datasets).where(datasets.c.seq == seq))

    def add(self, name: str, recording_ids: Sequence[str]) -> Dataset:
        """Put recordings into a dataset; those that are there already stay as they are.

        Raises:
            DatasetNotFound, RecordingNotFound: nothing is added then.
            InvalidArgument: no recording is named.
        """
        if not recording_ids:
            raise InvalidArgument("Name the recordings to be added.", field="recording_ids")
        with self._engine.begin() as connection:
            add_members(connection, find_dataset(connection, name), recording_ids)
        return self.get(name)

    def contents(self, name: str) -> tuple[Columns, list[Member]]:
        """Label columns and members, in order of the recordings' arrival.

        Raises:
            DatasetNotFound: there is none of this name.
        """
        with self._reader.begin() as connection:
            seq = find_dataset(connection, name)
            row = connection.execute(_by_seq(seq)).mappings().one()
            return columns_of(row), read_members(connection, seq)


def _by_seq(seq: int) -> Any:
    return select(datasets).where(datasets.c.seq == seq)


def columns_of(row: RowMapping) -> Columns:
    """Label groups and labels of a dataset's row, in column order."""
    return dict(json.loads(row["columns"]))


def read_members(connection: Connection, dataset_seq: int) -> list[Member]:
    """The members of a dataset, in order of the recordings' arrival; superseded recordings are none."""
    query = (
        select(
            members,
            recordings.c.seq,
            recordings.c.recording_id,
            recordings.c.source_record,
            recordings.c.source_name,
            recordings.c.patient_key,
            recordings.c.blob,
            recordings.c.blob_offset,
            recordings.c.blob_bytes,
            recordings.c.blob_crc32,
        )
        .join(recordings, recordings.c.seq == members.c.recording_seq)
        .where(members.c.dataset_seq == dataset_seq, recordings.c.superseded_by == "")
        .order_by(recordings.c.seq)
    )
    return [_member(row) for row in connection.execute(query).mappings()]


def _member(row: RowMapping) -> Member:
    return Member(
        seq=row["seq"],
        recording_id=row["recording_id"],
        source_record=row["source_record"],
        source_name=row["source_name"],
        labelled=row["labelled"],
        patient=row["patient"] or row["patient_key"],
        fold=row["fold"],
        labels=json.loads(row["labels"]),
        numeric=json.loads(row["numeric"]),
        place=place_from_row(row),
    )


def label_groups(columns: Columns, found: Sequence[Member]) -> tuple[LabelGroup, ...]:
    """How many records have each label."""
    counts = Counter((group, label) for m in found for group, labels in m.labels.items() for label in labels)
    return tuple(
        LabelGroup(group, tuple((label, counts[group, label]) for label in labels)) for group, labels in columns.items()
    )


def _dataset(connection: Connection, row: RowMapping) -> Dataset:
    """A dataset's facts; counts are kept until something changes."""
    summary = json.loads(row["summary"]) if row["summary"] else _count(connection, row)
    return Dataset(
        name=row["name"],
        records=summary["records"],
        labelled=summary["labelled"],
        patients=summary["patients"],
        label_groups=tuple(
            LabelGroup(group, tuple((label, count) for label, count in labels)) for group, labels in summary["groups"]
        ),
        folds=tuple(summary["folds"]),
        created_at=as_utc(row["created_at"]),
        updated_at=as_utc(row["updated_at"]),
    )


def _count(connection: Connection, row: RowMapping) -> dict[str, Any]:
    found = read_members(connection, row["seq"])
    summary = {
        "records": len(found),
        "labelled": sum(member.labelled for member in found),
        "patients": len({member.patient_or_self for member in found}),
        "groups": [[group.name, list(group.labels)] for group in label_groups(columns_of(row), found)],
        "folds": sorted({member.fold for member in found if member.fold}, key=_fold_order),
    }
    of_this = datasets.c.seq == row["seq"]
    connection.execute(update(datasets).where(of_this).values(summary=json.dumps(summary, ensure_ascii=False)))
    return summary


def _fold_order(fold: str) -> tuple[int, int, str]:
    """Numbers by value, then words by letter."""
    is_number = fold.isascii() and fold.isdecimal() and len(fold) < 19
    return (0, int(fold), "") if is_number else (1, 0, fold)
