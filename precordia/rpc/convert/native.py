"""The native signal: every channel's own numbers, in chunks, and the recording that they make again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from precordia.record import Channel, Native, Provenance, Recording
from precordia.stored import StoredChannel, StoredRecording
from precordia.v1 import ingest_pb2

_CHUNK_BYTES = 1 << 19  # with its mask well below the 1 MiB that a stream message may hold


def channel_chunks_to_proto(channels: Sequence[Channel]) -> Iterator[ingest_pb2.ChannelChunk]:
    """Chunks of each channel in order, little-endian, with the mask of absent samples where there is one."""
    for index, channel in enumerate(channels):
        stored = np.ascontiguousarray(channel.samples, channel.samples.dtype.newbyteorder("<"))
        step = _CHUNK_BYTES // stored.dtype.itemsize
        for first in range(0, stored.size, step):
            missing = None if channel.missing is None else channel.missing[first : first + step]
            yield ingest_pb2.ChannelChunk(
                channel_index=index,
                first_sample=first,
                data=stored[first : first + step].tobytes(),
                missing=b"" if missing is None else np.packbits(missing, bitorder="little").tobytes(),
            )


class ArrivingRecording:
    """A recording while its chunks arrive: each is put in its place at once, so that a day's ECG is held once.

    Args:
        stored: its facts, which come first.
    """

    def __init__(self, stored: StoredRecording) -> None:
        self._stored = stored
        self._buffers = [_ChannelBuffer(channel) for channel in stored.channels]

    def add(self, chunk: ingest_pb2.ChannelChunk) -> None:
        """The next chunk.

        Raises:
            UnreadableFile: it does not fit its channel.
        """
        if chunk.channel_index >= len(self._buffers):
            raise UnreadableFile("The stream holds a channel that the recording does not have.", format="stream")
        self._buffers[chunk.channel_index].add(chunk)

    def recording(self) -> Recording:
        """The recording, exact, once every chunk has come.

        Raises:
            UnreadableFile: a channel is not complete.
        """
        stored = self._stored
        return Recording(
            channels=tuple(buffer.channel() for buffer in self._buffers),
            provenance=_provenance(stored),
            applied=stored.applied,
            patient_key=stored.patient_key,
            acquired_at=stored.acquired_at,
            age_years=stored.age_years,
            sex=stored.sex,
            device=stored.device,
            labels=stored.labels,
            remarks=stored.remarks,
        )


def _provenance(stored: StoredRecording) -> Provenance:
    return Provenance(
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


class _ChannelBuffer:
    """Collects one channel's chunks, which come in order."""

    def __init__(self, facts: StoredChannel) -> None:
        self._facts = facts
        self._samples: Native = np.empty(facts.samples, facts.dtype)
        self._missing: NDArray[np.bool_] | None = None
        self._filled = 0

    def add(self, chunk: ingest_pb2.ChannelChunk) -> None:
        values = np.frombuffer(chunk.data, np.dtype(self._facts.dtype).newbyteorder("<"))
        end = self._filled + values.size
        if chunk.first_sample != self._filled or end > self._samples.size:
            raise UnreadableFile("A chunk of the stream does not follow the one before it.", format="stream")
        self._samples[self._filled : end] = values
        if chunk.missing:
            bits = np.unpackbits(np.frombuffer(chunk.missing, np.uint8), bitorder="little", count=values.size)
            if self._missing is None:
                self._missing = np.zeros(self._samples.size, np.bool_)
            self._missing[self._filled : end] = bits.astype(np.bool_)
        self._filled = end

    def channel(self) -> Channel:
        if self._filled != self._samples.size:
            raise UnreadableFile("The stream ended before a channel was complete.", format="stream")
        facts = self._facts
        return Channel(
            label=facts.label,
            samples=self._samples,
            sample_rate_hz=facts.sample_rate_hz,
            unit=facts.unit,
            gain=facts.gain,
            baseline=facts.baseline,
            missing=self._missing,
            source_label=facts.source_label,
            derived=facts.derived,
        )
