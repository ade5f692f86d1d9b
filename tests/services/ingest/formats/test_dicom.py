"""DICOM waveforms."""

from __future__ import annotations

import io
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from precordia.errors import HintConflict, MissingField, TooLarge, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex, Unit
from precordia.source import Source
from services.ingest.formats import Limits, ReaderContext, read_source
from tests.services.ingest.formats.written_files import channel_definition, dicom_file, ecg_counts, waveform_group

VALUES = ecg_counts()


def test_the_real_file_reads_as_pydicom_computes_it(dicom_ecg: Path) -> None:
    (recording,) = read_source(Source("a.dcm", dicom_ecg.read_bytes()))
    expected = pydicom.dcmread(dicom_ecg).waveform_array(0)
    assert recording.leads == STANDARD_LEADS
    for index, channel in enumerate(recording.channels):
        assert (channel.unit, channel.sample_rate_hz, channel.samples.dtype) == ("uV", 1000.0, np.int16)
        np.testing.assert_array_equal(channel.physical(), expected[:, index])


def test_the_real_file_keeps_what_the_device_said(dicom_ecg: Path) -> None:
    (recording,) = read_source(Source("a.dcm", dicom_ecg.read_bytes()))
    device = recording.device
    assert (device.manufacturer, device.model) == ("Mortara Instrument, Inc.", "el250")
    assert device.filters == {"low_hz": "0.050", "high_hz": "300", "notch_hz": "0"}
    assert device.measurements["QRS Duration"] == "75 ms"
    assert device.statements == ("RITMO SINUSALE", "ECG NORMALE")
    median = pydicom.dcmread(dicom_ecg).waveform_array(1) / 1000
    np.testing.assert_allclose(device.median_beats["V3"], median[:, 8], atol=1e-12)
    assert (recording.age_years, recording.sex) == (42.0, Sex.FEMALE)
    assert recording.acquired_at == datetime(2013, 1, 25, 10, 59, 19)
    assert recording.remarks == ()


def test_nothing_that_names_the_patient_is_kept(dicom_ecg: Path) -> None:
    context = ReaderContext(patient_secret=b"secret")
    (recording,) = read_source(Source("a.dcm", dicom_ecg.read_bytes()), None, context)
    facts = repr((recording.patient_key, recording.device, recording.provenance, recording.labels, recording.remarks))
    for identifier in ("Anonymous", "642341", "03028041970546", "Galliera", "19710123"):
        assert identifier not in facts


def test_the_patient_key_needs_a_secret_and_depends_on_it() -> None:
    source = dicom_file([waveform_group(VALUES)])
    keys = [
        read_source(source, None, ReaderContext(patient_secret=secret))[0].patient_key for secret in (b"", b"a", b"b")
    ]
    assert keys[0] == ""
    assert len(set(keys)) == 3
    assert len(keys[1]) == 64


def test_sensitivity_correction_and_baseline_make_the_physical_value() -> None:
    definition = channel_definition(
        "II", ChannelSensitivity="4.88", ChannelSensitivityCorrectionFactor="1.02", ChannelBaseline="-12.5"
    )
    source = dicom_file([waveform_group(VALUES[:, :1], definitions=[definition])])
    (channel,) = read_source(source)[0].channels
    expected = VALUES[:, 0] * 4.88 * 1.02 - 12.5
    np.testing.assert_allclose(channel.physical(), expected, atol=1e-9)
    np.testing.assert_array_equal(channel.samples, VALUES[:, 0])


@pytest.mark.parametrize(
    ("interpretation", "dtype", "kept"),
    [
        ("SB", "i1", "int16"),
        ("UB", "u1", "int16"),
        ("SS", "<i2", "int16"),
        ("US", "<u2", "int32"),
        ("SL", "<i4", "int32"),
    ],
)
def test_every_sample_type_is_read(interpretation: str, dtype: str, kept: str) -> None:
    limits = np.iinfo(dtype)
    values = np.linspace(limits.min, limits.max, 40).astype(dtype).reshape(20, 2)
    source = dicom_file([waveform_group(values, ("I", "II"), interpretation=interpretation)])
    channels = read_source(source)[0].channels
    assert channels[0].samples.dtype.name == kept
    for index, channel in enumerate(channels):
        np.testing.assert_array_equal(channel.samples.astype(np.int64), values[:, index].astype(np.int64))


def test_companded_samples_expand_as_g711_says() -> None:
    codes = np.array([[0x00], [0x7F], [0x80], [0xFF], [0xD5], [0x55]], np.uint8)
    mu = read_source(dicom_file([waveform_group(codes, ("I",), interpretation="MB")]))[0].channels[0]
    alaw = read_source(dicom_file([waveform_group(codes, ("I",), interpretation="AB")]))[0].channels[0]
    assert mu.samples.tolist() == [-32124, 0, 32124, 0, 716, -716]
    assert alaw.samples.tolist() == [-5504, -848, 5504, 848, 8, -8]


def test_the_padding_value_is_missing() -> None:
    values = VALUES.copy()
    values[5:9, 2] = -32768
    source = dicom_file([waveform_group(values, WaveformPaddingValue=np.int16(-32768).tobytes())])
    (recording,) = read_source(source)
    assert np.flatnonzero(np.isnan(recording.channels[2].physical())).tolist() == [5, 6, 7, 8]
    assert (recording.remarks[0].code, recording.remarks[0].lead) == ("missing_samples", "III")


def test_a_big_endian_file_reads_the_same() -> None:
    little = dicom_file([waveform_group(VALUES)])
    big = dicom_file([waveform_group(VALUES.astype(">i2"))], big_endian=True)
    for one, other in zip(read_source(little)[0].channels, read_source(big)[0].channels, strict=True):
        np.testing.assert_array_equal(one.physical(), other.physical())


def test_a_file_without_preamble_reads_the_same() -> None:
    (recording,) = read_source(dicom_file([waveform_group(VALUES)], preamble=False))
    np.testing.assert_array_equal(recording.channels[7].samples, VALUES[:, 7])


def test_the_median_beat_is_never_the_signal_even_when_it_stands_first() -> None:
    median = waveform_group(VALUES[:100], label="MEDIAN BEAT", originality="DERIVED")
    (recording,) = read_source(dicom_file([median, waveform_group(VALUES)]))
    assert {channel.samples.size for channel in recording.channels} == {400}
    np.testing.assert_allclose(recording.device.median_beats["II"], VALUES[:100, 1] * 0.0025)


def test_groups_of_one_time_span_with_other_leads_join() -> None:
    groups = [waveform_group(VALUES[:, :6], STANDARD_LEADS[:6]), waveform_group(VALUES[:, 6:], STANDARD_LEADS[6:])]
    (recording,) = read_source(dicom_file(groups))
    assert recording.leads == STANDARD_LEADS


def test_groups_with_the_same_leads_are_recordings_of_their_own() -> None:
    later = waveform_group(VALUES[:200], label="RHYTHM 2", MultiplexGroupTimeOffset="10000")
    first, second = read_source(dicom_file([waveform_group(VALUES), later]))
    assert (first.provenance.source_index, second.provenance.source_index) == (0, 1)
    assert second.provenance.source_record == "RHYTHM 2"
    np.testing.assert_array_equal(second.channels[0].samples, VALUES[:200, 0])


def test_channel_skew_is_kept_and_said() -> None:
    definitions = [channel_definition("I"), channel_definition("II", ChannelSampleSkew="0.5")]
    (recording,) = read_source(dicom_file([waveform_group(VALUES[:, :2], definitions=definitions)]))
    assert "channel_skew" in [remark.code for remark in recording.remarks]
    np.testing.assert_array_equal(recording.channels[1].samples, VALUES[:, 1])


def test_leads_are_told_by_code_then_by_meaning() -> None:
    meant = channel_definition("V6")
    meant.ChannelSourceSequence[0].CodeValue = "LOCAL-1"
    meant.ChannelSourceSequence[0].CodeMeaning = "Lead V2 (Wilson)"
    other = channel_definition("X")
    other.ChannelSourceSequence[0].CodeMeaning = "Respiration"
    definitions = [channel_definition("aVR"), meant, other]
    (recording,) = read_source(dicom_file([waveform_group(VALUES[:, :3], definitions=definitions)]))
    assert [channel.label for channel in recording.channels] == ["aVR", "V2", "Respiration"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ChannelSensitivity": None, "ChannelSensitivityUnitsSequence": None}, "gain_adu_per_mv"),
        ({"ChannelSensitivityUnitsSequence": None}, "unit"),
    ],
)
def test_a_channel_without_gain_or_unit_is_asked_for(changes: dict[str, Any], field: str) -> None:
    source = dicom_file([waveform_group(VALUES[:, :1], definitions=[channel_definition("I", **changes)])])
    with pytest.raises(MissingField) as caught:
        read_source(source)
    assert caught.value.field == field
    hints = Hints(gain_adu_per_mv=400) if field == "gain_adu_per_mv" else Hints(unit=Unit.MICROVOLT)
    (recording,) = read_source(source, hints)
    np.testing.assert_allclose(recording.signal(("I",)).values[0], VALUES[:, 0] * 0.0025, rtol=1e-6)


@pytest.mark.parametrize(
    ("hints", "said"),
    [
        (Hints(sample_rate_hz=250), ("500", "250")),
        (Hints(unit=Unit.MILLIVOLT), ("uV", "mV")),
        (Hints(gain_adu_per_mv=200), ("400", "200")),
        (Hints(lead_names=STANDARD_LEADS[::-1]), ("I", "V6")),
    ],
)
def test_a_hint_against_the_file_is_refused_with_both_values(hints: Hints, said: tuple[str, str]) -> None:
    with pytest.raises(HintConflict) as caught:
        read_source(dicom_file([waveform_group(VALUES)]), hints)
    assert all(value in caught.value.message for value in said)


def test_fewer_samples_than_declared_are_refused() -> None:
    with pytest.raises(UnreadableFile, match="fewer samples"):
        read_source(dicom_file([waveform_group(VALUES, NumberOfWaveformSamples=500)]))


def test_more_samples_than_the_limit_are_refused_before_they_are_read() -> None:
    source = dicom_file([waveform_group(VALUES, NumberOfWaveformSamples=1 << 30)])
    with pytest.raises(TooLarge):
        read_source(source, None, ReaderContext(Limits(max_samples=1 << 20)))


def test_an_image_is_no_ecg() -> None:
    with pytest.raises(UnreadableFile, match="no waveform"):
        read_source(dicom_file([]))


def test_a_deflated_bomb_is_refused() -> None:
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    group = waveform_group(np.zeros((4_000_000, 1), np.int16), ("I",))
    dataset = pydicom.dcmread(io.BytesIO(dicom_file([group]).content))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(stream)
    with pytest.raises(TooLarge):
        read_source(Source("bomb.dcm", stream.getvalue()))
