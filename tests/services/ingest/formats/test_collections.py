"""Public collections as they are downloaded: what their files say is taken, the rest is asked for."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from precordia.errors import HintConflict
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex, Unit
from precordia.source import Source
from services.ingest.formats import preview_source, read_source


def test_cpsc2018_structs_carry_age_and_sex(testdata: Path) -> None:
    folder = testdata / "cpsc2018-orig"
    with (folder / "labels.csv").open(encoding="utf-8") as lines:
        rows = {row["filename"]: row for row in csv.DictReader(lines)}
    for name, row in rows.items():
        source = Source(f"{name}.mat", (folder / f"{name}.mat").read_bytes())
        assert set(preview_source(source).missing_fields) == {"sample_rate_hz", "unit", "lead_names"}
        (recording,) = read_source(source, Hints(500.0, Unit.MILLIVOLT, None, STANDARD_LEADS))
        assert recording.age_years == float(row["age"])
        assert recording.sex is (Sex.MALE if row["sex"] == "1" else Sex.FEMALE)
        assert "einthoven" not in [remark.code for remark in recording.remarks]
        signal = recording.signal()
        np.testing.assert_allclose(signal.lead("aVR"), -(signal.lead("I") + signal.lead("II")) / 2, atol=0.01)
    assert len(rows) == 4


def test_code15_files_state_their_present_rate_and_not_their_unit(testdata: Path) -> None:
    import scipy.io

    paths = sorted((testdata / "code15").glob("*.mat"))
    for path in paths:
        source = Source(path.name, path.read_bytes())
        assert set(preview_source(source).missing_fields) == {"unit", "lead_names"}
        (recording,) = read_source(source, Hints(None, Unit.MILLIVOLT, None, STANDARD_LEADS))
        stored = scipy.io.loadmat(path)
        assert recording.channels[0].sample_rate_hz == float(stored["curr_sample_rate"][0, 0]) == 400.0
        for place, channel in enumerate(recording.channels):
            np.testing.assert_array_equal(channel.samples, stored["feats"][place])
        with pytest.raises(HintConflict):
            read_source(source, Hints(500.0, Unit.MILLIVOLT, None, STANDARD_LEADS))
    assert len(paths) == 5
