"""`kill -9` of the real service: what was acknowledged is there, nothing half-written is visible."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest

from precordia.client import Addresses, connect
from precordia.errors import PrecordiaError
from precordia.operation import OperationState
from precordia.v1 import ingest_pb2 as pb
from precordia.v1 import ingest_pb2_grpc
from tests.holding import Hold
from tests.services.ingest.ecg_files import CONDITIONED, counts, many, wfdb

pytestmark = pytest.mark.faults

FILES = 40


def held(home: Path) -> Hold:
    return Hold(home / "hold")


@contextmanager
def service(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The service's own command as a process, and its address."""
    environment = {**os.environ, "PRECORDIA_HOME": str(home), "PRECORDIA_INGEST_LISTEN": "127.0.0.1:0"}
    environment |= held(home).variables
    with subprocess.Popen(
        [sys.executable, "-m", "services.ingest"], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["address"]
        finally:
            process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(60)


def make_old(home: Path) -> None:
    """Let everything in the blob store look two hours old, so that it counts as left behind."""
    for path in (home / "ingest" / "blobs").rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 7200,) * 2)


def blob_files(home: Path) -> list[Path]:
    return [path for path in (home / "ingest" / "blobs").rglob("*") if path.is_file()]


async def test_an_import_that_was_killed_goes_on_and_misses_no_file(tmp_path: Path) -> None:
    held(tmp_path).after("verdict", 5)
    with service(tmp_path) as (process, address):
        async with connect(Addresses(ingest=address)) as client:
            staged = [await client.ingest.stage(wfdb(f"n{seed}", seed, samples=1000)) for seed in range(FILES)]
            operation = await client.ingest.start_import(staged, dataset="ward")
            acknowledged = []
            async for event in client.ingest.operations.watch(operation.operation_id):
                acknowledged += event.payload.get("recordings", [])
                if len(acknowledged) >= 5:
                    break
            kill(process)
    held(tmp_path).release()
    with service(tmp_path) as (_, address):
        async with connect(Addresses(ingest=address)) as client:
            done = await asyncio.wait_for(client.ingest.operations.wait(operation.operation_id), 120)
            assert done.state is OperationState.SUCCEEDED
            assert done.result["imported"] + done.result["existing"] == FILES
            assert done.attempt == 2
            listed = {stored.source_name: stored async for stored in client.ingest.recordings(dataset="ward")}
            assert set(listed) == {f"n{seed}.hea" for seed in range(FILES)}
            assert set(acknowledged) <= {stored.recording_id for stored in listed.values()}
            for seed in (0, 5, FILES - 1):
                native = await client.ingest.native_recording(listed[f"n{seed}.hea"].recording_id)
                assert np.array_equal(native.channels[3].samples, counts(seed, samples=1000)[:, 3])


async def test_a_drained_service_puts_its_import_back_and_goes_on_later(tmp_path: Path) -> None:
    held(tmp_path).after("verdict", 1)
    with service(tmp_path) as (process, address):
        async with connect(Addresses(ingest=address)) as client:
            staged = [await client.ingest.stage(wfdb(f"n{seed}", seed, samples=1000)) for seed in range(FILES)]
            operation = await client.ingest.start_import(staged)
            async for event in client.ingest.operations.watch(operation.operation_id):
                if event.kind == "verdict":
                    break
            process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 120) == 0
    held(tmp_path).release()
    with service(tmp_path) as (_, address):
        async with connect(Addresses(ingest=address)) as client:
            done = await asyncio.wait_for(client.ingest.operations.wait(operation.operation_id), 120)
            assert (done.state, done.result["imported"]) == (OperationState.SUCCEEDED, FILES)
            assert done.attempt == 2
            numbers = [
                event.payload["index"]
                async for event in client.ingest.operations.watch(operation.operation_id)
                if event.kind == "verdict"
            ]
            assert numbers == list(range(FILES))


async def test_an_upload_that_was_killed_is_not_there_and_its_bytes_are_swept(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)

    async def half() -> AsyncIterator[pb.UploadSourceRequest]:
        sha256 = hashlib.sha256(content).hexdigest()
        yield pb.UploadSourceRequest(header=pb.UploadHeader(file_name="a", size_bytes=len(content), sha256=sha256))
        yield pb.UploadSourceRequest(chunk=content[: 1 << 20])
        while not any(path.stat().st_size for path in blob_files(tmp_path)):
            await asyncio.sleep(0.02)
        kill(process)

    with service(tmp_path) as (process, address):
        async with grpc.aio.insecure_channel(address) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await ingest_pb2_grpc.IngestServiceStub(channel).UploadSource(half())
    assert len(blob_files(tmp_path)) == 1
    make_old(tmp_path)
    with service(tmp_path):
        assert blob_files(tmp_path) == []


@pytest.mark.parametrize("delay_s", [0.05, 0.3])
async def test_a_source_of_many_recordings_is_there_whole_or_not_at_all(tmp_path: Path, delay_s: float) -> None:
    with service(tmp_path) as (process, address):
        async with connect(Addresses(ingest=address)) as client:
            importing = asyncio.create_task(client.ingest.import_source(many(300), CONDITIONED, dataset="study"))
            await asyncio.sleep(delay_s)
            kill(process)
            (answer,) = await asyncio.gather(importing, return_exceptions=True)
            acknowledged = not isinstance(answer, PrecordiaError)
    make_old(tmp_path)
    with service(tmp_path) as (_, address):
        async with connect(Addresses(ingest=address)) as client:
            there = len([stored async for stored in client.ingest.recordings()])
            assert there == 300 if acknowledged else there in (0, 300)
            assert bool(blob_files(tmp_path)) == bool(there)
            again = await client.ingest.import_source(many(300), CONDITIONED, dataset="study")
            assert again.created == (there == 0)
            assert (await client.ingest.get_dataset("study")).records == 300
