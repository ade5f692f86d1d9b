"""Samples that stand in text: lists of decimal numbers, and base64."""

from __future__ import annotations

import binascii
import math

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from precordia.record import Native
from services.ingest.formats._number_kernels import QUOTE, SPACE, parse_rows
from services.ingest.formats._sample_kernels import count_words, parse_integers
from services.ingest.formats.blocks import native
from services.ingest.formats.limits import Limits

_ONE_A_LINE = bytes(10 if byte <= 32 or byte == ord(",") else byte for byte in range(256))
_FEW_WORDS = 4096
_LONGEST = 64


def listed_numbers(text: str, limits: Limits, *, commas: bool = False) -> Native:
    """Numbers separated by blanks or commas: whole ones as int16 or int32, else as doubles.

    Args:
        text: the numbers; a comma may follow the last.
        limits: how many may come.
        commas: a comma stands between any two, so that a line that breaks a number shows.

    Raises:
        UnreadableFile: something else stands among them.
        TooLarge: there are more than the limits allow.
    """
    kept = parsed_numbers(text_bytes(text), limits)
    if commas and kept.size and text.count(",") - kept.size not in (-1, 0):
        raise UnreadableFile("The file's samples are not separated by commas throughout.")
    return kept


def text_bytes(text: str) -> NDArray[np.uint8]:
    """The text's bytes; what is not ASCII becomes a question mark, which is no number."""
    return np.frombuffer(text.encode("ascii", "replace"), np.uint8)


def parsed_numbers(raw: NDArray[np.uint8], limits: Limits) -> Native:
    """As `listed_numbers`, from bytes."""
    limits.check_samples(1, raw.size // 8)
    numbers = np.empty(raw.size // 2 + 1, np.int32)
    found = parse_integers(raw, numbers)
    kept = native(numbers[:found]) if found >= 0 else _decimals(raw)
    limits.check_samples(1, kept.size)
    return kept


def _decimals(raw: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Numbers with fractions or exponents, correctly rounded; `NaN` among them stays."""
    lines = raw.tobytes().translate(_ONE_A_LINE) + b"\n"
    cells = np.empty((count_words(raw), 1))
    words = np.empty((_FEW_WORDS, 4), np.int64)
    if (raw == QUOTE).any():
        raise _no_number()
    _, found, odd, _ = parse_rows(np.frombuffer(lines, np.uint8), SPACE, ord("."), cells, words)
    if found < 0 or odd >= 0:
        raise _no_number()
    for row, _, start, end in words[:found].tolist():
        cells[row, 0] = _odd_number(lines[start:end])
    return cells[:, 0]


def _odd_number(word: bytes) -> float:
    """A number that is longer than most, or `NaN`."""
    try:
        value = float(word[:_LONGEST]) if len(word) <= _LONGEST else math.inf
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise _no_number()
    return value


def _no_number() -> UnreadableFile:
    return UnreadableFile("The file has a sample that is no number.")


def decode_base64(text: str) -> bytes:
    """The bytes that base64 text stands for; blanks and line ends do not count.

    Raises:
        UnreadableFile: anything else stands in it, or it is cut short.
    """
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableFile("The file's base64 samples are damaged or cut short.") from error


def stored_integers(content: bytes, size_bytes: int = 2, *, signed: bool = True) -> Native:
    """Little-endian integers of 1, 2 or 4 bytes, as int16 or int32.

    Raises:
        UnreadableFile: another size, or bytes left over.
    """
    kind = {1: "i1", 2: "<i2", 4: "<i4"}.get(size_bytes)
    if kind is None or len(content) % size_bytes:
        raise UnreadableFile("The file's samples have a size that no whole number of them fills.")
    numbers = np.frombuffer(content, kind if signed else kind.replace("i", "u"))
    kept = native(numbers)
    if kept.dtype.kind == "f":
        raise UnreadableFile("The file has samples beyond 32 bits.")
    return kept
