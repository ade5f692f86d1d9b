"""Ingest and the registry as a job's thread asks them: one call at a time, patiently."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import TimeoutError as StillRunning
from typing import TypeVar

from precordia.client import Addresses, Connection, connect
from precordia.errors import Unavailable
from precordia.operations import OperationContext

log = logging.getLogger(__name__)

T = TypeVar("T")
Ask = Callable[[Connection], Awaitable[T]]

_LONGEST_PAUSE_S = 15.0
_LOOK_EVERY_S = 0.2
_SAID_AGAIN_S = 600.0
"""That a service is still away is said no more often: a job may wait a weekend for it."""


class Remote:
    """The other services, on the event loop that serves this one.

    Args:
        addresses: where they are.
        patience_s: how long a job waits for one that is away.
    """

    def __init__(self, addresses: Addresses, patience_s: float) -> None:
        self._addresses = addresses
        self._patience_s = patience_s
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self) -> None:
        """Take the running event loop for calls from job threads."""
        self._loop = asyncio.get_running_loop()

    async def ask(self, question: Ask[T]) -> T:
        """One call, from the event loop. Addresses are looked up each time: services move."""
        async with connect(self._addresses) as precordia:
            return await question(precordia)

    def ask_from_job(self, question: Ask[T], context: OperationContext, *, however_long: bool = False) -> T:
        """One call, from a job's thread; a service that is away is asked again until patience ends.

        Args:
            question: the call.
            context: of the job.
            however_long: wait until the service is back or the job is called off, for what must not be lost.

        Raises:
            Cancelled, Interrupted: the job is to stop.
            Unavailable: the service stayed away.
        """
        until, pause_s = time.monotonic() + (math.inf if however_long else self._patience_s), 1.0
        said, said_at = "", -math.inf
        while True:
            try:
                return self._once(question, context)
            except Unavailable as error:
                now = time.monotonic()
                if now + pause_s > until:
                    raise
                if error.message != said or now >= said_at + _SAID_AGAIN_S:
                    said, said_at = error.message, now
                    context.emit("log", {"message": f"Waiting: {said}"})
            context.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _once(self, question: Ask[T], context: OperationContext) -> T:
        assert self._loop is not None, "jobs run while the service serves"
        future = asyncio.run_coroutine_threadsafe(self.ask(question), self._loop)
        try:
            while True:
                try:
                    return future.result(_LOOK_EVERY_S)
                except StillRunning:
                    if future.done():
                        raise  # the call's own timeout
                    context.check()
        finally:
            future.cancel()
