from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from precordia.client import Connection
from precordia.errors import InvalidArgument
from precordia.operation import Operation, OperationState
from precordia.operations import OperationContext
from precordia.source import Source
from tests.services.ingest.ecg_files import CONDITIONED, many, wfdb

BROKEN = Source("notes.txt", b"\x00\x01nothing that a reader knows\xff")


async def staged(connection: Connection, *sources: Source) -> list[Any]:
    return [await connection.ingest.stage(source) for source in sources]


async def verdicts(connection: Connection, operation: Operation) -> list[dict[str, Any]]:
    events = connection.ingest.operations.watch(operation.operation_id)
    return [dict(event.payload) async for event in events if event.kind == "verdict"]


async def test_each_file_gets_its_verdict_in_order(connection: Connection) -> None:
    await connection.ingest.import_source(wfdb("known", 1))
    files = await staged(connection, wfdb("new", 2), BROKEN, wfdb("known", 1), wfdb("last", 3))
    operation = await connection.ingest.start_import(files, dataset="ward")
    found = await verdicts(connection, operation)
    assert [(one["source"], one["status"], one["reason"]) for one in found] == [
        ("new.hea", "imported", ""),
        ("notes.txt", "refused", "UNKNOWN_FORMAT"),
        ("known.hea", "existing", ""),
        ("last.hea", "imported", ""),
    ]
    assert found[1]["message"]
    done = await connection.ingest.operations.wait(operation.operation_id)
    assert done.state is OperationState.SUCCEEDED
    assert dict(done.result) == {"total": 4, "imported": 2, "existing": 1, "refused": 1}
    listed = [stored.recording_id async for stored in connection.ingest.recordings(dataset="ward")]
    assert sorted(listed) == sorted(name for one in found for name in one["recordings"])


async def test_one_file_of_many_recordings_is_one_verdict(connection: Connection) -> None:
    operation = await connection.ingest.start_import(await staged(connection, many(7)), CONDITIONED)
    (verdict,) = await verdicts(connection, operation)
    assert len(verdict["recordings"]) == 7


async def test_the_same_file_twice_in_one_import_is_one_recording(connection: Connection) -> None:
    files = await staged(connection, wfdb(seed=5), wfdb(seed=5))
    found = await verdicts(connection, await connection.ingest.start_import(files))
    assert [one["status"] for one in found] == ["imported", "existing"]
    assert found[0]["recordings"] == found[1]["recordings"]


async def test_an_upload_that_is_not_there_is_refused_by_name(connection: Connection) -> None:
    files = await staged(connection, wfdb(seed=6))
    first = await connection.ingest.start_import(files)
    await connection.ingest.operations.wait(first.operation_id)
    (verdict,) = await verdicts(connection, await connection.ingest.start_import(files))
    assert (verdict["status"], verdict["reason"]) == ("refused", "UPLOAD_NOT_FOUND")


async def test_a_repeated_request_is_the_same_operation(connection: Connection) -> None:
    files = await staged(connection, wfdb(seed=7))
    first = await connection.ingest.start_import(files, request_id="r-1")
    await connection.ingest.operations.wait(first.operation_id)
    again = await connection.ingest.start_import(files, request_id="r-1")
    assert again.operation_id == first.operation_id


async def test_a_cancelled_import_keeps_what_was_done_and_frees_the_rest(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit = OperationContext.emit

    def say_one_and_wait(context: OperationContext, kind: str, *said: Any, **more: Any) -> Any:
        event = emit(context, kind, *said, **more)
        while kind == "verdict" and not context.cancel_requested:
            time.sleep(0.01)
        return event

    monkeypatch.setattr(OperationContext, "emit", say_one_and_wait)
    files = await staged(connection, *(wfdb(f"n{seed}", seed, samples=2000) for seed in range(20)))
    operation = await connection.ingest.start_import(files)
    async for event in connection.ingest.operations.watch(operation.operation_id):
        if event.kind == "verdict":
            await connection.ingest.operations.cancel(operation.operation_id)
            break
    done = await asyncio.wait_for(connection.ingest.operations.wait(operation.operation_id), 60)
    monkeypatch.undo()
    assert done.state is OperationState.CANCELLED
    listed = [stored async for stored in connection.ingest.recordings()]
    assert 1 <= len(listed) < 20
    assert done.result["imported"] == len(listed)
    again = await verdicts(connection, await connection.ingest.start_import(files[-1:]))
    assert again[0]["reason"] == "UPLOAD_NOT_FOUND"


async def test_an_import_of_nothing_is_refused(connection: Connection) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await connection.ingest.start_import([])
    assert refused.value.field == "sources"
    with pytest.raises(InvalidArgument) as refused:
        await connection.ingest.start_import(await staged(connection, wfdb()), dataset="a b")
    assert refused.value.field == "dataset"
