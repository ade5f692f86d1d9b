"""Filters on snapshots, and unions of datasets."""

from __future__ import annotations

import numpy as np
import pytest

from precordia.dataset import LabelScheme, RecordFilter, SplitRef, SplitRule
from precordia.errors import AlreadyExists, DatasetNotFound, InvalidArgument, InvalidSplit
from precordia.quality import Grade, Quality
from precordia.record import Sex
from precordia.shard import decode_shard
from precordia.stored import StoredRecording
from services.ingest.datasets import Member
from services.ingest.ingest import Ingest
from services.ingest.record_filter import check_filter, filter_from_json, filter_to_json, passes
from services.ingest.samples import Place
from tests.services.ingest.ecg_files import CONDITIONED, many, table, wfdb

COLUMNS = {"super": ["NORM", "MI"], "rhythm": ["AFIB"]}


def member(**labels: tuple[str, ...]) -> Member:
    return Member(1, "rec-1", "1", "a.csv", True, "p", "1", labels, {}, Place("b", 0, 1, 0))


def stored(age: float | None = None, sex: Sex | None = None, grade: Grade | None = None) -> StoredRecording:
    return StoredRecording(
        "rec-1",
        "a.csv",
        "0" * 64,
        0,
        "1",
        "csv",
        (),
        (),
        500.0,
        5000,
        None,
        age_years=age,
        sex=sex,
        quality=Quality(grade) if grade else None,
    )


@pytest.mark.parametrize(
    ("only", "facts", "taken"),
    [
        (RecordFilter(), stored(), True),
        (RecordFilter(least_age_years=18), stored(18.0), True),
        (RecordFilter(least_age_years=18), stored(17.9), False),
        (RecordFilter(most_age_years=65), stored(66.0), False),
        (RecordFilter(most_age_years=65), stored(None), False),
        (RecordFilter(sex=Sex.FEMALE), stored(sex=Sex.FEMALE), True),
        (RecordFilter(sex=Sex.FEMALE), stored(sex=Sex.MALE), False),
        (RecordFilter(sex=Sex.FEMALE), stored(), False),
        (RecordFilter(least_grade=Grade.USABLE), stored(grade=Grade.GOOD), True),
        (RecordFilter(least_grade=Grade.USABLE), stored(grade=Grade.USABLE), True),
        (RecordFilter(least_grade=Grade.USABLE), stored(grade=Grade.POOR), False),
        (RecordFilter(least_grade=Grade.UNUSABLE), stored(), False),
        (RecordFilter(labels=("MI",)), stored(), True),
        (RecordFilter(labels=("rhythm:AFIB", "super:NORM")), stored(), False),
        (RecordFilter(without=("super:MI",)), stored(), False),
        (RecordFilter(without=("NORM",)), stored(), True),
    ],
)
def test_a_record_passes_what_is_known_of_it(only: RecordFilter, facts: StoredRecording, taken: bool) -> None:
    assert passes(only, member(super=("MI",), rhythm=()), facts) is taken


@pytest.mark.parametrize(
    ("only", "field"),
    [
        (RecordFilter(least_age_years=-1), "only.age"),
        (RecordFilter(least_age_years=70, most_age_years=60), "only.age"),
        (RecordFilter(most_age_years=float("nan")), "only.age"),
        (RecordFilter(labels=("absent",)), "only.labels"),
        (RecordFilter(without=("rhythm:MI",)), "only.labels"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(only: RecordFilter, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_filter(only, COLUMNS)
    assert refused.value.field == field


def test_a_filter_comes_back_from_json() -> None:
    only = RecordFilter(18, 65.5, Sex.MALE, Grade.GOOD, ("a",), ("b", "c"))
    assert filter_from_json(filter_to_json(only)) == only
    assert filter_to_json(RecordFilter()) == {}


@pytest.fixture
def ward(ingest: Ingest) -> Ingest:
    """Four patients of different age and sex; the last one's signal is flat in most leads."""
    for seed, (age, sex, dx) in enumerate(
        [(30, "Male", 426783006), (70, "Female", 164889003), (80, "Male", 164889003)]
    ):
        said = f"#Age: {age}\n#Sex: {sex}\n#Dx: {dx}\n"
        ingest.importer.import_source(wfdb(f"r{seed}", seed, comments=said), dataset="ward")
    flat = wfdb("r3", 3, comments="#Age: 50\n#Sex: Male\n#Dx: 426783006\n", samples=1200)
    counts = np.frombuffer(flat.companions["r3.dat"], "<i2").reshape(-1, 12).copy()
    counts[1:, 4:] = counts[0, 4:]
    header = flat.content.decode().splitlines()
    for column in range(4, 12):
        words = header[1 + column].split()
        words[6] = str(int(counts[:, column].astype(np.int64).sum()) & 0xFFFF)
        header[1 + column] = " ".join(words)
    made = type(flat)("r3.hea", ("\n".join(header) + "\n").encode(), {"r3.dat": counts.tobytes()})
    ingest.importer.import_source(made, dataset="ward")
    ingest.import_labels("ward", b"", LabelScheme.CHALLENGE)
    return ingest


def taken(ingest: Ingest, only: RecordFilter) -> list[str]:
    snapshot = ingest.create_snapshot("ward", only=only)
    assert snapshot.only == only
    _, tickets = ingest.snapshots.open(SplitRef("ward", "", snapshot.snapshot_id))
    ids = [i for t in tickets for i in decode_shard(b"".join(ingest.snapshots.shard(t.shard_id))).recording_ids]
    assert snapshot.left_out == 4 - len(ids)
    return sorted(ingest.recordings.get(name).source_name[:2] for name in ids)


def test_a_snapshot_takes_only_what_passes_its_filter(ward: Ingest) -> None:
    assert taken(ward, RecordFilter()) == ["r0", "r1", "r2", "r3"]
    assert taken(ward, RecordFilter(least_age_years=50)) == ["r1", "r2", "r3"]
    assert taken(ward, RecordFilter(most_age_years=70, sex=Sex.MALE)) == ["r0", "r3"]
    assert taken(ward, RecordFilter(labels=("scored:AF",))) == ["r1", "r2"]
    assert taken(ward, RecordFilter(without=("AF",))) == ["r0", "r3"]
    assert taken(ward, RecordFilter(least_grade=Grade.POOR)) == ["r0", "r1", "r2"]


def test_a_filter_that_nothing_passes_makes_no_snapshot(ward: Ingest) -> None:
    with pytest.raises(InvalidSplit, match="No record of the dataset passes"):
        ward.create_snapshot("ward", only=RecordFilter(least_age_years=100))
    assert ward.snapshots.page("ward")[0] == ()


def test_splits_are_made_of_what_was_taken(ward: Ingest) -> None:
    halves = (SplitRule("train", patient_fraction=0.5), SplitRule("test", patient_fraction=0.5))
    snapshot = ward.create_snapshot("ward", halves, only=RecordFilter(sex=Sex.MALE, least_grade=Grade.POOR))
    assert sorted(split.records for split in snapshot.splits) == [1, 1]


def test_a_union_holds_each_record_once_with_the_labels_of_all(ward: Ingest) -> None:
    ward.importer.import_source(many(6), CONDITIONED, dataset="study")
    ward.import_labels("study", table(6), LabelScheme.AUTO)
    first = ward.recordings.page(dataset="ward").recordings[0].recording_id
    ward.datasets.add("study", [first])
    ward.import_labels("study", f"recording_id,super:NORM,rhythm:AFIB\n{first},1,0\n".encode(), LabelScheme.TABLE)
    union = ward.union("all", ["ward", "study"])
    assert (union.records, union.labelled) == (10, 10)
    assert [group.name for group in union.label_groups] == ["scored", "dx", "super", "rhythm"]
    counts = {group.name: dict(group.labels) for group in union.label_groups}
    assert (counts["dx"]["AF"], counts["super"]["NORM"]) == (2, 5)
    both = next(one for one in ward.datasets.contents("all")[1] if one.recording_id == first)
    assert both.labels == {"scored": ["NSR"], "dx": ["NSR"], "super": ["NORM"], "rhythm": []}
    other = next(one for one in ward.datasets.contents("all")[1] if one.source_record == "101")
    assert "dx" not in other.labels
    assert (other.fold, bool(other.patient)) == ("1", True)


def test_a_union_stands_when_its_sources_go(ward: Ingest) -> None:
    ward.importer.import_source(many(2), CONDITIONED, dataset="study")
    ward.union("all", ["ward", "study"])
    ward.datasets.delete("ward")
    assert ward.datasets.get("all").records == 6


def test_a_union_is_all_or_nothing(ward: Ingest) -> None:
    with pytest.raises(DatasetNotFound):
        ward.union("all", ["ward", "absent"])
    with pytest.raises(DatasetNotFound):
        ward.datasets.get("all")
    with pytest.raises(InvalidArgument):
        ward.union("all", ["ward", "ward"])
    with pytest.raises(AlreadyExists):
        ward.union("ward", ["ward", "study"])
