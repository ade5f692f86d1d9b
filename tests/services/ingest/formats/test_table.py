"""CSV, TSV and other text tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precordia.errors import HintConflict, MissingField, UnknownFormat, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Recording, Unit
from precordia.source import Source
from services.ingest.formats import read_source
from services.ingest.formats._number_kernels import parse_rows
from tests.services.ingest.formats.written_files import ecg_counts, text_table

VALUES = ecg_counts(600) / 1000
KNOWN = Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT)
ALL = Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS)
TIMES = np.arange(600)[:, None] / 500


def read(content: bytes, hints: Hints | None = None) -> Recording:
    (recording,) = read_source(Source("a.csv", content), hints)
    return recording


def assert_same(recording: Recording, values: np.ndarray = VALUES) -> None:
    assert recording.leads == STANDARD_LEADS
    for index, channel in enumerate(recording.channels):
        np.testing.assert_array_equal(channel.physical(), values[:, index])
        assert (channel.unit, channel.sample_rate_hz) == ("mV", 500.0)


@pytest.mark.parametrize(
    ("delimiter", "mark"),
    [(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), ("|", "."), (" ", "."), ("  ", ",")],
)
def test_delimiter_and_decimal_mark_are_detected(delimiter: str, mark: str) -> None:
    assert_same(read(text_table(VALUES, titles=STANDARD_LEADS, delimiter=delimiter, mark=mark), KNOWN))


@pytest.mark.parametrize(
    "titles",
    [
        [f"{lead} [mV]" for lead in STANDARD_LEADS],
        [f"Lead {lead} (mV)" for lead in STANDARD_LEADS],
        [f"{lead.lower()}_mV" for lead in STANDARD_LEADS],
        [f'"MDC_ECG_LEAD_{lead} [mV]"' for lead in STANDARD_LEADS],
    ],
)
def test_units_in_titles_are_honoured(titles: list[str]) -> None:
    assert_same(read(text_table(VALUES, titles=titles), Hints(sample_rate_hz=500)))


@pytest.mark.parametrize(
    ("title", "factor", "number"),
    [("time [s]", 1, "%.3f"), ("Time_ms", 1000, "%d"), ("t", 1, "%.4f"), ("seconds", 1, "%.3f")],
)
def test_a_time_column_gives_the_rate(title: str, factor: float, number: str) -> None:
    titles = [title, *(f"{lead} [mV]" for lead in STANDARD_LEADS)]
    rows = [f"{number % (TIMES[row, 0] * factor)}," + ",".join(f"{v:.3f}" for v in VALUES[row]) for row in range(600)]
    recording = read((",".join(titles) + "\n" + "\n".join(rows)).encode())
    assert_same(recording)
    assert recording.provenance.transforms == ("table.time_column_removed:0",)


def test_rounded_times_give_the_whole_rate_they_mean() -> None:
    values = np.hstack([np.arange(600)[:, None] / 360, VALUES])
    titles = ["time [s]", *(f"{lead} [mV]" for lead in STANDARD_LEADS)]
    assert read(text_table(values, titles=titles)).channels[0].sample_rate_hz == 360.0


def test_a_time_column_without_title_is_seen_by_its_even_steps() -> None:
    recording = read(text_table(np.hstack([TIMES, VALUES])), Hints(unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS))
    assert_same(recording)


def test_a_time_without_unit_in_long_steps_gives_no_rate() -> None:
    content = text_table(np.hstack([TIMES * 1000, VALUES]), titles=["time", *STANDARD_LEADS])
    with pytest.raises(MissingField) as caught:
        read(content, Hints(unit=Unit.MILLIVOLT))
    assert caught.value.field == "sample_rate_hz"
    assert_same(read(content, KNOWN))


def test_row_numbers_are_no_signal() -> None:
    assert_same(read(text_table(np.hstack([TIMES * 500, VALUES]), titles=["", *STANDARD_LEADS]), KNOWN))


def test_a_time_column_against_the_hint_is_refused_with_both_values() -> None:
    content = text_table(np.hstack([TIMES, VALUES]), titles=["time [s]", *STANDARD_LEADS])
    with pytest.raises(HintConflict, match=r"500 Hz.*250 Hz"):
        read(content, Hints(sample_rate_hz=250, unit=Unit.MILLIVOLT))


def test_a_time_column_with_a_gap_is_refused() -> None:
    times = TIMES.copy()
    times[300:] += 0.5
    with pytest.raises(UnreadableFile, match="gaps"):
        read(text_table(np.hstack([times, VALUES]), titles=["time [s]", *STANDARD_LEADS]), KNOWN)


def test_leads_may_stand_in_rows_with_or_without_their_names() -> None:
    rows = [f"{lead}," + ",".join(f"{v:.3f}" for v in VALUES[:, i]) for i, lead in enumerate(STANDARD_LEADS)]
    assert_same(read("\n".join(rows).encode(), KNOWN))
    assert_same(read(text_table(VALUES.T), ALL))


def test_comment_lines_state_facts() -> None:
    assert_same(read(b"# fs: 500 Hz\n# unit = mV\n" + text_table(VALUES, titles=STANDARD_LEADS)))


def test_a_second_title_row_may_hold_units() -> None:
    titles = "'Elapsed time'," + ",".join(f"'{lead}'" for lead in STANDARD_LEADS)
    units = "'seconds'," + ",".join("'mV'" for _ in STANDARD_LEADS)
    assert_same(read(f"{titles}\n{units}\n".encode() + text_table(np.hstack([TIMES, VALUES]))))


def test_times_of_day_give_the_rate() -> None:
    rows = "".join(f"'0:{index / 360:06.3f}',-0.145,0.5\n" for index in range(720))
    recording = read(("'Elapsed time','MLII','V5'\n'hh:mm:ss.mmm','mV','mV'\n" + rows).encode())
    assert [channel.label for channel in recording.channels] == ["MLII", "V5"]
    assert recording.channels[0].sample_rate_hz == 360.0


def test_utf16_and_byte_order_marks_are_read() -> None:
    text = text_table(VALUES, titles=STANDARD_LEADS)
    assert_same(read(text.decode().encode("utf-16"), KNOWN))
    assert_same(read(b"\xef\xbb\xbf" + text, KNOWN))
    assert_same(read(text.replace(b"\n", b"\r\n"), KNOWN))


def test_counts_stay_integers_with_the_hinted_gain() -> None:
    recording = read(
        text_table(VALUES * 1000, titles=STANDARD_LEADS, number="%.0f"), Hints(sample_rate_hz=500, gain_adu_per_mv=1000)
    )
    assert {channel.samples.dtype.name for channel in recording.channels} == {"int16"}
    assert_same(recording)


def test_empty_cells_and_words_for_missing_are_missing() -> None:
    text = text_table(VALUES, titles=STANDARD_LEADS).splitlines()
    text[3] = b"NaN,,null," + text[3].split(b",", 3)[3]
    recording = read(b"\n".join(text), KNOWN)
    for channel in recording.channels[:3]:
        assert np.flatnonzero(np.isnan(channel.physical())).tolist() == [2]
    assert not np.isnan(recording.channels[3].physical()).any()


def test_a_column_without_a_number_is_left_out_and_said() -> None:
    lines = [line + b",,," for line in text_table(VALUES[:, :3]).splitlines()]
    names = ("I", "II", "III", "V1", "V2", "V3")
    recording = read(b"\n".join(lines), Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT, lead_names=names))
    assert recording.leads == ("I", "II", "III")
    assert [remark.lead for remark in recording.remarks if remark.code == "empty_channel"] == ["V1", "V2", "V3"]


@pytest.mark.parametrize(
    ("hints", "first", "everything"),
    [
        (Hints(), "sample_rate_hz", {"sample_rate_hz", "lead_names", "unit"}),
        (Hints(sample_rate_hz=500), "lead_names", {"lead_names", "unit"}),
        (Hints(sample_rate_hz=500, lead_names=STANDARD_LEADS), "unit", {"unit"}),
    ],
)
def test_a_bare_table_asks_for_everything_at_once(hints: Hints, first: str, everything: set[str]) -> None:
    with pytest.raises(MissingField) as caught:
        read(text_table(VALUES), hints)
    assert caught.value.field == first
    assert set(caught.value.details["fields"].split(",")) == everything
    options = {"sample_rate_hz": "--rate", "lead_names": "--leads", "unit": "--unit"}
    assert all(options[field] in caught.value.message for field in everything)


@pytest.mark.parametrize(
    ("damage", "message"), [(b"1,2\n", "Row 601 .* 2 cells"), (b"1,2,3,4,5,6,7,8,9,x1,1,2\n", "Row 601, column 10")]
)
def test_a_broken_row_is_named_by_its_number(damage: bytes, message: str) -> None:
    with pytest.raises(UnreadableFile, match=message):
        read(text_table(VALUES) + damage, ALL)


def test_prose_is_no_table() -> None:
    with pytest.raises(UnknownFormat):
        read(b"Dear colleague,\nthe ECG of 12 March shows 3 things:\nnone of them new.\n")


def test_an_unusual_delimiter_is_read_when_hinted() -> None:
    content = text_table(VALUES, titles=STANDARD_LEADS, delimiter=":")
    hints = Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT, delimiter=":")
    assert_same(read(content, hints))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30), st.integers(0, 20))
def test_numbers_are_rounded_as_python_rounds_them(numbers: list[float], digits: int) -> None:
    texts = [repr(number) for number in numbers] + [f"{number:.{digits}e}" for number in numbers]
    text = np.frombuffer(",".join(texts).encode() + b"\n", np.uint8)
    cells, words = np.empty((1, len(texts))), np.empty((len(texts), 4), np.int64)
    rows, found, odd, _ = parse_rows(text, ord(","), ord("."), cells, words)
    assert (rows, odd) == (1, -1)
    handed_back = set(words[:found, 1].tolist())
    for index, written in enumerate(texts):
        assert index in handed_back or cells[0, index] == float(written)
