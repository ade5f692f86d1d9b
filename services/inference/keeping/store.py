"""Predictions made for dataset splits, by operation and by the record's place in the operation's work."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from precordia.errors import InvalidArgument, PredictionsRemoved
from precordia.operation import OperationState
from precordia.operations.tables import OPERATIONS
from precordia.prediction import Prediction
from precordia.storage.database import read_only
from services.inference.keeping.kept import add_kept
from services.inference.keeping.prediction_json import prediction_from_json, prediction_to_json

_METADATA = sa.MetaData()
_TABLE = sa.Table(
    "dataset_predictions",
    _METADATA,
    sa.Column("operation_id", sa.String(36), primary_key=True),
    sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("prediction", sa.Text(), nullable=False),
    sa.Column("truth", sa.Text(), nullable=True),
)
_REMOVED = sa.Table(
    "removed_predictions",
    _METADATA,
    sa.Column("operation_id", sa.String(36), primary_key=True),
    sa.Column("days", sa.BigInteger(), nullable=False),
)

_PAGE = 100
_MOST_A_PAGE = 1000


@dataclass(frozen=True)
class Truth:
    """What the dataset says of one record: its labels (or values, for regression) and its patient.

    `sex` is empty where it is not known.
    """

    labels: tuple[str, ...]
    values: Mapping[str, float]
    patient: str
    labelled: bool
    age_years: float | None = None
    sex: str = ""
    dataset: str = ""
    split: str = ""


@dataclass(frozen=True)
class PlacedPrediction:
    """A prediction with its place in the operation's work, and the truth where one was asked for."""

    position: int
    prediction: Prediction
    truth: Truth | None = None


class PredictionStore:
    """Keeps and lists the predictions of operations."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reading = read_only(engine)

    def add(self, operation_id: str, placed: Sequence[PlacedPrediction], *, audited: bool = False) -> None:
        """Adds predictions in one transaction; places that are taken keep what they have.

        Where `audited`, they are listed among the kept predictions, too.
        """
        rows = [
            {
                "operation_id": operation_id,
                "position": one.position,
                "prediction": json.dumps(prediction_to_json(one.prediction)),
                "truth": None if one.truth is None else json.dumps(vars(one.truth)),
            }
            for one in placed
        ]
        with self._engine.begin() as connection:
            adding = self._insert(_TABLE)
            if not audited:
                connection.execute(adding, rows)
                return
            taken = set(connection.execute(adding.returning(_TABLE.c.position), rows).scalars())
            add_kept(connection, [one.prediction for one in placed if one.position in taken], operation_id)

    def next_position(self, operation_id: str) -> int:
        """The first place that has no prediction yet."""
        newest = sa.select(sa.func.max(_TABLE.c.position)).where(_TABLE.c.operation_id == operation_id)
        with self._reading.connect() as connection:
            last = connection.execute(newest).scalar()
        return 0 if last is None else int(last) + 1

    def page(
        self, operation_id: str, *, page_size: int = 0, page_token: str = ""
    ) -> tuple[list[PlacedPrediction], str]:
        """One page in the work's order, and the token of the next; empty when there is none.

        Raises:
            InvalidArgument: the token is none of ours.
            PredictionsRemoved: they were there, and are too old.
        """
        if page_token and not (page_token.isascii() and page_token.isdecimal() and len(page_token) < 19):
            raise InvalidArgument("The page token is not one that this service gave.", field="page_token")
        if not 0 <= page_size <= _MOST_A_PAGE:
            raise InvalidArgument(f"A page holds 1 to {_MOST_A_PAGE} entries.", field="page_size")
        size = page_size or _PAGE
        found = self._after(operation_id, int(page_token) if page_token else -1, size + 1)
        self._check_whole(operation_id)  # afterwards: what is being removed must not pass for the end of the list
        token = str(found[size - 1].position) if len(found) > size else ""
        return found[:size], token

    def forget(self, before: datetime, most: int, *, days: int) -> int:
        """Removes some rows of an operation that ended before a time, in one transaction; how many that were.

        Args:
            before: a time.
            most: rows at most.
            days: that such rows are kept for, to be told to who asks for them.
        """
        ended = self._ended_with_rows(before)
        if ended is None:
            return 0
        of_it = _TABLE.c.operation_id == ended
        some = sa.select(_TABLE.c.position).where(of_it).order_by(_TABLE.c.position).limit(most)
        with self._engine.begin() as connection:
            connection.execute(self._insert(_REMOVED), {"operation_id": ended, "days": days})
            return connection.execute(sa.delete(_TABLE).where(of_it, _TABLE.c.position.in_(some))).rowcount

    def all(self, operation_id: str) -> Iterator[PlacedPrediction]:
        """Every prediction of an operation, in the work's order."""
        return self.stretch(operation_id, 0, None)

    def stretch(self, operation_id: str, first: int, count: int | None) -> Iterator[PlacedPrediction]:
        """Those of so many places (None = all) from one on."""
        after = first - 1
        end = None if count is None else first + count
        while found := self._after(operation_id, after, _MOST_A_PAGE):
            within = [one for one in found if end is None or one.position < end]
            yield from within
            if len(within) < len(found):
                return
            after = found[-1].position

    def _insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """Adds rows; those that are there stay as they are."""
        insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        return insert(table).on_conflict_do_nothing()

    def _ended_with_rows(self, before: datetime) -> str | None:
        """An operation that has ended before a time, and has rows here."""
        ended = [state.value for state in OperationState if state.finished]
        query = sa.select(OPERATIONS.c.operation_id).where(
            OPERATIONS.c.state.in_(ended),
            OPERATIONS.c.updated_us < int(before.timestamp() * 1e6),
            sa.exists().where(_TABLE.c.operation_id == OPERATIONS.c.operation_id),
        )
        with self._reading.connect() as connection:
            return connection.execute(query.order_by(OPERATIONS.c.number).limit(1)).scalar()

    def _check_whole(self, operation_id: str) -> None:
        query = sa.select(_REMOVED.c.days).where(_REMOVED.c.operation_id == operation_id)
        with self._reading.connect() as connection:
            days = connection.execute(query).scalar()
        if days is not None:
            raise PredictionsRemoved(
                f"The predictions of this operation were removed: they are kept for {days} days after its end. "
                "Run it again to have them anew; its result is still there.",
                days=days,
            )

    def _after(self, operation_id: str, position: int, count: int) -> list[PlacedPrediction]:
        query = (
            sa.select(_TABLE.c.position, _TABLE.c.prediction, _TABLE.c.truth)
            .where(_TABLE.c.operation_id == operation_id, _TABLE.c.position > position)
            .order_by(_TABLE.c.position)
            .limit(count)
        )
        with self._reading.connect() as connection:
            rows = connection.execute(query).all()
        return [
            PlacedPrediction(position, prediction_from_json(json.loads(prediction)), _truth(truth))
            for position, prediction, truth in rows
        ]


def _truth(text: str | None) -> Truth | None:
    if text is None:
        return None
    value = json.loads(text)
    return Truth(**value | {"labels": tuple(value["labels"])})
