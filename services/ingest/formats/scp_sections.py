"""The sections of an SCP-ECG record, and those that describe its leads and beats.

After EN 1064 / ISO 11073-91064 and the tutorials of the OpenECG network: a record is a checksum, a
length and sections, each with its own checksum; section 0 points to the others. Numbers are little
endian, sample numbers count from 1.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from precordia.errors import UnreadableFile
from precordia.leads import match_lead
from precordia.record import Remark

FORMAT = "scp"

_RECORD_HEADER, _SECTION_HEADER, _POINTER = 6, 16, 10
_MAX_BEATS = 100_000
_OTHER_LEADS = dict(
    zip(
        range(9, 24),
        ("V7", "V2R", "V3R", "V4R", "V5R", "V6R", "V7R", "X", "Y", "Z", "CC5", "CM5", "LA", "RA", "LL"),
        strict=True,
    )
)
_OTHER_LEADS |= {65: "-aVR", 66: "V8", 67: "V9", 68: "V8R", 69: "V9R"}


@dataclass(frozen=True, eq=False)
class Sections:
    """Bodies of the sections that are there, by number, and what their checksums say."""

    bodies: Mapping[int, bytes]
    remarks: tuple[Remark, ...]

    def get(self, number: int) -> bytes:
        """A section's body, empty where it is not there."""
        return self.bodies.get(number, b"")


@dataclass(frozen=True)
class LeadSpan:
    """One lead: its label, and its first and last sample."""

    label: str
    first: int
    last: int

    @property
    def samples(self) -> int:
        """Length in samples."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class LeadTable:
    """Section 3."""

    leads: tuple[LeadSpan, ...]
    beat_subtracted: bool


@dataclass(frozen=True)
class Beat:
    """A place where the reference beat was subtracted: from `first` to `last`, aligned at `fiducial`."""

    kind: int
    first: int
    fiducial: int
    last: int


@dataclass(frozen=True)
class BeatTable:
    """Section 4: length and fiducial point of the reference beat, its places, and the protected areas."""

    length_ms: int
    fiducial: int
    beats: tuple[Beat, ...] = ()
    protected: tuple[tuple[int, int], ...] = ()


def looks_like_scp(content: bytes) -> bool:
    """Section 0 at byte 6, whose first pointer points to itself."""
    if len(content) < _RECORD_HEADER + _SECTION_HEADER + _POINTER:
        return False
    number, length = struct.unpack_from("<HI", content, _RECORD_HEADER + 2)
    pointer = struct.unpack_from("<HII", content, _RECORD_HEADER + _SECTION_HEADER)
    return bool(number == 0 and pointer == (0, length, _RECORD_HEADER + 1) and length >= _SECTION_HEADER + _POINTER)


def read_sections(content: bytes) -> Sections:
    """All sections that the pointers name.

    Raises:
        UnreadableFile: the record or a section is cut short.
    """
    checksum, size = struct.unpack_from("<HI", content)
    if not _RECORD_HEADER < size <= len(content):
        raise broken()
    table_length = struct.unpack_from("<I", content, _RECORD_HEADER + 4)[0]
    begin = _RECORD_HEADER + _SECTION_HEADER
    end = min(_RECORD_HEADER + table_length, size)
    bodies: dict[int, bytes] = {}
    wrong = binascii.crc_hqx(content[2:size], 0xFFFF) != checksum
    for at in range(begin, end - _POINTER + 1, _POINTER):
        number, length, index = struct.unpack_from("<HII", content, at)
        if length <= _SECTION_HEADER or number == 0 or number in bodies:
            continue
        if index < 1 or index - 1 + length > size:
            raise broken()
        section = content[index - 1 : index - 1 + length]
        if struct.unpack_from("<H", section, 2)[0] != number:
            raise broken()
        wrong = wrong or binascii.crc_hqx(section[2:], 0xFFFF) != struct.unpack_from("<H", section)[0]
        bodies[number] = section[_SECTION_HEADER:]
    remark = Remark("checksum_mismatch", "The record or one of its sections differs from its checksum.")
    return Sections(bodies, (remark,) if wrong else ())


def read_leads(body: bytes) -> LeadTable:
    """Section 3: which leads there are, and from which sample to which."""
    if len(body) < 2:
        raise UnreadableFile("The SCP-ECG file defines no leads.", format=FORMAT)
    count, flags = body[0], body[1]
    if not count or len(body) < 2 + 9 * count:
        raise broken()
    leads = []
    for first, last, code in struct.iter_unpack("<IIB", body[2 : 2 + 9 * count]):
        if not 1 <= first <= last:
            raise broken()
        leads.append(LeadSpan(_label(code), first, last))
    return LeadTable(tuple(leads), bool(flags & 1))


def _label(code: int) -> str:
    """A lead by its EN 1064 code; code 0 says nothing."""
    match = match_lead(f"2:{code}")
    if match is not None:
        return match.lead
    return _OTHER_LEADS.get(code) or (f"lead {code}" if code else "")


def read_beats(body: bytes) -> BeatTable:
    """Section 4; an empty one where the section is not there."""
    if len(body) < 6:
        return BeatTable(0, 0)
    length_ms, fiducial, count = struct.unpack_from("<HHH", body)
    if count > _MAX_BEATS:
        raise broken()
    beats = [
        Beat(*fields) for fields in struct.iter_unpack("<HIII", body[6 : 6 + 14 * min(count, (len(body) - 6) // 14)])
    ]
    rest = body[6 + 14 * count :]
    protected = [(a, b) for a, b in struct.iter_unpack("<II", rest[: 8 * min(count, len(rest) // 8)]) if 1 <= a <= b]
    return BeatTable(length_ms, fiducial, tuple(beats), tuple(sorted(protected)))


def broken() -> UnreadableFile:
    """The error for a record whose parts do not fit together."""
    return UnreadableFile("The SCP-ECG file is broken or cut short.", format=FORMAT)
