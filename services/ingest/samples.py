"""Native samples as bytes: the source's own numbers, channel after channel, nothing added.

A recording's samples are its channels' numbers, little-endian, in the channel's own type, each
followed by its mask of missing samples (one bit a sample) where it has one. Which types and lengths
these are stands in the recording's facts, so the bytes need no header. Several recordings of one
source share a blob (a file with a thousand ECGs would otherwise cost a thousand files).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from precordia.errors import InternalError
from precordia.record import Channel, Native, Provenance, Recording
from precordia.storage.blobs import BlobStore
from precordia.stored import StoredChannel, StoredRecording

PACK_BYTES = 4 << 20
"""A blob is closed once it holds this much."""

_TYPES = {name: np.dtype(name).newbyteorder("<") for name in ("int16", "int32", "float32", "float64")}
_MASK_NONE, _MASK_BITS = b"\x00", b"\x01"


@dataclass(frozen=True)
class Place:
    """Where a recording's samples lie, and a checksum of just these bytes."""

    blob: str
    offset: int
    size_bytes: int
    crc32: int


def pack_channels(channels: Sequence[Channel]) -> bytes:
    """The samples of one recording's channels."""
    return b"".join(part for channel in channels for part in _channel_parts(channel))


def _channel_parts(channel: Channel) -> Iterator[bytes]:
    yield channel.samples.astype(_TYPES[channel.samples.dtype.name], copy=False).tobytes()
    if channel.missing is None:
        yield _MASK_NONE
    else:
        yield _MASK_BITS
        yield np.packbits(channel.missing).tobytes()


def unpack_channels(data: bytes, stored: Sequence[StoredChannel]) -> tuple[Channel, ...]:
    """The channels again, as `stored` describes them.

    Raises:
        InternalError: the bytes do not fit the description.
    """
    view, start, channels = memoryview(data), 0, []
    for facts in stored:
        channel, start = _channel(view, start, facts)
        channels.append(channel)
    if start != len(view):
        raise _damaged()
    return tuple(channels)


def _channel(view: memoryview, start: int, facts: StoredChannel) -> tuple[Channel, int]:
    dtype = _TYPES[facts.dtype]
    end = start + facts.samples * dtype.itemsize
    if end + 1 > len(view):
        raise _damaged()
    samples: Native = np.frombuffer(view[start:end], dtype=dtype).astype(facts.dtype, copy=False)
    missing = None
    if bytes(view[end : end + 1]) == _MASK_BITS:
        bits = np.frombuffer(view[end + 1 : end + 1 + (facts.samples + 7) // 8], dtype=np.uint8)
        end += bits.size
        missing = np.unpackbits(bits, count=facts.samples).astype(np.bool_)
    channel = Channel(
        label=facts.label,
        samples=samples,
        sample_rate_hz=facts.sample_rate_hz,
        unit=facts.unit,
        gain=facts.gain,
        baseline=facts.baseline,
        missing=missing,
        source_label=facts.source_label,
        derived=facts.derived,
    )
    return channel, end + 1


def _damaged() -> InternalError:
    return InternalError("The stored samples are damaged; delete the recording and import its source again.")


def store_samples(blobs: BlobStore, recordings: Sequence[Recording]) -> list[Place]:
    """Write the samples of a source's recordings, in order, several to a blob."""
    places: list[Place] = []
    pack: list[bytes] = []
    for recording in recordings:
        pack.append(pack_channels(recording.channels))
        if sum(map(len, pack)) >= PACK_BYTES:
            places += _write_pack(blobs, pack)
            pack = []
    return places + _write_pack(blobs, pack)


def _write_pack(blobs: BlobStore, pack: Sequence[bytes]) -> list[Place]:
    if not pack:
        return []
    blob = blobs.put(b"".join(pack)).sha256
    places, offset = [], 0
    for data in pack:
        places.append(Place(blob, offset, len(data), zlib.crc32(data)))
        offset += len(data)
    return places


def read_samples(blobs: BlobStore, place: Place) -> bytes:
    """The bytes at a place; from a local store only these, else the whole blob is fetched.

    Raises:
        InternalError: they are not the bytes that were stored.
    """
    path = blobs.local_path(place.blob)
    if path is None:
        data = blobs.read(place.blob)[place.offset : place.offset + place.size_bytes]
    else:
        with path.open("rb") as file:
            file.seek(place.offset)
            data = file.read(place.size_bytes)
    if zlib.crc32(data) != place.crc32:
        raise _damaged()
    return data


def rebuild(stored: StoredRecording, channels: tuple[Channel, ...]) -> Recording:
    """The recording as it was imported, from its facts and samples."""
    provenance = Provenance(
        source_name=stored.source_name,
        source_sha256=stored.source_sha256,
        reader=stored.reader,
        reader_version=stored.reader_version,
        format=stored.format,
        source_index=stored.source_index,
        source_record=stored.source_record,
        hints=stored.hints,
        transforms=stored.transforms,
    )
    return Recording(
        channels=channels,
        provenance=provenance,
        applied=stored.applied,
        patient_key=stored.patient_key,
        acquired_at=stored.acquired_at,
        age_years=stored.age_years,
        sex=stored.sex,
        device=stored.device,
        labels=stored.labels,
        remarks=stored.remarks,
    )
