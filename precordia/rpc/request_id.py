"""The name under which one call is found in every log it passes."""

from __future__ import annotations

import itertools
import re
import uuid
from contextvars import ContextVar

HEADER = "x-request-id"
"""Metadata key, in calls and in their trailers."""

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_process, _calls = uuid.uuid4().hex[:20], itertools.count()  # counted: asking the system for each costs more
_current: ContextVar[str] = ContextVar("precordia_request_id", default="")


def current_request_id() -> str:
    """Of the call being worked on; empty outside of calls."""
    return _current.get()


def adopt_request_id(offered: str) -> str:
    """Take the caller's id for the present context, or a new one where it is none or unfit for a log."""
    fit = bool(offered and _ACCEPTED.fullmatch(offered))
    accepted = offered if fit else f"{_process}{next(_calls):012x}"
    _current.set(accepted)
    return accepted
