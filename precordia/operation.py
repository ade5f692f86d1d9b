"""Long work as values: one operation and its numbered events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from precordia.errors import Cancelled, PrecordiaError, by_reason


class OperationState(Enum):
    """Where an operation stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self in (OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED)


@dataclass(frozen=True)
class Operation:
    """One piece of long work."""

    operation_id: str
    kind: str
    state: OperationState
    request: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    error_reason: str = ""
    error_message: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    last_event_number: int = 0
    attempt: int = 0
    done: int = 0
    total: int = 0


def result_of(operation: Operation) -> Mapping[str, Any]:
    """The result of a finished operation.

    Raises:
        PrecordiaError: it failed, as the class that the service named, or it was cancelled (`Cancelled`).
    """
    if operation.state is OperationState.SUCCEEDED:
        return operation.result
    raise error_of(operation, f"The work was {operation.state.value}.")


def error_of(operation: Operation, otherwise: str) -> PrecordiaError:
    """Why a finished operation has no result, in the class that the service named, or `Cancelled`.

    Args:
        operation: without a result.
        otherwise: the message where the service gave none.
    """
    cancelled = operation.state is OperationState.CANCELLED
    kind = Cancelled if cancelled else by_reason().get(operation.error_reason, PrecordiaError)
    return kind(operation.error_message or otherwise)


@dataclass(frozen=True)
class OperationEvent:
    """One durable event. Numbers run 1, 2, 3 ... without gaps within an operation."""

    number: int
    kind: str
    payload: Mapping[str, Any]
    at: datetime | None = None
