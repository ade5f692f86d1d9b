"""What is written reads back: with programs that are not ours, and with our own readers."""

from __future__ import annotations

import io
import json
from pathlib import Path

import edfio
import numpy as np
import pydicom
import pytest
import wfdb

from precordia.errors import UnsupportedView
from precordia.leads import STANDARD_LEADS
from precordia.record import Channel, Recording
from precordia.source import Source
from services.ingest.formats import read_source
from tests.services.ingest.writers.sheets_to_write import only_sheet, recording, saved, twelve_leads, written

GAP = np.arange(1000) % 100 == 7
OWN_INTEGERS = ["wfdb", "edf", "dicom", "fhir"]


def again(made: Recording, file_format: str) -> Recording:
    """The recording after export and import."""
    first, *others = written(made, file_format)
    return read_source(Source(first.name, first.content, {file.name: file.content for file in others}))[0]


def millivolts(channel: Channel) -> np.ndarray:
    return channel.physical() * {"mV": 1.0, "uV": 0.001}[channel.unit]


@pytest.mark.parametrize("file_format", OWN_INTEGERS)
@pytest.mark.parametrize("unit", ["mV", "uV"])
def test_our_readers_get_the_same_integers(file_format: str, unit: str) -> None:
    made = twelve_leads(unit=unit, gain=204.8 if unit == "mV" else 0.2048)
    found = again(made, file_format)
    assert found.leads == STANDARD_LEADS
    for channel, other in zip(made.channels, found.channels, strict=True):
        assert other.sample_rate_hz == 500.0
        assert np.array_equal(other.samples, channel.samples)
        assert np.allclose(millivolts(other), millivolts(channel), atol=5e-5)  # a hundredth of a count


@pytest.mark.parametrize("file_format", ["wfdb", "dicom", "fhir"])
def test_missing_samples_stay_missing(file_format: str) -> None:
    values = np.random.default_rng(3).integers(-900, 900, 1000).astype(np.int16)
    made = recording(Channel("II", values, 500.0, "mV", 200.0, missing=GAP), Channel("V1", values, 500.0, "mV", 200.0))
    lead = next(channel for channel in again(made, file_format).channels if channel.label == "II")
    assert np.array_equal(np.isnan(lead.physical()), GAP)
    assert np.allclose(millivolts(lead)[~GAP], values[~GAP] / 200, atol=1e-9)


@pytest.mark.parametrize("file_format", OWN_INTEGERS)
def test_floats_come_back_within_half_a_count(file_format: str) -> None:
    values = np.random.default_rng(4).normal(scale=0.6, size=1000)
    found = again(recording(Channel("V2", values, 250.0, "mV")), file_format).channels[0]
    step = millivolts(Channel("", np.array([1], np.int16), 1.0, found.unit, found.gain))[0] if found.gain else 0.0
    assert step < 1e-3
    assert np.abs(millivolts(found) - values).max() <= max(0.51 * step, 1e-9)


def test_wfdb_opens_in_wfdb(tmp_path: Path) -> None:
    made = twelve_leads(baseline=-11.0)
    path = saved(written(made, "wfdb"), tmp_path)
    record = wfdb.rdrecord(str(path.with_suffix("")), physical=False, return_res=16)
    assert record.sig_name == list(STANDARD_LEADS)
    assert (record.fs, record.sig_len, record.fmt) == (500, 1000, ["16"] * 12)
    assert (record.adc_gain, record.baseline, record.units) == ([204.8] * 12, [-11] * 12, ["mV"] * 12)
    assert np.array_equal(record.d_signal.T, np.stack([channel.samples for channel in made.channels]))
    assert record.base_datetime.isoformat() == "2020-05-17T08:30:15"
    assert record.comments == ["Age: 62", "Sex: Female"]
    assert record.calc_checksum() == record.checksum


def test_wfdb_takes_24_bits_where_the_own_integers_need_them(tmp_path: Path) -> None:
    values = np.array([-5_000_000, 7, 8_388_607], np.int32)
    files = written(recording(Channel("V1", values, 500.0, "uV", 1000.0)), "wfdb")
    record = wfdb.rdrecord(str(saved(files, tmp_path).with_suffix("")), physical=False)
    assert record.fmt == ["24"]
    assert record.d_signal[:, 0].tolist() == values.tolist()


def test_edf_opens_in_edfio_with_the_same_numbers() -> None:
    made = twelve_leads(gain=204.8)
    (file,) = written(made, "edf")
    opened = edfio.read_edf(file.content)
    assert [signal.label for signal in opened.signals] == [f"ECG {lead}" for lead in STANDARD_LEADS]
    for signal, channel in zip(opened.signals, made.channels, strict=True):
        assert np.array_equal(signal.digital, channel.samples)
        assert np.allclose(signal.data, channel.physical(), atol=1e-4)  # 32767 / 204.8 needs eleven characters
    assert (opened.patient.sex, opened.patient.name, opened.patient.code) == ("F", "X", ("5eed" * 4))
    assert opened.recording.startdate.isoformat() == "2020-05-17"
    assert opened.starttime.isoformat() == "08:30:15"


def test_edf_opens_in_pyedflib(tmp_path: Path) -> None:
    pyedflib = pytest.importorskip("pyedflib", reason="pyedflib is not installed")
    made = twelve_leads(gain=1000.0)
    with pyedflib.EdfReader(str(saved(written(made, "edf"), tmp_path))) as opened:
        assert opened.getSampleFrequencies().tolist() == [500.0] * 12
        for place, channel in enumerate(made.channels):
            assert np.array_equal(opened.readSignal(place, digital=True), channel.samples)
            assert np.allclose(opened.readSignal(place), channel.physical(), atol=1e-9)


@pytest.mark.parametrize("gain", [200.0, 204.8, 205.0, 1000.0, 1 / 0.00488, 819.2])
def test_edf_calibration_is_exact_or_next_to_it(gain: float) -> None:
    made = twelve_leads(gain=gain, samples=500)
    (file,) = written(made, "edf")
    signal = edfio.read_edf(file.content).signals[1]
    assert np.abs(signal.data - made.channels[1].physical()).max() < 2e-5


@pytest.mark.parametrize(
    ("samples", "rate_hz"), [(10_007, 500.0), (1000, 360.0), (999, 257.5), (1, 500.0), (77, 128.0)]
)
def test_edf_holds_any_length(samples: int, rate_hz: float) -> None:
    made = twelve_leads(samples=samples, rate_hz=rate_hz)
    (file,) = written(made, "edf")
    opened = edfio.read_edf(file.content)
    assert opened.signals[0].sampling_frequency == pytest.approx(rate_hz, rel=1e-9)
    for signal, channel in zip(opened.signals, made.channels, strict=True):
        assert np.array_equal(signal.digital[:samples], channel.samples)
    padded = opened.signals[0].digital.size - samples
    ends = [one for one in opened.annotations if "after the end" in one.text]
    assert len(ends) == (padded > 0)
    assert not ends or ends[0].onset == pytest.approx(samples / rate_hz)


def test_edf_names_what_is_missing() -> None:
    missing = np.zeros(1000, np.bool_)
    missing[250:300] = True
    values = np.full(1000, 5, np.int16)
    (file,) = written(recording(Channel("II", values, 500.0, "mV", 200.0, missing=missing)), "edf")
    (note,) = edfio.read_edf(file.content).annotations
    assert (note.onset, note.duration, note.text) == (0.5, 0.1, "missing II")
    assert [remark.code for remark in file.remarks] == ["missing_as_annotation"]


def test_dicom_is_a_12_lead_ecg_that_pydicom_scales_alike() -> None:
    made = twelve_leads(gain=200.0, baseline=3.0)
    (file,) = written(made, "dicom")
    dataset = pydicom.dcmread(io.BytesIO(file.content))
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.9.1.1"
    group = dataset.WaveformSequence[0]
    assert (group.NumberOfWaveformChannels, group.NumberOfWaveformSamples, group.SamplingFrequency) == (12, 1000, 500)
    codes = [one.ChannelSourceSequence[0] for one in group.ChannelDefinitionSequence]
    assert [code.CodeValue for code in codes[:4]] == ["2:1", "2:2", "2:61", "2:62"]
    assert {code.CodingSchemeDesignator for code in codes} == {"MDC"}
    assert group.ChannelDefinitionSequence[0].ChannelSensitivity == 5.0
    expected = 1000 * np.stack([channel.physical() for channel in made.channels], axis=1)
    assert np.allclose(dataset.waveform_array(0), expected, atol=1e-9)


def test_dicom_carries_no_identity_beyond_the_pseudonym() -> None:
    (file,) = written(twelve_leads(), "dicom")
    dataset = pydicom.dcmread(io.BytesIO(file.content))
    assert dataset.PatientID == "5eed" * 16
    assert (dataset.PatientSex, dataset.PatientAge, dataset.PatientBirthDate) == ("F", "062Y", "")
    assert b"Dr Who" not in file.content
    assert written(twelve_leads(), "dicom")[0].content == file.content


@pytest.mark.parametrize(
    ("samples", "rate_hz", "sop_class"),
    [(20_000, 500.0, "1.2.840.10008.5.1.4.1.1.9.1.2"), (1000, 100.0, "1.2.840.10008.5.1.4.1.1.9.1.3")],
)
def test_dicom_takes_the_object_that_holds_the_recording(samples: int, rate_hz: float, sop_class: str) -> None:
    (file,) = written(twelve_leads(samples=samples, rate_hz=rate_hz), "dicom")
    assert pydicom.dcmread(io.BytesIO(file.content)).SOPClassUID == sop_class


def test_dicom_refuses_a_rate_that_no_object_holds() -> None:
    with pytest.raises(UnsupportedView, match="--rate"):
        written(twelve_leads(rate_hz=2000.0), "dicom")


def test_dicom_says_which_channels_it_leaves_out() -> None:
    lead = Channel("II", np.arange(500, dtype=np.int16), 500.0, "mV", 200.0)
    pressure = Channel("ABP", np.arange(500, dtype=np.int16), 500.0, "mmHg", 10.0)
    slow = Channel("RESP", np.arange(100, dtype=np.int16), 100.0, "Ohm", 10.0)
    (file,) = written(recording(lead, pressure, slow), "dicom")
    assert sorted((remark.code, remark.lead) for remark in file.remarks) == [("left_out", "ABP"), ("left_out", "RESP")]


def test_fhir_is_data_times_factor_plus_origin() -> None:
    made = twelve_leads(gain=200.0, baseline=8.0)
    (file,) = written(made, "fhir")
    observation = json.loads(file.content)
    assert observation["resourceType"] == "Observation"
    assert [one["code"]["coding"][0]["code"] for one in observation["component"][:3]] == ["131329", "131330", "131389"]
    for component, channel in zip(observation["component"], made.channels, strict=True):
        sampled = component["valueSampledData"]
        data = np.array(sampled["data"].split(), np.float64)
        assert sampled["period"] == 2.0
        assert np.allclose(data * sampled["factor"] + sampled["origin"]["value"], channel.physical(), atol=1e-12)
    assert observation["effectiveDateTime"] == "2020-05-17"
    assert "Dr Who" not in file.content.decode()


def test_json_holds_the_own_integers_and_null_for_what_is_missing() -> None:
    values = np.array([5, 6, 7], np.int16)
    made = recording(
        Channel("V1", values, 500.0, "mV", 200.0, 2.0, missing=np.array([False, True, False])),
        Channel("V2", np.array([0.1, np.nan, 0.3], np.float32), 500.0, "mV"),
    )
    document = json.loads(written(made, "json")[0].content)
    first, second = document["channels"]
    assert (first["data"], first["gain"], first["baseline"]) == ([5, None, 7], 200.0, 2.0)
    assert (second["data"], second["gain"]) == ([0.1, None, 0.3], None)
    assert (document["sample_rate_hz"], document["sex"], document["age_years"]) == (500.0, "female", 62.0)


def test_derived_leads_are_half_counts_and_marked() -> None:
    one, two = np.array([3, -5, 30_000], np.int16), np.array([4, 8, -30_000], np.int16)
    sheet = only_sheet(recording(Channel("I", one, 500.0, "mV", 200.0), Channel("II", two, 500.0, "mV", 200.0)))
    assert sheet.labels == ("I", "II", "III", "aVR", "aVL", "aVF")
    right = sheet.channels[3]
    assert right.derived
    assert (right.samples.tolist(), right.gain) == ([-7, -3, 0], 400.0)
    assert np.array_equal(right.physical(), -(one / 200 + two / 200) / 2)
    assert sheet.channels[2].samples.tolist() == [2, 26, -120_000]


def test_standardised_signals_keep_their_unit_and_are_no_dicom() -> None:
    made = recording(Channel("II", np.zeros(500, np.float32), 500.0, "standardised"))
    assert json.loads(written(made, "json")[0].content)["channels"][0]["unit"] == "standardised"
    with pytest.raises(UnsupportedView):
        written(made, "dicom")


def test_filtered_takes_the_diagnostic_band_and_says_so() -> None:
    time = np.arange(5000) / 500
    wave = np.sin(2 * np.pi * 10 * time)
    made = recording(Channel("II", wave + 3.0 + np.sin(2 * np.pi * 230 * time), 500.0, "mV"))
    document = json.loads(written(made, "json", view="filtered")[0].content)
    shown = np.array(document["channels"][0]["data"])
    assert np.abs(shown - wave)[500:-500].max() < 0.1
    assert document["applied"][-1]["name"] == "band_pass"
    assert document["applied"][-1]["parameters"] == {"high_hz": 150.0, "low_hz": 0.05, "order": 2.0}
    (file,) = written(made, "dicom", view="filtered")
    definition = pydicom.dcmread(io.BytesIO(file.content)).WaveformSequence[0].ChannelDefinitionSequence[0]
    assert (definition.FilterLowFrequency, definition.FilterHighFrequency) == (0.05, 150.0)
    assert file.name == "rec-1-filtered.dcm"


def test_filtered_keeps_gaps_and_refuses_what_has_no_unit() -> None:
    values = np.where(GAP, np.nan, np.sin(np.arange(1000) / 20))
    shown = json.loads(written(recording(Channel("II", values, 500.0, "mV")), "json", view="filtered")[0].content)
    assert [value is None for value in shown["channels"][0]["data"]] == GAP.tolist()
    with pytest.raises(UnsupportedView, match="standardised"):
        written(recording(Channel("II", values, 500.0, "standardised")), "json", view="filtered")


@pytest.mark.parametrize(
    "name", ["formats/muse/example1.xml", "formats/philips/129DYPRG.XML", "formats/scp/Example.scp"]
)
@pytest.mark.parametrize("file_format", OWN_INTEGERS)
def test_real_ecgs_come_back_the_same(testdata: Path, name: str, file_format: str) -> None:
    made = read_source(Source("ecg", (testdata / name).read_bytes()))[0]
    found = {channel.label: channel for channel in again(made, file_format).channels}
    for channel in made.channels:
        step = millivolts(Channel("", np.array([1], np.int16), 1.0, channel.unit, channel.gain))[0]
        assert np.abs(millivolts(found[channel.label]) - millivolts(channel)).max() < 1e-3 * step
