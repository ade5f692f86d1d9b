from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from precordia.client import Connection
from precordia.dataset import LabelScheme, SplitRef, SplitRule
from precordia.errors import InvalidArgument, SnapshotNotFound, UnsupportedView
from tests.services.ingest.ecg_files import CONDITIONED, counts, many, table, wfdb


async def study(connection: Connection) -> None:
    await connection.ingest.import_source(many(20), CONDITIONED, dataset="study")
    await connection.ingest.import_labels("study", "labels.csv", table(20), LabelScheme.TABLE, "ecg_id")


async def test_a_split_is_one_file_of_arrays_and_a_table(connection: Connection, tmp_path: Path) -> None:
    await study(connection)
    await connection.ingest.create_snapshot("study", [SplitRule("train", ("1", "2", "3")), SplitRule("test", ("4",))])
    arrays, labels = await connection.ingest.export_dataset(SplitRef("study", "train"), tmp_path)
    assert (arrays.name, labels.name) == ("study-train.npz", "study-train-labels.csv")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file() and "study" in path.name) == [
        "study-train-labels.csv",
        "study-train.npz",
    ]
    with np.load(arrays, allow_pickle=False) as found:
        assert found["x"].shape == (12, 12, 100)
        assert found["x"].dtype == np.float32
        assert np.array_equal(found["x"][0], (counts(0, samples=100).T * np.float64(0.001)).astype(np.float32))
        assert (found["rate_hz"], str(found["unit"])) == (100.0, "standardised")
        assert found["leads"].tolist()[:3] == ["I", "II", "III"]
        assert set(found["folds"].tolist()) == {"1", "2", "3"}
        assert found["labels_super"].tolist() == ["NORM", "MI"]
        assert found["y_super"].sum(axis=1).tolist() == [1] * 12
        ids, sources, y = found["recording_ids"].tolist(), found["source_records"].tolist(), found["y_super"]
    rows = list(csv.DictReader(labels.read_text().splitlines()))
    assert [row["recording_id"] for row in rows] == ids
    assert [row["source_record"] for row in rows] == sources
    assert [[int(row["super:NORM"]), int(row["super:MI"])] for row in rows] == y.tolist()


async def test_a_dataset_that_was_never_frozen_is_exported_whole(connection: Connection, tmp_path: Path) -> None:
    await study(connection)
    arrays, _ = await connection.ingest.export_dataset(SplitRef("study"), tmp_path, sample_rate_hz=50.0)
    with np.load(arrays, allow_pickle=False) as found:
        assert (arrays.name, found["x"].shape, found["rate_hz"]) == ("study.npz", (20, 12, 50), 50.0)


async def test_shorter_records_and_absent_leads_are_nan_and_lengths_are_told(
    connection: Connection, tmp_path: Path
) -> None:
    await connection.ingest.import_source(wfdb("a", 1, samples=80), dataset="mixed")
    await connection.ingest.import_source(wfdb("b", 2, samples=60, leads=("V1", "V2")), dataset="mixed")
    arrays, labels = await connection.ingest.export_dataset(SplitRef("mixed"), tmp_path)
    with np.load(arrays, allow_pickle=False) as found:
        assert found["samples"].tolist() == [80, 60]
        assert found["x"].shape == (2, 12, 80)
        assert np.isnan(found["x"][1, :, 60:]).all()
        assert np.isnan(found["x"][1, 0]).all()
        assert np.array_equal(found["x"][1, 6, :60], (counts(2, samples=60, leads=2)[:, 0] / 200).astype(np.float32))
    assert labels.read_text().splitlines()[0] == "recording_id,source_record,patient,fold,age_years,sex"


async def test_rates_that_differ_are_refused_until_one_is_given(connection: Connection, tmp_path: Path) -> None:
    await connection.ingest.import_source(wfdb("a", 1, rate_hz=500), dataset="rates")
    await connection.ingest.import_source(wfdb("b", 2, rate_hz=250), dataset="rates")
    with pytest.raises(UnsupportedView, match="--rate"):
        await connection.ingest.export_dataset(SplitRef("rates"), tmp_path)
    arrays, _ = await connection.ingest.export_dataset(SplitRef("rates"), tmp_path, sample_rate_hz=250.0)
    with np.load(arrays, allow_pickle=False) as found:
        assert found["samples"].tolist() == [100, 200]


async def test_what_cannot_be_is_refused_and_leaves_no_file(connection: Connection, tmp_path: Path) -> None:
    await study(connection)
    folder = tmp_path / "out"
    with pytest.raises(SnapshotNotFound):
        await connection.ingest.export_dataset(SplitRef("study", "nowhere"), folder)
    with pytest.raises(UnsupportedView, match="npz"):
        await connection.ingest.export_dataset(SplitRef("study"), folder, "parquet")
    with pytest.raises(InvalidArgument):
        await connection.ingest.export_dataset(SplitRef("study"), folder, sample_rate_hz=-1.0)
    assert not folder.exists() or not list(folder.iterdir())
