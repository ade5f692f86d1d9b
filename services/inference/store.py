"""Predictions made for dataset splits, by operation and by the record's place in the split."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from precordia.errors import InvalidArgument
from precordia.manifest import Task
from precordia.prediction import Prediction, Score
from precordia.record import Remark
from precordia.storage.database import read_only

_TABLE = sa.Table(
    "dataset_predictions",
    sa.MetaData(),
    sa.Column("operation_id", sa.String(36), primary_key=True),
    sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("prediction", sa.Text(), nullable=False),
    sa.Column("truth", sa.Text(), nullable=True),
)

_PAGE = 100
_MOST_A_PAGE = 1000


@dataclass(frozen=True)
class Truth:
    """What the dataset says of one record: its labels (or values, for regression) and its patient."""

    labels: tuple[str, ...]
    values: Mapping[str, float]
    patient: str
    labelled: bool


@dataclass(frozen=True)
class KeptPrediction:
    """A prediction with its place in the split, and the truth where one was asked for."""

    position: int
    prediction: Prediction
    truth: Truth | None = None


class PredictionStore:
    """Keeps and lists the predictions of operations."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reading = read_only(engine)

    def add(self, operation_id: str, kept: Sequence[KeptPrediction]) -> None:
        """Adds predictions in one transaction; places that are taken keep what they have."""
        rows = [
            {
                "operation_id": operation_id,
                "position": one.position,
                "prediction": json.dumps(_to_json(one.prediction)),
                "truth": None if one.truth is None else json.dumps(vars(one.truth)),
            }
            for one in kept
        ]
        insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        with self._engine.begin() as connection:
            connection.execute(insert(_TABLE).on_conflict_do_nothing(), rows)

    def next_position(self, operation_id: str) -> int:
        """The first place that has no prediction yet."""
        newest = sa.select(sa.func.max(_TABLE.c.position)).where(_TABLE.c.operation_id == operation_id)
        with self._reading.connect() as connection:
            last = connection.execute(newest).scalar()
        return 0 if last is None else int(last) + 1

    def page(self, operation_id: str, *, page_size: int = 0, page_token: str = "") -> tuple[list[Prediction], str]:
        """One page in the split's order, and the token of the next; empty when there is none.

        Raises:
            InvalidArgument: the token is none of ours.
        """
        if page_token and not (page_token.isascii() and page_token.isdecimal() and len(page_token) < 19):
            raise InvalidArgument("The page token is not one that this service gave.", field="page_token")
        if not 0 <= page_size <= _MOST_A_PAGE:
            raise InvalidArgument(f"A page holds 1 to {_MOST_A_PAGE} entries.", field="page_size")
        size = page_size or _PAGE
        found = self._after(operation_id, int(page_token) if page_token else -1, size + 1)
        token = str(found[size - 1].position) if len(found) > size else ""
        return [one.prediction for one in found[:size]], token

    def all(self, operation_id: str) -> Iterator[KeptPrediction]:
        """Every prediction of an operation, in the split's order."""
        after = -1
        while found := self._after(operation_id, after, _MOST_A_PAGE):
            yield from found
            after = found[-1].position

    def _after(self, operation_id: str, position: int, count: int) -> list[KeptPrediction]:
        query = (
            sa.select(_TABLE.c.position, _TABLE.c.prediction, _TABLE.c.truth)
            .where(_TABLE.c.operation_id == operation_id, _TABLE.c.position > position)
            .order_by(_TABLE.c.position)
            .limit(count)
        )
        with self._reading.connect() as connection:
            rows = connection.execute(query).all()
        return [KeptPrediction(row.position, _from_json(row.prediction), _truth(row.truth)) for row in rows]


def _to_json(prediction: Prediction) -> dict[str, Any]:
    at = prediction.predicted_at
    return {
        **vars(prediction),
        "task": prediction.task.value if prediction.task else None,
        "scores": [vars(score) for score in prediction.scores],
        "remarks": [vars(remark) for remark in prediction.remarks],
        "predicted_at": at.isoformat() if at else None,
    }


def _from_json(text: str) -> Prediction:
    value = json.loads(text)
    at = value["predicted_at"]
    return Prediction(
        **{
            **value,
            "task": Task(value["task"]) if value["task"] else None,
            "scores": tuple(Score(**score) for score in value["scores"]),
            "remarks": tuple(Remark(**remark) for remark in value["remarks"]),
            "predicted_at": datetime.fromisoformat(at) if at else None,
        }
    )


def _truth(text: str | None) -> Truth | None:
    if text is None:
        return None
    value = json.loads(text)
    return Truth(tuple(value["labels"]), value["values"], value["patient"], value["labelled"])
