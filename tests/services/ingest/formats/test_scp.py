"""SCP-ECG: every way of coding gives the samples back; only age, sex and a keyed hash are kept of the patient."""

from __future__ import annotations

import struct
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from precordia.errors import HintConflict, MissingField, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex, Unit
from precordia.source import Source
from services.ingest.formats import ReaderContext, read_source
from services.ingest.formats.scp_huffman import DEFAULT_TABLE, decode, read_tables
from tests.services.ingest.formats.independent_reader import independent_leads
from tests.services.ingest.formats.written_devices import (
    SCP_PATIENT,
    coded,
    default_code,
    packed,
    scp_coded,
    scp_file,
    scp_leads,
    scp_record,
    scp_tags,
)
from tests.services.ingest.formats.written_files import ecg_counts

VALUES = ecg_counts(300)
DEFAULT = struct.pack("<H", 19999)


def counts(source: Source) -> NDArray[Any]:
    (recording,) = read_source(source)
    return np.stack([channel.samples for channel in recording.channels], axis=1)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("huffman", [True, False])
def test_every_coding_gives_the_counts_back(order: int, huffman: bool) -> None:
    gentle = np.cumsum(np.cumsum(np.sign(VALUES), axis=0) % 5 - 2, axis=0)
    source = scp_file(gentle, order=order, huffman=huffman)
    np.testing.assert_array_equal(counts(source), gentle)


def test_counts_are_in_the_stated_nanovolts_at_the_stated_interval() -> None:
    (recording,) = read_source(scp_file(VALUES, nanovolts=4880, interval_us=4000))
    signal = recording.signal()
    assert (signal.sample_rate_hz, recording.leads) == (250.0, STANDARD_LEADS)
    np.testing.assert_allclose(signal.values, VALUES.T * 0.00488, rtol=1e-6)
    assert recording.channels[0].samples.dtype == np.int16


def test_an_interval_cut_to_whole_microseconds_is_its_whole_rate() -> None:
    (recording,) = read_source(scp_file(VALUES, interval_us=2778))
    assert recording.channels[0].sample_rate_hz == 360.0


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_default_table_codes_every_number(values: list[int]) -> None:
    bits = packed("".join(map(default_code, values)))
    assert decode(bits, len(values), DEFAULT_TABLE).tolist() == values
    assert naive_default(bits, len(values)) == values


def naive_default(data: bytes, count: int) -> list[int]:
    """The default table read as people would: count the ones."""
    bits, values = "".join(f"{byte:08b}" for byte in data), []
    for _ in range(count):
        ones = 0
        while ones < 10 and bits[ones] == "1":
            ones += 1
        if ones == 0:
            values.append(0)
            bits = bits[1:]
        elif ones <= 8:
            values.append(-ones if bits[ones + 1] == "1" else ones)
            bits = bits[ones + 2 :]
        else:
            prefix, size = 10, 8 if ones == 9 else 16
            number = int(bits[prefix : prefix + size], 2)
            values.append(number - (1 << size) if number >> (size - 1) else number)
            bits = bits[prefix + size :]
    return values


def custom_table(*tables: list[tuple[str, int, int, int]]) -> bytes:
    """Section 2 of (prefix, all bits, stays, base value)."""
    body = struct.pack("<H", len(tables))
    for table in tables:
        body += struct.pack("<H", len(table))
        for prefix, whole, stays, base in table:
            body += struct.pack("<BBBhI", len(prefix), whole, stays, base, int(prefix[::-1], 2))
    return body


def test_own_tables_switch_and_write_numbers_out() -> None:
    first = [("0", 1, 1, 3), ("10", 2, 0, 2), ("11", 10, 1, 0)]
    second = [("1", 1, 1, -7), ("01", 14, 1, 0), ("00", 2, 0, 1)]
    tables = custom_table(first, second)
    bits = "0" + "11" + f"{-100 & 0xFF:08b}" + "10" + "1" + "01" + f"{-2000 & 0xFFF:012b}" + "00" + "0"
    assert decode(packed(bits), 5, read_tables(tables)).tolist() == [3, -100, -7, -2000, 3]
    spans = [(1, 5, 2)]
    source = scp_record({2: tables, 3: scp_leads(spans), 6: scp_coded([packed(bits)], order=0)})
    assert counts(source)[:, 0].tolist() == [3, -100, -7, -2000, 3]


def test_bits_that_are_no_code_are_refused() -> None:
    tables = read_tables(custom_table([("00", 2, 1, 1)]))
    with pytest.raises(UnreadableFile):
        decode(b"\xff" * 16, 4, tables)


def test_the_reference_beat_is_added_where_it_was_subtracted() -> None:
    beat = np.rint(200 * np.exp(-0.5 * ((np.arange(60) - 30) / 6) ** 2)).astype(int)
    rest = np.arange(300) % 7 - 3
    whole = rest.copy()
    places = [(1, 31, 60), (101, 131, 160), (245, 271, 290)]  # first, fiducial, last
    for first, fiducial, last in places:
        for sample in range(first, last + 1):
            whole[sample - 1] += beat[sample - fiducial + 31 - 1]
    section4 = struct.pack("<HHH", 120, 31, 4)
    for first, fiducial, last in places:
        section4 += struct.pack("<HIII", 0, first, fiducial, last)
    section4 += struct.pack("<HIII", 1, 200, 210, 220)  # another kind of beat: nothing was subtracted
    sections = {
        2: DEFAULT,
        3: scp_leads([(1, 300, 2)], beat_subtracted=True),
        4: section4,
        5: scp_coded([coded(beat.tolist(), 1)], order=1),
        6: scp_coded([coded(rest.tolist(), 2)], order=2),
    }
    (recording,) = read_source(scp_record(sections))
    np.testing.assert_array_equal(recording.channels[0].samples, whole)
    assert recording.provenance.transforms == ("scp.differences_summed:2", "scp.reference_beat_added")
    np.testing.assert_allclose(recording.device.median_beats["II"], beat * 0.0025)
    finer = {**sections, 5: scp_coded([coded((beat * 2).tolist(), 1)], order=1, nanovolts=1250)}
    (same,) = read_source(scp_record(finer))
    np.testing.assert_allclose(same.channels[0].physical(), whole * 0.0025, atol=1e-12)


def test_a_residual_without_its_reference_beat_is_refused() -> None:
    sections = {2: DEFAULT, 3: scp_leads([(1, 3, 2)], beat_subtracted=True), 6: scp_coded([coded([1, 2, 3], 2)])}
    with pytest.raises(UnreadableFile, match="reference beat"):
        read_source(scp_record(sections))


def test_leads_recorded_one_after_the_other_stand_at_their_times() -> None:
    spans = [(1, 50, 1), (1, 50, 2), (51, 100, 3), (51, 100, 4)]
    rows = [VALUES[:50, place].tolist() for place in range(4)]
    sections = {2: DEFAULT, 3: scp_leads(spans), 6: scp_coded([coded(row, 2) for row in rows])}
    (recording,) = read_source(scp_record(sections))
    for (first, last, _), row, channel in zip(spans, rows, recording.channels, strict=True):
        physical = channel.physical()
        np.testing.assert_allclose(physical[first - 1 : last], np.array(row) * 0.0025, atol=1e-12)
        assert (physical.size, np.isnan(physical).sum()) == (100, 50)
    assert "scp.leads_aligned" in recording.provenance.transforms


def test_bimodal_samples_stand_where_they_stood_and_are_interpolated_elsewhere() -> None:
    ramp = np.arange(100) * 8
    protected = [(21, 30), (61, 70)]
    stored: list[int] = []
    at = 1
    for first, last in [*protected, (101, 100)]:
        gap = ramp[at - 1 : first - 1]
        stored += [int(gap[n : n + 4].mean()) for n in range(0, gap.size, 4)]
        stored += ramp[first - 1 : last].tolist()
        at = last + 1
    section4 = struct.pack("<HHH", 0, 0, 2) + struct.pack("<HIII", 0, 1, 1, 1) * 2
    section4 += b"".join(struct.pack("<II", *area) for area in protected)
    sections = {
        2: DEFAULT,
        3: scp_leads([(1, 100, 2)]),
        4: section4,
        5: scp_coded([b""], order=0),
        6: scp_coded([coded(stored, 2)], interval_us=8000, flag=1),
    }
    (recording,) = read_source(scp_record(sections))
    samples = recording.channels[0].samples
    assert (samples.size, recording.channels[0].sample_rate_hz) == (100, 500.0)
    for first, last in protected:
        np.testing.assert_array_equal(samples[first - 1 : last], ramp[first - 1 : last])
    np.testing.assert_allclose(samples, ramp, atol=12)  # a slope of 8 over one and a half samples at the edges
    np.testing.assert_allclose(samples[32:56], ramp[32:56], atol=1)
    assert "lossy_compression" in [remark.code for remark in recording.remarks]


def test_of_the_patient_age_sex_and_a_keyed_hash_are_kept() -> None:
    source = scp_file(VALUES)
    (recording,) = read_source(source, None, ReaderContext(patient_secret=b"key"))
    assert (recording.age_years, recording.sex) == (61.0, Sex.FEMALE)
    assert recording.patient_key == ReaderContext(patient_secret=b"key").patient_key("4711", "")
    assert "Doe" not in repr(recording)
    assert "4711" not in repr(recording)
    assert recording.acquired_at == datetime(2024, 2, 29, 12, 15, 30)
    assert recording.device.filters == {"low_hz": "0.05", "high_hz": "150", "applied": "50 Hz notch"}
    assert read_source(source)[0].patient_key == ""


def test_without_an_age_it_follows_from_the_date_of_birth() -> None:
    tags = {tag: value for tag, value in SCP_PATIENT.items() if tag != 4}
    sections = {1: scp_tags(tags), 2: DEFAULT, 3: scp_leads([(1, 3, 1)]), 6: scp_coded([coded([1, 2, 3], 2)])}
    assert read_source(scp_record(sections))[0].age_years == 61.0


def test_leads_follow_their_codes_and_not_their_order() -> None:
    shuffled = ("aVR", "aVF", "aVL", "V6", "II", "I")
    (recording,) = read_source(scp_file(VALUES[:, :6], shuffled))
    for place, lead in enumerate(shuffled):
        np.testing.assert_array_equal(
            next(channel for channel in recording.channels if channel.label == lead).samples, VALUES[:, place]
        )


def test_a_lead_stored_upside_down_is_turned_and_one_without_a_code_is_asked_for() -> None:
    sections = {2: DEFAULT, 3: scp_leads([(1, 3, 65)]), 6: scp_coded([coded([1, 2, 3], 2)])}
    (recording,) = read_source(scp_record(sections))
    assert recording.channels[0].label == "aVR"
    np.testing.assert_allclose(recording.channels[0].physical(), [-0.0025, -0.005, -0.0075])
    unnamed = scp_record({**sections, 3: scp_leads([(1, 3, 0)])})
    with pytest.raises(MissingField) as caught:
        read_source(unnamed)
    assert caught.value.field == "lead_names"
    assert read_source(unnamed, Hints(lead_names=("V2",)))[0].leads == ("V2",)


def test_hints_that_contradict_the_record_are_refused() -> None:
    for hints in (Hints(sample_rate_hz=250), Hints(gain_adu_per_mv=200), Hints(unit=Unit.MICROVOLT)):
        with pytest.raises(HintConflict):
            read_source(scp_file(VALUES), hints)
    read_source(scp_file(VALUES), Hints(sample_rate_hz=500, gain_adu_per_mv=400, unit=Unit.MILLIVOLT))


def test_a_wrong_checksum_is_remarked() -> None:
    whole = scp_file(VALUES).content
    assert read_source(Source("a", whole))[0].remarks == ()
    wrong = read_source(Source("a", b"\0\0" + whole[2:]))[0]
    assert [remark.code for remark in wrong.remarks] == ["checksum_mismatch"]


def test_a_record_without_rhythm_says_so() -> None:
    with pytest.raises(UnreadableFile, match="section 6"):
        read_source(scp_record({3: scp_leads([(1, 3, 1)])}))


def test_the_real_record_agrees_with_the_aecg_of_the_same_recording_to_the_sample(testdata: Path) -> None:
    (scp,) = read_source(Source("a", (testdata / "formats/scp/Example.scp").read_bytes()))
    (aecg,) = read_source(Source("a", (testdata / "formats/hl7-aecg/ecg_hl7.xml").read_bytes()))
    assert scp.provenance.format == "scp"
    assert set(scp.leads) == set(aecg.leads) == set(STANDARD_LEADS)
    other = {channel.label: channel for channel in aecg.channels}
    for channel in scp.channels:
        np.testing.assert_array_equal(channel.samples, other[channel.label].samples)
    np.testing.assert_array_equal(scp.signal().values, aecg.signal().values)
    assert scp.device.measurements["qrs_axis_deg"] == "-61"


def test_the_real_record_agrees_with_the_independent_reader(testdata: Path) -> None:
    path = testdata / "formats/scp/Example.scp"
    (recording,) = read_source(Source("a", path.read_bytes()))
    expected = independent_leads(path)
    assert len(expected) == len(recording.channels) == 12
    for channel in recording.channels:
        np.testing.assert_allclose(channel.physical(), expected[channel.label], atol=1e-9)
