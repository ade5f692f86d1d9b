"""One service at the other end of a channel: calls with deadlines, and replies turned back into our errors."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from precordia.errors import PrecordiaError, ServiceUnavailable
from precordia.rpc.channel import open_channel
from precordia.rpc.deadline import remaining_s
from precordia.rpc.status import from_rpc_error

CALL_S = 60.0
"""Deadline of a short call."""

LONG_CALL_S = 900.0
"""Deadline of a call that carries or makes much: uploads, snapshots, loading a model."""

_RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)


class Peer:
    """A service by name and address. Opens its channel on the first call."""

    def __init__(self, service: str, address: str, token: str = "", tls_ca: Path | None = None) -> None:
        self.service = service
        self.address = address
        self._token = token
        self._tls_ca = tls_ca
        self._channel: grpc.aio.Channel | None = None
        self._stubs: dict[Callable[[Any], Any], Any] = {}

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel, opened when it is first needed, because it belongs to the running event loop."""
        if self._channel is None:
            self._channel = open_channel(self.address, self._token, self._tls_ca)
        return self._channel

    def stub(self, kind: Callable[[Any], Any]) -> Any:
        """The generated stub of this kind; made once, because making one is slower than calling it."""
        if kind not in self._stubs:
            self._stubs[kind] = kind(self.channel)
        return self._stubs[kind]

    async def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None
            self._stubs.clear()

    async def call(self, method: Callable[..., Any], request: Any, *, timeout_s: float | None = CALL_S) -> Any:
        """A call with one answer; `request` is a message, or an async iterable of messages.

        Raises:
            PrecordiaError: what the service answered, or ServiceUnavailable.
        """
        async with self.translated():
            return await method(request, timeout=within_caller(timeout_s))

    async def stream(
        self, method: Callable[..., Any], request: Any, *, timeout_s: float | None = LONG_CALL_S
    ) -> AsyncIterator[Any]:
        """A call with many answers. Leaving the loop early cancels the call."""
        async with self.translated():
            call = method(request, timeout=within_caller(timeout_s))
            try:
                async for message in call:
                    yield message
            finally:
                call.cancel()

    @asynccontextmanager
    async def translated(self) -> AsyncIterator[None]:
        """Turns what grpc raises into our errors."""
        try:
            yield
        except grpc.RpcError as error:
            raise self._named(from_rpc_error(error)) from None

    def _named(self, error: PrecordiaError) -> PrecordiaError:
        if not isinstance(error, ServiceUnavailable) or "service" in error.details:
            return error  # one that names its service speaks of another, further away
        where = f"{self.service} ({self.address})"
        return ServiceUnavailable(f"{where}: {error.message}", service=self.service, address=self.address)


def within_caller(timeout_s: float | None) -> float | None:
    """The deadline, no later than that of the call that this process is answering."""
    left = remaining_s()
    if left is None:
        return timeout_s
    return left if timeout_s is None else min(left, timeout_s)


async def following(
    open_stream: Callable[[int], AsyncIterable[Any]], after: int, *, patience_s: float | None
) -> AsyncIterator[Any]:
    """Numbered messages of a stream that is opened again with the last number when the service goes away.

    Args:
        open_stream: opens the stream after a number; its messages have an attribute `number`.
        after: the last number that the caller has.
        patience_s: how long the service may stay away; None = for ever.

    Raises:
        ServiceUnavailable: it stayed away longer.
    """
    tries = 0
    gone_since: float | None = None
    clock = asyncio.get_running_loop().time
    while True:
        try:
            async for message in open_stream(after):
                tries, gone_since, after = 0, None, message.number
                yield message
            return
        except ServiceUnavailable:
            gone_since = gone_since or clock()
            if patience_s is not None and clock() - gone_since > patience_s:
                raise
        await asyncio.sleep(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
        tries += 1


def new_request_id() -> str:
    """An id that makes a write idempotent."""
    return str(uuid.uuid4())
