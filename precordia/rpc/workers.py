"""Where blocking work of calls runs: a bounded set of threads, never the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

from precordia.errors import Overloaded
from precordia.rpc.deadline import check_deadline

P = ParamSpec("P")
T = TypeVar("T")

THREADS = min(32, 4 * (os.cpu_count() or 1))
"""Threads of a process for blocking work of calls."""

_WAITING_LIMIT = 1024


class WorkerPool:
    """Threads with a bounded queue before them."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="precordia-worker")
        self._limit = threads + waiting
        self._count = 0
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether anything runs or waits."""
        return self._count > 0

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread, with the caller's context variables.

        Raises:
            Overloaded: too much waits already.
            DeadlineExceeded: the caller's deadline passed while it waited.
        """
        with self._lock:
            if self._count >= self._limit:
                raise Overloaded("Too many calls wait for a worker; try again.", retry_after_s=1)
            self._count += 1
        future = self._pool.submit(contextvars.copy_context().run, _unless_late, work)
        future.add_done_callback(self._done)
        try:
            return await asyncio.wrap_future(future)
        finally:
            del future  # an error's traceback holds this frame: what failed would stay until a collector came

    def _done(self, _: Future[T]) -> None:
        with self._lock:
            self._count -= 1


async def in_worker(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking function in a worker thread of this process; see WorkerPool.run.

    Work that its caller no longer waits for (deadline or cancellation) is dropped before it begins.
    """
    return await process_pool().run(lambda: function(*args, **kwargs))


@cache
def process_pool() -> WorkerPool:
    """The one pool of this process."""
    return WorkerPool(THREADS, _WAITING_LIMIT)


def _unless_late(work: Callable[[], T]) -> T:
    check_deadline()
    return work()
