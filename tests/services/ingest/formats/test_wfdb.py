"""WFDB records."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb as reference

from precordia.errors import HintConflict, MissingField, UnreadableFile, UnsafeContent
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Sex, Unit
from precordia.source import Source
from services.ingest.formats import read_source
from services.ingest.formats.wfdb_samples import SENTINELS, bytes_needed, decode
from tests.services.ingest.formats.written_files import ecg_counts, wfdb_record

VALUES = ecg_counts()


@pytest.mark.parametrize("code", ["16", "24", "32", "80", "212"])
@pytest.mark.parametrize("samples", [1, 2, 3, 500, 501])
def test_a_format_decodes_to_what_the_reference_package_encoded(code: str, samples: int, tmp_path: Path) -> None:
    low = SENTINELS[code] + 1
    values = np.random.default_rng(3).integers(low, -low, (samples, 1))
    values[0] = low
    reference.wrsamp(
        "r", fs=500, units=["mV"], sig_name=["II"], d_signal=values, fmt=[code], adc_gain=[200.0], baseline=[0],
        write_dir=str(tmp_path),
    )  # fmt: skip
    stored = (tmp_path / "r.dat").read_bytes()
    np.testing.assert_array_equal(decode(code, stored, samples), values[:, 0])


@pytest.mark.parametrize("code", ["508", "516", "524"])
def test_flac_decodes_to_what_the_reference_package_encoded(code: str, tmp_path: Path) -> None:
    low = SENTINELS[code] + 1
    values = np.random.default_rng(4).integers(low, -low, (700, 2))
    reference.wrsamp(
        "r", fs=500, units=["mV"] * 2, sig_name=["II", "V1"], d_signal=values, fmt=[code] * 2, adc_gain=[200.0] * 2,
        baseline=[0] * 2, write_dir=str(tmp_path),
    )  # fmt: skip
    (signals,) = [path for path in tmp_path.iterdir() if path.suffix != ".hea"]
    source = Source("r.hea", (tmp_path / "r.hea").read_bytes(), {signals.name: signals.read_bytes()})
    (recording,) = read_source(source)
    for index, channel in enumerate(recording.channels):
        np.testing.assert_array_equal(channel.samples, values[:, index])


def _bits(content: bytes, code: str) -> list[int]:
    """Packed samples, one bit operation after the other, by the tables of signal(5)."""
    samples: list[int] = []
    size, width = (3, 12) if code == "212" else (4, 10)
    for at in range(0, len(content), size):
        block = content[at : at + size]
        if code == "212":
            found = [block[0] + ((block[1] % 16) << 8), block[2] + ((block[1] >> 4) << 8)]
        elif code == "310":
            one, two = block[0] + 256 * block[1], block[2] + 256 * block[3]
            found = [one % 2048 >> 1, two % 2048 >> 1, (one >> 11) + ((two >> 11) << 5)]
        else:
            whole = int.from_bytes(block, "little")
            found = [(whole >> shift) % 1024 for shift in (0, 10, 20)]
        samples += [value - (1 << width) if value >> (width - 1) else value for value in found]
    return samples


@pytest.mark.parametrize("code", ["212", "310", "311"])
def test_packed_samples_decode_as_their_bits_say(code: str) -> None:
    content = np.random.default_rng(5).bytes(240)
    expected = _bits(content, code)
    for samples in (len(expected), len(expected) - 1, len(expected) - 2, 1):
        assert decode(code, content, samples).tolist() == expected[:samples]


def test_big_endian_and_offset_samples_decode() -> None:
    values = np.random.default_rng(6).integers(-32768, 32767, 50)
    assert decode("61", values.astype(">i2").tobytes(), 50).tolist() == values.tolist()
    assert decode("160", (values + 32768).astype("<u2").tobytes(), 50).tolist() == values.tolist()


def test_differences_add_up_from_the_initial_value() -> None:
    content = b"r 1 500 4\nr.dat 8 200/mV 12 0 100 0 0 II\n"
    (recording,) = read_source(Source("r.hea", content, {"r.dat": np.array([0, 5, -7, 127], np.int8).tobytes()}))
    assert recording.channels[0].samples.tolist() == [100, 105, 98, 225]


@pytest.mark.parametrize(("code", "size"), [("212", 5), ("310", 6), ("311", 6)])
def test_the_last_packed_sample_may_stand_in_a_block_cut_short(code: str, size: int) -> None:
    samples = {"212": 3, "310": 4, "311": 4}[code]
    assert bytes_needed(code, samples) == size
    assert decode(code, bytes(size), samples).tolist() == [0] * samples
    with pytest.raises(UnreadableFile, match="shorter"):
        decode(code, bytes(size - 1), samples)


def test_integers_are_kept_with_gain_baseline_and_unit() -> None:
    (recording,) = read_source(wfdb_record(VALUES, gain="1716(6)/uV"))
    channel = recording.channels[0]
    assert (channel.samples.dtype, channel.gain, channel.baseline, channel.unit) == (np.int16, 1716.0, 6, "uV")
    np.testing.assert_allclose(channel.physical(), (VALUES[:, 0] - 6) / 1716)


def test_a_unit_is_read_in_any_spelling_and_mv_is_what_the_format_defaults_to() -> None:
    for text, unit in (("200/mv", "mV"), ("200", "mV"), ("200/µV", "uV"), ("0.2/nV", "uV")):
        assert read_source(wfdb_record(VALUES, gain=text))[0].channels[0].unit == unit
    volts = read_source(wfdb_record(VALUES, gain="200000/V"))[0]
    np.testing.assert_allclose(volts.signal(("I",)).values[0], VALUES[:, 0] / 200, rtol=1e-6)


def test_a_signal_without_gain_is_uncalibrated_and_asked_for() -> None:
    source = wfdb_record(VALUES, gain="0")
    with pytest.raises(MissingField) as caught:
        read_source(source)
    assert caught.value.field == "unit"
    (recording,) = read_source(source, Hints(gain_adu_per_mv=400))
    np.testing.assert_allclose(recording.channels[1].physical(), VALUES[:, 1] / 400)


def test_a_record_without_rate_asks_for_it() -> None:
    source = Source("made.hea", b"made 1\nmade.dat 16 200 16 0 0 0 0 II\n", {"made.dat": VALUES[:, 1].tobytes()})
    with pytest.raises(MissingField) as caught:
        read_source(source)
    assert (caught.value.field, "--rate" in caught.value.message) == ("sample_rate_hz", True)
    (recording,) = read_source(source, Hints(sample_rate_hz=250))
    assert (recording.channels[0].sample_rate_hz, recording.channels[0].samples.size) == (250.0, 400)


def test_the_sentinel_is_missing() -> None:
    values = VALUES.copy()
    values[10, 4] = -32768
    (recording,) = read_source(wfdb_record(values))
    assert np.flatnonzero(np.isnan(recording.channels[4].physical())).tolist() == [10]


def test_comments_give_age_sex_and_codes_and_nothing_else() -> None:
    comments = "#Age: 74\n#Sex: Male\n#Dx: 59118001,427084000,59118001\n#Rx: Unknown\n#Name: Jane Doe\n"
    (recording,) = read_source(wfdb_record(VALUES, tail=comments))
    assert (recording.age_years, recording.sex) == (74.0, Sex.MALE)
    assert recording.labels == ("59118001", "427084000")
    assert "Jane" not in repr(recording)


@pytest.mark.parametrize(
    ("comments", "age", "sex"),
    [
        ("# 69 M 1085 1629 x1\n", 69.0, Sex.MALE),
        ("#<age>: 51\n#<sex>: F\n", 51.0, Sex.FEMALE),
        ("#Age: NaN\n", None, None),
    ],
)
def test_age_and_sex_are_told_in_the_ways_of_several_databases(
    comments: str, age: float | None, sex: Sex | None
) -> None:
    (recording,) = read_source(wfdb_record(VALUES, tail=comments))
    assert (recording.age_years, recording.sex) == (age, sex)


def test_time_and_date_are_read_in_the_formats_own_order_only() -> None:
    right = read_source(wfdb_record(VALUES, rate="500"))[0]
    assert right.acquired_at is None
    source = wfdb_record(VALUES)
    line = b"made 12 500 400"
    dated = Source(source.name, source.content.replace(line, line + b" 8:26:04.5 26/10/1994"), source.companions)
    assert read_source(dated)[0].acquired_at == datetime(1994, 10, 26, 8, 26, 4, 500000)
    odd = Source(source.name, source.content.replace(line, line + b" 12-May-2020 12:33:59"), source.companions)
    assert read_source(odd)[0].acquired_at is None


def test_skew_is_taken_out_and_what_comes_free_is_missing() -> None:
    source = wfdb_record(VALUES[:, :2], ("I", "II"))
    content = source.content.replace(b"made.dat 16 200/mV", b"made.dat 16:3 200/mV", 1)
    content = content.replace(b"made.dat 16 200/mV", b"made.dat 16:0 200/mV")
    (recording,) = read_source(Source("made.hea", content, source.companions))
    np.testing.assert_array_equal(recording.channels[0].physical()[:-3], VALUES[3:, 0] / 200)
    assert np.isnan(recording.channels[0].physical()[-3:]).all()
    assert recording.provenance.transforms == ("wfdb.skew_removed:I:3",)


def test_a_wrong_checksum_is_remarked() -> None:
    source = wfdb_record(VALUES)
    damaged = bytearray(source.companions["made.dat"])
    damaged[100] ^= 1
    (recording,) = read_source(Source("made.hea", source.content, {"made.dat": bytes(damaged)}))
    assert "checksum_mismatch" in [remark.code for remark in recording.remarks]
    assert "checksum_mismatch" not in [remark.code for remark in read_source(source)[0].remarks]


def test_a_challenge_mat_is_its_signal_file_at_an_offset() -> None:
    header = "c 12 500 400\n" + "".join(
        f"c.mat 16+24 1000/mV 16 0 0 {int(c.astype(int).sum()) & 0xFFFF} 0 {lead}\n"
        for lead, c in zip(STANDARD_LEADS, VALUES.T, strict=True)
    )  # one line of a header each
    (recording,) = read_source(Source("c.hea", header.encode(), {"c.mat": bytes(24) + VALUES.tobytes()}))
    np.testing.assert_array_equal(recording.channels[11].samples, VALUES[:, 11])
    assert recording.provenance.format == "wfdb"


def test_a_signal_file_given_with_its_header_reads_as_the_record() -> None:
    source = wfdb_record(VALUES)
    swapped = Source("made.dat", source.companions["made.dat"], {"made.hea": source.content})
    np.testing.assert_array_equal(read_source(swapped)[0].channels[3].samples, VALUES[:, 3])


def test_a_missing_signal_file_is_named_by_its_kind_alone() -> None:
    with pytest.raises(MissingField, match=r"\.dat file") as caught:
        read_source(Source("doe_jane.hea", wfdb_record(VALUES).content.replace(b"made", b"doe_jane")))
    assert caught.value.field == "companions"
    assert "doe" not in caught.value.message


@pytest.mark.parametrize("name", ["../made.dat", "/etc/passwd", "a\\b.dat", "..", ".hidden"])
def test_a_file_outside_the_folder_is_never_followed(name: str) -> None:
    with pytest.raises(UnsafeContent):
        read_source(Source("made.hea", f"made 1 500 10\n{name} 16 200 16 0 0 0 0 II\n".encode()))


def _segmented(first_gain: str, second_gain: str) -> Source:
    def segment(name: str, gain: str, values: Any) -> dict[str, bytes]:
        line = f"{name}.dat 16 {gain} 16 0 0 {int(values.astype(int).sum()) & 0xFFFF} 0 II\n"
        return {f"{name}.hea": f"{name} 1 100 {len(values)}\n{line}".encode(), f"{name}.dat": values.tobytes()}

    files = {"lay.hea": b"lay 2 100 0\n~ 0 1/mV 16 0 0 0 0 V1\n~ 0 1/mV 16 0 0 0 0 II\n"}
    files |= segment("s1", first_gain, VALUES[:50, 0]) | segment("s2", second_gain, VALUES[:30, 1])
    master = b"m/4 2 100 90\nlay 0\ns1 50\n~ 10\ns2 30\n"
    return Source("m.hea", master, files)


def test_segments_of_one_gain_join_as_integers_with_their_gaps_missing() -> None:
    (recording,) = read_source(_segmented("200/mV", "200/mV"))
    empty, two = recording.channels
    assert (two.samples.dtype, two.gain) == (np.int16, 200.0)
    np.testing.assert_array_equal(two.physical()[:50], VALUES[:50, 0] / 200)
    assert np.isnan(two.physical()[50:60]).all()
    np.testing.assert_array_equal(two.physical()[60:], VALUES[:30, 1] / 200)
    assert empty.missing_fraction == 1.0


def test_segments_of_different_gain_join_as_physical_values() -> None:
    two = read_source(_segmented("200/mV", "100/mV"))[0].channels[1]
    assert two.gain is None
    np.testing.assert_array_equal(two.physical()[60:], VALUES[:30, 1] / 100)


def test_a_gap_of_absurd_length_is_refused_before_it_is_made() -> None:
    source = _segmented("200/mV", "200/mV")
    content = source.content.replace(b"~ 10", b"~ 99999999999")
    with pytest.raises(Exception, match="at most"):
        read_source(Source("m.hea", content, source.companions))


def test_a_hint_against_the_record_is_refused() -> None:
    for hints in (Hints(sample_rate_hz=250), Hints(unit=Unit.MICROVOLT), Hints(gain_adu_per_mv=1000)):
        with pytest.raises(HintConflict):
            read_source(wfdb_record(VALUES), hints)


def test_unnamed_signals_take_their_names_from_the_hint() -> None:
    source = wfdb_record(VALUES[:, :2], ("col 0", "col 1"))
    assert read_source(source)[0].leads == ()
    (recording,) = read_source(source, Hints(lead_names=("V2", "aVF")))
    assert [(channel.label, channel.source_label) for channel in recording.channels] == [
        ("V2", "col 0"),
        ("aVF", "col 1"),
    ]
