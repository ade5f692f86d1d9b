"""Samples of WFDB signal files, by the description in the WFDB Applications Guide, signal(5).

Each decoder takes bytes and a number of samples and gives that many integers, interleaved as
stored: int16 for formats of up to 16 bits, else int32.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile

Digital = NDArray[np.int16] | NDArray[np.int32]
Bytes = NDArray[np.uint8]

SENTINELS = {
    "80": -(1 << 7),
    "508": -(1 << 7),
    "310": -(1 << 9),
    "311": -(1 << 9),
    "212": -(1 << 11),
    "16": -(1 << 15),
    "61": -(1 << 15),
    "160": -(1 << 15),
    "516": -(1 << 15),
    "24": -(1 << 23),
    "524": -(1 << 23),
    "32": -(1 << 31),
}
"""The value that stands for "no sample", by format. Format 8 has none."""

FLAC_BITS = {"508": 8, "516": 16, "524": 24}


def bytes_needed(code: str, samples: int) -> int:
    """Least number of bytes that hold so many samples of a format that is not compressed."""
    if code in ("8", "80"):
        return samples
    if code in ("16", "61", "160"):
        return 2 * samples
    if code in ("24", "32"):
        return samples * int(code) // 8
    if code == "212":
        return (3 * samples + 1) // 2
    blocks, rest = divmod(samples, 3)
    return 4 * blocks + ((0, 2, 4) if code == "310" else (0, 2, 3))[rest]


def samples_held(code: str, size: int) -> int:
    """How many whole samples so many bytes hold."""
    if code == "212":
        return 2 * size // 3
    if code in ("310", "311"):
        blocks, rest = divmod(size, 4)
        return 3 * blocks + (1 if rest >= 2 else 0) + (1 if rest == 3 and code == "311" else 0)
    return size // bytes_needed(code, 1)


def decode(code: str, content: bytes | memoryview, samples: int) -> Digital:
    """`samples` integers of an uncompressed format, in stored order.

    Raises:
        UnreadableFile: there are fewer.
    """
    size = bytes_needed(code, samples)
    if len(content) < size:
        raise UnreadableFile("The signal file is shorter than its header says.", format="wfdb")
    return _DECODERS[code](np.frombuffer(content, np.uint8, size), samples)


def decode_flac(code: str, content: bytes | memoryview, *, channels: int, first: int, samples: int) -> Digital:
    """(samples, channels) integers of formats 508, 516 and 524, from sample `first` on.

    Raises:
        UnreadableFile: it is no FLAC stream of so many channels and samples.
    """
    import soundfile  # loads a shared library, which few files need

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as stream:
            if stream.format != "FLAC" or stream.channels != channels or stream.frames < first + samples:
                raise UnreadableFile("The FLAC signal file does not fit its header.", format="wfdb")
            stream.seek(first)
            wide = stream.read(samples, dtype="int32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        raise UnreadableFile("The FLAC signal file cannot be decoded.", format="wfdb") from error
    if wide.shape[0] < samples:
        raise UnreadableFile("The FLAC signal file is shorter than its header says.", format="wfdb")
    shifted: NDArray[np.int32] = wide >> np.int32(32 - FLAC_BITS[code])
    return shifted if code == "524" else shifted.astype(np.int16)


def _little_16(raw: Bytes, samples: int) -> Digital:
    return raw.view("<i2").astype(np.int16, copy=False)


def _big_16(raw: Bytes, samples: int) -> Digital:
    return raw.view(">i2").astype(np.int16)


def _offset_16(raw: Bytes, samples: int) -> Digital:
    return (raw.view("<u2") ^ np.uint16(0x8000)).view(np.int16)


def _offset_8(raw: Bytes, samples: int) -> Digital:
    return raw.astype(np.int16) - np.int16(128)


def _difference_8(raw: Bytes, samples: int) -> Digital:
    return raw.view(np.int8).astype(np.int16)


def _little_32(raw: Bytes, samples: int) -> Digital:
    return raw.view("<i4").astype(np.int32, copy=False)


def _little_24(raw: Bytes, samples: int) -> Digital:
    wide = np.zeros((samples, 4), np.uint8)
    wide[:, 1:] = raw.reshape(samples, 3)
    return wide.view("<i4").ravel() >> np.int32(8)


def _packed_12(raw: Bytes, samples: int) -> Digital:
    """Two samples in three bytes; the middle byte holds the high nibbles of both."""
    blocks = _blocks(raw, 3).astype(np.uint16)
    pairs = np.empty((len(blocks), 2), np.uint16)
    pairs[:, 0] = blocks[:, 0] | (blocks[:, 1] << 8)
    pairs[:, 1] = blocks[:, 2] | ((blocks[:, 1] & 0xF0) << 4)
    return _signed(pairs.ravel()[:samples], 12)


def _packed_10_in_words(raw: Bytes, samples: int) -> Digital:
    """Format 310: three samples in two little-endian words, each word's lowest bit unused."""
    words = _blocks(raw, 4).view("<u2")
    triples = np.empty((len(words), 3), np.uint16)
    triples[:, 0] = words[:, 0] >> 1
    triples[:, 1] = words[:, 1] >> 1
    triples[:, 2] = (words[:, 0] >> 11) | ((words[:, 1] >> 6) & 0x3E0)
    return _signed(triples.ravel()[:samples], 10)


def _packed_10_in_long(raw: Bytes, samples: int) -> Digital:
    """Format 311: three samples in the low 30 bits of a little-endian 32-bit word."""
    longs = _blocks(raw, 4).view("<u4")[:, 0]
    triples = np.empty((len(longs), 3), np.uint16)
    for place in range(3):
        triples[:, place] = (longs >> np.uint32(10 * place)) & np.uint32(0x3FF)
    return _signed(triples.ravel()[:samples], 10)


def _blocks(raw: Bytes, size: int) -> Bytes:
    """(blocks, size), the last one filled up with zeros."""
    lacking = -len(raw) % size
    whole = np.concatenate([raw, np.zeros(lacking, np.uint8)]) if lacking else raw
    return whole.reshape(-1, size)


def _signed(values: NDArray[np.uint16], bits: int) -> Digital:
    """Two's complement of the low `bits` bits."""
    shift = np.uint16(16 - bits)
    return (values << shift).view(np.int16) >> np.int16(shift)


_DECODERS: dict[str, Callable[[Bytes, int], Digital]] = {
    "8": _difference_8,
    "16": _little_16,
    "24": _little_24,
    "32": _little_32,
    "61": _big_16,
    "80": _offset_8,
    "160": _offset_16,
    "212": _packed_12,
    "310": _packed_10_in_words,
    "311": _packed_10_in_long,
}
