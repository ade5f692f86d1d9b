from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from precordia.dataset import LabelScheme, SplitCount, SplitRef, SplitRule
from precordia.errors import DatasetNotFound, InvalidSplit, ShardNotFound, SnapshotNotFound, UnsupportedView
from precordia.record import Unit
from precordia.shard import Shard, decode_shard
from services.ingest.ingest import Ingest
from services.ingest.settings import IngestSettings
from tests.services.ingest.ecg_files import CONDITIONED, counts, many, table, wfdb

BY_FOLD = (SplitRule("train", ("1", "2", "3")), SplitRule("test", ("4",)))


@pytest.fixture
def study(ingest: Ingest) -> Ingest:
    ingest.importer.import_source(many(), CONDITIONED, dataset="study")
    ingest.import_labels("study", table(), LabelScheme.AUTO)
    return ingest


def opened(ingest: Ingest, split: str = "", snapshot_id: str = "", dataset: str = "study") -> list[Shard]:
    _, tickets = ingest.snapshots.open(SplitRef(dataset, split, snapshot_id))
    return [decode_shard(b"".join(ingest.snapshots.shard(ticket.shard_id))) for ticket in tickets]


def test_a_split_holds_its_records_with_samples_labels_and_facts(study: Ingest) -> None:
    snapshot = study.create_snapshot("study", BY_FOLD)
    assert snapshot.splits == (SplitCount("train", 12, 6), SplitCount("test", 4, 2))
    (shard,) = opened(study, "test")
    assert shard.source_records == ["106", "107", "116", "117"]
    assert shard.folds == ["4"] * 4
    assert shard.patients[0] == shard.patients[1] != shard.patients[2]
    assert shard.labels("super") == [("NORM",), ("NORM",), ("MI",), ("NORM",)]
    assert shard.targets("rhythm", ["AFIB"]).tolist() == [[0], [1], [0], [0]]
    signal = shard.signal(0)
    assert (signal.unit, signal.applied, signal.sample_rate_hz) == (Unit.STANDARDISED, CONDITIONED.applied, 100.0)
    assert np.array_equal(signal.values, (counts(6, samples=100).T / 1000).astype(np.float32))
    assert shard.dense is not None
    assert shard.dense.shape == (4, 12, 100)


def test_the_whole_is_every_split_and_what_no_split_holds(study: Ingest) -> None:
    study.create_snapshot("study", BY_FOLD)
    found = [name for shard in opened(study) for name in shard.source_records]
    assert sorted(found) == [str(number) for number in range(100, 120)]


def test_the_same_content_and_splits_are_the_same_snapshot(study: Ingest) -> None:
    first = study.create_snapshot("study", BY_FOLD)
    assert study.create_snapshot("study", BY_FOLD) == first
    assert study.create_snapshot("study", BY_FOLD, seed=5).digest == first.digest
    assert study.create_snapshot("study", BY_FOLD[:1]).digest != first.digest


def test_labels_that_change_make_another_digest(study: Ingest) -> None:
    first = study.create_snapshot("study")
    study.import_labels("study", b"ecg_id,super:NORM,super:MI\n100,1,1\n", LabelScheme.TABLE)
    assert study.create_snapshot("study").digest != first.digest


def test_the_digest_does_not_depend_on_the_site(tmp_path: Path) -> None:
    digests = set()
    for site in ("a", "b"):
        ingest = Ingest(IngestSettings(home=tmp_path / site))
        ingest.importer.import_source(many(), CONDITIONED, dataset="study")
        ingest.import_labels("study", table(), LabelScheme.AUTO)
        shares = (SplitRule("train", (), 0.7), SplitRule("test", (), 0.3))
        digests.add(ingest.create_snapshot("study", shares, seed=1).digest)
        ingest.close()
    assert len(digests) == 1


def test_a_snapshot_stays_what_it_was(study: Ingest) -> None:
    snapshot = study.create_snapshot("study", BY_FOLD)
    before = [shard.dense for shard in opened(study, "train")]
    for stored in study.recordings.page(dataset="study").recordings:
        study.importer.delete(stored.recording_id)
    study.datasets.delete("study")
    after = [shard.dense for shard in opened(study, "train", snapshot.snapshot_id)]
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True) if x is not None and y is not None)
    assert len(after) == 1
    assert study.snapshots.page("study")[0] == (snapshot,)


def test_the_newest_snapshot_is_opened_and_making_one_again_makes_it_the_newest(study: Ingest) -> None:
    first = study.create_snapshot("study", BY_FOLD)
    second = study.create_snapshot("study", BY_FOLD[:1])
    assert study.snapshots.open(SplitRef("study", "train"))[0] == second
    study.create_snapshot("study", BY_FOLD)
    assert study.snapshots.open(SplitRef("study", "train"))[0] == first
    assert study.snapshots.page("study")[0] == (first, second)
    page, token = study.snapshots.page("study", page_size=1)
    assert (page, study.snapshots.page("study", page_size=1, token=token)) == ((first,), ((second,), ""))


def test_a_repeated_request_gets_its_snapshot_whatever_changed_since(study: Ingest) -> None:
    first = study.create_snapshot("study", request_id="r-1")
    study.importer.import_source(wfdb(), dataset="study")
    assert study.create_snapshot("study", request_id="r-1") == first


def test_a_dataset_that_was_never_frozen_is_frozen_when_all_of_it_is_opened(study: Ingest) -> None:
    assert sum(len(shard) for shard in opened(study)) == 20
    assert len(study.snapshots.page("study")[0]) == 1


def test_splits_and_snapshots_that_are_not_there_are_named(study: Ingest) -> None:
    with pytest.raises(SnapshotNotFound, match="never frozen"):
        study.snapshots.open(SplitRef("study", "train"))
    snapshot = study.create_snapshot("study", BY_FOLD)
    with pytest.raises(SnapshotNotFound, match="it has: train, test"):
        study.snapshots.open(SplitRef("study", "valid"))
    with pytest.raises(SnapshotNotFound, match="of another dataset"):
        study.snapshots.open(SplitRef("other", "train", snapshot.snapshot_id))
    with pytest.raises(DatasetNotFound):
        study.snapshots.open(SplitRef("absent"))
    with pytest.raises(DatasetNotFound):
        study.snapshots.page("absent")
    with pytest.raises(ShardNotFound):
        study.snapshots.shard("shard-0")


def test_an_empty_dataset_cannot_be_frozen(ingest: Ingest) -> None:
    ingest.create_dataset("empty")
    with pytest.raises(InvalidSplit, match="holds no recording"):
        ingest.create_snapshot("empty")


def test_a_recording_without_leads_refuses_the_snapshot_and_is_named(ingest: Ingest) -> None:
    stored = ingest.importer.import_source(wfdb(leads=("MLII", "RESP")), dataset="mixed").recordings[0]
    with pytest.raises(UnsupportedView, match="cannot be frozen") as refused:
        ingest.create_snapshot("mixed")
    assert refused.value.details["name"] == stored.recording_id


def test_only_leads_that_are_there_or_follow_are_frozen(ingest: Ingest) -> None:
    ingest.importer.import_source(wfdb(leads=("I", "II", "V5", "RESP")), dataset="mixed")
    (shard,) = opened(ingest, dataset="mixed")
    signal = shard.signal(0)
    assert signal.leads == ("I", "II", "III", "aVR", "aVL", "aVF", "V5")
    assert signal.derived == ("III", "aVR", "aVL", "aVF")
    one, two = counts(leads=4)[:, 0] / 200, counts(leads=4)[:, 1] / 200
    assert np.array_equal(signal.lead("aVR"), (-(one + two) / 2).astype(np.float32))


def test_shards_are_closed_at_their_size(settings: IngestSettings) -> None:
    ingest = Ingest(settings.model_copy(update={"shard_bytes": 8 * 2400}))
    ingest.importer.import_source(many(), CONDITIONED, dataset="study")
    assert [len(shard) for shard in opened(ingest)] == [8, 8, 4]
    ingest.close()
