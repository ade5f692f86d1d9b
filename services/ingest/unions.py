"""A dataset made of others: their records, labels, patients and folds, each record once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Engine, exists, insert, select, update
from sqlalchemy.engine import RowMapping

from precordia.catalog import checked_name
from precordia.errors import AlreadyExists, InvalidArgument
from services.ingest.datasets import Columns, columns_of
from services.ingest.membership import ensure_dataset, find_dataset, forget_counts
from services.ingest.tables import datasets, members

MAX_SOURCES = 100
_ROWS_A_STATEMENT = 1000


class Unions:
    """Makes datasets of datasets."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, name: str, sources: Sequence[str]) -> None:
        """A new dataset of all records of `sources`. What they are later does not change it.

        A record that several of them have gets the labels of all; of patient, fold and numeric targets
        what the first of them says stands. A label group that only some of them have stays unknown for
        the records of the others.

        Raises:
            AlreadyExists: the name is taken.
            DatasetNotFound: one of the sources is not there; nothing is made.
            InvalidArgument: the name cannot be one, or fewer than two sources are named.
        """
        checked_name(name)
        if not 2 <= len(set(sources)) <= MAX_SOURCES:
            raise InvalidArgument(f"A union is made of 2 to {MAX_SOURCES} different datasets.", field="sources")
        with self._engine.begin() as connection:
            if connection.scalar(select(exists().where(datasets.c.name == name))):
                raise AlreadyExists("There is a dataset of this name already.", name=name)
            columns, rows = self._merged(connection, list(dict.fromkeys(sources)))
            seq = ensure_dataset(connection, name)
            self._write(connection, seq, columns, rows)

    def _merged(self, connection: Connection, sources: Sequence[str]) -> tuple[Columns, dict[int, dict[str, object]]]:
        columns: Columns = {}
        rows: dict[int, dict[str, object]] = {}
        for source in sources:
            seq = find_dataset(connection, source)
            found = connection.execute(select(datasets).where(datasets.c.seq == seq)).mappings().one()
            for group, labels in columns_of(found).items():
                columns[group] = list(dict.fromkeys([*columns.get(group, []), *labels]))
            for row in connection.execute(select(members).where(members.c.dataset_seq == seq)).mappings():
                number = row["recording_seq"]
                rows[number] = _both(rows[number], row) if number in rows else dict(row)
        return columns, rows

    def _write(
        self, connection: Connection, seq: int, columns: Columns, rows: Mapping[int, Mapping[str, object]]
    ) -> None:
        new = [{**row, "dataset_seq": seq} for _, row in sorted(rows.items())]
        for start in range(0, len(new), _ROWS_A_STATEMENT):
            connection.execute(insert(members), new[start : start + _ROWS_A_STATEMENT])
        plain = json.dumps(list(columns.items()), ensure_ascii=False)
        connection.execute(update(datasets).where(datasets.c.seq == seq).values(columns=plain))
        forget_counts(connection, [seq])


def _both(first: Mapping[str, object], second: RowMapping) -> dict[str, object]:
    """One record of two datasets."""
    labels: dict[str, list[str]] = json.loads(str(first["labels"]))
    for group, named in json.loads(second["labels"]).items():
        labels[group] = list(dict.fromkeys([*labels.get(group, []), *named]))
    numeric = {**json.loads(second["numeric"]), **json.loads(str(first["numeric"]))}
    return {
        **first,
        "labelled": bool(first["labelled"]) or bool(second["labelled"]),
        "patient": first["patient"] or second["patient"],
        "fold": first["fold"] or second["fold"],
        "labels": json.dumps(labels, ensure_ascii=False),
        "numeric": json.dumps(numeric, ensure_ascii=False),
    }
