"""Compiled parsing of tables whose cells are short: a sign, eight letters at most, many cells side by side.

Every cell is one 64-bit word. Its digits become one number of less than 10**8, which one exact
power of ten divides: correctly rounded (Clinger 1990). All steps are plain arithmetic on words, so
that the compiler does eight cells at once where the processor can. What is no such number is left
out as NaN, for `parse_odd_cells`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

from services.ingest.formats._byte_words import MARKS, ONES, SEVENS, first_mark, word_at
from services.ingest.formats._number_kernels import NEWLINE, RETURN, parse_rows

COMPILED_WITH = "412c6af15f54513a"
"""Of the files whose functions become part of what is compiled here; tests/contract/test_compiled_sources.py."""

Text = NDArray[np.uint8]
Words = NDArray[np.uint64]

SHORT = 8
"""Letters of a cell that fit in a word."""

_BATCH = 512
_FEW, _ODD_SHARE = 32, 4
"""Above a quarter of a batch, and a few for the smallest ones, odd cells take longer here than elsewhere."""
_U = np.uint64
_ZERO, _MINUS = _U(48), _U(45 ^ 48)
_DIGITS = _U(0x3030303030303030)
_BEYOND_NINE = _U(0x7676767676767676)
_PAIRS, _FOURS, _EIGHTS = _U(0x00FF00FF00FF00FF), _U(0x0000FFFF0000FFFF), _U(0xFFFFFFFF)


def _compiled(function: Callable[..., Any]) -> Any:
    return cast(Any, numba.njit(nogil=True, cache=True, error_model="numpy"))(function)


@_compiled
def _equal(word: np.uint64, pattern: np.uint64) -> np.uint64:
    """Marks of the bytes that two words have in common."""
    differing = word ^ pattern
    return ~(((differing & SEVENS) + SEVENS) | differing) & MARKS


@_compiled
def _no_digits(word: np.uint64) -> np.uint64:
    """Marks of the bytes above 9."""
    return (((word & SEVENS) + _BEYOND_NINE) | word) & MARKS


@_compiled
def _count(marks: np.uint64) -> np.uint64:
    return ((marks >> _U(7)) * ONES) >> _U(56)


@_compiled
def count_lines(text: Text) -> int:
    """How many line ends there are."""
    lines = _U(0)
    pattern = _U(NEWLINE) * ONES
    words = text.size // 8
    for index in range(words):
        lines += _count(_equal(word_at(text, 8 * index), pattern))
    for at in range(8 * words, text.size):
        lines += _U(text[at] == NEWLINE)
    return int(lines)


@_compiled
def find_ends(text: Text, words: tuple[int, int], delimiter: int, ends: NDArray[np.int32], found: int) -> int:
    """Where cells end: at each delimiter and each line end.

    Args:
        text: a table's body.
        words: the first of its words of eight bytes to look at, and the one to stop before; at most 512.
        delimiter: byte between cells.
        ends: out; room for eight places for each word behind those that are found already, and two more.
        found: how many there are already.

    Returns:
        How many there are now.
    """
    first, second = _U(delimiter) * ONES, _U(NEWLINE) * ONES
    marks = np.empty(_BATCH, np.uint64)
    for index in range(words[1] - words[0]):
        word = word_at(text, 8 * (words[0] + index))
        marks[index] = _equal(word, first) | _equal(word, second)
    for index in range(words[1] - words[0]):
        left, at = marks[index], 8 * (words[0] + index)
        following = found + int(_count(left))
        ends[found] = at + first_mark(left)  # two at once: few words have more
        left &= left - _U(1)
        ends[found + 1] = at + first_mark(left)
        for place in range(found + 2, following):
            left &= left - _U(1)
            ends[place] = at + first_mark(left)
        found = following
    return found


@_compiled
def _convert(words: Words, sizes: Words, decimal: np.uint64, values: NDArray[np.float64]) -> np.uint64:
    """Cells as numbers; NaN what is none. Returns the marks of all that are no digits, taken together.

    Args:
        words: each cell's last eight bytes, the last one highest.
        sizes: of each cell, in bits; may be anything.
        decimal: byte of the decimal mark, as its difference from the digit 0.
        values: out.
    """
    seen = _U(0)
    for index in range(values.size):
        word, size = words[index], sizes[index]
        returned = _U(8) if word >> _U(56) == _U(RETURN) else _U(0)
        word <<= returned
        size -= returned
        gap = _U(64) - size
        fits = gap < _U(64)
        gap = gap if fits else _U(0)
        digits = (word ^ _DIGITS) >> gap
        negative = digits & _U(255) == _MINUS
        digits = (digits ^ (_MINUS if negative else _U(0))) << gap
        marked = _no_digits(digits)
        mark = marked >> _U(7)
        low = digits & (mark - _U(1))
        high = (digits ^ low) ^ (mark * decimal)
        wrong = (marked & (marked - _U(1))) | (high & (mark * _U(255))) | _no_digits(high)
        taken = (_U(8) if negative else _U(0)) + (_U(8) if marked != _U(0) else _U(0))
        fits = fits & (wrong == _U(0)) & (size > taken)
        number = high | (low << _U(8) if marked != _U(0) else low)
        number = (number * _U(10) + (number >> _U(8))) & _PAIRS
        number = (number * _U(100) + (number >> _U(16))) & _FOURS
        number = (number * _U(10000) + (number >> _U(32))) & _EIGHTS
        fraction = _count(~(marked | (marked - _U(1))) & MARKS)  # digits behind the mark
        power = 10.0 if fraction & _U(1) else 1.0
        power *= 100.0 if fraction & _U(2) else 1.0
        power *= 10000.0 if fraction & _U(4) else 1.0
        value = np.float64(np.int64(number)) / power
        value = -value if negative else value
        values[index] = value if fits else np.nan
        seen |= marked if fits else _U(0)
    return seen


@_compiled
def fill_short_cells(text: Text, ends: NDArray[np.int32], decimal: int, values: NDArray[np.float64]) -> bool:
    """Every short number among some cells; NaN in place of all else.

    Args:
        text: a table's body, at least eight bytes.
        ends: (cells + 1,), where the cell before ends, then where each of them does.
        decimal: byte of the decimal mark.
        values: out, (cells,).

    Returns:
        Whether any number has a fraction.
    """
    words, sizes = np.empty(values.size, np.uint64), np.empty(values.size, np.uint64)
    for index in range(values.size):
        words[index] = word_at(text, max(int(ends[index + 1]) - SHORT, 0))
    for index in range(values.size):
        sizes[index] = _U(8 * (np.int64(ends[index + 1]) - np.int64(ends[index]) - 1))
    seen = _convert(words, sizes, _U(decimal) ^ _ZERO, values)
    early = 0
    while early < values.size and ends[early + 1] < SHORT:
        values[early] = np.nan  # no eight bytes end there
        early += 1
    return bool(seen != _U(0))


@_compiled
def _fill_odd_cells(
    text: Text,
    ends: NDArray[np.int32],
    marks: tuple[int, int],
    values: NDArray[np.float64],
    place: tuple[int, int],
    words: NDArray[np.int64],
    found: int,
) -> tuple[int, bool]:
    """The cells that `fill_short_cells` left out, one by one; words found so far, and any fraction.

    The words are -1 where there is no room for them, or where too many cells are odd to be short ones.
    """
    odd = 0
    for index in range(values.size):
        empty = ends[index + 1] - ends[index] == 1
        odd += (values[index] != values[index]) & (not empty)  # NaN
    if odd == 0:
        return found, False
    if odd > _FEW + values.size // _ODD_SHARE:
        return -1, False
    fractional = False
    cell, word = np.empty((1, 1)), np.empty((1, 4), np.int64)
    for index in range(values.size):
        if values[index] == values[index] or ends[index + 1] - ends[index] == 1:
            continue
        start, stop = np.int64(ends[index]) + 1, np.int64(ends[index + 1])
        cell[0, 0] = np.nan
        _, handed_back, _, has_fraction = parse_rows(text[start : stop + 1], marks[0], marks[1], cell, word)
        values[index] = cell[0, 0]
        fractional |= has_fraction
        if handed_back:
            if found >= words.shape[0]:
                return -1, fractional
            words[found, 0], words[found, 1] = place[0] + index // place[1], index % place[1]
            words[found, 2], words[found, 3] = start + word[0, 2], start + word[0, 3]
            found += 1
    return found, fractional


@_compiled
def _rows_are_even(text: Text, ends: NDArray[np.int32], columns: int, rows: int) -> bool:
    """Whether each of some rows ends with a line, the first of them behind `ends[0]`."""
    even = True
    for row in range(1, rows + 1):
        even &= text[ends[row * columns]] == NEWLINE
    return even


@_compiled
def _place_columns(cells: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """Cells row after row into (columns, rows)."""
    columns, rows = values.shape
    for column in range(columns):
        target = values[column]
        for row in range(rows):
            target[row] = cells[row * columns + column]


@_compiled
def parse_short_cells(
    text: Text, marks: tuple[int, int], values: NDArray[np.float64], words: NDArray[np.int64]
) -> tuple[int, bool]:
    """A table of short cells, a few rows at a time, so that all but its values stays near the processor.

    Args:
        text: a table's body, at least eight bytes, with as many line ends as there are rows.
        marks: bytes of the delimiter and of the decimal mark.
        values: out, (columns, rows). Empty cells are NaN.
        words: out, as that of `parse_rows`.

    Returns:
        Words found, -1 where there is no room for them, a row has another number of cells or too
        many cells are odd; and whether any number has a fraction or an exponent.
    """
    columns, rows = values.shape
    ends = np.empty(columns + 8 * _BATCH + 16, np.int32)
    cells = np.empty(ends.size)
    held, row, found, fractional = 1, 0, 0, False
    ends[0] = -1
    for begin in range(0, text.size // 8 + 1, _BATCH):
        last = min(begin + _BATCH, text.size // 8)
        held = find_ends(text, (begin, last), marks[0], ends, held)
        for at in range(8 * last if last < begin + _BATCH else text.size, text.size):
            if text[at] == marks[0] or text[at] == NEWLINE:  # numba makes a slow loop of `in`
                ends[held] = at
                held += 1
        more = (held - 1) // columns
        if row + more > rows or not _rows_are_even(text, ends, columns, more):
            return -1, False
        some = cells[: more * columns]
        fractional |= fill_short_cells(text, ends[: some.size + 1], marks[1], some)
        found, fraction = _fill_odd_cells(text, ends, marks, some, (row, columns), words, found)
        if found < 0:
            return -1, False
        fractional |= fraction
        _place_columns(some, values[:, row : row + more])
        for index in range(some.size, held):
            ends[index - some.size] = ends[index]
        held, row = held - some.size, row + more
    return (found if row == rows and held == 1 else -1), fractional
