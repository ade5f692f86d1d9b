"""From the threads of long work to the event loop, where clients and models live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from precordia.errors import Overloaded, StorageFull, Unavailable
from precordia.operations import OperationContext

T = TypeVar("T")

_GLANCE_S = 0.2
_PATIENCE_S = 120.0


class LoopBridge:
    """Runs coroutines of the service's loop for a worker thread, and keeps an eye on cancellation."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self) -> None:
        """Binds to the running loop; called once at start-up, before long work begins."""
        self._loop = asyncio.get_running_loop()

    def call(self, context: OperationContext, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of `work()` on the loop; tries again while a service or a queue has no time for us.

        A full queue is waited for as long as it takes: long work has no deadline, and comes after all other.

        Raises:
            Cancelled, Interrupted: the operation is to stop; the coroutine was cancelled.
            Unavailable: a service stayed away for two minutes.
        """
        give_up = time.monotonic() + _PATIENCE_S
        pause_s = 0.1
        while True:
            try:
                return self._once(context, work())
            except StorageFull:
                raise
            except Overloaded as error:
                give_up = time.monotonic() + _PATIENCE_S
                context.wait(error.retry_after_s)
            except Unavailable:
                if time.monotonic() > give_up:
                    raise
                context.wait(pause_s)
                pause_s = min(2 * pause_s, 5.0)

    def _once(self, context: OperationContext, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None, "attach() runs at start-up"
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while True:
                try:
                    return future.result(_GLANCE_S)
                except TimeoutError:
                    if future.done():
                        raise
                context.check()
        finally:
            future.cancel()
