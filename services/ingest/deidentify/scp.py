"""SCP-ECG without identity: the sections of the signal stay; section 1 comes down to device, filters, age and sex.

Measurements (7), reports and statements (8, 11) and sections of manufacturers (9, 12 and up) go: text
can stand in each of them.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping
from datetime import date

from precordia.source import Source
from services.ingest.deidentify.cleaned import Cleaned
from services.ingest.deidentify.pseudonyms import OLDEST_YEARS, Pseudonyms
from services.ingest.formats.scp_facts import read_facts, section_1_tags
from services.ingest.formats.scp_sections import read_sections

_KEPT = (1, 2, 3, 4, 5, 6, 10)
_HEADER, _POINTER, _RECORD_HEADER = 16, 10, 6
_PATIENT_ID, _AGE, _SEX, _DEVICE, _DAY = 2, 4, 8, 14, 25
_PLAIN_TAGS = (_SEX, 26, 27, 28, 29)
"""Sex, time of day, and the three tags about filters."""
_YEARS, _MONTHS = 1, 2
_DEVICE_FIXED = 36


def clean(source: Source, pseudonyms: Pseudonyms) -> Cleaned:
    """A record of the kept sections, with checksums of its own."""
    sections = read_sections(source.content)
    tags = section_1_tags(sections.get(1))
    bodies = {number: body for number, body in sections.bodies.items() if number in _KEPT}
    bodies[1] = _section_1(tags, read_facts(sections.get(1)).age_years, pseudonyms)
    removed = [f"section {number}" for number in sorted(sections.bodies) if number not in _KEPT]
    removed += [f"tag {tag} of section 1" for tag in sorted(tags) if tag not in (*_PLAIN_TAGS, _AGE)]
    content = _record(bodies, _versions(source.content))
    return Cleaned(Source(f"{pseudonyms.label('name', source.name)}.scp", content), tuple(removed))


def _section_1(tags: Mapping[int, bytes], age_years: float | None, pseudonyms: Pseudonyms) -> bytes:
    kept = {tag: tags[tag] for tag in _PLAIN_TAGS if tag in tags}
    kept[_PATIENT_ID] = pseudonyms.name.encode() + b"\0"
    if age_years is not None:
        kept[_AGE] = _common_age(age_years)
    if len(tags.get(_DEVICE, b"")) >= _DEVICE_FIXED:
        kept[_DEVICE] = _device(tags[_DEVICE])
    if _DAY in tags:
        kept[_DAY] = _moved(tags[_DAY], pseudonyms)
    body = b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in sorted(kept.items()))
    body += struct.pack("<BH", 255, 0)
    return body + b"\0" * (len(body) % 2)


def _common_age(years: float) -> bytes:
    """In years, below two in months; a date of birth, where that alone stood, is gone."""
    if years < 2:
        return struct.pack("<HB", round(12 * years), _MONTHS)
    return struct.pack("<HB", int(min(years, OLDEST_YEARS)), _YEARS)


def _device(raw: bytes) -> bytes:
    """The device's kind, model and maker (the fifth text); no institution, no department, no serial number."""
    texts = raw[_DEVICE_FIXED:].split(b"\0")
    maker = texts[4] if len(texts) > 4 else b""
    return bytes(6) + raw[6 : _DEVICE_FIXED - 1] + b"\x01" + b"\0\0\0\0" + maker + b"\0"


def _moved(raw: bytes, pseudonyms: Pseudonyms) -> bytes:
    try:
        day = pseudonyms.moved_day(date(*struct.unpack_from("<HBB", raw)))
    except (ValueError, OverflowError, struct.error):
        return b""
    return struct.pack("<HBB", day.year, day.month, day.day)


def _versions(content: bytes) -> tuple[int, int]:
    """Section and protocol version that section 0 states."""
    return content[_RECORD_HEADER + 8], content[_RECORD_HEADER + 9]


def _record(bodies: Mapping[int, bytes], versions: tuple[int, int]) -> bytes:
    table_length = _HEADER + _POINTER * (len(bodies) + 1)
    index = _RECORD_HEADER + table_length + 1
    pointers = [struct.pack("<HII", 0, table_length, _RECORD_HEADER + 1)]
    packed = []
    for number, body in sorted(bodies.items()):
        even = body + b"\0" * (len(body) % 2)
        packed.append(_section(number, even, versions, bytes(6)))
        pointers.append(struct.pack("<HII", number, len(packed[-1]), index))
        index += len(packed[-1])
    rest = _section(0, b"".join(pointers), versions, b"SCPECG") + b"".join(packed)
    sized = struct.pack("<I", len(rest) + _RECORD_HEADER) + rest
    return struct.pack("<H", binascii.crc_hqx(sized, 0xFFFF)) + sized


def _section(number: int, body: bytes, versions: tuple[int, int], reserved: bytes) -> bytes:
    rest = struct.pack("<HIBB", number, len(body) + _HEADER, *versions) + reserved + body
    return struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest
