"""Who and what an SCP-ECG record is about: section 1, measurements (7) and statements (8).

Names, identifiers, places and people are read over; the identifier goes into the pseudonym only.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from precordia.record import Sex
from services.ingest.formats.facts import age_between
from services.ingest.formats.statements import kept_statements

_LAST_TAG = 255
_MAX_TAGS = 1000
_PER_YEAR = {1: 1.0, 2: 12.0, 3: 52.1775, 4: 365.2425, 5: 8765.82}
_NONE = 29999
_TIMES = ("p_onset_ms", "p_offset_ms", "qrs_onset_ms", "qrs_offset_ms", "t_offset_ms")
_AXES = ("p_axis_deg", "qrs_axis_deg", "t_axis_deg")
_FILTER_BITS = {0: "60 Hz notch", 1: "50 Hz notch", 2: "artifact filter", 3: "baseline filter"}


@dataclass(frozen=True)
class ScpFacts:
    """Section 1, as far as it is kept."""

    patient_id: str
    acquired_at: datetime | None
    age_years: float | None
    sex: Sex | None
    manufacturer: str
    model: str
    filters: dict[str, str]


def read_facts(body: bytes) -> ScpFacts:
    """What section 1 says; every tag may be missing."""
    tags = section_1_tags(body)
    start = _moment(tags)
    manufacturer, model = _device(tags.get(14, b""))
    return ScpFacts(
        patient_id=_text(tags.get(2, b"")),
        acquired_at=start,
        age_years=_age(tags.get(4, b""), _day(tags.get(5, b"")), start),
        sex={1: Sex.MALE, 2: Sex.FEMALE}.get(tags.get(8, b"\0")[:1][0] if tags.get(8) else 0),
        manufacturer=manufacturer,
        model=model,
        filters=_filters(tags),
    )


def section_1_tags(body: bytes) -> Mapping[int, bytes]:
    """First value of each tag; what is cut short ends the list."""
    found: dict[int, bytes] = {}
    at = 0
    for _ in range(_MAX_TAGS):
        if at + 3 > len(body) or body[at] == _LAST_TAG:
            break
        tag, length = struct.unpack_from("<BH", body, at)
        if at + 3 + length > len(body):
            break
        if length:
            found.setdefault(tag, body[at + 3 : at + 3 + length])
        at += 3 + length
    return found


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1").strip()[:64]


def _day(raw: bytes) -> datetime | None:
    """Year, month, day; None where it is no day."""
    if len(raw) < 4:
        return None
    try:
        return datetime(*struct.unpack_from("<HBB", raw))
    except ValueError:
        return None


def _moment(tags: Mapping[int, bytes]) -> datetime | None:
    day, clock, zone = _day(tags.get(25, b"")), tags.get(26, b""), tags.get(34, b"")
    if day is None or len(clock) < 3:
        return day
    try:
        start = day.replace(hour=clock[0], minute=clock[1], second=clock[2])
    except ValueError:
        return day
    minutes = struct.unpack_from("<h", zone)[0] if len(zone) >= 2 else None
    if minutes is None or not -780 <= minutes <= 780:
        return start
    return start.replace(tzinfo=timezone(timedelta(minutes=minutes)))


def _age(raw: bytes, born: datetime | None, start: datetime | None) -> float | None:
    if len(raw) >= 3:
        value, unit = struct.unpack_from("<HB", raw)
        years = value / _PER_YEAR[unit] if unit in _PER_YEAR else None
        if years is not None and 0 < years <= 120:
            return float(years)
    return age_between(born, start)


def _device(raw: bytes) -> tuple[str, str]:
    """Maker and model of the acquiring device; the maker is the last of five texts at the end."""
    if len(raw) < 14:
        return "", ""
    texts = raw[36:].split(b"\0")
    return (_text(texts[4]) if len(texts) > 4 else ""), _text(raw[8:14])


def _filters(tags: Mapping[int, bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    if len(tags.get(27, b"")) >= 2 and (high_pass := struct.unpack_from("<H", tags[27])[0]):
        found["low_hz"] = f"{high_pass / 100:g}"
    if len(tags.get(28, b"")) >= 2 and (low_pass := struct.unpack_from("<H", tags[28])[0]):
        found["high_hz"] = str(low_pass)
    said = [name for bit, name in _FILTER_BITS.items() if tags.get(29, b"\0")[0] >> bit & 1]
    return {**found, "applied": ", ".join(said)} if said else found


def read_measurements(body: bytes) -> dict[str, str]:
    """Section 7: intervals, and times and axes of the first beat measured."""
    if len(body) < 6:
        return {}
    beats, _, rr_ms, pp_ms = struct.unpack_from("<BBHH", body)
    found = {name: value for name, value in (("rr_ms", rr_ms), ("pp_ms", pp_ms)) if value != _NONE}
    if beats and len(body) >= 22:
        found |= zip(_TIMES, struct.unpack_from("<5H", body, 6), strict=True)
        found |= zip(_AXES, struct.unpack_from("<3h", body, 16), strict=True)
    return {name: str(value) for name, value in found.items() if value != _NONE}


def read_statements(body: bytes) -> tuple[str, ...]:
    """Section 8: the texts of the diagnosis."""
    if len(body) < 9:
        return ()
    texts, at = [], 9
    for _ in range(body[8]):
        if at + 3 > len(body):
            break
        length = struct.unpack_from("<H", body, at + 1)[0]
        texts.append(body[at + 3 : at + 3 + length].split(b"\0")[0].decode("latin-1"))
        at += 3 + length
    return kept_statements(texts)
