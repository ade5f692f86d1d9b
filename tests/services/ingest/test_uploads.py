from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from precordia.errors import ChecksumMismatch, TooLarge, UploadNotFound
from services.ingest.assembly import FileHeader
from services.ingest.ingest import Ingest
from services.ingest.settings import IngestSettings
from tests.services.ingest.ecg_files import wfdb


def stage(ingest: Ingest, name: str, content: bytes, sha256: str = "") -> str:
    header = FileHeader(name, len(content), sha256 or hashlib.sha256(content).hexdigest())
    with ingest.uploads.begin(header) as staging:
        staging.add(content)
        return staging.finish().upload_id


def blob_files(home: Path) -> list[Path]:
    return [path for path in (home / "ingest" / "blobs").rglob("*") if path.is_file()]


def test_staged_files_make_a_source(ingest: Ingest) -> None:
    source = wfdb()
    main = stage(ingest, source.name, source.content)
    companions = {name: stage(ingest, name, content) for name, content in source.companions.items()}
    assert ingest.uploads.source(source.name, main, companions) == source


def test_a_broken_upload_leaves_nothing(ingest: Ingest, tmp_path: Path) -> None:
    with pytest.raises(ChecksumMismatch):
        stage(ingest, "a", b"bytes", sha256="0" * 64)
    with ingest.uploads.begin(FileHeader("a", 10, "0" * 64)) as staging:
        staging.add(b"bytes")
        with pytest.raises(ChecksumMismatch, match="Fewer"):
            staging.finish()
    assert blob_files(tmp_path) == []


def test_an_upload_that_is_too_large_is_refused_at_its_announcement(settings: IngestSettings) -> None:
    ingest = Ingest(settings.model_copy(update={"max_source_bytes": 100}))
    with pytest.raises(TooLarge):
        ingest.uploads.begin(FileHeader("a", 101, "0" * 64))
    ingest.close()


def test_an_upload_that_nobody_imports_expires_with_its_bytes(settings: IngestSettings, tmp_path: Path) -> None:
    ingest = Ingest(settings.model_copy(update={"upload_keep_h": 1e-9}))
    upload = stage(ingest, "a", b"bytes")
    kept = stage(ingest, "b", b"kept")
    ingest.uploads.extend([kept], hours=1)
    ingest.clean()
    with pytest.raises(UploadNotFound):
        ingest.uploads.source("a", upload, {})
    assert ingest.uploads.source("b", kept, {}).content == b"kept"
    assert len(blob_files(tmp_path)) == 1
    ingest.close()


def test_bytes_that_a_recording_shares_with_an_upload_stay(ingest: Ingest) -> None:
    source = wfdb()
    upload = stage(ingest, source.name, source.content)
    stored = ingest.importer.import_source(source).recordings[0]
    ingest.uploads.forget([upload])
    files = {file.name: b"".join(chunks) for file, chunks in ingest.source(stored.recording_id)}
    assert files[source.name] == source.content
