from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from precordia.source import Source
from services.ingest.formats import read_source
from services.ingest.importer import assessed
from services.ingest.ingest import Ingest
from services.ingest.settings import IngestSettings
from services.ingest.tables import metadata


def test_the_migrations_make_the_tables_that_the_code_knows(ingest: Ingest) -> None:
    ours = set(metadata.tables)
    with ingest._engine.begin() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: _known(name, kind, ours)}
        )
        assert compare_metadata(context, metadata) == []


def _known(name: str | None, kind: str, ours: set[str]) -> bool:
    return kind != "table" or name in ours


def test_every_fact_of_a_dicom_survives_the_database(ingest: Ingest, dicom_ecg: Path) -> None:
    source = Source("ecg.dcm", dicom_ecg.read_bytes())
    stored = ingest.importer.import_source(source).recordings[0]
    read = replace(assessed(read_source(source)[0], recording_id=stored.recording_id), created_at=stored.created_at)
    assert stored.quality is not None
    assert stored.device.median_beats
    assert stored.patient_key != read.patient_key == ""
    assert stored == type(stored)(**{**vars(read), "patient_key": stored.patient_key})


def test_lists_leave_out_what_the_device_said(ingest: Ingest, dicom_ecg: Path) -> None:
    ingest.importer.import_source(Source("ecg.dcm", dicom_ecg.read_bytes()))
    (listed,) = ingest.recordings.page().recordings
    assert (listed.device.median_beats, listed.format) == ({}, "dicom")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PRECORDIA_HOME", str(tmp_path))
    monkeypatch.setenv("PRECORDIA_INGEST_IMPORT_THREADS", "3")
    settings = IngestSettings()
    assert settings.import_threads == 3
    assert settings.database == f"sqlite:///{tmp_path}/ingest/ingest.db"
    monkeypatch.setenv("PRECORDIA_INGEST_DATABASE_URL", "postgresql+psycopg://db/precordia")
    assert IngestSettings().database == "postgresql+psycopg://db/precordia"
