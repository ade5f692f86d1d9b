"""Long work as values: one operation and its numbered events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


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


@dataclass(frozen=True)
class OperationEvent:
    """One durable event. Numbers run 1, 2, 3 ... without gaps within an operation."""

    number: int
    kind: str
    payload: Mapping[str, Any]
    at: datetime | None = None
