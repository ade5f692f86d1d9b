"""ISHNE Holter files: a checksummed header of 512 bytes and interleaved 16-bit samples.

After Badilini, "The ISHNE Holter Standard Output File Format" (1998). Resolution is in nanovolt
for each count, one for each lead.
"""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from precordia.errors import UnreadableFile
from precordia.record import Channel, Device, Hints, Remark, Sex
from precordia.source import Source
from services.ingest.formats.calibrated import named_channels
from services.ingest.formats.facts import age_between, checked_rate
from services.ingest.formats.limits import ReaderContext
from services.ingest.formats.parsed import ParsedEcg

FORMAT = "ishne"
VERSION = "1"

_MAGIC, _ANNOTATIONS = b"ISHNE1.0", b"ANN  1.0"
_FIXED = 522
_LAYOUT = struct.Struct("<H4i h40x40x20s2H9H 3H H12h12h12h H40sH")
_LEADS = dict(
    enumerate(("", "bipolar", "X", "Y", "Z", "I", "II", "III", "aVR", "aVL", "aVF", *(f"V{n}" for n in range(1, 7))))
)
_LEADS |= {17: "ES", 18: "AS", 19: "AI"}
_QUALITY = {
    1: "good",
    2: "intermittent noise",
    3: "frequent noise",
    4: "intermittent disconnect",
    5: "frequent disconnect",
}
_MAX_LEADS = 12
_SENTINEL = -(1 << 15)


@dataclass(frozen=True)
class _Header:
    samples: int
    data_at: int
    checksum: int
    subject: str
    sex: int
    born: tuple[int, int, int]
    recorded: tuple[int, int, int]
    clock: tuple[int, int, int]
    specifications: tuple[int, ...]
    qualities: tuple[int, ...]
    nanovolts: tuple[int, ...]
    pacemaker: int
    recorder: str
    rate_hz: float


def sniff(source: Source) -> bool:
    """The eight letters at the front, of a recording or of the annotation file beside it."""
    return source.content[:8] in (_MAGIC, _ANNOTATIONS)


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """The recording.

    Raises:
        UnreadableFile: it is an annotation file, it is cut short, or its header fits nothing.
    """
    content = source.content
    if content.startswith(_ANNOTATIONS):
        raise UnreadableFile("This is an ISHNE annotation file, without a signal; import its .ecg file.", format=FORMAT)
    header = _header(content)
    leads = len(header.specifications)
    count = header.samples
    context.limits.check_samples(leads, count)
    held = max(0, len(content) - header.data_at) // (2 * leads)
    if held * leads == count and count > held:  # some recorders count the samples of all leads together
        count = held
    if count < 2 or held < count:
        raise UnreadableFile("The ISHNE file has fewer samples than its header says.", format=FORMAT)
    stored = np.frombuffer(content, "<i2", count * leads, header.data_at).reshape(count, leads)
    rows = np.ascontiguousarray(stored.T)
    raw = [_channel(header, place, rows[place]) for place in range(leads)]
    channels, remarks = named_channels(raw, hints)
    return (_parsed(header, channels, (*remarks, *_checksum(content, header), *_quality(header)), hints, context),)


def _header(content: bytes) -> _Header:
    if len(content) < _FIXED:
        raise UnreadableFile("The ISHNE file is cut short.", format=FORMAT)
    fields = _LAYOUT.unpack_from(content, 8)
    checksum, _, samples, _, data_at, _version, subject, sex, _race = fields[:9]
    born, recorded, _filed, clock = fields[9:12], fields[12:15], fields[15:18], fields[18:21]
    leads = fields[21]
    if not 1 <= leads <= _MAX_LEADS or samples < 1 or not _FIXED <= data_at <= len(content):
        raise UnreadableFile("The ISHNE header states leads, samples or offsets that cannot be.", format=FORMAT)
    specifications, qualities, nanovolts = (fields[at : at + leads] for at in (22, 34, 46))
    return _Header(
        samples=samples,
        data_at=data_at,
        checksum=checksum,
        subject=_text(subject),
        sex=sex,
        born=born,
        recorded=recorded,
        clock=clock,
        specifications=specifications,
        qualities=qualities,
        nanovolts=nanovolts,
        pacemaker=fields[58],
        recorder=_text(fields[59]),
        rate_hz=checked_rate(float(fields[60])),
    )


def _channel(header: _Header, place: int, numbers: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> Channel:
    step = header.nanovolts[place]
    if step <= 0:
        raise UnreadableFile("The ISHNE header states a resolution that is not positive.", format=FORMAT)
    specification = header.specifications[place]
    label = _LEADS.get(specification) or f"lead {specification}"
    missing = numbers == _SENTINEL
    return Channel(
        label,
        numbers,
        header.rate_hz,
        "mV",
        gain=1e6 / step,
        missing=missing if missing.any() else None,
    )


def _parsed(
    header: _Header, channels: tuple[Channel, ...], remarks: tuple[Remark, ...], hints: Hints, context: ReaderContext
) -> ParsedEcg:
    start = _moment(header.recorded, header.clock)
    paced = {"pacemaker": str(header.pacemaker)} if header.pacemaker else {}
    return ParsedEcg(
        channels=channels,
        applied=hints.applied,
        patient_key=context.patient_key(header.subject, "") if header.subject else "",
        acquired_at=start,
        age_years=age_between(_moment(header.born, (0, 0, 0)), start),
        sex={1: Sex.MALE, 2: Sex.FEMALE}.get(header.sex),
        device=Device(model=header.recorder, measurements=paced),
        remarks=remarks,
    )


def _moment(date: tuple[int, int, int], clock: tuple[int, int, int]) -> datetime | None:
    """Day, month, year and hours, minutes, seconds; None where they are no time (-9 means unknown)."""
    day, month, year = date
    try:
        return datetime(year, month, day, *clock)
    except ValueError:
        return None


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1").strip()


def _checksum(content: bytes, header: _Header) -> tuple[Remark, ...]:
    """The checksum covers the header, from behind itself to the samples (CRC-CCITT)."""
    if binascii.crc_hqx(content[10 : header.data_at], 0xFFFF) == header.checksum:
        return ()
    return (Remark("checksum_mismatch", "The header differs from its checksum."),)


def _quality(header: _Header) -> list[Remark]:
    return [
        Remark("lead_quality", f"The recorder calls this lead one of {_QUALITY[quality]}.", _LEADS.get(lead) or "")
        for quality, lead in zip(header.qualities, header.specifications, strict=True)
        if _QUALITY.get(quality, "good") != "good"
    ]
