"""Whose call is being worked on, so that callers can take turns."""

from __future__ import annotations

import re
from contextvars import ContextVar

HEADER = "x-client-id"
"""Metadata key with which a client names itself; those behind one proxy can be told apart by it."""

_ACCEPTED = re.compile(r"[\x20-\x7e]{1,128}")
_caller: ContextVar[str] = ContextVar("precordia_caller", default="")


def set_caller(client_id: str, peer: str) -> None:
    """Note whose call the present context works on: the client's own word, or else the connection it came by.

    The word is not checked: it is for fairness among clients that mean well, and gives no rights.
    """
    _caller.set(f"id:{client_id}" if client_id and _ACCEPTED.fullmatch(client_id) else peer)


def current_caller() -> str:
    """Of the call being worked on; empty for the service's own work."""
    return _caller.get()
