"""Whether the server that a call came to wants to stop, known to what works on the call."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

_draining: ContextVar[asyncio.Event | None] = ContextVar("precordia_draining", default=None)


def set_draining(event: asyncio.Event) -> None:
    """Note for the present context what tells that its server drains."""
    _draining.set(event)


async def until_draining() -> None:
    """Returns when the call's server takes no more work; never outside of a call."""
    event = _draining.get() or asyncio.Event()
    await event.wait()
