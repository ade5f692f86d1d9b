from __future__ import annotations

import pytest

from precordia.dataset import LabelGroup, LabelScheme
from precordia.errors import AlreadyExists, DatasetNotFound, InvalidArgument, InvalidLabels, RecordingNotFound
from services.ingest.ingest import Ingest
from tests.services.ingest.ecg_files import CONDITIONED, many, table, wfdb


@pytest.fixture
def labelled(ingest: Ingest) -> Ingest:
    """20 records under their own identifiers, with patients, folds and two label groups."""
    ingest.importer.import_source(many(), CONDITIONED, dataset="study")
    ingest.import_labels("study", table(), LabelScheme.AUTO)
    return ingest


def test_a_table_is_matched_by_the_sources_own_identifiers(labelled: Ingest) -> None:
    dataset = labelled.datasets.get("study")
    assert (dataset.records, dataset.labelled, dataset.patients) == (20, 20, 10)
    assert dataset.folds == ("1", "2", "3", "4", "5")
    assert dataset.label_groups == (
        LabelGroup("super", (("NORM", 15), ("MI", 5))),
        LabelGroup("rhythm", (("AFIB", 3),)),
    )


def test_the_answer_names_rows_and_records_without_partner(ingest: Ingest) -> None:
    stored = ingest.importer.import_source(many(4), CONDITIONED, dataset="study").recordings
    content = b"ecg_id,patient_id,MI\n100,1,1\n101,,0\n999,3,1\n"
    outcome = ingest.import_labels("study", content, LabelScheme.TABLE)
    assert outcome.matched_records == 2
    assert outcome.unmatched_rows == ("999",)
    assert outcome.unlabelled_records == (stored[2].recording_id, stored[3].recording_id)
    assert outcome.remarks == ("3 records have no patient; each counts as a patient of its own in splits.",)


def test_patients_of_a_table_are_kept_under_keys_not_as_they_are_written(labelled: Ingest) -> None:
    _, found = labelled.datasets.contents("study")
    assert found[0].patient == found[1].patient != found[2].patient
    assert len(found[0].patient) == 64


def test_files_are_matched_by_name_with_or_without_folder_and_extension(ingest: Ingest) -> None:
    for seed, name in enumerate(("one", "two", "three")):
        ingest.importer.import_source(wfdb(name, seed), dataset="ward")
    content = b"file_name,label,ICD-10\none.hea,AFIB,I48\nfolder/two.hea,NORM,\nthree,LBBB,\none.hea,RBBB,\n"
    outcome = ingest.import_labels("ward", content, LabelScheme.AUTO)
    assert (outcome.matched_records, outcome.unmatched_rows) == (3, ())
    labels = [stored.labels for stored in ingest.recordings.page(dataset="ward").recordings]
    assert labels == [("AFIB", "RBBB"), ("NORM",), ("LBBB",)]


def test_a_name_that_two_records_have_means_neither(ingest: Ingest) -> None:
    for seed in (1, 2):
        ingest.importer.import_source(wfdb("same", seed), dataset="ward")
    ingest.importer.import_source(wfdb("other", 3), dataset="ward")
    outcome = ingest.import_labels("ward", b"file_name,label\nsame.hea,MI\nother.hea,NORM\n", LabelScheme.AUTO)
    assert (outcome.matched_records, outcome.unmatched_rows) == (1, ("same.hea",))
    assert "1 rows name a file or record that stands more than once" in outcome.remarks[0]


def test_a_second_table_replaces_its_own_groups_only(labelled: Ingest) -> None:
    labelled.import_labels("study", b"ecg_id,rhythm:SR,rhythm:AFIB\n100,1,0\n", LabelScheme.TABLE)
    columns, found = labelled.datasets.contents("study")
    assert columns == {"super": ["NORM", "MI"], "rhythm": ["SR", "AFIB"]}
    assert found[0].labels == {"super": ["MI"], "rhythm": ["SR"]}
    assert (found[0].fold, found[7].labels["rhythm"]) == ("1", ["AFIB"])


def test_a_table_that_matches_nothing_is_refused_and_changes_nothing(labelled: Ingest) -> None:
    before = labelled.datasets.get("study")
    with pytest.raises(InvalidLabels, match="No row of the table names a record"):
        labelled.import_labels("study", b"ecg_id,XX\n9,1\n", LabelScheme.TABLE)
    assert labelled.datasets.get("study") == before


def test_what_comes_again_does_not_change_a_dataset(labelled: Ingest) -> None:
    before = labelled.datasets.get("study")
    labelled.importer.import_source(many(), CONDITIONED, dataset="study")
    assert labelled.datasets.get("study") == before
    labelled.importer.import_source(wfdb("one", 1), dataset="study")
    after = labelled.datasets.get("study")
    assert after.records == 21
    assert after.updated_at is not None
    assert before.updated_at is not None
    assert after.updated_at > before.updated_at


def test_labels_for_a_dataset_that_is_not_there_are_refused(ingest: Ingest) -> None:
    with pytest.raises(DatasetNotFound):
        ingest.import_labels("absent", table(), LabelScheme.AUTO)


def test_a_name_is_taken_once_but_a_request_may_be_repeated(ingest: Ingest) -> None:
    first = ingest.create_dataset("ward", request_id="r-1")
    assert ingest.create_dataset("ward", request_id="r-1") == first
    with pytest.raises(AlreadyExists):
        ingest.create_dataset("ward", request_id="r-2")
    with pytest.raises(InvalidArgument):
        ingest.create_dataset("a/b")


def test_adding_is_all_or_nothing_and_keeps_labels(labelled: Ingest) -> None:
    other = labelled.importer.import_source(wfdb()).recordings[0].recording_id
    here = labelled.recordings.page(dataset="study", page_size=1).recordings[0].recording_id
    with pytest.raises(RecordingNotFound):
        labelled.datasets.add("study", [other, "rec-0000000000000000"])
    assert labelled.datasets.get("study").records == 20
    after = labelled.datasets.add("study", [other, here])
    assert (after.records, after.labelled) == (21, 20)


def test_deleting_a_dataset_leaves_its_recordings(labelled: Ingest) -> None:
    labelled.datasets.delete("study")
    with pytest.raises(DatasetNotFound):
        labelled.datasets.get("study")
    assert len(labelled.recordings.page().recordings) == 20


def test_deleting_a_recording_counts_at_once(labelled: Ingest) -> None:
    first = labelled.recordings.page(dataset="study", page_size=1).recordings[0]
    labelled.importer.delete(first.recording_id)
    dataset = labelled.datasets.get("study")
    assert (dataset.records, dataset.label_groups[0].labels) == (19, (("NORM", 15), ("MI", 4)))


def test_datasets_come_in_pages(ingest: Ingest) -> None:
    for name in ("c", "a", "b"):
        ingest.create_dataset(name)
    first, token = ingest.datasets.page(page_size=2)
    rest, end = ingest.datasets.page(page_size=2, token=token)
    assert ([dataset.name for dataset in first + rest], end) == (["c", "a", "b"], "")
