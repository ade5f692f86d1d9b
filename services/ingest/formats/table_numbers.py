"""The body of a text table as numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from precordia.errors import TooLarge, UnreadableFile
from services.ingest.formats._number_kernels import parse_rows
from services.ingest.formats._short_cell_kernels import SHORT, count_lines, parse_short_cells
from services.ingest.formats.limits import Limits
from services.ingest.formats.table_dialect import MISSING_WORDS, Dialect

_FEW_WORDS = 4096
_WORD_BYTES = 64
_Parsed = tuple[NDArray[np.float64], NDArray[np.int64], bool]
"""Values (rows, columns), the cells that are no plain number, and whether any number has a fraction."""
_CLOCK = re.compile(r"^\[?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)\]?$")


@dataclass(frozen=True, eq=False)
class Cells:
    """A table's body.

    Attributes:
        values: (rows, columns).
        row_names: the words at the front of rows, where rows have names.
        integers: no number has a fraction or an exponent.
        clock: the first column was written as times of day.
    """

    values: NDArray[np.float64]
    row_names: tuple[str, ...]
    integers: bool
    clock: bool = False


def parse_body(text: bytes, dialect: Dialect, limits: Limits) -> Cells:
    """All numbers from the dialect's body on; empty cells and words for "missing" are NaN.

    Raises:
        UnreadableFile: a row has another number of cells, or a cell is no number.
        TooLarge: the table has more cells than the limits allow.
    """
    text = text if text.endswith(b"\n") else text + b"\n"
    body = np.frombuffer(text, np.uint8, offset=dialect.body)
    rows = count_lines(body)
    limits.check_samples(1, rows * dialect.columns)
    values, words, fractional = _short_cells(body, rows, dialect) or _any_cells(body, rows, dialect)
    names, fraction = _place_words(values, body, words, dialect)
    clock = ":" in dialect.first_cell and not names
    return Cells(values[:, 1:] if names else values, names, not (fractional or fraction), clock)


def _short_cells(body: NDArray[np.uint8], rows: int, dialect: Dialect) -> _Parsed | None:
    """The table where it is plain: rows of equal length, short cells for the most part. None where it is not."""
    columns, cells = dialect.columns, rows * dialect.columns
    if (
        columns < 2
        or dialect.delimiter == " "
        or not max(cells, SHORT) <= body.size < min((SHORT + 1) * cells, 1 << 31)
    ):
        return None
    values = np.empty((columns, rows))
    words = np.empty((_FEW_WORDS, 4), np.int64)
    found, fractional = parse_short_cells(body, (ord(dialect.delimiter), ord(dialect.decimal_mark)), values, words)
    return None if found < 0 else (values.T, words[:found], fractional)


def _any_cells(body: NDArray[np.uint8], rows: int, dialect: Dialect) -> _Parsed:
    """The table, however it is written.

    Raises:
        UnreadableFile: a row has another number of cells.
    """
    delimiter, mark = ord(dialect.delimiter), ord(dialect.decimal_mark)
    cells = np.empty((rows, dialect.columns))
    words = np.empty((_FEW_WORDS, 4), np.int64)
    used, found, odd, fractional = parse_rows(body, delimiter, mark, cells, words)
    if found < 0:
        words = np.empty((rows * dialect.columns, 4), np.int64)
        used, found, odd, fractional = parse_rows(body, delimiter, mark, cells, words)
    if odd >= 0:
        raise UnreadableFile(
            f"Row {used + 1} of the table has {odd} cells, the rows before it {dialect.columns}.", format="csv"
        )
    return cells[:used], words[:found], fractional


def _place_words(
    values: NDArray[np.float64], body: NDArray[np.uint8], words: NDArray[np.int64], dialect: Dialect
) -> tuple[tuple[str, ...], bool]:
    """Put what Python makes of each word into the table; row names, and whether a word had a fraction."""
    names: list[str] = []
    fractional = False
    for row, column, start, end in words.tolist():
        if end - start > _WORD_BYTES * 4:
            raise _no_number(row, column)
        word = body[start:end].tobytes().decode("utf-8", "replace").strip().strip("\"'").strip()
        if column == 0 and dialect.row_names:
            names.append(word)
            continue
        value = _number(word, dialect.decimal_mark, first=column == 0)
        if value is None:
            raise _no_number(row, column)
        values[row, column] = value
        fractional |= value == value and not value.is_integer()
    if names and len(names) != len(values):
        raise UnreadableFile("Some rows of the table begin with a name and others do not.", format="csv")
    if len(names) > 4096:
        raise TooLarge("The table names more rows than any ECG has leads.", limit=4096)
    return tuple(names), fractional


def _number(word: str, mark: str, *, first: bool) -> float | None:
    if word.lower() in MISSING_WORDS:
        return float("nan")
    readings: tuple[Callable[[str], float], ...] = (float, _clock, _moment) if first else (float,)
    for reading in readings:
        try:
            return reading(word.replace(mark, "."))
        except (ValueError, OverflowError):
            continue
    return None


def _clock(word: str) -> float:
    """Seconds in `1:02:03.5` or `0:00.005`."""
    match = _CLOCK.match(word)
    if match is None:
        raise ValueError
    return 3600 * int(match[1] or 0) + 60 * int(match[2]) + float(match[3])


def _moment(word: str) -> float:
    return datetime.fromisoformat(word.strip("[]")).timestamp()


def _no_number(row: int, column: int) -> UnreadableFile:
    return UnreadableFile(f"Row {row + 1}, column {column + 1} of the table is no number.", format="csv")
