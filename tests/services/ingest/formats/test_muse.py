"""GE MUSE XML."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from precordia.errors import HintConflict, MissingField, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex, Unit
from services.ingest.formats import ReaderContext, read_source
from tests.services.ingest.formats.written_files import dicom_file, ecg_counts, waveform_group
from tests.services.ingest.formats.written_xml import IDENTITIES, MUSE_LEADS, muse_file, muse_waveform

VALUES = ecg_counts(600)[:, [0, 1, *range(6, 12)]]


def test_counts_step_unit_and_rate_are_the_files() -> None:
    (recording,) = read_source(muse_file(muse_waveform(VALUES, base=5, exponent=2)))
    assert [channel.label for channel in recording.channels] == list(MUSE_LEADS)
    for channel, column in zip(recording.channels, VALUES.T, strict=True):
        assert (channel.sample_rate_hz, channel.unit, channel.samples.dtype) == (500.0, "uV", np.int16)
        np.testing.assert_array_equal(channel.samples, column)
        np.testing.assert_allclose(channel.physical(), column * 4.88, rtol=1e-12)
    assert recording.remarks == ()


def test_four_leads_are_derived_and_marked_and_the_eight_are_not() -> None:
    (recording,) = read_source(muse_file(muse_waveform(VALUES)))
    signal = recording.signal()
    one, two = VALUES[:, 0] * 0.00488, VALUES[:, 1] * 0.00488
    assert signal.derived == ("III", "aVR", "aVL", "aVF")
    np.testing.assert_allclose(signal.lead("III"), two - one, atol=1e-6)
    np.testing.assert_allclose(signal.lead("aVR"), -(one + two) / 2, atol=1e-6)
    np.testing.assert_allclose(signal.lead("aVL"), one - two / 2, atol=1e-6)
    np.testing.assert_allclose(signal.lead("aVF"), two - one / 2, atol=1e-6)


def test_the_median_that_stands_first_is_kept_beside_the_rhythm() -> None:
    median = muse_waveform(VALUES[:50], kind="Median", base=250)
    (recording,) = read_source(muse_file(median, muse_waveform(VALUES)), Hints(sample_rate_hz=500))
    assert {channel.samples.size for channel in recording.channels} == {600}
    np.testing.assert_allclose(recording.device.median_beats["V2"], VALUES[:50, 3] * 0.00488, rtol=1e-12)
    assert recording.device.measurements["median_beat_rate_hz"] == "250"


def test_leads_keep_their_names_in_any_order() -> None:
    order = [2, 0, 1, 7, 5, 6, 3, 4]
    leads = [MUSE_LEADS[place] for place in order]
    signal = read_source(muse_file(muse_waveform(VALUES[:, order], leads)))[0].signal(MUSE_LEADS)
    np.testing.assert_allclose(signal.values, VALUES.T * 0.00488, rtol=1e-6)


def test_a_checksum_that_differs_is_remarked_and_one_that_is_absent_is_not() -> None:
    (wrong,) = read_source(muse_file(muse_waveform(VALUES[:, :2], ("I", "II"), LeadDataCRC32="1")))
    assert [(remark.code, remark.lead) for remark in wrong.remarks] == [
        ("checksum_mismatch", "I"),
        ("checksum_mismatch", "II"),
    ]
    assert read_source(muse_file(muse_waveform(VALUES, LeadDataCRC32=None)))[0].remarks == ()


def test_another_number_of_samples_than_declared_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="another number of samples"):
        read_source(muse_file(muse_waveform(VALUES, LeadSampleCountTotal="700")))


def test_a_file_of_medians_only_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="no rhythm"):
        read_source(muse_file(muse_waveform(VALUES, kind="Median")))


def test_a_missing_step_is_asked_for_and_a_missing_unit_too() -> None:
    bare = muse_file(muse_waveform(VALUES, LeadAmplitudeUnitsPerBit=None))
    with pytest.raises(MissingField) as caught:
        read_source(bare)
    assert caught.value.field == "gain_adu_per_mv"
    lead = read_source(bare, Hints(gain_adu_per_mv=200))[0].signal(("II",)).values[0]
    np.testing.assert_allclose(lead, VALUES[:, 1] / 200, rtol=1e-6)
    with pytest.raises(MissingField) as caught:
        read_source(muse_file(muse_waveform(VALUES, LeadAmplitudeUnits=None)))
    assert caught.value.field == "unit"


@pytest.mark.parametrize(
    "hints",
    [Hints(sample_rate_hz=250), Hints(unit=Unit.MILLIVOLT), Hints(gain_adu_per_mv=200), Hints(lead_names=("I",))],
)
def test_a_hint_against_the_file_is_refused(hints: Hints) -> None:
    with pytest.raises(HintConflict):
        read_source(muse_file(muse_waveform(VALUES)), hints)


def test_the_lowest_number_is_a_missing_sample() -> None:
    values = VALUES.copy()
    values[7:9, 4] = -32768
    (recording,) = read_source(muse_file(muse_waveform(values)))
    assert np.flatnonzero(np.isnan(recording.channels[4].physical())).tolist() == [7, 8]


def test_facts_are_kept_and_nobodys_name_is() -> None:
    source = muse_file(muse_waveform(VALUES, LeadOff="TRUE"))
    (recording,) = read_source(source, None, ReaderContext(patient_secret=b"key"))
    assert (recording.age_years, recording.sex) == (1.5, Sex.FEMALE)
    assert recording.acquired_at == datetime(2023, 4, 29, 22, 41, 16)
    assert recording.device.model == "MAC55"
    assert recording.device.filters == {"HighPassFilter": "16"}
    assert recording.device.measurements == {"VentricularRate": "61"}
    assert recording.device.statements == ("Anterior infarct, age undetermined",)
    assert {remark.code for remark in recording.remarks} == {"lead_off"}
    facts = repr((recording.patient_key, recording.device, recording.labels, recording.remarks, recording.provenance))
    assert not [name for name in IDENTITIES if name in facts]


def test_a_patient_has_one_key_in_every_format() -> None:
    context = ReaderContext(patient_secret=b"key")
    (muse,) = read_source(muse_file(muse_waveform(VALUES)), None, context)
    dicom = dicom_file([waveform_group(ecg_counts(), STANDARD_LEADS)], PatientID="PID-4711")
    assert muse.patient_key == read_source(dicom, None, context)[0].patient_key != ""


def test_a_damaged_median_is_left_out_and_said() -> None:
    median = muse_waveform(VALUES[:50], kind="Median", WaveFormData="AAA*")
    (recording,) = read_source(muse_file(median, muse_waveform(VALUES)))
    assert recording.device.median_beats == {}
    assert [remark.code for remark in recording.remarks] == ["damaged_beat"]
