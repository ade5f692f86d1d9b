"""Compiled parsing of delimited decimal numbers, correctly rounded.

Digits are gathered in a 64-bit integer and scaled by one exact power of ten. Up to 15 significant
digits one division rounds correctly (Clinger 1990); up to 18 the quotient is refined by its exact
remainder (Dekker 1971). What remains - longer numbers, words, quotients too near to a tie - is
handed back by position, for Python to judge.

Comparisons are spelled out one by one: numba makes a slow loop of `in`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

_POWERS = np.array([10.0**power for power in range(23)])
_EXACT = 10**15
_ROOM = 10**17

SPACE, TAB, RETURN, NEWLINE, QUOTE = 32, 9, 13, 10, 34
_PLUS, _MINUS, _DIGIT_0, _UPPER_E, _LOWER_E = 43, 45, 48, 69, 101

_BEFORE, _MANTISSA, _FRACTION, _EXPONENT, _AFTER, _WORD = 0, 1, 2, 3, 4, 5


def _compiled(function: Callable[..., Any]) -> Any:
    return cast(Any, numba.njit(nogil=True, cache=True, error_model="numpy"))(function)


@_compiled
def _product_error(one: float, two: float, product: float) -> float:
    """One * two - product, exactly (Dekker's product)."""
    split = 134217729.0
    big = split * one
    one_high = big - (big - one)
    one_low = one - one_high
    big = split * two
    two_high = big - (big - two)
    two_low = two - two_high
    return ((one_high * two_high - product) + one_high * two_low + one_low * two_high) + one_low * two_low


@_compiled
def _scaled(mantissa: int, power: int) -> tuple[float, bool]:
    """Mantissa * 10**power, and whether it is certain to be correctly rounded."""
    if mantissa < _EXACT:
        if power == 0:
            return float(mantissa), True
        if power < 0:
            return (mantissa / _POWERS[-power], True) if power >= -22 else (0.0, False)
        return (mantissa * _POWERS[power], mantissa * _POWERS[power] < 9e15) if power <= 22 else (0.0, False)
    if power > 0 or power < -22:
        return 0.0, False
    high = float(mantissa)
    low = float(mantissa - np.int64(high))
    divisor = _POWERS[-power]
    quotient = high / divisor
    product = quotient * divisor
    rest = ((high - product) - _product_error(quotient, divisor, product)) + low
    correction = rest / divisor
    value = quotient + correction
    lost = abs((quotient - value) + correction)
    unit = abs(np.nextafter(value, np.inf) - value)
    return value, abs(lost - 0.5 * unit) > 1e-6 * unit and abs(lost - 0.25 * unit) > 1e-6 * unit


@_compiled
def parse_rows(
    text: NDArray[np.uint8],
    delimiter: int,
    decimal: int,
    cells: NDArray[np.float64],
    words: NDArray[np.int64],
) -> tuple[int, int, int, bool]:
    """Fill `cells` from `text`, row after row; blank lines are passed over.

    Args:
        text: a table's body; its last byte is a line end.
        delimiter: byte between cells; SPACE stands for any run of spaces and tabs.
        decimal: byte of the decimal mark.
        cells: out, (rows, columns), at least as many rows as there are lines; empty cells are NaN.
        words: out, (room, 4): row, column, start and end of each cell that is no plain number.

    Returns:
        Rows filled; words found (-1: no room); columns of the first row that has another number of
        them than `cells` (-1: none); whether any number has a fraction or an exponent.
    """
    rows, columns = cells.shape
    runs = delimiter == SPACE
    row, column, found, fractional = 0, 0, 0, False
    state, start = _BEFORE, 0
    mantissa, seen, power, exponent = 0, 0, 0, 0
    negative, exponent_negative, signed = False, False, False
    for at in range(text.size):
        byte = text[at]
        digit: Any = np.int64(byte) - _DIGIT_0
        if 0 <= digit <= 9:
            if state <= _FRACTION:
                if mantissa >= _ROOM:
                    state = _WORD
                    continue
                mantissa = mantissa * 10 + digit
                seen += 1
                power -= state == _FRACTION
                state = max(state, _MANTISSA)
            elif state == _EXPONENT:
                exponent = exponent * 10 + digit if exponent < 1000 else exponent
                seen += 1
            else:
                state = _WORD
            continue
        if byte == decimal and state <= _MANTISSA:
            state = _FRACTION
            continue
        ends_row = byte == NEWLINE
        blank = (byte == SPACE) | (byte == TAB) | (byte == RETURN)
        if byte == delimiter or ends_row or (runs and blank):
            if runs and state == _BEFORE and not signed and not ends_row:
                start = at + 1
                continue
            empty = state == _BEFORE and not signed
            if not (ends_row and empty and (column == 0 or runs)):
                if column < columns and row < rows:
                    value, sure = np.nan, True
                    if not empty:
                        power += -exponent if exponent_negative else exponent
                        value, sure = _scaled(mantissa, power)
                        sure = sure and seen > 0 and state != _WORD
                        fractional |= (state == _FRACTION or state == _EXPONENT) or power != 0  # noqa: SIM109  # see above
                    cells[row, column] = -value if negative else value
                    if not sure:
                        if found >= words.shape[0]:
                            return row, -1, -1, fractional
                        words[found, 0], words[found, 1], words[found, 2], words[found, 3] = row, column, start, at
                        found += 1
                column += 1
            if ends_row:
                if column != 0 and column != columns:
                    return row, found, column, fractional
                row += column != 0
                column = 0
            state, start = _BEFORE, at + 1
            mantissa, seen, power, exponent = 0, 0, 0, 0
            negative, exponent_negative, signed = False, False, False
        elif blank or byte == QUOTE:
            if state == _BEFORE:
                state = _WORD if signed else _BEFORE  # a sign that stands apart is no number's
            elif state != _WORD:
                fractional |= (state == _FRACTION) | (state == _EXPONENT)
                state = _AFTER
        elif (byte == _MINUS or byte == _PLUS) and state == _BEFORE and not signed:  # noqa: SIM109  # see above
            negative, signed = byte == _MINUS, True
        elif (byte == _UPPER_E or byte == _LOWER_E) and (state == _MANTISSA or state == _FRACTION) and seen > 0:  # noqa: SIM109  # see above
            state, seen = _EXPONENT, 0
        elif (byte == _MINUS or byte == _PLUS) and state == _EXPONENT and seen == 0 and not exponent_negative:  # noqa: SIM109  # see above
            exponent_negative = byte == _MINUS
        else:
            state = _WORD
    return row, found, -1, fractional
