"""The caller's deadline, known to everything that works on the call."""

from __future__ import annotations

import time
from contextvars import ContextVar

from precordia.errors import DeadlineExceeded

_deadline: ContextVar[float | None] = ContextVar("precordia_deadline", default=None)


def set_remaining_s(seconds: float | None) -> None:
    """Note for the present context how long its caller still waits; None = for ever."""
    _deadline.set(None if seconds is None else time.monotonic() + seconds)


def remaining_s() -> float | None:
    """Seconds until the caller gives up, not below 0; None without a deadline."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def check_deadline() -> None:
    """Raise DeadlineExceeded where nobody waits any more."""
    if remaining_s() == 0.0:
        raise DeadlineExceeded("The caller's deadline has passed.")
