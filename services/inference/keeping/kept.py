"""Every prediction that was given for a stored recording: an audit, in inference's own database.

The same recording scored again by the same model is a row of its own: who asks what a clinician was
shown at nine o'clock needs the answer of nine o'clock, and a row is small. Which rows had to be equal, the
model's name, version and digest, the revision of its operating points and the input's hash say together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from precordia.errors import InvalidArgument
from precordia.prediction import KeptPrediction, KeptQuery, Prediction
from precordia.storage.database import read_only
from services.inference.keeping.prediction_json import prediction_from_json, prediction_to_json

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLE = sa.Table(
    "kept_predictions",
    sa.MetaData(),
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("recording_id", sa.String(64)),
    sa.Column("model", sa.String(128)),
    sa.Column("version", sa.BigInteger()),
    sa.Column("model_digest", sa.String(64)),
    sa.Column("predicted_at", sa.BigInteger()),
    sa.Column("input_sha256", sa.String(64)),
    sa.Column("scores", sa.JSON().with_variant(postgresql.JSONB(), "postgresql")),
    sa.Column("prediction", sa.Text()),
    sa.Column("operation_id", sa.String(36)),
    sa.Column("operating_points_revision", sa.BigInteger()),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PAGE = 100
_MOST_A_PAGE = 1000


class KeptPredictions:
    """Adds and lists what was given. Blocking: call it from a worker thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reading = read_only(engine)

    def add(self, predictions: Sequence[Prediction], operation_id: str = "") -> None:
        """Adds predictions in one transaction. What has no recording or no scores is left out."""
        with self._engine.begin() as connection:
            add_kept(connection, predictions, operation_id)

    @contextmanager
    def adding(self) -> Iterator[Callable[[Sequence[Prediction]], None]]:
        """A transaction that has begun, and what adds to it; it is committed at its end.

        On SQLite its begin is what waits for other writers.
        """
        with self._engine.begin() as connection:
            yield partial(add_kept, connection)

    def forget(self, before: datetime, most: int) -> int:
        """Removes some of what was given before a time, in one transaction; how many that were."""
        old = (
            sa.select(_TABLE.c.number)
            .where(_TABLE.c.predicted_at < _microseconds(before))
            .order_by(_TABLE.c.predicted_at)
            .limit(most)
        )
        with self._reading.connect() as connection:  # who finds nothing to remove takes no lock
            numbers = connection.execute(old).scalars().all()
        if not numbers:
            return 0
        with self._engine.begin() as connection:
            return connection.execute(sa.delete(_TABLE).where(_TABLE.c.number.in_(numbers))).rowcount

    def page(self, query: KeptQuery, *, page_size: int = 0, page_token: str = "") -> tuple[list[KeptPrediction], str]:
        """One page, newest first, and the token of the next; empty when there is none.

        Raises:
            InvalidArgument: the token is none of ours, or the page is too large.
        """
        if page_token and not (page_token.isascii() and page_token.isdecimal() and len(page_token) < 19):
            raise InvalidArgument("The page token is not one that this service gave.", field="page_token")
        if not 0 <= page_size <= _MOST_A_PAGE:
            raise InvalidArgument(f"A page holds 1 to {_MOST_A_PAGE} entries.", field="page_size")
        size = page_size or _PAGE
        columns = (_TABLE.c.number, _TABLE.c.prediction, _TABLE.c.operation_id)
        conditions = _conditions(query, sqlite=self._engine.dialect.name == "sqlite")
        statement = sa.select(*columns).where(*conditions).order_by(_TABLE.c.number.desc()).limit(size + 1)
        if page_token:
            statement = statement.where(_TABLE.c.number < int(page_token))
        with self._reading.connect() as connection:
            rows = connection.execute(statement).all()
        found = [
            KeptPrediction(row.number, prediction_from_json(json.loads(row.prediction)), row.operation_id)
            for row in rows[:size]
        ]
        return found, str(found[-1].number) if len(rows) > size else ""


def add_kept(connection: sa.Connection, predictions: Sequence[Prediction], operation_id: str = "") -> None:
    """Adds predictions within a transaction; what has no recording or no scores is left out."""
    rows = [_row(one, operation_id) for one in predictions if one.recording_id and one.scores]
    if rows:
        connection.execute(sa.insert(_TABLE), rows)


def _row(prediction: Prediction, operation_id: str) -> dict[str, Any]:
    assert prediction.predicted_at is not None, "scores say when they were made"
    return {
        "recording_id": prediction.recording_id,
        "model": prediction.model,
        "version": prediction.version,
        "model_digest": prediction.model_digest,
        "predicted_at": _microseconds(prediction.predicted_at),
        "input_sha256": prediction.input_sha256,
        "scores": {score.name: score.value for score in prediction.scores},
        "prediction": json.dumps(prediction_to_json(replace(prediction, tag="")), separators=(",", ":")),
        "operation_id": operation_id,
        "operating_points_revision": prediction.operating_points_revision,
    }


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _conditions(query: KeptQuery, *, sqlite: bool) -> Iterator[sa.ColumnElement[bool]]:
    for name in ("recording_id", "model", "version", "model_digest", "operation_id"):
        if wanted := getattr(query, name):
            yield _TABLE.c[name] == wanted
    if query.since is not None:
        yield _TABLE.c.predicted_at >= _microseconds(query.since)
    if query.until is not None:
        yield _TABLE.c.predicted_at < _microseconds(query.until)
    if query.label:
        yield _has_score(query.label, query.at_least, sqlite=sqlite)


def _has_score(label: str, at_least: float | None, *, sqlite: bool) -> sa.ColumnElement[bool]:
    if not sqlite:
        value: sa.ColumnElement[float] = _TABLE.c.scores[label].as_float()
        return value.is_not(None) if at_least is None else value >= at_least
    # A path of SQLite cannot name a label with a quotation mark.
    scores = sa.func.json_each(_TABLE.c.scores).table_valued("key", "value")
    one = sa.select(scores.c.key).where(scores.c.key == label)
    return sa.exists(one if at_least is None else one.where(scores.c.value >= at_least))
