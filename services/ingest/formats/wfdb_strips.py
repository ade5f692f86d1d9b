"""The signals of one WFDB header, decoded from its signal files and kept as digital values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from precordia.record import Channel, Hints, Remark, Unit
from services.ingest.formats._check_kernels import sums_and_lowest
from services.ingest.formats.facts import NamedLead, agree_gain, agree_unit, hinted_gain, missing_unit, stated_unit
from services.ingest.formats.limits import Limits
from services.ingest.formats.wfdb_header import NULL_FILE, Header, SignalLine, missing_companion
from services.ingest.formats.wfdb_samples import FLAC_BITS, SENTINELS, Digital, decode, decode_flac, samples_held

Files = Mapping[str, bytes]


class Strip(NamedTuple):
    """One decoded signal: its header line, digital samples, which of them are missing, and their sum."""

    line: SignalLine
    samples: Digital
    missing: NDArray[np.bool_] | None
    total: int


class Scale(NamedTuple):
    """How digital values become physical ones: (value - baseline) / gain, in `unit`."""

    gain: float
    baseline: float
    unit: str

    def to_physical(self, samples: Digital) -> NDArray[np.float64]:
        """Physical values, float64."""
        return (samples.astype(np.float64) - self.baseline) / self.gain


def read_strips(header: Header, files: Files, limits: Limits) -> list[Strip]:
    """All signals of a single-segment header, in header order.

    Raises:
        MissingField: a signal file did not come along.
        UnreadableFile: a signal file is shorter than the header says, or does not fit it.
    """
    strips: list[Strip] = []
    for name, group in groupby(header.signals, key=lambda line: line.file):
        lines = list(group)
        if name == NULL_FILE:
            raise UnreadableFile("The WFDB header has a signal without a file.", format="wfdb")
        content = files.get(name)
        if content is None:
            raise missing_companion(name)
        strips.extend(_read_file(lines, content, header.frames, limits))
    return strips


def _read_file(lines: Sequence[SignalLine], content: bytes, frames: int | None, limits: Limits) -> list[Strip]:
    first = lines[0]
    if any((line.format, line.offset) != (first.format, first.offset) for line in lines):
        raise UnreadableFile("The WFDB header gives one file two formats or offsets.", format="wfdb")
    per_frame = sum(line.per_frame for line in lines)
    if first.format in FLAC_BITS:
        rows = _flac_frames(lines, content, frames, limits)
    else:
        body = memoryview(content)[first.offset :]
        count = frames or samples_held(first.format, len(body)) // per_frame
        limits.check_samples(per_frame, count)
        rows = decode(first.format, body, count * per_frame).reshape(count, per_frame)
    return _split(lines, rows)


def _flac_frames(lines: Sequence[SignalLine], content: bytes, frames: int | None, limits: Limits) -> Digital:
    """(frames, samples in a frame), each signal's samples of a frame side by side."""
    each = lines[0].per_frame
    if any(line.per_frame != each for line in lines) or not frames:
        raise UnreadableFile("The WFDB header gives one FLAC file several rates, or no length.", format="wfdb")
    limits.check_samples(len(lines) * each, frames)
    limits.check_unpacked(len(content), 4 * len(lines) * each * frames)
    samples = decode_flac(lines[0].format, content, channels=len(lines), first=lines[0].offset, samples=frames * each)
    return samples.reshape(frames, each, len(lines)).transpose(0, 2, 1).reshape(frames, -1)


def _split(lines: Sequence[SignalLine], frames: Digital) -> list[Strip]:
    """The signals of a file, each from its part of every frame."""
    if not frames.size or any(line.per_frame != 1 or line.skew or line.format == "8" for line in lines):
        ends = np.cumsum([line.per_frame for line in lines])
        columns = [frames[:, end - line.per_frame : end].ravel() for line, end in zip(lines, ends, strict=True)]
        return [_strip(line, column) for line, column in zip(lines, columns, strict=True)]
    rows = np.ascontiguousarray(frames.T)
    sums = np.empty(len(rows), np.int64)
    sentinel = SENTINELS[lines[0].format]
    if sums_and_lowest(rows, sums) > sentinel:
        return list(map(Strip, lines, rows, (None,) * len(rows), sums.tolist()))
    return [
        Strip(line, row, _if_any(row == sentinel), total)
        for line, row, total in zip(lines, rows, sums.tolist(), strict=True)
    ]


def _strip(line: SignalLine, samples: Digital) -> Strip:
    """One signal, its differences summed up and its skew taken away."""
    if line.format == "8":
        samples = np.cumsum(samples, dtype=np.int32) + np.int32(line.initial)
    sentinel = SENTINELS.get(line.format)
    missing = samples == sentinel if sentinel is not None else None
    if line.skew:
        samples, missing = _unskewed(line, samples, missing)
    return Strip(line, samples, _if_any(missing), int(samples.sum(dtype=np.int64)))


def _if_any(missing: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    return missing if missing is not None and missing.any() else None


def _unskewed(
    line: SignalLine, samples: Digital, missing: NDArray[np.bool_] | None
) -> tuple[Digital, NDArray[np.bool_]]:
    """The signal moved forward by its skew in frames; what comes free at the end is missing."""
    shift = min(line.skew * line.per_frame, samples.size)
    moved = np.zeros_like(samples)
    absent = np.ones(samples.size, np.bool_)
    moved[: samples.size - shift] = samples[shift:]
    absent[: samples.size - shift] = False if missing is None else missing[shift:]
    return moved, absent


def strip_scale(line: SignalLine, hints: Hints) -> Scale:
    """Gain, baseline and unit of a signal.

    A header without gain leaves its signal uncalibrated: the 200 counts for each mV that programs
    then assume are a guess, and are asked for instead.
    """
    unit = stated_unit(line.unit)
    if line.gain == 0:
        gain = hinted_gain(hints)
        if gain is None:
            raise missing_unit()
        return Scale(gain, line.baseline, Unit.MILLIVOLT.value)
    if unit is None:
        return Scale(line.gain, line.baseline, line.unit[:32])
    agree_unit(unit, hints)
    scale = Scale(line.gain / unit.factor, line.baseline, unit.unit.value)
    if unit.unit is not Unit.STANDARDISED:
        agree_gain(scale.gain * (1.0 if unit.unit is Unit.MILLIVOLT else 1000.0), hints)
    return scale


def strip_channel(strip: Strip, scale: Scale, frame_rate_hz: float, name: NamedLead) -> Channel:
    """The signal as a channel under its resolved name; one that is stored upside down has a negative gain."""
    return Channel(
        label=name.label,
        samples=strip.samples,
        sample_rate_hz=frame_rate_hz * strip.line.per_frame,
        unit=scale.unit,
        gain=-scale.gain if name.inverted else scale.gain,
        baseline=scale.baseline,
        missing=strip.missing,
        source_label=name.source_label,
    )


def checksum_remarks(strips: Sequence[Strip]) -> list[Remark]:
    """One remark if signals differ from the checksum (16-bit sum) in their header line."""
    wrong = [
        strip.line.description
        for strip in strips
        if strip.line.checksum is not None and not strip.line.skew and (strip.total - strip.line.checksum) % 65536
    ]
    if not wrong:
        return []
    return [Remark("checksum_mismatch", f"{len(wrong)} signals differ from the checksum in the header.")]
