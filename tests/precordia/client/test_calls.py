"""The client against servers in this process: framing, checks, errors, reconnecting."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from precordia.catalog import Lineage, ModelRef
from precordia.client import Addresses, Precordia, connect
from precordia.dataset import ShardTicket
from precordia.errors import ChecksumMismatch, InvalidArgument, OperationNotFound, RecordingNotFound, ServiceUnavailable
from precordia.manifest import InputSpec, Manifest, Output, Task
from precordia.operation import OperationEvent, OperationState
from precordia.record import Hints, Unit
from precordia.source import Source
from precordia.v1 import ingest_pb2_grpc, operations_pb2_grpc, registry_pb2_grpc
from tests.ports import free_port
from tests.precordia.client.services import Ingest, Registry, Work, served

ADD_INGEST = ingest_pb2_grpc.add_IngestServiceServicer_to_server
ADD_WORK = operations_pb2_grpc.add_OperationsServiceServicer_to_server
ADD_REGISTRY = registry_pb2_grpc.add_RegistryServiceServicer_to_server


async def test_a_source_travels_in_chunks_with_its_companions_and_checksums() -> None:
    ingest = Ingest()
    source = Source("a.hea", b"header", {"a.dat": bytes(range(256)) * 12_000, "empty.dat": b""})
    async with served("ingest", ADD_INGEST, ingest) as address, connect(Addresses(ingest=address)) as precordia:
        answer = await precordia.ingest.import_source(source, Hints(500.0, Unit.MILLIVOLT), "mine")
    assert ingest.header is not None
    assert (ingest.header.dataset, ingest.header.hints.unit, ingest.header.validate_only) == ("mine", "mV", False)
    assert ingest.header.request_id
    assert [header.file_name for header in ingest.files.headers] == ["a.hea", "a.dat", "empty.dat"]
    assert ingest.files.arrived_whole()
    assert ingest.files.largest == 1 << 20
    assert (answer.recordings[0].recording_id, answer.created) == ("rec-1", True)


async def test_recordings_are_listed_over_all_pages() -> None:
    async with served("ingest", ADD_INGEST, Ingest()) as address, connect(Addresses(ingest=address)) as precordia:
        found = [recording.recording_id async for recording in precordia.ingest.recordings(page_size=3)]
    assert found == [f"rec-{n}" for n in range(7)]


async def test_an_error_comes_back_as_the_class_that_the_service_raised() -> None:
    async with served("ingest", ADD_INGEST, Ingest()) as address, connect(Addresses(ingest=address)) as precordia:
        with pytest.raises(RecordingNotFound) as refused:
            await precordia.ingest.get_recording("nobody")
    assert refused.value.message == "No recording has this id."


async def test_a_shard_is_checked_against_its_ticket() -> None:
    ingest = Ingest()
    ticket = ShardTicket("s", hashlib.sha256(b"first second").hexdigest(), 12, 1)
    async with served("ingest", ADD_INGEST, ingest) as address, connect(Addresses(ingest=address)) as precordia:
        assert await precordia.ingest.read_shard(ticket) == b"first second"
        ingest.damage = True
        with pytest.raises(ChecksumMismatch):
            await precordia.ingest.read_shard(ticket)


async def test_an_export_comes_back_file_by_file() -> None:
    async with served("ingest", ADD_INGEST, Ingest()) as address, connect(Addresses(ingest=address)) as precordia:
        files = [file async for file in precordia.ingest.export(["rec-a", "rec-b"], "csv")]
    assert [(file.name, file.content) for file in files] == [
        ("rec-a.csv", b"rec-arec-arec-a"),
        ("rec-b.csv", b"rec-brec-brec-b"),
    ]


async def test_an_unknown_view_is_refused_before_anything_is_sent() -> None:
    async with connect(Addresses(ingest="127.0.0.1:1")) as precordia:
        with pytest.raises(InvalidArgument):
            _ = [file async for file in precordia.ingest.export(["rec-a"], "csv", view="sideways")]


async def test_a_service_that_is_away_is_named_with_its_address() -> None:
    async with connect(Addresses(ingest="127.0.0.1:1")) as precordia:
        with pytest.raises(ServiceUnavailable) as refused:
            await precordia.ingest.get_recording("x")
        assert (await precordia.health("ingest")).state == "unreachable"
    assert refused.value.details == {"service": "ingest", "address": "127.0.0.1:1"}


async def test_health_says_serving() -> None:
    async with served("ingest", ADD_INGEST, Ingest()) as address, connect(Addresses(ingest=address)) as precordia:
        health = await precordia.health("ingest")
    assert health.serving
    assert health.address == address


async def test_a_broken_watch_is_taken_up_after_the_last_number() -> None:
    work = Work(events=6, break_after=4)
    async with served("trainer", ADD_WORK, work) as address, connect(Addresses(trainer=address)) as precordia:
        events = [event async for event in precordia.trainer.operations.watch("op-1", after=1)]
    assert [event.number for event in events] == [2, 3, 4, 5, 6]
    assert events[0].payload == {"epoch": 2}
    assert work.watches == [1, 4]


async def test_a_watch_outlives_a_restart_of_its_service() -> None:
    work = Work(events=5, break_after=2)
    address = f"127.0.0.1:{free_port()}"
    async with connect(Addresses(trainer=address)) as precordia:
        following = asyncio.create_task(_numbers(precordia.trainer.operations.watch("op-1")))
        await asyncio.sleep(0.3)
        async with served("trainer", ADD_WORK, work, listen=address):
            assert await asyncio.wait_for(following, 60) == [1, 2, 3, 4, 5]


async def _numbers(watch: AsyncIterator[OperationEvent]) -> list[int]:
    return [event.number async for event in watch]


async def test_waiting_for_an_operation_gives_its_result() -> None:
    work = Work(events=2, break_after=0)
    async with served("trainer", ADD_WORK, work) as address, connect(Addresses(trainer=address)) as precordia:
        done = await precordia.trainer.operations.wait("op-1")
    assert done.state is OperationState.SUCCEEDED
    assert done.result == {"n": 3}


async def test_an_operation_that_is_not_there_ends_a_watch_at_once() -> None:
    async with served("trainer", ADD_WORK, Work(0, 0)) as address, connect(Addresses(trainer=address)) as precordia:
        with pytest.raises(OperationNotFound):
            await precordia.trainer.operations.wait("op-2")


MANIFEST = Manifest(InputSpec("x", ("I",), 100.0, 10.0), Task.MULTILABEL, (Output("NORM"),))


async def test_a_model_travels_there_and_back_from_memory_and_from_disk(tmp_path: Path) -> None:
    registry = Registry()
    weights = tmp_path / "w"
    weights.write_bytes(b"w" * 2_500_000)
    async with served("registry", ADD_REGISTRY, registry) as address, connect(Addresses(registry=address)) as precordia:
        version, created = await precordia.registry.publish(
            "net", MANIFEST, {"model.onnx": b"onnx", "weights": weights}, Lineage("trained")
        )
        fetched, files = await precordia.registry.fetch(ModelRef("net"))
    assert created
    assert version.manifest == fetched.manifest == MANIFEST
    assert registry.files.arrived_whole()
    assert registry.files.largest == 1 << 20
    assert files == {"model.onnx": b"onnx", "weights": weights.read_bytes()}


async def test_a_damaged_artifact_is_refused() -> None:
    registry = Registry()
    async with served("registry", ADD_REGISTRY, registry) as address, connect(Addresses(registry=address)) as precordia:
        await precordia.registry.publish("net", MANIFEST, {"model.onnx": b"onnx"}, Lineage("trained"))
        registry.files.contents[0] = b"other"
        with pytest.raises(ChecksumMismatch):
            await precordia.registry.fetch(ModelRef("net"))


async def test_a_notebook_needs_no_await(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n")
    ingest = Ingest()

    def in_a_notebook(address: str) -> list[str]:
        with Precordia(Addresses(ingest=address)) as precordia:
            answer = precordia.import_file(tmp_path / "a.csv")
            with pytest.raises(InvalidArgument):
                precordia.import_file(tmp_path)
            return [answer.recordings[0].recording_id, *(one.recording_id for one in precordia.recordings())]

    async with served("ingest", ADD_INGEST, ingest) as address:
        assert await asyncio.to_thread(in_a_notebook, address) == ["rec-1", *(f"rec-{n}" for n in range(7))]
    assert ingest.files.contents == [b"1,2\n"]
