"""A service of four methods, one an arity, for tests of what surrounds them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from precordia.errors import by_reason
from precordia.rpc.deadline import remaining_s
from precordia.rpc.request_id import current_request_id
from precordia.rpc.server import ServiceApp
from precordia.rpc.settings import ServerSettings

NAME = "test.Echo"


@dataclass
class Echo:
    """Answers by what is said: `fail REASON`, `fault`, `id`, `deadline`, `hang`, or the words themselves."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, said: str) -> StringValue:
        if said.startswith("fail "):
            raise by_reason()[said.removeprefix("fail ")]("do this instead", field="leads", retry_after_s=2.5)
        if said == "fault":
            raise RuntimeError("patient Smith")
        if said == "hang":
            await self._hang()
        return StringValue(value={"id": current_request_id(), "deadline": str(remaining_s())}.get(said, said))

    async def _hang(self) -> None:
        self.begun.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def unary_unary(self, request: StringValue, context: Any) -> StringValue:
        return await self.answer(request.value)

    async def unary_stream(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        for word in request.value.split(","):
            yield await self.answer(word)

    async def stream_unary(self, requests: AsyncIterator[StringValue], context: Any) -> StringValue:
        words = [(await self.answer(request.value)).value async for request in requests]
        return StringValue(value="+".join(words))

    async def stream_stream(self, requests: AsyncIterator[StringValue], context: Any) -> AsyncIterator[StringValue]:
        async for request in requests:
            yield await self.answer(request.value)

    def register(self, server: grpc.aio.Server) -> None:
        wire = {"request_deserializer": StringValue.FromString, "response_serializer": StringValue.SerializeToString}
        handlers = {
            "UnaryUnary": grpc.unary_unary_rpc_method_handler(self.unary_unary, **wire),
            "UnaryStream": grpc.unary_stream_rpc_method_handler(self.unary_stream, **wire),
            "WatchStream": grpc.unary_stream_rpc_method_handler(self.unary_stream, **wire),
            "StreamUnary": grpc.stream_unary_rpc_method_handler(self.stream_unary, **wire),
            "StreamStream": grpc.stream_stream_rpc_method_handler(self.stream_stream, **wire),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))


def echo_app(echo: Echo, settings: ServerSettings | None = None, **parts: Any) -> ServiceApp:
    return ServiceApp("ingest", settings or ServerSettings(drain_s=60), echo.register, (NAME,), **parts)


def method(channel: grpc.aio.Channel, name: str) -> Callable[..., Any]:
    """A call of one of the methods, by name: "UnaryStream"."""
    arity = {"UnaryUnary": channel.unary_unary, "StreamUnary": channel.stream_unary}
    arity |= {"UnaryStream": channel.unary_stream, "WatchStream": channel.unary_stream}
    arity |= {"StreamStream": channel.stream_stream}
    return arity[name](
        f"/{NAME}/{name}",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=StringValue.FromString,
    )


async def say(channel: grpc.aio.Channel, name: str, *words: str, **options: Any) -> list[str]:
    """Say words by one of the methods; what comes back."""
    requests = [StringValue(value=word) for word in words]
    call = method(channel, name)(iter(requests) if name.startswith("Stream") else requests[0], **options)
    if name.endswith("Unary"):
        return [(await call).value]
    return [answer.value async for answer in call]
