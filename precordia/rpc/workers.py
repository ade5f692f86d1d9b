"""Where blocking work of calls runs: a bounded set of threads, never the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

from precordia.errors import Overloaded
from precordia.rpc.deadline import check_deadline

P = ParamSpec("P")
T = TypeVar("T")

THREADS = min(32, 4 * (os.cpu_count() or 1))
"""Threads of a process for blocking work of calls."""

_WAITING_LIMIT = 1024
_admitted = threading.BoundedSemaphore(THREADS + _WAITING_LIMIT)


async def in_worker(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking function in a worker thread, with the call's context variables.

    Work that its caller no longer waits for (deadline or cancellation) is dropped before it begins.

    Raises:
        Overloaded: too much waits already.
        DeadlineExceeded: the deadline passed while it waited.
    """
    if not _admitted.acquire(blocking=False):
        raise Overloaded("Too many calls wait for a worker; try again", retry_after_s=1)
    context = contextvars.copy_context()

    def run() -> T:
        check_deadline()
        return function(*args, **kwargs)

    future = _pool().submit(context.run, run)
    future.add_done_callback(lambda _: _admitted.release())
    return await asyncio.wrap_future(future)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="precordia-worker")
