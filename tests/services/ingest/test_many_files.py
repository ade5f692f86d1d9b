"""Many files through the client's batch import: whole, broken off, and run again."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import precordia.client.batch
from precordia.client import BatchImport, Connection, FileVerdict, SourceFile, sources_from_paths
from precordia.operation import OperationState
from precordia.operations import OperationContext
from tests.precordia.client.generated import write_records

FILES = 60


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[SourceFile]:
    monkeypatch.setattr(precordia.client.batch, "LOT", 25)
    folder = write_records(tmp_path / "study", FILES, samples=200)
    (folder / "notes.bin").write_bytes(b"\x00\x01nothing that a reader knows\xff")
    return [*sources_from_paths([folder]), SourceFile(folder / "absent.csv")]


async def run(connection: Connection, files: list[SourceFile], stop_after: int = 0) -> list[FileVerdict]:
    found: list[FileVerdict] = []
    async with aclosing(BatchImport(connection.ingest, dataset="study").run(files)) as verdicts:
        async for verdict in verdicts:
            found.append(verdict)
            if len(found) == stop_after:
                break
    return found


async def kept(connection: Connection) -> set[str]:
    return {one.recording_id async for one in connection.ingest.recordings(dataset="study")}


async def test_every_file_has_one_verdict_with_its_recordings(connection: Connection, files: list[SourceFile]) -> None:
    found = await run(connection, files)
    assert sorted(one.index for one in found) == list(range(len(files)))
    assert all(one.source == str(files[one.index].path) for one in found)
    refused = {Path(one.source).name: one.error.reason for one in found if one.error}
    assert refused == {"notes.bin": "UNKNOWN_FORMAT", "absent.csv": "NOT_FOUND"}
    assert {one.recording_id for verdict in found for one in verdict.recordings} == await kept(connection)
    assert len(await kept(connection)) == FILES
    for one in found:
        for stored in one.recordings:
            assert (stored.source_name, stored.sample_rate_hz) == (Path(one.source).name, 500.0)


async def test_broken_off_and_run_again_it_ends_as_if_it_had_not_been(
    connection: Connection, files: list[SourceFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    emit, verdicts = OperationContext.emit, 0

    def wait_in_the_last_lot(context: OperationContext, kind: str, *said: Any, **more: Any) -> Any:
        nonlocal verdicts
        event = emit(context, kind, *said, **more)
        verdicts += kind == "verdict"
        while verdicts > 50 and not context.cancel_requested:
            time.sleep(0.01)
        return event

    with monkeypatch.context() as patched:
        patched.setattr(OperationContext, "emit", wait_in_the_last_lot)
        await run(connection, files, stop_after=30)
        for operation in await connection.ingest.operations.list("import"):
            done = await connection.ingest.operations.wait(operation.operation_id)
            assert done.state in (OperationState.SUCCEEDED, OperationState.CANCELLED)
    before = await kept(connection)
    assert 25 <= len(before) < FILES
    sent: Counter[str] = Counter()
    upload = connection.ingest.upload_source

    async def counted(name: str, content: bytes) -> str:
        sent[name] += 1
        return await upload(name, content)

    monkeypatch.setattr(connection.ingest, "upload_source", counted)
    found = await run(connection, files)
    assert before < await kept(connection)
    assert len(await kept(connection)) == FILES
    assert sum(not one.created for one in found if one.recordings) == len(before)
    assert sum(sent.values()) <= 2 * (FILES - len(before)) + 1  # header and signals; the unknown file
    sent.clear()
    again = await run(connection, files)
    assert not any(one.created for one in again)
    assert set(sent) == {"notes.bin"}
