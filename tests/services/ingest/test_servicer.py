from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import grpc
import numpy as np
import pytest

from precordia.client import Addresses, Connection, connect
from precordia.dataset import LabelChoices, LabelScheme, RecordFilter, SplitRef, SplitRule
from precordia.errors import (
    ChecksumMismatch,
    HintConflict,
    InvalidArgument,
    MissingField,
    RecordingNotFound,
    TooLarge,
    UnknownLead,
    UnsupportedView,
)
from precordia.leads import STANDARD_LEADS
from precordia.quality import Grade
from precordia.record import Hints, Sex, Unit
from precordia.rpc.server import serving
from precordia.rpc.status import from_rpc_error
from precordia.shard import decode_shard
from precordia.source import Source
from precordia.v1 import ingest_pb2 as pb
from precordia.v1 import ingest_pb2_grpc, types_pb2
from services.ingest.__main__ import build
from services.ingest.settings import IngestSettings
from tests.services.ingest.ecg_files import CONDITIONED, counts, many, table, wfdb

CSV = Source("bare.csv", b"I,II\n" + b"\n".join(f"{n * 0.01:g},{n * 0.02:g}".encode() for n in range(50)) + b"\n")


@pytest.fixture
async def stub(settings: IngestSettings) -> AsyncIterator[ingest_pb2_grpc.IngestServiceStub]:
    """The bare stub, for what the client would never send."""
    small = settings.model_copy(update={"max_source_bytes": 2 << 20})
    async with serving(build(small)) as address, grpc.aio.insecure_channel(address) as channel:
        yield ingest_pb2_grpc.IngestServiceStub(channel)


async def refusal(call: object) -> Exception:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call  # type: ignore[misc]  # a call of the bare stub
    return from_rpc_error(failed.value)


def file(name: str, content: bytes, **changes: object) -> pb.UploadHeader:
    facts = {"file_name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), **changes}
    return pb.UploadHeader(**facts)  # type: ignore[arg-type]  # facts by name


def parts(*sent: dict[str, object], message: type = pb.ImportRecordingRequest) -> Iterable[object]:
    return iter([message(**part) for part in sent])


START = {"header": pb.ImportHeader()}


async def test_a_recording_comes_back_exact_over_the_wire(connection: Connection) -> None:
    answer = await connection.ingest.import_source(wfdb(seed=4))
    stored = answer.recordings[0]
    assert (answer.created, stored.format, stored.sample_rate_hz, stored.samples) == (True, "wfdb", 500.0, 200)
    assert await connection.ingest.get_recording(stored.recording_id) == stored
    native = await connection.ingest.native_recording(stored.recording_id)
    assert np.array_equal(np.stack([channel.samples for channel in native.channels], axis=1), counts(4))
    signal, _ = await connection.ingest.signal(stored.recording_id, ("V2", "II"))
    assert signal.leads == ("V2", "II")
    assert np.array_equal(signal.values, (counts(4)[:, [7, 1]].T / 200).astype(np.float32))
    assert await connection.ingest.source(stored.recording_id) == wfdb(seed=4)


async def test_a_long_recording_streams_in_chunks(connection: Connection) -> None:
    source = wfdb(samples=400_000, leads=("II", "V5"))
    stored = (await connection.ingest.import_source(source)).recordings[0]
    native = await connection.ingest.native_recording(stored.recording_id)
    assert np.array_equal(native.channels[1].samples, counts(samples=400_000, leads=2)[:, 1])
    assert (await connection.ingest.source(stored.recording_id)).sha256() == source.sha256()


async def test_the_signal_is_sent_as_counts_where_that_is_exact(stub: ingest_pb2_grpc.IngestServiceStub) -> None:
    source = wfdb(leads=("I", "II", "V1"))
    sent: list[dict[str, object]] = [START]
    for name, content in [(source.name, source.content), *source.companions.items()]:
        sent += [{"file": file(name, content)}, {"chunk": content}]
    name = (await stub.ImportRecording(parts(*sent))).recordings[0].recording_id
    request = pb.GetSignalRequest(recording_id=name, lead_names=["I", "aVR"], sample_type=types_pb2.SAMPLE_TYPE_INT16)
    signal = (await stub.GetSignal(request)).signal
    assert signal.sample_type == types_pb2.SAMPLE_TYPE_INT16
    assert list(signal.derived_leads) == ["aVR"]
    values = np.frombuffer(signal.data, "<i2").reshape(2, -1) * signal.scale
    one, two = counts(leads=3)[:, 0] / 200, counts(leads=3)[:, 1] / 200
    assert np.allclose(values, [one, -(one + two) / 2], atol=1e-12)
    everything = await stub.GetSignal(pb.GetSignalRequest(recording_id=name))
    assert everything.signal.sample_type == types_pb2.SAMPLE_TYPE_FLOAT32
    assert len(everything.signal.lead_names) == 12
    request = pb.GetSignalRequest(recording_id=name, sample_type=types_pb2.SAMPLE_TYPE_INT32)
    assert isinstance(await refusal(stub.GetSignal(request)), InvalidArgument)


async def test_missing_facts_are_named_and_hints_fill_them(connection: Connection) -> None:
    with pytest.raises(MissingField) as refused:
        await connection.ingest.import_source(CSV)
    assert refused.value.field in ("sample_rate_hz", "unit")
    preview = await connection.ingest.preview(CSV)
    assert (preview.format, set(preview.missing_fields)) == ("csv", {"sample_rate_hz", "unit"})
    hints = Hints(sample_rate_hz=250, unit=Unit.MILLIVOLT)
    stored = (await connection.ingest.import_source(CSV, hints)).recordings[0]
    assert (stored.leads, stored.sample_rate_hz, stored.hints) == (("I", "II"), 250.0, hints)
    with pytest.raises(HintConflict):
        await connection.ingest.import_source(wfdb(), Hints(sample_rate_hz=250))


async def test_a_dataset_goes_all_the_way_to_its_shards(connection: Connection) -> None:
    await connection.ingest.import_source(many(), CONDITIONED, dataset="study")
    outcome = await connection.ingest.import_labels("study", "labels.csv", table())
    assert (outcome.matched_records, outcome.dataset.patients) == (20, 10)
    rules = [SplitRule("train", ("1", "2", "3", "4")), SplitRule("test", ("5",))]
    snapshot = await connection.ingest.create_snapshot("study", rules)
    assert [(split.name, split.records) for split in snapshot.splits] == [("train", 16), ("test", 4)]
    opened, tickets = await connection.ingest.open_snapshot(SplitRef("study", "test"))
    shard = decode_shard(await connection.ingest.read_shard(tickets[0]))
    assert opened == snapshot
    assert (shard.source_records, shard.folds) == (["108", "109", "118", "119"], ["5"] * 4)
    # a list leaves out what is counted of each split
    assert await connection.ingest.snapshots("study") == [replace(snapshot, facts=())]
    assert [dataset.name for dataset in await connection.ingest.datasets()] == ["study"]
    await connection.ingest.delete_dataset("study")
    assert await connection.ingest.datasets() == []


async def test_lists_page_through_all(connection: Connection) -> None:
    await connection.ingest.import_source(many(23), CONDITIONED)
    page = await connection.ingest.list_recordings(page_size=10)
    assert (len(page.recordings), page.next_page_token != "") == (10, True)
    listed = [stored.source_record async for stored in connection.ingest.recordings(page_size=10)]
    assert listed == [str(number) for number in range(100, 123)]


async def test_exports_come_as_files(connection: Connection) -> None:
    names = [(await connection.ingest.import_source(wfdb(f"n{n}", n))).recordings[0].recording_id for n in range(2)]
    files = [file async for file in connection.ingest.export(names, "npz")]
    assert [file.name for file in files] == [f"{name}.npz" for name in names]
    with pytest.raises(UnsupportedView, match="npz, csv"):
        [file async for file in connection.ingest.export(names, "pdf")]
    with pytest.raises(UnsupportedView, match="there is: raw"):
        [file async for file in connection.ingest.export(names, "npz", view="median")]
    with pytest.raises(RecordingNotFound):
        [file async for file in connection.ingest.export([*names, "rec-0"], "npz")]


async def test_what_is_not_there_is_said_by_type(connection: Connection) -> None:
    with pytest.raises(RecordingNotFound):
        await connection.ingest.get_recording("rec-0000000000000000")
    with pytest.raises(RecordingNotFound):
        await connection.ingest.native_recording("rec-0000000000000000")
    stored = (await connection.ingest.import_source(wfdb())).recordings[0]
    with pytest.raises(UnknownLead):
        await connection.ingest.signal(stored.recording_id, ("V9",))
    await connection.ingest.delete_recording(stored.recording_id)
    with pytest.raises(RecordingNotFound):
        await connection.ingest.signal(stored.recording_id)


async def test_streams_out_of_order_are_refused(stub: ingest_pb2_grpc.IngestServiceStub) -> None:
    content = b"bytes"
    streams = [
        parts(),
        parts({"chunk": content}),
        parts({"file": file("a", content)}),
        parts(START),
        parts(START, {"chunk": content}),
        parts(START, START),
    ]
    for stream in streams:
        assert isinstance(await refusal(stub.ImportRecording(stream)), InvalidArgument)
    for sent in ([], [{"chunk": content}], [{"header": file("a", content)}, {"header": file("a", content)}]):
        stream = parts(*sent, message=pb.UploadSourceRequest)
        assert isinstance(await refusal(stub.UploadSource(stream)), InvalidArgument)
    for sent in ([], [{"chunk": content}]):
        stream = parts(*sent, message=pb.ImportLabelsRequest)
        assert isinstance(await refusal(stub.ImportLabels(stream)), InvalidArgument)


async def test_wrong_and_oversized_uploads_are_refused(stub: ingest_pb2_grpc.IngestServiceStub) -> None:
    content = b"bytes"
    wrong = parts(START, {"file": file("a", content, sha256="0" * 64)}, {"chunk": content})
    assert isinstance(await refusal(stub.ImportRecording(wrong)), ChecksumMismatch)
    short = parts(START, {"file": file("a", content, size_bytes=9)}, {"chunk": content})
    assert isinstance(await refusal(stub.ImportRecording(short)), ChecksumMismatch)
    large = parts(START, {"file": file("a", content, size_bytes=3 << 20)})
    assert isinstance(await refusal(stub.ImportRecording(large)), TooLarge)
    chunk = bytes((1 << 20) + 1)
    fat = parts({"header": file("a", chunk)}, {"chunk": chunk}, message=pb.UploadSourceRequest)
    assert isinstance(await refusal(stub.UploadSource(fat)), TooLarge)
    nameless = parts({"header": file("..", content)}, {"chunk": content}, message=pb.UploadSourceRequest)
    assert isinstance(await refusal(stub.UploadSource(nameless)), InvalidArgument)


async def test_recordings_outlive_the_server(settings: IngestSettings) -> None:
    async with serving(build(settings)) as address, connect(Addresses(ingest=address)) as client:
        name = (await client.ingest.import_source(wfdb())).recordings[0].recording_id
    async with serving(build(settings)) as address, connect(Addresses(ingest=address)) as client:
        assert (await client.ingest.get_recording(name)).recording_id == name


async def test_labels_filters_and_unions_cross_the_wire(connection: Connection) -> None:
    for index, (age, dx) in enumerate([(30, "426783006"), (70, "164889003,164873001")]):
        made = wfdb(f"r{index}", index, comments=f"#Age: {age}\n#Sex: Male\n#Dx: {dx}\n", samples=2500)
        stored = (await connection.ingest.import_source(made, dataset="ward")).recordings[0]
        assert stored.quality is not None
        assert [lead.lead for lead in stored.quality.leads] == list(STANDARD_LEADS)
        assert stored == await connection.ingest.get_recording(stored.recording_id)
    choices = LabelChoices(mapping="challenge")
    outcome = await connection.ingest.import_labels("ward", "", b"", LabelScheme.CHALLENGE, choices=choices)
    assert (outcome.matched_records, outcome.unmapped) == (2, (("LVH", 1),))
    only = RecordFilter(least_age_years=60, sex=Sex.MALE, labels=("challenge:AF",), least_grade=Grade.UNUSABLE)
    snapshot = await connection.ingest.create_snapshot("ward", only=only)
    assert (snapshot.only, snapshot.left_out) == (only, 1)
    await connection.ingest.import_source(many(3), CONDITIONED, dataset="study")
    union = await connection.ingest.union_datasets("all", ["ward", "study"])
    assert (union.records, union.labelled) == (5, 2)
