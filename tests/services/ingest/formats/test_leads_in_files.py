"""Lead names and their order, whatever the format."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from precordia.errors import HintConflict
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Unit
from precordia.source import Source
from services.ingest.formats import read_source
from tests.services.ingest.formats.written_files import (
    dicom_file,
    ecg_counts,
    npz_file,
    text_table,
    waveform_group,
    wfdb_record,
)

VALUES = ecg_counts()
BY_LEAD = dict(zip(STANDARD_LEADS, VALUES.T, strict=True))
MIMIC = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
CYCLE = ("III", "I", "II", "aVR", "aVL", "aVF", "V3", "V1", "V2", "V4", "V5", "V6")
CABRERA = ("aVL", "I", "-aVR", "II", "aVF", "III", "V1", "V2", "V3", "V4", "V5", "V6")


def _stored(order: Sequence[str]) -> np.ndarray:
    return np.stack([-BY_LEAD[lead[1:]] if lead.startswith("-") else BY_LEAD[lead] for lead in order], axis=1)


def _dicom(order: Sequence[str]) -> Source:
    return dicom_file([waveform_group(_stored(order), order)])


def _wfdb(order: Sequence[str]) -> Source:
    return wfdb_record(_stored(order), order, gain="400/mV")


def _csv(order: Sequence[str]) -> Source:
    rate = b"# fs: 500\n"
    return Source(
        "a.csv", rate + text_table(_stored(order) / 400, titles=[f"{lead} [mV]" for lead in order], number="%.6f")
    )


def _npz(order: Sequence[str]) -> Source:
    return npz_file(x=_stored(order), fs=500, scale=0.0025, unit="mV", leads=np.array(order))


@pytest.mark.parametrize("order", [STANDARD_LEADS, MIMIC, CYCLE], ids=["standard", "mimic", "3-cycle"])
@pytest.mark.parametrize("make", [_dicom, _wfdb, _csv, _npz])
def test_each_lead_keeps_its_own_samples_in_any_order(
    make: Callable[[Sequence[str]], Source], order: Sequence[str]
) -> None:
    signal = read_source(make(order))[0].signal()
    assert signal.leads == STANDARD_LEADS
    for lead in STANDARD_LEADS:
        np.testing.assert_allclose(signal.lead(lead), BY_LEAD[lead] / 400, rtol=1e-6, err_msg=lead)


@pytest.mark.parametrize("make", [_wfdb, _csv, _npz])
def test_a_lead_stored_upside_down_is_turned_upright(make: Callable[[Sequence[str]], Source]) -> None:
    (recording,) = read_source(make(CABRERA))
    np.testing.assert_allclose(recording.signal().lead("aVR"), BY_LEAD["aVR"] / 400, rtol=1e-6)
    assert [channel.source_label for channel in recording.channels][2].startswith("-aVR")


def test_names_are_matched_by_synonym_in_any_case() -> None:
    written = ("DI", "d2", "Lead III", "AVR", "avl", "VF", "C1", "MDC_ECG_LEAD_V2", "v3", "ECG V4", "V5+", "v6")
    (recording,) = read_source(wfdb_record(VALUES, [name.replace(" ", "_") for name in written]))
    assert recording.leads == STANDARD_LEADS


def test_a_channel_that_is_no_standard_lead_keeps_its_label() -> None:
    (recording,) = read_source(wfdb_record(VALUES[:, :3], ("MLII", "V5", "vx")))
    assert [channel.label for channel in recording.channels] == ["MLII", "V5", "vx"]
    assert recording.leads == ("V5",)


def test_fifteen_channels_are_fifteen_and_never_cut_to_twelve() -> None:
    values = ecg_counts(leads=15)
    names = (*STANDARD_LEADS, "vx", "vy", "vz")
    (recording,) = read_source(wfdb_record(values, names))
    assert [channel.label for channel in recording.channels] == list(names)
    with pytest.raises(HintConflict, match="15"):
        read_source(npz_file(x=values), Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS))


def test_a_lead_that_stands_twice_is_taken_once_and_said() -> None:
    (recording,) = read_source(wfdb_record(VALUES[:, :3], ("II", "V1", "II")))
    assert [channel.label for channel in recording.channels] == ["II", "V1", "II (2)"]
    assert ("duplicate_lead", "II (2)") in [(remark.code, remark.lead) for remark in recording.remarks]


def test_only_the_named_channels_take_the_hints_names() -> None:
    source = wfdb_record(VALUES[:, :3], ("II", "col 1", "V5"))
    (recording,) = read_source(source, Hints(lead_names=("II", "V2", "V5")))
    assert recording.leads == ("II", "V2", "V5")
    with pytest.raises(HintConflict, match=r"V5.*V6"):
        read_source(source, Hints(lead_names=("II", "V2", "V6")))


def test_missing_limb_leads_are_derived_and_chest_leads_never() -> None:
    names = ("I", "II", "V1", "V2", "V3", "V4", "V5")
    values = np.stack([BY_LEAD[lead] for lead in names], axis=1)
    signal = read_source(wfdb_record(values, names, gain="400/mV"))[0].signal()
    assert signal.derived == ("III", "aVR", "aVL", "aVF")
    np.testing.assert_allclose(signal.lead("III"), BY_LEAD["III"] / 400, atol=1e-6)
    assert np.isnan(signal.lead("V6")).all()
