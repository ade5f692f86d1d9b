"""Long work over the wire."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest

from precordia.errors import InvalidArgument, OperationNotFound, ServiceUnavailable
from precordia.operations import OperationContext, Operations
from precordia.rpc.channel import open_channel
from precordia.rpc.server import serving
from precordia.rpc.status import from_rpc_error
from precordia.storage.database import open_database
from precordia.v1 import operations_pb2 as pb
from precordia.v1.operations_pb2_grpc import OperationsServiceStub
from tests.precordia.databases import sqlite_url
from tests.precordia.rpc.echo import Echo, echo_app


def handler(context: OperationContext) -> Mapping[str, Any]:
    while context.operation.request.get("for_ever"):
        context.wait(600)
    context.emit("epoch", {"loss": 0.25})
    return {"trained": True}


@pytest.fixture
async def served(tmp_path: Path, echo: Echo) -> AsyncIterator[tuple[Operations, OperationsServiceStub]]:
    engine = open_database(sqlite_url(tmp_path), "precordia.operations.migrations")
    operations = Operations(engine, {"train": handler})
    async with serving(echo_app(echo, operations=operations)) as address, open_channel(address) as channel:
        yield operations, OperationsServiceStub(channel)
    engine.dispose()


async def all_of(watch: AsyncIterator[pb.WatchOperationResponse]) -> list[pb.OperationEvent]:
    return [answer.event async for answer in watch]


Served = tuple[Operations, OperationsServiceStub]


async def test_a_watch_replays_and_ends(served: Served) -> None:
    operations, stub = served
    operation_id = operations.submit("train", {})[0].operation_id
    events = [answer.event async for answer in stub.WatchOperation(pb.WatchOperationRequest(operation_id=operation_id))]
    again = pb.WatchOperationRequest(operation_id=operation_id, after_number=2)
    rest = [answer.event async for answer in stub.WatchOperation(again)]
    assert [event.number for event in events] == [1, 2, 3, 4]
    assert rest == events[2:]
    assert events[2].payload_json == '{"loss":0.25}'
    answer = await stub.GetOperation(pb.GetOperationRequest(operation_id=operation_id))
    assert answer.operation.state == pb.OPERATION_STATE_SUCCEEDED
    assert answer.operation.result_json == '{"trained":true}'


async def test_lists_page(served: Served) -> None:
    operations, stub = served
    made = [operations.submit("train", {"index": index})[0].operation_id for index in range(3)]
    first = await stub.ListOperations(pb.ListOperationsRequest(page_size=2))
    rest = await stub.ListOperations(pb.ListOperationsRequest(page_size=2, page_token=first.next_page_token))
    listed = [operation.operation_id for page in (first, rest) for operation in page.operations]
    assert listed == made[::-1]
    assert rest.next_page_token == ""


async def test_a_list_leaves_out_requests_that_are_long(served: Served) -> None:
    operations, stub = served
    made = operations.submit("train", {"sources": "x" * 40_000})[0]
    (listed,) = (await stub.ListOperations(pb.ListOperationsRequest())).operations
    assert (listed.operation_id, listed.request_json) == (made.operation_id, "")
    whole = await stub.GetOperation(pb.GetOperationRequest(operation_id=made.operation_id))
    assert len(whole.operation.request_json) > 40_000


async def test_cancel_ends_the_watch(served: Served) -> None:
    operations, stub = served
    operation_id = operations.submit("train", {"for_ever": True})[0].operation_id
    watch = aiter(stub.WatchOperation(pb.WatchOperationRequest(operation_id=operation_id)))
    assert (await anext(watch)).event.number == 1
    await stub.CancelOperation(pb.CancelOperationRequest(operation_id=operation_id))
    async with asyncio.timeout(60):
        last = [answer.event async for answer in watch][-1]
    assert last.payload_json == '{"state":"cancelled"}'


async def test_what_is_not_there_is_told_typed(served: Served) -> None:
    _, stub = served
    with pytest.raises(grpc.RpcError) as watched:
        await anext(aiter(stub.WatchOperation(pb.WatchOperationRequest(operation_id="none"))))
    with pytest.raises(grpc.RpcError) as listed:
        await stub.ListOperations(pb.ListOperationsRequest(page_size=5000))
    assert type(from_rpc_error(watched.value)) is OperationNotFound
    assert type(from_rpc_error(listed.value)) is InvalidArgument


async def test_a_service_that_stops_ends_watches_and_leaves_work_for_the_next(tmp_path: Path, echo: Echo) -> None:
    engine = open_database(sqlite_url(tmp_path), "precordia.operations.migrations")
    begun = threading.Event()

    def waiting(context: OperationContext) -> Mapping[str, Any]:
        begun.set()
        while True:
            context.wait(600)

    operations = Operations(engine, {"train": waiting})
    operation_id = operations.submit("train", {})[0].operation_id
    server = serving(echo_app(echo, operations=operations))
    address = await server.__aenter__()
    async with open_channel(address) as channel:
        watch = aiter(
            OperationsServiceStub(channel).WatchOperation(pb.WatchOperationRequest(operation_id=operation_id))
        )
        numbers = [(await anext(watch)).event.number, (await anext(watch)).event.number]
        await asyncio.to_thread(begun.wait, 60)
        stopping = asyncio.create_task(server.__aexit__(None, None, None))
        with pytest.raises(grpc.RpcError) as ended:
            await all_of(watch)
        await stopping
    assert isinstance(from_rpc_error(ended.value), ServiceUnavailable)
    assert numbers == [1, 2]
    assert operations.get(operation_id).state.value == "pending"
    engine.dispose()
