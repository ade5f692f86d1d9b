"""Who is in which dataset: the steps that several transactions share. Each takes an open connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update

from precordia.catalog import checked_name
from precordia.errors import DatasetNotFound, RecordingNotFound
from services.ingest.tables import datasets, members, recordings

_IDS_A_QUERY = 500  # SQLite and PostgreSQL both limit the number of parameters


def now() -> datetime:
    """The present, with zone."""
    return datetime.now(UTC)


def find_dataset(connection: Connection, name: str) -> int:
    """The dataset's number.

    Raises:
        DatasetNotFound: there is none of this name.
    """
    seq = connection.scalar(select(datasets.c.seq).where(datasets.c.name == name))
    if seq is None:
        raise DatasetNotFound("There is no dataset of this name; create it or import into it.", name=name[:128])
    return int(seq)


def ensure_dataset(connection: Connection, name: str) -> int:
    """The dataset's number; it is created where it is absent.

    Raises:
        InvalidArgument: the name cannot be one.
    """
    seq = connection.scalar(select(datasets.c.seq).where(datasets.c.name == checked_name(name, field="dataset")))
    if seq is not None:
        return int(seq)
    at = now()
    row = {"name": name, "columns": "[]", "summary": "", "created_at": at, "updated_at": at}
    connection.execute(insert(datasets), [row])
    return find_dataset(connection, name)


def add_members(connection: Connection, dataset_seq: int, recording_ids: Sequence[str]) -> None:
    """Put recordings into a dataset; those that are there already stay as they are.

    Raises:
        RecordingNotFound: one of them is not there; nothing is to be kept of this transaction.
    """
    wanted = list(dict.fromkeys(recording_ids))
    starts = range(0, len(wanted), _IDS_A_QUERY)
    added = [_add_part(connection, dataset_seq, wanted[start : start + _IDS_A_QUERY]) for start in starts]
    if any(added):
        forget_counts(connection, [dataset_seq])


def _add_part(connection: Connection, dataset_seq: int, ids: Sequence[str]) -> bool:
    """Whether one of them was not a member yet."""
    named = select(recordings.c.recording_id, recordings.c.seq).where(recordings.c.recording_id.in_(ids))
    seqs = {row.recording_id: row.seq for row in connection.execute(named)}
    missing = next((name for name in ids if name not in seqs), None)
    if missing is not None:
        raise RecordingNotFound("A recording to be added is not there; nothing was added.", name=missing[:64])
    in_it = select(members.c.recording_seq).where(members.c.dataset_seq == dataset_seq)
    there = set(connection.execute(in_it.where(members.c.recording_seq.in_(seqs.values()))).scalars())
    blank = {"dataset_seq": dataset_seq, "labelled": False, "patient": "", "fold": "", "labels": "{}", "numeric": "{}"}
    new = [{**blank, "recording_seq": seq} for seq in seqs.values() if seq not in there]
    if new:
        connection.execute(insert(members), new)
    return bool(new)


def forget_counts(connection: Connection, dataset_seqs: Iterable[int]) -> None:
    """The datasets changed: their counts are made anew when next asked for."""
    seqs = sorted(set(dataset_seqs))
    if seqs:
        connection.execute(update(datasets).where(datasets.c.seq.in_(seqs)).values(summary="", updated_at=now()))
