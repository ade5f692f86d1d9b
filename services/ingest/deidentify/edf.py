"""EDF, EDF+ and BDF without identity: patient and recording fields, transducers and annotation texts emptied."""

from __future__ import annotations

import re

from precordia.source import Source
from services.ingest.deidentify.cleaned import Cleaned
from services.ingest.deidentify.pseudonyms import Pseudonyms
from services.ingest.formats.edf_header import EdfHeader, parse_header

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FIRST_TIME = re.compile(rb"^[+-]\d+(?:\.\d*)?\x14\x14")


def clean(source: Source, pseudonyms: Pseudonyms) -> Cleaned:
    """The same samples under an empty header."""
    header = parse_header(source.content)
    content = bytearray(source.content)
    sex = re.match(r"^\S+ ([MF]) ", header.patient + " ")
    patient = f"X {sex[1] if sex else 'X'} X X" if header.plus else "X"
    content[8:88] = patient.encode().ljust(80)
    content[88:168] = _recording(header, pseudonyms).encode().ljust(80)
    content[168:176] = _start(header, pseudonyms).encode()
    count = len(header.signals)
    content[256 + 16 * count : 256 + 96 * count] = b" " * (80 * count)
    _empty_annotations(content, header)
    removed = ["patient field", "recording field", "transducers"]
    removed += ["start date (moved)"] if header.started_at is not None else []
    removed += ["annotation texts"] if any(signal.is_annotations for signal in header.signals) else []
    return Cleaned(Source(f"{pseudonyms.label('name', source.name)}.edf", bytes(content)), tuple(removed))


def _recording(header: EdfHeader, pseudonyms: Pseudonyms) -> str:
    if not header.plus:
        return "X"
    if header.started_at is None:
        return "Startdate X X X X"
    day = pseudonyms.moved(header.started_at)
    return f"Startdate {day.day:02d}-{_MONTHS[day.month - 1]}-{day.year} X X X"


def _start(header: EdfHeader, pseudonyms: Pseudonyms) -> str:
    return f"{pseudonyms.moved(header.started_at):%d.%m.%y}" if header.started_at is not None else "01.01.85"


def _empty_annotations(content: bytearray, header: EdfHeader) -> None:
    """Keep the time of each data record and no text."""
    at = header.size
    while at < len(content):
        for signal in header.signals:
            end = at + signal.samples * header.bytes_per_sample
            if signal.is_annotations:
                time = _FIRST_TIME.match(bytes(content[at:end]))
                kept = (time[0] if time else b"")[: max(0, min(end, len(content)) - at)]
                content[at:end] = kept.ljust(min(end, len(content)) - at, b"\0")
            at = end
        if not header.record_bytes:
            return
