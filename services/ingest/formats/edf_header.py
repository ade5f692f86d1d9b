"""Headers of EDF, EDF+, BDF and BDF+: fixed columns of ASCII, 256 bytes and 256 more for each signal.

After Kemp et al., "A simple format for exchange of digitized polygraphic recordings" (1992), Kemp
and Olivan, "European data format plus" (2003), and BioSemi's description of BDF.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from precordia.errors import UnreadableFile

FORMAT = "edf"

_COLUMNS = {"label": 16, "transducer": 80, "dimension": 8, "pmin": 8, "pmax": 8, "dmin": 8, "dmax": 8}
_COLUMNS |= {"prefilter": 80, "samples": 8, "reserved": 32}
_EDF, _BDF = b"0       ", b"\xffBIOSEMI"
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
_MONTHS = {
    name: place + 1
    for place, name in enumerate(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"])
}
_DAY = re.compile(r"^(\d{1,2})-([A-Za-z]{3})-(\d{4})$")
MAX_SIGNALS = 4096


@dataclass(frozen=True)
class SignalHeader:
    """One signal's columns. `samples` is for each data record."""

    label: str
    dimension: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    prefilter: str
    samples: int

    @property
    def is_annotations(self) -> bool:
        """Whether it holds texts and not samples."""
        return self.label in _ANNOTATIONS


@dataclass(frozen=True)
class EdfHeader:
    """The header. `records` is as many as the file says, -1 where the writer never came to say it."""

    bytes_per_sample: int
    plus: bool
    discontinuous: bool
    patient: str
    recording: str
    started_at: datetime | None
    size: int
    records: int
    record_s: Decimal
    signals: tuple[SignalHeader, ...]

    @property
    def record_bytes(self) -> int:
        """Size of one data record."""
        return self.bytes_per_sample * sum(signal.samples for signal in self.signals)


def looks_like_edf(content: bytes) -> bool:
    """The version at the front, and a header length that fits the number of signals."""
    if content[:8] not in (_EDF, _BDF) or len(content) < 256:
        return False
    size, signals = content[184:192].strip(), content[252:256].strip()
    return size.isdigit() and signals.isdigit() and int(size) == 256 * (int(signals) + 1)


def parse_header(content: bytes) -> EdfHeader:
    """The header.

    Raises:
        UnreadableFile: a number in it is none, or it does not fit itself.
    """
    count = _integer(content[252:256], "number of signals")
    if not 1 <= count <= MAX_SIGNALS or len(content) < 256 * (count + 1):
        raise UnreadableFile("The EDF header is cut short, or states no signals.", format=FORMAT)
    reserved = _text(content[192:236])
    recording = _text(content[88:168])
    return EdfHeader(
        bytes_per_sample=3 if content[:1] == b"\xff" else 2,
        plus=reserved.startswith(("EDF+", "BDF+")),
        discontinuous=reserved.startswith(("EDF+D", "BDF+D")),
        patient=_text(content[8:88]),
        recording=recording,
        started_at=_started_at(_text(content[168:176]), _text(content[176:184]), recording),
        size=256 * (count + 1),
        records=_integer(content[236:244], "number of records"),
        record_s=_duration(content[244:252]),
        signals=_signals(content[256 : 256 * (count + 1)], count),
    )


def _signals(block: bytes, count: int) -> tuple[SignalHeader, ...]:
    columns: dict[str, list[bytes]] = {}
    at = 0
    for name, width in _COLUMNS.items():
        columns[name] = [block[at + width * place : at + width * (place + 1)] for place in range(count)]
        at += width * count
    return tuple(
        SignalHeader(
            label=_text(columns["label"][place]),
            dimension=_text(columns["dimension"][place]),
            physical=(_number(columns["pmin"][place]), _number(columns["pmax"][place])),
            digital=(_number(columns["dmin"][place]), _number(columns["dmax"][place])),
            prefilter=_text(columns["prefilter"][place]),
            samples=_positive(columns["samples"][place]),
        )
        for place in range(count)
    )


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").replace("\0", " ").strip()


def _number(raw: bytes) -> float:
    """A number, NaN where there is none: what needs it says so."""
    try:
        return float(_text(raw).replace(",", "."))
    except ValueError:
        return math.nan


def _integer(raw: bytes, what: str) -> int:
    try:
        return int(_text(raw))
    except ValueError:
        raise UnreadableFile(f"The EDF header states a {what} that is no number.", format=FORMAT) from None


def _positive(raw: bytes) -> int:
    value = _integer(raw, "number of samples")
    if value < 1:
        raise UnreadableFile("The EDF header states a signal without samples.", format=FORMAT)
    return value


def _duration(raw: bytes) -> Decimal:
    try:
        value = Decimal(_text(raw).replace(",", "."))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise UnreadableFile("The EDF header states a record length that is no time.", format=FORMAT)
    return value


def _started_at(day: str, clock: str, recording: str) -> datetime | None:
    """Start by the device's clock; the year has two digits, which EDF+ writes out in the recording field."""
    words = recording.split()
    whole = parse_day(words[1]) if len(words) > 1 and words[0] == "Startdate" else None
    try:
        hour, minute, second = (int(part) for part in clock.split("."))
        if whole is None:
            date, month, year = (int(part) for part in day.split("."))
            whole = datetime(year + (1900 if year >= 85 else 2000), month, date)
        return whole.replace(hour=hour, minute=minute, second=second)
    except ValueError:
        return None


def parse_day(text: str) -> datetime | None:
    """A day as EDF+ writes it (02-MAY-1951), None where it is unknown."""
    match = _DAY.match(text)
    month = _MONTHS.get(match.group(2).upper()) if match else None
    if match is None or month is None:
        return None
    try:
        return datetime(int(match.group(3)), month, int(match.group(1)))
    except ValueError:
        return None
