"""1281 real ECGs with their labels, from one file to the shards of a split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from precordia.dataset import LabelScheme, SplitCount, SplitRef, SplitRule
from precordia.leads import STANDARD_LEADS
from precordia.shard import decode_shard
from precordia.source import Source
from services.ingest.ingest import Ingest
from services.ingest.settings import IngestSettings
from tests.services.ingest.ecg_files import CONDITIONED

HINTS = replace(CONDITIONED, lead_names=STANDARD_LEADS)


@pytest.fixture
def ptbxl(settings: IngestSettings, testdata: Path) -> Ingest:
    ingest = Ingest(settings)
    source = Source("signals_100hz.npz", (testdata / "ptbxl-z" / "signals_100hz.npz").read_bytes())
    ingest.importer.import_source(source, HINTS, dataset="ptbxl")
    ingest.import_labels("ptbxl", (testdata / "ptbxl-z" / "labels.csv").read_bytes(), LabelScheme.TABLE)
    return ingest


def test_labels_patients_and_folds_are_those_of_the_table(ptbxl: Ingest) -> None:
    dataset = ptbxl.datasets.get("ptbxl")
    assert (dataset.records, dataset.labelled, dataset.folds) == (1281, 1281, tuple("1234567"))
    assert dataset.label_groups[0].name == "super_class"
    assert dict(dataset.label_groups[0].labels) == {"NORM": 679, "STTC": 365, "CD": 336, "MI": 189, "HYP": 145}
    assert len(ptbxl.recordings.page(page_size=1000, dataset="ptbxl").recordings) == 1000


def test_a_fold_comes_out_of_its_shard_bit_by_bit(ptbxl: Ingest, testdata: Path) -> None:
    rules = [SplitRule("train", tuple("123456")), SplitRule("test", ("7",))]
    snapshot = ptbxl.create_snapshot("ptbxl", rules)
    assert snapshot.splits == (SplitCount("train", 1096, 1079), SplitCount("test", 185, 182))
    _, tickets = ptbxl.snapshots.open(SplitRef("ptbxl", "test"))
    shard = decode_shard(b"".join(ptbxl.snapshots.shard(tickets[0].shard_id)))
    assert shard.dense is not None
    with np.load(testdata / "ptbxl-z" / "signals_100hz.npz") as published:
        rows = {str(name): row for row, name in enumerate(published["ecg_id"])}
        wanted = published["x"][[rows[name] for name in shard.source_records]]
    assert np.array_equal(shard.dense, (wanted.transpose(0, 2, 1) / 1000).astype(np.float32))
    assert tickets[0].size_bytes < 185 * 12 * 1000 * 2 * 1.02
