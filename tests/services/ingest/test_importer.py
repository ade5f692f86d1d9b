from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from precordia.errors import (
    DatasetNotFound,
    InternalError,
    InvalidArgument,
    RecordingNotFound,
    RequestReused,
    UnknownFormat,
)
from precordia.record import Hints
from precordia.source import Source
from services.ingest.importer import recording_id
from services.ingest.ingest import Ingest
from tests.services.ingest.ecg_files import counts, wfdb

AGREEING = Hints(sample_rate_hz=500.0)  # what the file says anyway: another way to say the same


def test_the_kept_recording_is_the_source_to_the_last_count(ingest: Ingest) -> None:
    imported = ingest.importer.import_source(wfdb(seed=3))
    recording = ingest.importer.recording(imported.recordings[0].recording_id)
    stored = np.stack([channel.samples for channel in recording.channels], axis=1)
    assert stored.dtype == np.int16
    assert np.array_equal(stored, counts(3))
    assert [channel.gain for channel in recording.channels] == [200.0] * 12
    assert recording.signal().lead("II")[5] == np.float32(counts(3)[5, 1] / 200)


def test_the_identity_is_source_index_and_hints() -> None:
    assert recording_id("ab" * 32, 0, Hints()) == recording_id("ab" * 32, 0, Hints())
    assert recording_id("ab" * 32, 0, Hints(sample_rate_hz=500)) == recording_id("ab" * 32, 0, AGREEING)
    others = [("cd" * 32, 0, Hints()), ("ab" * 32, 1, Hints()), ("ab" * 32, 0, AGREEING)]
    assert recording_id("ab" * 32, 0, Hints()) not in {recording_id(*other) for other in others}
    assert len(recording_id("ab" * 32, 0, Hints())) == len("rec-") + 16


def test_the_same_again_is_the_same_and_not_created(ingest: Ingest) -> None:
    first = ingest.importer.import_source(wfdb())
    again = ingest.importer.import_source(replace(wfdb(), name="renamed.hea"))
    assert (first.created, again.created) == (True, False)
    assert again.recordings == first.recordings
    assert len(ingest.recordings.page().recordings) == 1


def test_other_hints_supersede_and_take_over_the_place_in_datasets(ingest: Ingest) -> None:
    old = ingest.importer.import_source(wfdb(), dataset="ward").recordings[0]
    new = ingest.importer.import_source(wfdb(), AGREEING).recordings[0]
    assert (new.supersedes, old.supersedes) == (old.recording_id, "")
    listed = ingest.recordings.page(dataset="ward").recordings
    assert [stored.recording_id for stored in listed] == [new.recording_id]
    assert ingest.recordings.get(old.recording_id).recording_id == old.recording_id
    assert ingest.datasets.get("ward").records == 1


def test_going_back_to_the_first_hints_makes_the_first_recording_current_again(ingest: Ingest) -> None:
    old = ingest.importer.import_source(wfdb()).recordings[0]
    new = ingest.importer.import_source(wfdb(), AGREEING).recordings[0]
    back = ingest.importer.import_source(wfdb())
    assert (back.created, back.recordings[0].recording_id) == (False, old.recording_id)
    assert back.recordings[0].supersedes == new.recording_id
    assert [stored.recording_id for stored in ingest.recordings.page().recordings] == [old.recording_id]


def test_validate_only_reads_and_keeps_nothing(ingest: Ingest, tmp_path: Path) -> None:
    seen = ingest.importer.import_source(wfdb(), validate_only=True)
    assert (seen.recordings[0].recording_id, seen.recordings[0].sample_rate_hz) == ("", 500.0)
    assert ingest.recordings.page().recordings == ()
    assert [path for path in (tmp_path / "ingest" / "blobs").rglob("*") if path.is_file()] == []


def test_a_refused_source_leaves_nothing(ingest: Ingest, tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat):
        ingest.importer.import_source(Source("notes.txt", b"\x00\x01nothing that a reader knows\xff"), dataset="ward")
    with pytest.raises(DatasetNotFound):
        ingest.datasets.get("ward")
    assert [path for path in (tmp_path / "ingest" / "blobs").rglob("*") if path.is_file()] == []


def test_a_request_id_gives_the_first_answer_and_never_another(ingest: Ingest) -> None:
    first = ingest.importer.import_source(wfdb(), request_id="r-1")
    assert ingest.importer.import_source(wfdb(), request_id="r-1") == first
    with pytest.raises(RequestReused):
        ingest.importer.import_source(wfdb(seed=1), request_id="r-1")


def test_a_bad_dataset_name_is_refused_before_anything_is_kept(ingest: Ingest) -> None:
    with pytest.raises(InvalidArgument) as refused:
        ingest.importer.import_source(wfdb(), dataset="../ward")
    assert refused.value.field == "dataset"
    assert ingest.recordings.page().recordings == ()


def test_imports_of_one_source_at_once_make_one_recording(ingest: Ingest) -> None:
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(ingest.importer.import_source(wfdb()).created)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 5 + [True]
    assert len(ingest.recordings.page().recordings) == 1


def test_deleting_frees_what_nothing_else_needs(ingest: Ingest, tmp_path: Path) -> None:
    blobs = tmp_path / "ingest" / "blobs"
    first = ingest.importer.import_source(wfdb(seed=1), dataset="ward").recordings[0]
    other = ingest.importer.import_source(wfdb("other", seed=2)).recordings[0]
    ingest.importer.delete(first.recording_id)
    with pytest.raises(RecordingNotFound):
        ingest.recordings.get(first.recording_id)
    assert ingest.datasets.get("ward").records == 0
    assert len([path for path in blobs.rglob("*") if path.is_file()]) == 3
    assert ingest.importer.recording(other.recording_id).channels[0].samples[0] == counts(2)[0, 0]


def test_deleting_takes_along_what_was_superseded(ingest: Ingest, tmp_path: Path) -> None:
    old = ingest.importer.import_source(wfdb()).recordings[0]
    new = ingest.importer.import_source(wfdb(), AGREEING).recordings[0]
    ingest.importer.delete(new.recording_id)
    with pytest.raises(RecordingNotFound):
        ingest.recordings.get(old.recording_id)
    assert [path for path in (tmp_path / "ingest" / "blobs").rglob("*") if path.is_file()] == []


def test_a_deleted_recording_can_be_imported_again(ingest: Ingest) -> None:
    first = ingest.importer.import_source(wfdb()).recordings[0]
    ingest.importer.delete(first.recording_id)
    again = ingest.importer.import_source(wfdb())
    assert again.created
    assert again.recordings[0].recording_id == first.recording_id


def test_damaged_samples_are_an_error_and_not_an_ecg(ingest: Ingest, tmp_path: Path) -> None:
    stored = ingest.importer.import_source(wfdb()).recordings[0]
    _, place = ingest.recordings.get_with_place(stored.recording_id)
    blob = tmp_path / "ingest" / "blobs" / place.blob[:2] / place.blob
    blob.write_bytes(bytes([blob.read_bytes()[0] ^ 1]) + blob.read_bytes()[1:])
    with pytest.raises(InternalError, match="damaged"):
        ingest.importer.recording(stored.recording_id)


def test_source_files_come_back_as_they_were(ingest: Ingest) -> None:
    source = wfdb()
    stored = ingest.importer.import_source(source).recordings[0]
    files = {file.name: b"".join(chunks) for file, chunks in ingest.source(stored.recording_id)}
    assert files == {source.name: source.content, **source.companions}


def test_pages_are_stable_while_recordings_arrive(ingest: Ingest) -> None:
    first = [ingest.importer.import_source(wfdb(f"a{n}", seed=n)).recordings[0].recording_id for n in range(5)]
    page = ingest.recordings.page(page_size=3)
    late = ingest.importer.import_source(wfdb("late", seed=9)).recordings[0].recording_id
    ingest.importer.delete(first[0])
    rest = ingest.recordings.page(page_size=3, token=page.next_page_token)
    assert [stored.recording_id for stored in page.recordings] == first[:3]
    assert [stored.recording_id for stored in rest.recordings] == [*first[3:], late]
    assert rest.next_page_token == ""


def test_lists_narrow_to_sources(ingest: Ingest) -> None:
    stored = [ingest.importer.import_source(wfdb(f"a{n}", seed=n)).recordings[0] for n in range(3)]
    page = ingest.recordings.page(source_sha256=[stored[1].source_sha256])
    assert [one.recording_id for one in page.recordings] == [stored[1].recording_id]


@pytest.mark.parametrize("token", ["nonsense", "WzEsICJ4Il0=", "\u00e4"])
def test_a_foreign_page_token_is_refused(ingest: Ingest, token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        ingest.recordings.page(token=token)
    assert refused.value.field == "page_token"


def test_page_sizes_beyond_the_limit_are_refused(ingest: Ingest) -> None:
    with pytest.raises(InvalidArgument):
        ingest.recordings.page(page_size=1001)
    with pytest.raises(DatasetNotFound):
        ingest.recordings.page(dataset="absent")
