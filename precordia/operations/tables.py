"""The two tables of long work, and their rows as values."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, MetaData, Row, String, Table, Text

from precordia.operation import Operation, OperationEvent, OperationState
from precordia.operations.payload import from_json

METADATA = MetaData()

OPERATIONS = Table(
    "operations",
    METADATA,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("operation_id", String(36), nullable=False, unique=True),
    Column("kind", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("request", Text, nullable=False),
    Column("request_id", String(128)),
    Column("result", Text, nullable=False, default="{}"),
    Column("error_reason", String(64), nullable=False, default=""),
    Column("error_message", Text, nullable=False, default=""),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("last_event_number", BigInteger, nullable=False, default=0),
    Column("attempt", Integer, nullable=False, default=0),
    Column("crashes", Integer, nullable=False, default=0),  # attempts lost in a row without a saved state
    Column("done", BigInteger, nullable=False, default=0),
    Column("total", BigInteger, nullable=False, default=0),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("worker", String(200), nullable=False, default=""),  # who runs it now
    Column("lease_until_us", BigInteger, nullable=False, default=0),  # until when nobody else may
    Column("resume_state", Text),
)

EVENTS = Table(
    "operation_events",
    METADATA,
    Column("operation_id", String(36), ForeignKey("operations.operation_id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("payload", Text, nullable=False),
)


def now_us() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def operation_from_row(row: Row[Any]) -> Operation:
    """One row of OPERATIONS as a value."""
    return Operation(
        operation_id=row.operation_id,
        kind=row.kind,
        state=OperationState(row.state),
        request=from_json(row.request),
        result=from_json(row.result),
        error_reason=row.error_reason,
        error_message=row.error_message,
        created_at=_moment(row.created_us),
        updated_at=_moment(row.updated_us),
        last_event_number=row.last_event_number,
        attempt=row.attempt,
        done=row.done,
        total=row.total,
    )


def event_from_row(row: Row[Any]) -> OperationEvent:
    """One row of EVENTS as a value."""
    return OperationEvent(number=row.number, kind=row.kind, payload=from_json(row.payload), at=_moment(row.at_us))


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)
