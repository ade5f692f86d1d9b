"""DICOM waveforms: 12-lead, general and ambulatory ECG, with or without preamble.

pydicom reads the dataset; the waveform itself is decoded in `dicom_groups`. The rhythm group is
the signal; median beats, measurements, statements and filters are kept beside it.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from precordia.errors import TooLarge, UnreadableFile
from precordia.record import Channel, Hints, Remark
from precordia.source import Source
from services.ingest.formats.dicom_facts import acquired_at, age_years, device, patient_identifiers, sex
from services.ingest.formats.dicom_groups import Group, read_group
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.parsed import ParsedEcg

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

FORMAT = "dicom"
VERSION = "1"

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_VR = {b"UL", b"UI", b"CS", b"SH", b"LO", b"DA", b"TM", b"OB", b"PN", b"DT", b"IS", b"US", b"SQ"}


def sniff(source: Source) -> bool:
    """`DICM` after the preamble; or, without one, a first element of group 0002 or 0008."""
    head = source.content[:132]
    if head[128:] == b"DICM":
        return True
    if len(head) < 12 or head[:2] not in (b"\x02\x00", b"\x08\x00"):
        return False
    if head[4:6] in _VR:
        return True
    element, length = struct.unpack("<HI", head[2:8])
    return head[:2] == b"\x08\x00" and element in (0x0000, 0x0001, 0x0005, 0x0008, 0x0012, 0x0016) and length <= 128


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """The rhythm groups, those that belong together as one recording."""
    dataset = _dataset(source.content, context.limits)
    items = list(dataset.get("WaveformSequence") or ())
    if not items:
        raise UnreadableFile("The DICOM file holds no waveform; it may be an image or a report.", format=FORMAT)
    little_endian = dataset.original_encoding[1] is not False
    groups = [read_group(item, hints, context.limits, little_endian=little_endian) for item in items]
    averaged = [group for group in groups if group.averaged]
    rhythms = [group for group in groups if not group.averaged] or averaged
    beats = averaged if rhythms is not averaged else []
    recordings = _belonging(rhythms)
    parsed = [_parsed(dataset, together, beats, hints, context) for together in recordings]
    if len(parsed) == 1:
        return tuple(parsed)
    return tuple(replace(ecg, source_record=groups[0].label) for ecg, groups in zip(parsed, recordings, strict=True))


def _dataset(content: bytes, limits: Limits) -> Dataset:
    import pydicom  # slow to load, and not every import meets a DICOM file
    from pydicom import config

    config.settings.reading_validation_mode = config.IGNORE  # values are checked where they are used
    _check_deflated(content, limits)
    return pydicom.dcmread(io.BytesIO(content), force=True)


def _check_deflated(content: bytes, limits: Limits) -> None:
    """Refuse a deflated dataset that unpacks beyond the limits, before anything unpacks it whole."""
    if _DEFLATED not in content[:4096]:
        return
    start = content.find(b"DICM") + 4
    if len(content) < start + 12 or content[start : start + 4] != b"\x02\x00\x00\x00":
        raise UnreadableFile("The DICOM file is deflated and has no file meta length.", format=FORMAT)
    body = start + 12 + int.from_bytes(content[start + 8 : start + 12], "little")
    packed = content[body:]
    allowed = min(limits.max_unpacked_bytes, int(max(1 << 20, len(packed) * limits.max_unpacked_ratio)))
    try:
        unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, allowed + 1)
    except zlib.error as error:
        raise UnreadableFile("The deflated DICOM file cannot be unpacked.", format=FORMAT) from error
    if len(unpacked) > allowed:
        raise TooLarge("The deflated DICOM file unpacks beyond what is read.", limit=allowed)


def _belonging(rhythms: Sequence[Group]) -> list[list[Group]]:
    """Groups of one time span with different leads are one recording; others stand alone."""
    recordings: list[list[Group]] = []
    for group in rhythms:
        home = next((have for have in recordings if _fits(group, have)), None)
        if home is None:
            recordings.append([group])
        else:
            home.append(group)
    return recordings


def _fits(group: Group, have: Sequence[Group]) -> bool:
    return all(group.offset_ms == other.offset_ms and not group.leads & other.leads for other in have)


def _parsed(
    dataset: Dataset, groups: Sequence[Group], beats: Sequence[Group], hints: Hints, context: ReaderContext
) -> ParsedEcg:
    channels: list[Channel] = [channel for group in groups for channel in group.channels]
    remarks: list[Remark] = [remark for group in groups for remark in group.remarks]
    start = acquired_at(dataset)
    return ParsedEcg(
        channels=tuple(channels),
        applied=hints.applied,
        patient_key=context.patient_key(*patient_identifiers(dataset)),
        acquired_at=start,
        age_years=age_years(dataset, start),
        sex=sex(dataset),
        device=device(dataset, groups, beats),
        remarks=tuple(dict.fromkeys(remarks)),
    )
