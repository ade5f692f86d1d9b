"""Bulk bytes in streams: cut, sent, and read by blocking code without blocking the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TypeVar

from precordia.rpc.workers import in_worker

CHUNK_BYTES = 1 << 20
"""Most that one message of a stream carries."""

MESSAGE_BYTES = 64 << 20
"""Most that any message may weigh."""

T = TypeVar("T")
_END = object()


def split(data: bytes | memoryview, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The same bytes, `size` at a time; nothing for nothing."""
    view = memoryview(data)
    for start in range(0, len(view), size):
        yield bytes(view[start : start + size])


async def iterate_in_worker(blocking: Iterable[T]) -> AsyncIterator[T]:
    """Items of a blocking iterable, each fetched in a worker thread; one that is closed is closed there."""
    iterator = iter(blocking)
    try:
        while (item := await in_worker(next, iterator, _END)) is not _END:
            yield item  # type: ignore[misc]  # mypy cannot see that only _END is left out
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            await in_worker(close)
