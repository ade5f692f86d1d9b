"""A stream of requests answered in the order of the requests, several of them worked on at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")

AHEAD = 64
"""Requests of one stream that are worked on at once; more are read when the first of them is answered."""


async def in_order(
    requests: AsyncIterator[Request],
    answer: Callable[[Request], Awaitable[Answer]],
    *,
    ahead: int = AHEAD,
    stop: Callable[[], Awaitable[None]] | None = None,
) -> AsyncGenerator[Answer, None]:
    """An answer for each request; when nobody takes them any more, what is under way is cancelled.

    Args:
        requests: read until they end.
        answer: to one request.
        ahead: requests that are worked on at once.
        stop: once it returns no more requests are read; those that were are answered.
    """
    answers: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue()
    room = asyncio.Semaphore(ahead)

    async def read() -> None:
        try:
            async for request in requests:
                await room.acquire()
                answers.put_nowait(asyncio.ensure_future(_awaited(answer(request))))
        finally:
            answers.put_nowait(None)

    reader = asyncio.create_task(read(), name="read a stream of requests")
    watch = asyncio.create_task(_cancelled_after(stop, reader)) if stop else None
    under_way: asyncio.Task[Answer] | None = None
    try:
        while (under_way := await answers.get()) is not None:
            yield await under_way
            room.release()
        if not (watch and watch.done()):
            await reader  # what broke the reading breaks the stream
    finally:
        left: list[asyncio.Task[Any] | None] = [reader, watch, under_way]
        while not answers.empty():
            left.append(answers.get_nowait())
        tasks = [task for task in left if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _cancelled_after(stop: Callable[[], Awaitable[None]], reader: asyncio.Task[None]) -> None:
    await stop()
    reader.cancel()


async def _awaited(answer: Awaitable[Answer]) -> Answer:
    return await answer
