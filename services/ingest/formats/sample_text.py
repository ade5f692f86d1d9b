"""Samples that stand in text: lists of decimal numbers, and base64."""

from __future__ import annotations

import binascii

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from precordia.record import Native
from services.ingest.formats._integer_kernels import parse_integers
from services.ingest.formats.blocks import native
from services.ingest.formats.limits import Limits


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
    limits.check_samples(1, len(text) // 8)
    raw = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    numbers = np.empty(raw.size // 2 + 1, np.int32)
    found = parse_integers(raw, numbers)
    kept = native(numbers[:found].copy()) if found >= 0 else _decimals(text)
    limits.check_samples(1, kept.size)
    if commas and kept.size and text.count(",") - kept.size not in (-1, 0):
        raise UnreadableFile("The file's samples are not separated by commas throughout.")
    return kept


def _decimals(text: str) -> NDArray[np.float64]:
    try:
        if not text.isascii():
            raise ValueError
        return np.array(text.replace(",", " ").split(), np.float64)
    except ValueError:
        raise UnreadableFile("The file has a sample that is no number.") from None


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
