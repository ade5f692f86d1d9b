"""XLI, the compression of Philips' ECG files: one chunk a lead.

A chunk is its size (4 bytes), two bytes without use here, the first difference (2 bytes), and
LZW-packed second differences of the samples. III, aVR, aVL and aVF are not stored as such: their
chunks hold what is left after predicting them from I and II.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from services.ingest.formats._xli_kernels import expand, undo_differences
from services.ingest.formats.limits import Limits

_HEADER = struct.Struct("<iHh")


def unpack_xli(content: bytes, leads: int, limits: Limits) -> list[NDArray[np.int16]]:
    """Samples of the first chunks, as stored. Files hold chunks of zeros for leads that they do not have.

    Raises:
        UnreadableFile: a chunk is damaged or missing.
        TooLarge: a chunk expands beyond the limits.
    """
    chunks: list[NDArray[np.int16]] = []
    at = 0
    while len(chunks) < leads:
        if at + _HEADER.size > len(content):
            raise UnreadableFile("The compressed waveform has fewer leads than the file says.")
        size, _, first = _HEADER.unpack_from(content, at)
        at += _HEADER.size
        if size <= 0 or at + size > len(content):
            raise UnreadableFile("The compressed waveform is damaged or cut short.")
        chunks.append(_unpack_chunk(np.frombuffer(content, np.uint8, size, at), first, limits))
        at += size
    return chunks


def _unpack_chunk(codes: NDArray[np.uint8], first: int, limits: Limits) -> NDArray[np.int16]:
    expanded = expand(codes, np.empty(0, np.uint8))
    if expanded < 4:
        raise UnreadableFile("The compressed waveform is damaged.")
    limits.check_unpacked(codes.size, expanded)
    packed = np.empty(expanded, np.uint8)
    expand(codes, packed)
    samples = np.empty((expanded + 1) // 2, np.int16)
    if not undo_differences(packed, first, samples):
        raise UnreadableFile("The compressed waveform has samples beyond 16 bits; it is damaged.")
    return samples


def rebuild_limb_leads(stored: list[NDArray[np.int16]]) -> list[NDArray[np.int32]]:
    """All leads from chunks in the order I, II, III, aVR, aVL, aVF, and others, which stay as they are.

    Halves are rounded towards zero. That is how the device predicts: only so do what it stores for
    an odd sum and what it stores for its negative mirror each other.
    """
    one, two, *rest = (chunk.astype(np.int32) for chunk in stored)
    three = two - one - rest[0]
    right = -_half(one + two) - rest[1]
    left = _half(one - three) - rest[2]
    foot = _half(two + three) - rest[3]
    return [one, two, three, right, left, foot, *rest[4:]]


def _half(values: NDArray[np.int32]) -> NDArray[np.int32]:
    return (values + (values < 0)) >> 1
