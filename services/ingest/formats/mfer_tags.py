"""MFER definitions: tag, length, value - one after the other, nested once for single channels.

After ISO/TS 11073-92001 (Medical waveform format encoding rules). Lengths are those of BER; values
are big endian until the file says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from precordia.errors import TooLarge, UnreadableFile

MAX_DEFINITIONS = 200_000


class Tag(IntEnum):
    """The definitions that are understood here; others are passed over."""

    BYTE_ORDER = 0x01
    BLOCK_LENGTH = 0x04
    CHANNELS = 0x05
    SEQUENCES = 0x06
    WAVEFORM_TYPE = 0x08
    LEAD = 0x09
    DATA_TYPE = 0x0A
    INTERVAL = 0x0B
    SENSITIVITY = 0x0C
    OFFSET = 0x0D
    COMPRESSION = 0x0E
    FILTER = 0x11
    NULL = 0x12
    MANUFACTURER = 0x17
    WAVEFORM = 0x1E
    CHANNEL = 0x3F
    PREAMBLE = 0x40
    END = 0x80
    PATIENT_ID = 0x82
    AGE = 0x83
    SEX = 0x84
    TIME = 0x85


@dataclass(frozen=True)
class Definition:
    """One definition; `channel` is -1 where it holds for all channels."""

    tag: int
    value: memoryview
    channel: int = -1


def definitions(content: bytes) -> Iterator[Definition]:
    """Every definition of a file, those for one channel with its number.

    Raises:
        UnreadableFile: a length leads beyond the file.
        TooLarge: more definitions than a file of waveforms has.
    """
    for count, definition in enumerate(_level(memoryview(content), -1)):
        if count >= MAX_DEFINITIONS:
            raise TooLarge("The MFER file has more definitions than any recording.", limit=MAX_DEFINITIONS)
        yield definition


def _level(data: memoryview, channel: int) -> Iterator[Definition]:
    at = 0
    while at < len(data):
        tag = data[at]
        at += 1
        if tag == Tag.END and channel < 0:
            return
        if tag == 0:  # one blank byte, or the two that end an open length
            continue
        number = channel
        if tag == Tag.CHANNEL and channel < 0:
            number, at = _channel_number(data, at)
        begin, end, following = _extent(data, at)
        if tag == Tag.CHANNEL and channel < 0:
            yield from _level(data[begin:end], number)
        else:
            yield Definition(tag, data[begin:end], channel)
        at = following


def _channel_number(data: memoryview, at: int) -> tuple[int, int]:
    """A channel's number in groups of seven bits, and where its definition goes on."""
    number = 0
    for _ in range(3):
        if at >= len(data):
            raise broken()
        byte = data[at]
        at += 1
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            return number, at
    raise broken()


def _extent(data: memoryview, at: int) -> tuple[int, int, int]:
    """Begin and end of a value, and where the next definition begins."""
    if at >= len(data):
        raise broken()
    first = data[at]
    at += 1
    if first == 0x80:
        end = bytes(data[at : at + 65536]).find(b"\0\0")
        if end < 0:
            raise broken()
        return at, at + end, at + end + 2
    length = first
    if first & 0x80:
        size = first & 0x7F
        if size > 8 or at + size > len(data):
            raise broken()
        length = int.from_bytes(data[at : at + size], "big")
        at += size
    if length > len(data) - at:
        raise broken()
    return at, at + length, at + length


def broken() -> UnreadableFile:
    """The error for a file whose definitions do not fit together."""
    return UnreadableFile("The MFER file is broken or cut short.", format="mfer")
