"""De-identification through the whole service: what rests in the store afterwards, and what goes out."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest

from precordia.client import Addresses, Connection, connect
from precordia.errors import FailedPrecondition
from precordia.rpc.server import serving
from precordia.source import Source
from services.ingest.__main__ import build
from services.ingest.ingest import Ingest
from services.ingest.settings import IngestSettings
from tests.services.ingest.deidentify.identified_files import IDENTITY, dicom, wfdb_record
from tests.services.ingest.ecg_files import CONDITIONED, many


def resting(home: Path) -> bytes:
    """Every byte that the service keeps, lower case."""
    return b"".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()).lower()


def identity_in(content: bytes) -> list[str]:
    return [word for word in IDENTITY if word.lower().encode() in content]


@pytest.mark.parametrize("source", [dicom(), wfdb_record()], ids=["dicom", "wfdb"])
async def test_nothing_of_the_identity_rests_on_disk(
    connection: Connection, settings: IngestSettings, source: Source
) -> None:
    answer = await connection.ingest.import_source(source, deidentify=True, dataset="study")
    assert answer.created
    kept = await connection.ingest.source(answer.recordings[0].recording_id)
    assert kept.name.startswith("deid-")
    assert identity_in(resting(settings.home)) == []
    assert "deidentified" in [remark.code for remark in answer.recordings[0].remarks]


async def test_without_being_asked_the_source_is_kept_as_it_came(connection: Connection) -> None:
    answer = await connection.ingest.import_source(dicom())
    assert (await connection.ingest.source(answer.recordings[0].recording_id)).content == dicom().content


async def test_the_same_file_again_is_the_same_recording(connection: Connection) -> None:
    first = await connection.ingest.import_source(dicom(), deidentify=True)
    again = await connection.ingest.import_source(dicom(), deidentify=True)
    plain = await connection.ingest.import_source(dicom())
    assert (first.created, again.created) == (True, False)
    assert first.recordings[0].recording_id == again.recordings[0].recording_id
    assert plain.recordings[0].recording_id != first.recordings[0].recording_id
    assert plain.recordings[0].patient_key == first.recordings[0].patient_key


async def test_a_source_that_cannot_be_rewritten_is_not_kept(connection: Connection, settings: IngestSettings) -> None:
    answer = await connection.ingest.import_source(many(3), CONDITIONED, deidentify=True)
    assert {remark.code for remark in answer.recordings[0].remarks} >= {"deidentified", "source_not_kept"}
    with pytest.raises(FailedPrecondition, match="not kept"):
        await connection.ingest.source(answer.recordings[0].recording_id)
    again = await connection.ingest.import_source(many(3), CONDITIONED, deidentify=True)
    assert not again.created
    assert many(3).content not in resting(settings.home)


async def test_it_can_be_the_rule(settings: IngestSettings) -> None:
    ruled = settings.model_copy(update={"deidentify": True})
    async with serving(build(ruled)) as address, connect(Addresses(ingest=address)) as client:
        answer = await client.ingest.import_source(dicom())
        assert "deidentified" in [remark.code for remark in answer.recordings[0].remarks]
    assert identity_in(resting(settings.home)) == []


def test_the_rule_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECORDIA_INGEST_DEIDENTIFY", "true")
    assert IngestSettings().deidentify


async def test_an_export_can_be_deidentified(connection: Connection) -> None:
    stored = (await connection.ingest.import_source(dicom())).recordings[0]
    asked = connection.ingest.export([stored.recording_id], "dicom", deidentify=True)
    (file,) = [one async for one in asked]
    (plain,) = [one async for one in connection.ingest.export([stored.recording_id], "dicom")]
    hidden, shown = (pydicom.dcmread(io.BytesIO(one.content)) for one in (file, plain))
    assert np.array_equal(hidden.waveform_array(0), shown.waveform_array(0))
    assert hidden.PatientID not in ("", shown.PatientID)
    assert hidden.AcquisitionDateTime != shown.AcquisitionDateTime
    assert hidden.StudyInstanceUID != shown.StudyInstanceUID
    assert stored.recording_id not in file.name
    assert stored.recording_id.encode() not in file.content
    assert [remark.code for remark in file.remarks] == ["deidentified"]
    assert plain.remarks == ()


async def test_dates_are_moved_once(connection: Connection) -> None:
    stored = (await connection.ingest.import_source(dicom(), deidentify=True)).recordings[0]
    (file,) = [one async for one in connection.ingest.export([stored.recording_id], "dicom", deidentify=True)]
    moved = pydicom.dcmread(io.BytesIO(file.content)).AcquisitionDateTime
    assert stored.acquired_at is not None
    assert str(moved).startswith(f"{stored.acquired_at:%Y%m%d}")


def test_a_batch_deidentifies_as_well(settings: IngestSettings) -> None:
    ingest = Ingest(settings)
    prepared = ingest.importer.prepare(dicom(), CONDITIONED.from_json({}), deidentify=True)
    assert prepared.source.name.startswith("deid-")
    assert prepared.new[0].stored.source_name.startswith("deid-")
    ingest.close()


async def test_where_it_is_the_rule_nothing_is_staged(settings: IngestSettings) -> None:
    ruled = settings.model_copy(update={"deidentify": True})
    async with serving(build(ruled)) as address, connect(Addresses(ingest=address)) as client:
        with pytest.raises(FailedPrecondition, match="--deidentify"):
            await client.ingest.upload_source("ecg.dcm", dicom().content)
    assert identity_in(resting(settings.home)) == []


async def test_staged_files_are_cleaned_and_dropped(connection: Connection, settings: IngestSettings) -> None:
    staged = await connection.ingest.stage(dicom())
    operation = await connection.ingest.start_import([staged], deidentify=True)
    finished = await connection.ingest.operations.wait(operation.operation_id)
    assert finished.result["imported"] == 1
    (stored,) = [recording async for recording in connection.ingest.recordings()]
    assert stored.source_name.startswith("deid-")
    kept = (settings.home / "ingest" / "blobs").rglob("*")
    assert identity_in(b"".join(path.read_bytes() for path in kept if path.is_file()).lower()) == []
