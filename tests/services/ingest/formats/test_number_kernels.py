"""Numbers in tables are what Python's `float` makes of them, bit for bit; kernels equal their slow twins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import numba
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from precordia.errors import PrecordiaError, UnreadableFile
from services.ingest.formats import _byte_words
from services.ingest.formats import _short_cell_kernels as kernels
from services.ingest.formats.limits import Limits
from services.ingest.formats.table_dialect import MISSING_WORDS, Dialect
from services.ingest.formats.table_numbers import parse_body
from tests import naive_reading

DIGITS = st.text("0123456789", max_size=25)
SIGNS = st.sampled_from(["", "-", "+"])
EXPONENTS = st.one_of(st.just(""), st.builds("e{}".format, st.integers(-400, 400)), st.builds("E+{}".format, DIGITS))
WRITTEN = st.builds(
    lambda sign, whole, point, fraction, exponent: f"{sign}{whole}{point}{fraction}{exponent}",
    SIGNS,
    DIGITS,
    st.sampled_from(["", "."]),
    DIGITS,
    EXPONENTS,
)
SHORT = st.builds(
    lambda sign, whole, fraction: f"{sign}{whole}.{fraction}", SIGNS, st.text("0123456789", max_size=3), DIGITS
)
WORDS = st.sampled_from(
    ["", "nan", "NaN", "NA", "inf", "-inf", "null", "?", " 1", "1 ", '"2.5"', "-0", "-.5", "5.", "0"]
)
REPRS = st.floats(allow_nan=False, allow_infinity=False).map(repr)


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.strip().lower() in MISSING_WORDS
    return "_" not in text and text.strip('"').lower() not in ("infinity",)


CELLS = st.lists(st.one_of(WRITTEN, SHORT, WORDS, REPRS).filter(lambda text: is_number(text.strip('"'))), min_size=3)


def expected(text: str) -> float:
    plain = text.strip().strip('"')
    return float("nan") if plain.lower() in MISSING_WORDS else float(plain)


def bits(values: Sequence[float]) -> list[int]:
    return np.where(np.isnan(values), np.nan, np.array(values)).view(np.int64).tolist()


def table(rows: Sequence[Sequence[str]], delimiter: str, mark: str, end: str) -> bytes:
    return "".join(delimiter.join(cell.replace(".", mark) for cell in row) + end for row in rows).encode()


def parsed(text: bytes, columns: int, delimiter: str = ",", mark: str = ".") -> np.ndarray:
    dialect = Dialect(delimiter, mark, (), (), 0, False, columns)
    return parse_body(text, dialect, Limits()).values


@given(CELLS, st.sampled_from([(",", "."), (";", ","), ("\t", ".")]), st.sampled_from(["\n", "\r\n"]))
@example(["5e-324", "2.2250738585072014e-308", "1.7976931348623157e308"], (",", "."), "\n")
@example(["9007199254740993", "0.1000000000000000055511151231257827", "8.5e22"], (",", "."), "\n")
def test_every_number_is_the_one_that_python_reads(cells: list[str], marks: tuple[str, str], end: str) -> None:
    rows = [cells[at : at + 3] for at in range(0, len(cells) - len(cells) % 3, 3)]
    rows = [[row[0] or "0", *row[1:]] for row in rows]
    values = parsed(table(rows, *marks, end), 3, *marks)
    assert bits(values.ravel().tolist()) == bits([expected(cell) for row in rows for cell in row])


@pytest.mark.parametrize("digits", range(1, 9))
def test_all_kinds_of_short_numbers_are_read_exactly(digits: int) -> None:
    draw = np.random.default_rng(digits)
    cells = []
    for number in draw.integers(0, 10**digits, 3000):
        written = f"{number:0{digits}}"
        place = int(draw.integers(0, digits + 1))
        cells.append(
            "-" * int(draw.integers(0, 2)) + written[:place] + "." * int(draw.integers(0, 2)) + written[place:]
        )
    rows = [cells[at : at + 10] for at in range(0, 3000, 10)]
    values = parsed(table(rows, ",", ".", "\n"), 10)
    assert bits(values.ravel().tolist()) == bits([float(cell) for cell in cells])


@pytest.mark.parametrize("apart", ["- 5", "+ 5", "-\t5", '-"5"', "- 5.25e3"])
@pytest.mark.parametrize("neighbours", ["1,2", "123456789012,2"], ids=["short cells", "long cells"])
def test_a_sign_that_stands_apart_is_no_numbers(apart: str, neighbours: str) -> None:
    with pytest.raises(PrecordiaError):
        parsed(f"{neighbours},3\n{neighbours},{apart}\n".encode(), 3)


@pytest.mark.parametrize("last", [b"", b"\n"])
@pytest.mark.parametrize("before", [0, 3, 9, 40])
def test_where_the_table_begins_and_ends_makes_no_difference(before: int, last: bytes) -> None:
    text = b"x" * before + b"1.5,-2\n3,4.25\n5,6" + last
    cells = parse_body(text, Dialect(",", ".", (), (), before, False, 2), Limits())
    assert cells.values.tolist() == [[1.5, -2], [3, 4.25], [5, 6]]


@pytest.mark.parametrize("blank", [b"\n", b"1,2\n\n", b"1,2\n \n"])
def test_blank_lines_are_passed_over(blank: bytes) -> None:
    assert parsed(blank + b"3,4\n", 2).tolist()[-1] == [3, 4]


LINES = st.lists(st.text("0123456789.,-\r", max_size=12), min_size=1, max_size=40)


@given(LINES)
def test_ends_and_lines_are_found_as_the_twin_finds_them(lines: list[str]) -> None:
    text = ("\n".join(lines) + "\n").encode()
    whole = len(text) // 8
    wanted = naive_reading.cell_ends(text[: 8 * whole], ord(","))
    raw, ends = np.frombuffer(text, np.uint8), np.full(len(text) + 20, -7, np.int32)
    with np.errstate(all="ignore"):  # words wrap around, as they do in compiled code
        assert kernels.count_lines(raw) == len(lines)
        assert kernels.find_ends(raw, (0, whole), ord(","), ends, 3) == 3 + len(wanted)
    assert ends[:3].tolist() == [-7] * 3
    assert ends[3 : 3 + len(wanted)].tolist() == wanted


@given(st.lists(st.text("0123456789.-+ e", max_size=10), min_size=8, max_size=30), st.sampled_from(["", "\r"]))
def test_short_cells_are_converted_as_the_twin_does(cells: list[str], returned: str) -> None:
    written = [cell + returned for cell in cells]
    text = (",".join(written) + "\n").encode()
    ends = np.array([-1, *naive_reading.cell_ends(text, ord(","))], np.int32)
    values = np.empty(len(cells))
    with np.errstate(all="ignore"):
        kernels.fill_short_cells(np.frombuffer(text, np.uint8), ends, ord("."), values)
    early = [end < 8 for end in ends[1:].tolist()]
    wanted = [naive_reading.short_cell(cell, ".") for cell in written]
    assert bits(values.tolist()) == bits([np.nan if left else value for left, value in zip(early, wanted, strict=True)])


@pytest.mark.parametrize(("rows", "columns"), [(1, 5000), (3, 2000), (700, 12), (2000, 2), (513, 8)])
def test_tables_of_any_shape_are_read_whole(rows: int, columns: int) -> None:
    numbers = np.random.default_rng(rows).integers(-999, 999, (rows, columns)) / 100
    text = table([[f"{number:.2f}" for number in row] for row in numbers.tolist()], ",", ".", "\n")
    np.testing.assert_array_equal(parsed(text, columns), numbers)


@pytest.mark.parametrize("style", ["{:.2f}", '"{:.2f}"', " {:.2f}", "{:.2f} ", "{:.2e}", "+{:.2f}"])
@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 1.0])
def test_tables_are_read_whole_however_many_cells_are_odd(style: str, share: float) -> None:
    draw = np.random.default_rng(5)
    numbers = draw.integers(0, 999, (700, 12)) / 100
    cells = [
        [style.format(number) if draw.random() < share else f"{number}" for number in row] for row in numbers.tolist()
    ]
    expected = [[float(cell.strip('" ')) for cell in row] for row in cells]
    np.testing.assert_array_equal(parsed(table(cells, ",", ".", "\n"), 12), expected)


@pytest.mark.parametrize("share", [0.1, 0.6, 0.99])
def test_empty_cells_are_missing_however_many_there_are(share: float) -> None:
    draw = np.random.default_rng(6)
    numbers = np.where(draw.random((700, 12)) < share, np.nan, draw.integers(-999, 999, (700, 12)) / 100)
    cells = [["" if np.isnan(number) else f"{number}" for number in row] for row in numbers.tolist()]
    np.testing.assert_array_equal(parsed(table(cells, ",", ".", "\n"), 12), numbers)


@pytest.mark.parametrize("at", [0, 1, 698, 699])
@pytest.mark.parametrize(("row", "message"), [("1,2,3", "has 3 cells"), ("1", "has 1 cells"), ("1,x", "column 2")])
def test_the_row_that_breaks_a_table_is_named(at: int, row: str, message: str) -> None:
    rows = ["0.5,-0.25"] * 700
    rows[at] = row
    with pytest.raises(UnreadableFile, match=f"Row {at + 1}.*{message}"):
        parsed("\n".join([*rows, ""]).encode(), 2)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the compiler is off already")
def test_the_kernels_equal_their_twins_without_the_compiler() -> None:
    switched_off = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "twin"]
    run = subprocess.run(command, env=switched_off, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:]


@pytest.mark.parametrize(("marks", "place"), [(0, 8), (0x80, 0), (0x8000, 1), (1 << 63, 7), ((1 << 63) | 0x800000, 2)])
def test_the_first_mark_is_found_without_the_compiler_too(marks: int, place: int) -> None:
    assert _byte_words.first_mark(np.uint64(marks)) == place
