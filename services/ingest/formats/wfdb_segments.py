"""Multi-segment WFDB records: segments one after the other, with gaps, put on one time base.

In the fixed layout all segments have the same signals. In the variable layout the first segment is
a header without samples that lists all signals there are; a segment holds some of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from precordia.record import Channel, Hints, Native
from services.ingest.formats.limits import Limits
from services.ingest.formats.wfdb_header import NULL_FILE, Header, SignalLine, missing_companion, parse_header
from services.ingest.formats.wfdb_strips import Files, Scale, Strip, read_strips, strip_scale


@dataclass(frozen=True, eq=False)
class Piece:
    """A strip at its place: the frame where it begins."""

    first_frame: int
    strip: Strip


@dataclass(frozen=True, eq=False)
class Joined:
    """The whole record: the line that names each channel, the channels, and what was done."""

    lines: tuple[SignalLine, ...]
    channels: tuple[Channel, ...]
    strips: tuple[Strip, ...]
    transforms: tuple[str, ...]


def read_segments(header: Header, frame_rate_hz: float, hints: Hints, files: Files, limits: Limits) -> Joined:
    """All segments of a record, joined by channel."""
    frames = sum(segment.frames for segment in header.segments)
    limits.check_samples(header.signal_count, frames)
    layout, pieces = _collect(header, files, limits)
    limits.check_samples(sum(line.per_frame for line in layout), frames)
    channels = [_join(line, mine, frames, frame_rate_hz, hints) for line, mine in zip(layout, pieces, strict=True)]
    present = sum(segment.name != NULL_FILE and segment.frames > 0 for segment in header.segments)
    strips = [piece.strip for mine in pieces for piece in mine]
    return Joined(tuple(layout), tuple(channels), tuple(strips), (f"wfdb.segments_joined:{present}",))


def _collect(header: Header, files: Files, limits: Limits) -> tuple[list[SignalLine], list[list[Piece]]]:
    """The layout's lines, and for each of them its pieces in order of time."""
    layout: list[SignalLine] = []
    pieces: list[list[Piece]] = []
    variable = header.segments[0].frames == 0
    start = 0
    for place, segment in enumerate(header.segments):
        if segment.name != NULL_FILE:
            own = _segment_header(segment.name, files)
            if not layout:
                layout = list(own.signals)
                pieces = [[] for _ in layout]
            if not (variable and place == 0) and segment.frames:
                _check_length(own, segment.frames)
                _place(read_strips(own, files, limits), layout, pieces, start, by_name=variable)
        start += segment.frames
    if not layout:
        raise UnreadableFile("The WFDB record consists of gaps only.", format="wfdb")
    return layout, pieces


def _segment_header(name: str, files: Files) -> Header:
    content = files.get(f"{name}.hea")
    if content is None:
        raise missing_companion(f"{name}.hea")
    own = parse_header(content)
    if own.segments:
        raise UnreadableFile("A segment of the WFDB record is itself in segments.", format="wfdb")
    return own


def _check_length(own: Header, frames: int) -> None:
    if own.frames is not None and own.frames != frames:
        raise UnreadableFile("A segment's own header gives another length than the record's header.", format="wfdb")


def _place(
    strips: Sequence[Strip], layout: Sequence[SignalLine], pieces: Sequence[list[Piece]], start: int, *, by_name: bool
) -> None:
    if not by_name and len(strips) != len(layout):
        raise UnreadableFile("The segments of the WFDB record differ in their number of signals.", format="wfdb")
    names = [line.description for line in layout]
    for place, strip in enumerate(strips):
        if by_name and strip.line.description not in names:
            raise UnreadableFile("A segment holds a signal that the layout does not list.", format="wfdb")
        index = names.index(strip.line.description) if by_name else place
        pieces[index].append(Piece(start, strip))


def _join(line: SignalLine, pieces: Sequence[Piece], frames: int, frame_rate_hz: float, hints: Hints) -> Channel:
    """One channel over the whole record: digital where all pieces share a scale, else physical."""
    if any(piece.strip.line.per_frame != line.per_frame for piece in pieces):
        raise UnreadableFile("A signal changes its sampling rate between segments.", format="wfdb")
    scales = [strip_scale(piece.strip.line, hints) for piece in pieces] or [strip_scale(line, hints)]
    if len({scale.unit for scale in scales}) > 1:
        raise UnreadableFile("A signal changes its unit between segments.", format="wfdb")
    size = frames * line.per_frame
    shared = len(set(scales)) == 1
    wide = any(piece.strip.samples.dtype == np.int32 for piece in pieces)
    samples: Native = np.zeros(size, np.float64)
    if shared:
        samples = np.zeros(size, np.int32) if wide else np.zeros(size, np.int16)
    missing = np.ones(size, np.bool_)
    for piece, scale in zip(pieces, scales, strict=False):
        _paste(samples, missing, piece, scale if not shared else None)
    if not shared:
        samples[missing] = np.nan
    return Channel(
        label=line.description,
        samples=samples,
        sample_rate_hz=frame_rate_hz * line.per_frame,
        unit=scales[0].unit,
        gain=scales[0].gain if shared else None,
        baseline=scales[0].baseline if shared else 0.0,
        missing=missing if missing.any() else None,
    )


def _paste(samples: Native, missing: NDArray[np.bool_], piece: Piece, scale: Scale | None) -> None:
    first = piece.first_frame * piece.strip.line.per_frame
    span = slice(first, first + piece.strip.samples.size)
    samples[span] = piece.strip.samples if scale is None else scale.to_physical(piece.strip.samples)
    missing[span] = False if piece.strip.missing is None else piece.strip.missing
