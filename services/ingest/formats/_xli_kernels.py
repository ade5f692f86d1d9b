"""Compiled halves of Philips' XLI: LZW with codes of ten bits, and differences of second order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

_BITS = 10
_FIRST_FREE = 256
_LAST_CODE = (1 << _BITS) - 2
_LARGEST = 1 << 15


def _compiled(function: Callable[..., Any]) -> Any:
    return cast(Any, numba.njit(nogil=True, cache=True))(function)


@_compiled
def expand(codes: NDArray[np.uint8], out: NDArray[np.uint8]) -> int:
    """Expand an LZW stream, most significant bit first.

    Every new entry of the dictionary is the string before with the next byte, and so lies in one
    piece in what was written: an entry is a place and a length.

    Args:
        codes: the packed stream; it ends with its bytes, or at a code of all ones.
        out: filled as far as it goes.

    Returns:
        Bytes that the stream expands to, be there room or not; -1 where a code is not defined yet.
    """
    places = np.zeros(_LAST_CODE + 1, np.int64)
    lengths = np.zeros(_LAST_CODE + 1, np.int64)
    free = _FIRST_FREE
    written, before = 0, 0
    before_length: Any = 0
    held: Any = 0
    bits = 0
    for at in range(codes.size):
        held = ((held & 0x3FF) << 8) | np.int64(codes[at])
        bits += 8
        if bits < _BITS:
            continue
        bits -= _BITS
        code = (held >> bits) & 0x3FF
        if code > _LAST_CODE:
            break
        if before_length > 0 and free <= _LAST_CODE:
            places[free], lengths[free] = before, before_length + 1
            free += 1
        if code >= free or (code >= _FIRST_FREE and before_length == 0):
            return -1
        length: Any = 1 if code < _FIRST_FREE else lengths[code]
        for step in range(length):
            if written + step < out.size:
                out[written + step] = code if code < _FIRST_FREE else out[places[code] + step]
        before, before_length = written, length
        written += length
    return written


@_compiled
def undo_differences(packed: NDArray[np.uint8], first: int, samples: NDArray[np.int16]) -> bool:
    """Samples from what `expand` gave.

    Args:
        packed: high bytes of all differences, then their low bytes; the last low byte may lack,
            since nothing depends on it.
        first: the difference that the chunk's header holds.
        samples: out; as many as there are high bytes.

    Returns:
        Whether all samples fit in 16 bits.
    """
    count = samples.size
    older: Any = 0
    old: Any = 0
    change: Any = first
    for at in range(count):
        high: Any = np.int64(packed[at])
        low: Any = np.int64(packed[count + at]) if count + at < packed.size else 0
        stored: Any = (high << 8) | low
        if stored >= _LARGEST:
            stored -= 2 * _LARGEST
        value = stored if at < 2 else 2 * old - older - change
        if value >= _LARGEST or value < -_LARGEST:
            return False
        samples[at] = value
        if at >= 2:
            change = stored - 64
        older, old = old, value
    return True
