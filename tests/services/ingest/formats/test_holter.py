"""ISHNE, MFER and Contec: recorders and monitors with binary headers."""

from __future__ import annotations

import struct
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from precordia.errors import HintConflict, MissingField, TooLarge, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex, Unit
from precordia.source import Source
from services.ingest.formats import Limits, ReaderContext, read_source
from tests.services.ingest.formats.independent_reader import independent_leads
from tests.services.ingest.formats.written_devices import contec_file, ishne_file, mfer_file, mfer_tag
from tests.services.ingest.formats.written_files import ecg_counts

VALUES = ecg_counts(500)
CONTEXT = ReaderContext(patient_secret=b"key")
TWO_MICROVOLT = b"\0\xfa\2\0"


def one(path: Path, hints: Hints | None = None):  # type: ignore[no-untyped-def]  # a Recording
    return read_source(Source(path.name, path.read_bytes()), hints)[0]


def test_ishne_samples_are_in_the_stated_nanovolts() -> None:
    (recording,) = read_source(ishne_file(VALUES), None, CONTEXT)
    assert recording.leads == STANDARD_LEADS
    assert recording.remarks == ()
    np.testing.assert_allclose(recording.signal().values, VALUES.T * 0.0025, rtol=1e-6)
    assert (recording.sex, recording.age_years) == (Sex.FEMALE, 61.0)
    assert recording.acquired_at == datetime(2024, 2, 29, 12, 15, 30)
    assert recording.patient_key == CONTEXT.patient_key("4711", "")
    assert not any(word in repr(recording) for word in ("Doe", "Jane", "4711"))
    assert recording.device.model == "Recorder 3"


def test_ishne_leads_follow_their_codes_and_others_keep_a_label() -> None:
    (recording,) = read_source(ishne_file(VALUES[:, :4], (8, 10, 9, 2)))
    assert [channel.label for channel in recording.channels] == ["aVR", "aVF", "aVL", "X"]
    for place, channel in enumerate(recording.channels):
        np.testing.assert_array_equal(channel.samples, VALUES[:, place])


def test_ishne_sentinels_are_missing_and_poor_leads_are_told() -> None:
    damaged = VALUES.copy()
    damaged[10:20, 1] = -32768
    (recording,) = read_source(ishne_file(damaged, qualities=(0, 5) + (0,) * 10))
    assert np.isnan(recording.channels[1].physical()).sum() == 10
    assert {remark.code for remark in recording.remarks} >= {"missing_samples", "lead_quality"}


def test_ishne_damage_is_found() -> None:
    whole = ishne_file(VALUES).content
    changed = whole[:300] + b"x" + whole[301:]
    assert "checksum_mismatch" in [remark.code for remark in read_source(Source("a", changed))[0].remarks]
    with pytest.raises(UnreadableFile):
        read_source(Source("a", whole[:-2]))
    with pytest.raises(TooLarge):
        read_source(Source("a", whole), None, ReaderContext(Limits(max_samples=100)))


def test_the_real_ishne_file_agrees_with_the_independent_reader(testdata: Path) -> None:
    path = testdata / "formats/ishne/ECG_P28.01.ecg"
    recording, expected = one(path), independent_leads(path)
    assert (recording.leads, recording.channels[0].sample_rate_hz) == (STANDARD_LEADS, 1000.0)
    assert "einthoven" not in [remark.code for remark in recording.remarks]
    for channel in recording.channels:
        assert channel.samples.size == 95573
        np.testing.assert_allclose(channel.physical(), expected[channel.label], atol=1e-9)


def test_an_ishne_annotation_file_is_refused_by_what_it_is(testdata: Path) -> None:
    with pytest.raises(UnreadableFile, match="annotation file"):
        one(testdata / "formats/ishne/ECG_P28.01.ann")


@pytest.mark.parametrize("little", [True, False])
def test_mfer_channels_of_several_rates_lie_in_blocks(little: bool) -> None:
    pulse = np.arange(250, dtype=np.int16)
    step = b"\0\xfa" + struct.pack("<H" if little else ">H", 2)
    pressure = b"\1\xfd" + struct.pack("<H" if little else ">H", 125)
    channels = [(2, VALUES[:, 1], 250, step), (62, VALUES[:, 3], 250, step), (0xC00A, pulse, 125, pressure)]
    (recording,) = read_source(mfer_file(channels, little=little, block_s=0.4), None, CONTEXT)
    assert [(c.label, c.sample_rate_hz, c.unit) for c in recording.channels] == [
        ("II", 250.0, "mV"),
        ("aVR", 250.0, "mV"),
        ("channel 49162", 125.0, "mmHg"),
    ]
    np.testing.assert_allclose(recording.channels[0].physical(), VALUES[:, 1] * 0.002, atol=1e-12)
    np.testing.assert_allclose(recording.channels[1].physical(), VALUES[:, 3] * 0.002, atol=1e-12)
    np.testing.assert_allclose(recording.channels[2].physical(), pulse * 0.125, atol=1e-12)
    assert (recording.age_years, recording.sex) == (61.0, Sex.FEMALE)
    assert recording.acquired_at == datetime(2024, 2, 29, 12, 15, 30)
    assert (recording.device.manufacturer, recording.device.model) == ("Maker", "Model 5")
    assert recording.patient_key == CONTEXT.patient_key("4711", "")


def test_mfer_null_values_are_missing() -> None:
    damaged = VALUES[:, 1].copy()
    damaged[7] = -32768
    (recording,) = read_source(mfer_file([(2, damaged, 250, TWO_MICROVOLT)]))
    assert np.flatnonzero(np.isnan(recording.channels[0].physical())).tolist() == [7]


def test_a_mfer_offset_is_added_and_remarked() -> None:
    source = mfer_file([(2, VALUES[:, 1], 250, TWO_MICROVOLT)], extra=mfer_tag(0x0D, struct.pack("<h", -100)))
    (recording,) = read_source(source)
    np.testing.assert_allclose(recording.channels[0].physical(), (VALUES[:, 1] - 100.0) * 0.002, atol=1e-12)
    assert "zero_level" in [remark.code for remark in recording.remarks]


def test_a_mfer_lead_without_resolution_is_asked_for() -> None:
    source = mfer_file([(2, VALUES[:, 1], 250, b"")])
    with pytest.raises(MissingField) as caught:
        read_source(source)
    assert caught.value.field == "unit"
    (recording,) = read_source(source, Hints(gain_adu_per_mv=400))
    np.testing.assert_allclose(recording.channels[0].physical(), VALUES[:, 1] / 400)


def test_a_compressed_mfer_file_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="compressed"):
        read_source(mfer_file([(2, VALUES[:, 1], 250, TWO_MICROVOLT)], extra=mfer_tag(0x0E, b"\1\0")))


def test_mfer_hints_that_contradict_a_lead_are_refused() -> None:
    for hints in (Hints(sample_rate_hz=500), Hints(unit=Unit.MICROVOLT), Hints(gain_adu_per_mv=200)):
        with pytest.raises(HintConflict):
            read_source(mfer_file([(2, VALUES[:, 1], 250, TWO_MICROVOLT)]), hints)


def test_the_real_mfer_file_agrees_with_the_independent_reader(testdata: Path) -> None:
    path = testdata / "formats/mfer/test-file.MWF"
    recording, expected = one(path), list(independent_leads(path).values())
    assert [(c.label, c.sample_rate_hz, c.samples.size, c.unit) for c in recording.channels] == [
        ("II", 250.0, 180000, "mV"),
        ("V5", 250.0, 180000, "mV"),
        ("channel 49162", 125.0, 90000, "mmHg"),
        ("channel 49170", 125.0, 90000, "mmHg"),
        ("channel 49171", 125.0, 90000, "mmHg"),
        ("channel 4160", 250.0, 180000, ""),
    ]
    assert len(expected) == 5  # it leaves the last channel, which has no resolution, out
    for place, channel in enumerate(recording.channels[:5]):
        own = channel.physical() if channel.unit == "mV" else channel.samples.astype(float)
        if channel.unit != "mV" and channel.missing is not None:
            own[channel.missing] = np.nan
        np.testing.assert_allclose(own, expected[place], atol=1e-9)
    assert (recording.acquired_at, recording.sex) == (datetime(2019, 6, 19, 13, 20), None)


def test_contec_rows_are_leads_two_and_three_and_the_chest_leads() -> None:
    rows = np.random.default_rng(2).integers(1000, 3000, (400, 8))
    rows[50:60, 4] = 0x6800
    (recording,) = read_source(contec_file(rows), None, CONTEXT)
    assert [channel.label for channel in recording.channels] == ["II", "III", "V1", "V2", "V3", "V4", "V5", "V6"]
    for place, channel in enumerate(recording.channels):
        expected = (rows[:, place] - 2048) * 0.005
        known = rows[:, place] != 0x6800
        np.testing.assert_allclose(channel.physical()[known], expected[known], atol=1e-12)
    assert recording.channels[4].missing_fraction == pytest.approx(10 / 400)
    assert (recording.sex, recording.age_years) == (Sex.FEMALE, 61.0)
    assert "Doe" not in repr(recording)
    signal = recording.signal()
    assert set(signal.derived) == {"I", "aVR", "aVL", "aVF"}
    np.testing.assert_allclose(signal.lead("I"), (rows[:, 0] - rows[:, 1]) * 0.005, atol=1e-6)


def test_a_contec_file_of_a_wrong_length_is_refused() -> None:
    whole = contec_file(np.full((40, 8), 2048)).content
    with pytest.raises(UnreadableFile):
        read_source(Source("a", whole[:-3]))


def test_the_real_contec_file_agrees_with_the_table_of_the_same_recording(testdata: Path) -> None:
    recording = one(testdata / "formats/contec/0000050.ECG")
    table = one(
        testdata / "formats/csv/0000050.ECG.csv",
        Hints(sample_rate_hz=800, gain_adu_per_mv=200, lead_names=STANDARD_LEADS),
    )
    assert recording.leads == ("II", "III")
    assert [remark.lead for remark in recording.remarks] == ["V1", "V2", "V3", "V4", "V5", "V6"]
    own, expected = recording.signal(), table.signal()
    for lead in ("I", "II", "III"):
        np.testing.assert_allclose(own.lead(lead), expected.lead(lead), rtol=0, atol=1e-6)
    for lead in ("aVR", "aVL", "aVF"):  # the table holds them cut to whole counts
        np.testing.assert_allclose(own.lead(lead), expected.lead(lead), rtol=0, atol=0.005 + 1e-6)
