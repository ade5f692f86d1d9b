"""The name under which one call is found in every log it passes."""

from __future__ import annotations

import random
import re
from contextvars import ContextVar

HEADER = "x-request-id"
"""Metadata key, in calls and in their trailers."""

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_random = random.Random()  # noqa: S311 - an id must be unlike the others, not unguessable
_current: ContextVar[str] = ContextVar("precordia_request_id", default="")


def current_request_id() -> str:
    """Of the call being worked on; empty outside of calls."""
    return _current.get()


def adopt_request_id(offered: str) -> str:
    """Take the caller's id for the present context, or a new one where it is none or unfit for a log."""
    accepted = offered if offered and _ACCEPTED.fullmatch(offered) else f"{_random.getrandbits(128):032x}"
    _current.set(accepted)
    return accepted
