"""WFDB records: a header with its signal files, single or multi-segment.

All formats of signal(5), FLAC too, several sampling rates in one record, skew, and both kinds of
multi-segment records. Digital values are kept with gain and baseline; only where segments of one
record differ in gain are physical values joined instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from precordia.errors import UnreadableFile
from precordia.record import Channel, Device, Hints, Remark
from precordia.source import Source
from services.ingest.formats.channels import upright
from services.ingest.formats.facts import NamedLead, duplicate_remarks, resolve_leads, resolve_rate
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.parsed import ParsedEcg
from services.ingest.formats.wfdb_comments import read_comments
from services.ingest.formats.wfdb_header import Header, looks_like_header, parse_header
from services.ingest.formats.wfdb_segments import read_segments
from services.ingest.formats.wfdb_strips import (
    Files,
    Strip,
    checksum_remarks,
    read_strips,
    strip_channel,
    strip_scale,
)

FORMAT = "wfdb"
VERSION = "1"


def sniff(source: Source) -> bool:
    """Whether the source is a header, or a signal file with its header beside it."""
    return _header_content(source) is not None


def _header_content(source: Source) -> bytes | None:
    if looks_like_header(source.content):
        return source.content
    headers = [name for name in source.companions if name.endswith(".hea")]
    own = source.name.rpartition(".")[0] + ".hea"
    wanted = own if own in headers else headers[0] if len(headers) == 1 else ""
    content = source.companions.get(wanted)
    return content if content is not None and looks_like_header(content) else None


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """The record, as one recording."""
    header = parse_header(_header_content(source) or source.content)
    files = {**source.companions, source.name: source.content}
    rate_hz = resolve_rate(header.frame_rate_hz, hints)
    if header.segments:
        return (_in_segments(header, rate_hz, hints, files, context.limits),)
    strips = read_strips(header, files, context.limits)
    scales = [strip_scale(strip.line, hints) for strip in strips]
    _check_samples(strips)
    named = resolve_leads([strip.line.description for strip in strips], hints)
    channels = tuple(
        strip_channel(strip, scale, rate_hz, name) for strip, scale, name in zip(strips, scales, named, strict=True)
    )
    return (_parsed(header, named, channels, hints, checksum_remarks(strips), _skews(strips)),)


def _in_segments(header: Header, rate_hz: float, hints: Hints, files: Files, limits: Limits) -> ParsedEcg:
    joined = read_segments(header, rate_hz, hints, files, limits)
    _check_samples(joined.channels)
    named = resolve_leads([line.description for line in joined.lines], hints)
    channels = tuple(upright(channel, name) for name, channel in zip(named, joined.channels, strict=True))
    return _parsed(header, named, channels, hints, checksum_remarks(joined.strips), joined.transforms)


def _check_samples(signals: Sequence[Strip | Channel]) -> None:
    if not any(signal.samples.size for signal in signals):
        raise UnreadableFile("The WFDB record has no samples.", format=FORMAT)


def _parsed(
    header: Header,
    named: Sequence[NamedLead],
    channels: tuple[Channel, ...],
    hints: Hints,
    remarks: Sequence[Remark],
    transforms: tuple[str, ...],
) -> ParsedEcg:
    said = read_comments(header.comments)
    return ParsedEcg(
        channels=channels,
        source_record=header.name,
        applied=hints.applied,
        acquired_at=header.started_at,
        age_years=said.age_years,
        sex=said.sex,
        device=Device(statements=said.statements),
        labels=said.labels,
        remarks=(*remarks, *duplicate_remarks(named)),
        transforms=transforms,
    )


def _skews(strips: Sequence[Strip]) -> tuple[str, ...]:
    skewed = [strip.line for strip in strips if strip.line.skew]
    return tuple(f"wfdb.skew_removed:{line.description[:32]}:{line.skew}" for line in skewed)
