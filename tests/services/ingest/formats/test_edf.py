"""EDF, EDF+, BDF: scale, labels, gaps, notes; and a real file whose calibration is wrong."""

from __future__ import annotations

import io
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
from tests.services.ingest.formats.written_devices import edf_file
from tests.services.ingest.formats.written_files import ecg_counts

VALUES = ecg_counts(500)
RECORDS = VALUES.T.reshape(12, 5, 100)
RANGE = (-5.0, 5.0), (-2000, 2000)


def twelve_leads(**facts: object) -> Source:
    signals = [(f"ECG {lead}", "mV", *RANGE, row) for lead, row in zip(STANDARD_LEADS, RECORDS, strict=True)]
    return edf_file(signals, **facts)


def test_physical_values_follow_from_both_ranges_exactly() -> None:
    signals = [("ECG II", "mV", (-3.2, 3.3), (-100, 150), RECORDS[1])]
    (recording,) = read_source(edf_file(signals))
    (channel,) = recording.channels
    np.testing.assert_array_equal(channel.samples, VALUES[:, 1])
    expected = (VALUES[:, 1] + 100.0) * (3.3 + 3.2) / 250 - 3.2
    np.testing.assert_allclose(channel.physical(), expected, rtol=0, atol=1e-12)


def test_labels_are_freed_of_signal_type_and_reference() -> None:
    labels = ("ECG I-Ref", "EKG_II", "ECG  V1", "aVR", "ECG V2-GND", "Resp chest", "ECG 7")
    signals = [(label, "uV", *RANGE, RECORDS[place]) for place, label in enumerate(labels)]
    (recording,) = read_source(edf_file(signals))
    found = [(channel.label, channel.source_label) for channel in recording.channels]
    assert [label for label, _ in found] == ["I", "II", "V1", "aVR", "V2", "Resp chest", "ECG 7"]


def test_several_rates_in_one_file_stay_apart() -> None:
    signals = [
        ("ECG II", "uV", (-3276.8, 3276.7), (-32768, 32767), RECORDS[0]),
        ("Resp", "Ohm", (-1, 1), (-100, 100), RECORDS[1][:, :25]),
    ]
    (recording,) = read_source(edf_file(signals, record_s="0.2"))
    assert [(c.sample_rate_hz, c.samples.size, c.unit) for c in recording.channels] == [
        (500.0, 500, "uV"),
        (125.0, 125, "Ohm"),
    ]
    np.testing.assert_array_equal(recording.channels[1].samples, RECORDS[1][:, :25].ravel())
    np.testing.assert_allclose(recording.channels[0].physical(), VALUES[:, 0] * 0.1, atol=1e-9)


def test_all_24_bits_of_bdf_are_read() -> None:
    wide = np.array([[-8388607, -70000, -1, 0, 1, 70000, 8388607, 5]])
    signals = [("II", "uV", (-262144, 262143), (-8388608, 8388607), wide)]
    (recording,) = read_source(edf_file(signals, bdf=True, reserved="24BIT"))
    np.testing.assert_array_equal(recording.channels[0].samples, wide[0])
    assert recording.channels[0].samples.dtype == np.int32


def test_gaps_of_a_discontinuous_file_are_missing_samples() -> None:
    starts = (0.5, 0.7, 1.7, 1.9, 2.5)
    notes = [f"+{start}\x14\x14\0".encode() for start in starts]
    notes[1] += b"+0.75\x150.1\x14premature beat\x14pause\x14\0"
    notes[2] += b"+1.8\x14Reviewed by: Dr. Who\x14\0"
    (recording,) = read_source(twelve_leads(record_s="0.2", reserved="EDF+D", notes=notes))
    channel = next(channel for channel in recording.channels if channel.label == "V3")
    assert (channel.samples.size, channel.missing_fraction) == (1100, pytest.approx(600 / 1100))
    for record, start in enumerate(starts):
        at = round((start - 0.5) * 500)
        np.testing.assert_array_equal(channel.samples[at : at + 100], RECORDS[8][record])
        assert channel.missing is not None
        assert not channel.missing[at : at + 100].any()
    assert recording.device.statements == ("0.75 s: premature beat", "0.75 s: pause")
    assert recording.provenance.transforms == ("edf.gaps_filled",)
    assert "missing_samples" in [remark.code for remark in recording.remarks]


def test_a_continuous_file_has_no_gaps_whatever_its_times_say() -> None:
    notes = [f"+{start}\x14\x14\0".encode() for start in (0, 9, 20, 30, 40)]
    (recording,) = read_source(twelve_leads(record_s="0.2", reserved="EDF+C", notes=notes))
    np.testing.assert_array_equal(recording.channels[2].samples, VALUES[:, 2])
    assert recording.provenance.transforms == ()


def test_records_that_overlap_or_do_not_say_their_time_are_refused() -> None:
    for starts in ((0, 0.1, 0.4, 0.6, 0.8), (0, 5, 2, 7, 9), ("x", 1, 2, 3, 4)):
        notes = [f"+{start}\x14\x14\0".encode() for start in starts]
        with pytest.raises(UnreadableFile):
            read_source(twelve_leads(record_s="0.2", reserved="EDF+D", notes=notes))


def test_a_gap_of_years_takes_no_memory() -> None:
    notes = [f"+{start}\x14\x14\0".encode() for start in (0, 1, 2, 3, 9e8)]
    with pytest.raises(TooLarge):
        read_source(twelve_leads(record_s="0.2", reserved="EDF+D", notes=notes))


def test_of_the_patient_age_sex_and_a_keyed_hash_are_kept() -> None:
    context = ReaderContext(patient_secret=b"key")
    (recording,) = read_source(twelve_leads(reserved="EDF+C"), None, context)
    assert (recording.sex, recording.age_years) == (Sex.FEMALE, 61.0)
    assert recording.patient_key == context.patient_key("4711", "")
    assert recording.acquired_at == datetime(2024, 2, 29, 12, 15, 30)
    assert recording.device.model == "Recorder_9"
    assert recording.device.filters == {"prefiltering": "HP:0.05Hz"}
    assert not any(word in repr(recording) for word in ("Doe", "4711", "Nurse"))
    (plain,) = read_source(twelve_leads(), None, context)
    assert (plain.sex, plain.patient_key) == (None, "")


def test_the_lowest_number_is_missing_where_the_range_leaves_it_out() -> None:
    damaged = RECORDS[1].copy()
    damaged[0, :3] = -32768
    (recording,) = read_source(edf_file([("II", "mV", *RANGE, damaged)]))
    assert np.flatnonzero(np.isnan(recording.channels[0].physical())).tolist() == [0, 1, 2]


def test_a_file_that_states_more_records_than_it_holds_is_refused() -> None:
    with pytest.raises(UnreadableFile):
        read_source(twelve_leads(records=6))
    assert read_source(twelve_leads(records=-1))[0].channels[0].samples.size == 500


def test_a_lead_without_unit_is_asked_for_and_one_without_calibration_refused() -> None:
    with pytest.raises(MissingField) as caught:
        read_source(edf_file([("II", "", *RANGE, RECORDS[1])]))
    assert caught.value.field == "unit"
    hinted = read_source(edf_file([("II", "", *RANGE, RECORDS[1])]), Hints(unit=Unit.MICROVOLT))
    assert hinted[0].channels[0].unit == "uV"
    with pytest.raises(UnreadableFile):
        read_source(edf_file([("II", "mV", (1.0, 1.0), (-10, 10), RECORDS[1])]))
    with pytest.raises(HintConflict):
        read_source(twelve_leads(), Hints(unit=Unit.MICROVOLT))


def test_sizes_beyond_the_limits_are_refused_before_memory_is_taken() -> None:
    with pytest.raises(TooLarge):
        read_source(twelve_leads(), None, ReaderContext(Limits(max_samples=1000)))


def test_files_of_another_writer_read_the_same() -> None:
    import edfio

    random = np.random.default_rng(4)
    rows = {lead: random.normal(0, 0.5, 2000) for lead in ("I", "II", "V4")}
    written = edfio.Edf(
        [
            edfio.EdfSignal(row, sampling_frequency=250, label=f"ECG {lead}", physical_dimension="mV")
            for lead, row in rows.items()
        ],
        annotations=[edfio.EdfAnnotation(1.5, None, "premature beat")],
    )
    stream = io.BytesIO()
    written.write(stream)
    (recording,) = read_source(Source("a.edf", stream.getvalue()))
    assert recording.device.statements == ("1.5 s: premature beat",)
    for channel, signal in zip(recording.channels, written.signals, strict=True):
        assert channel.sample_rate_hz == 250.0
        np.testing.assert_allclose(channel.physical(), signal.data, rtol=0, atol=1e-9)


def test_the_real_file_reads_as_it_says_and_its_calibration_is_doubted(testdata: Path) -> None:
    path = testdata / "formats/edf/0000050.ECG.edf"
    (recording,) = read_source(Source(path.name, path.read_bytes()))
    assert (recording.leads, recording.channels[0].sample_rate_hz) == (STANDARD_LEADS, 800.0)
    assert "coarse_resolution" in [remark.code for remark in recording.remarks]
    expected = independent_leads(path)
    for channel in recording.channels:
        np.testing.assert_allclose(channel.physical(), expected[channel.label], rtol=0, atol=1e-9)


def test_the_real_file_is_six_times_its_own_table(testdata: Path) -> None:
    (table,) = read_source(
        Source("a.csv", (testdata / "formats/csv/0000050.ECG.csv").read_bytes()),
        Hints(sample_rate_hz=800, gain_adu_per_mv=200, lead_names=STANDARD_LEADS),
    )
    (edf,) = read_source(Source("a", (testdata / "formats/edf/0000050.ECG.edf").read_bytes()))
    for channel in table.channels:
        same = next(other for other in edf.channels if other.label == channel.label)
        np.testing.assert_array_equal(same.samples, channel.samples)
        assert channel.gain is not None
        assert same.gain is not None
        assert channel.gain / same.gain == pytest.approx(6.1, abs=0.01)
