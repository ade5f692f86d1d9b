"""Files of the Contec ECG90A electrocardiograph (`.ECG`).

43 bytes of header, rows of eight 16-bit numbers at 800 Hz, 37 bytes of footer. The numbers are
leads II and III and V1 to V6 in steps of 5 uV around 2048; 0x6800 stands for an electrode that is
off. The file states neither rate nor step: they are the device's, which writes no other kind.
"""

from __future__ import annotations

import re
from datetime import datetime

import numpy as np

from precordia.errors import UnreadableFile
from precordia.record import Channel, Device, Hints, Remark, Sex
from precordia.source import Source
from services.ingest.formats.blocks import left_out
from services.ingest.formats.calibrated import named_channels
from services.ingest.formats.limits import ReaderContext
from services.ingest.formats.parsed import ParsedEcg

FORMAT = "contec"
VERSION = "1"

_HEADER, _FOOTER, _ROW = 43, 37, 16
_LEADS = ("II", "III", "V1", "V2", "V3", "V4", "V5", "V6")
_RATE_HZ = 800.0
_COUNTS_PER_MV = 200.0
_ZERO = 2048.0
_OFF = 0x6800
_TIME = re.compile(rb"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\0")


def sniff(source: Source) -> bool:
    """The end of a case name, two NULs, and a time with its NUL."""
    content = source.content
    return len(content) >= _HEADER and content[7:10] == b"\0\0\0" and _TIME.match(content[10:30]) is not None


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """The recording. Leads whose electrodes were off throughout are left out and told."""
    content = source.content
    rows, rest = divmod(len(content) - _HEADER - _FOOTER, _ROW)
    if rows < 2 or rest:
        raise UnreadableFile("The Contec file is cut short: its length fits no number of samples.", format=FORMAT)
    context.limits.check_samples(len(_LEADS), rows)
    stored = np.frombuffer(content, "<u2", rows * len(_LEADS), _HEADER).reshape(rows, len(_LEADS))
    raw = [_channel(label, np.ascontiguousarray(stored[:, place])) for place, label in enumerate(_LEADS)]
    channels, remarks = named_channels(raw, hints)
    kept, empty = left_out(channels)
    return (
        ParsedEcg(
            channels=kept,
            applied=hints.applied,
            acquired_at=_acquired_at(content),
            age_years=float(content[41]) if 0 < content[41] <= 120 else None,
            sex={0: Sex.FEMALE, 1: Sex.MALE}.get(content[40]),
            device=Device(manufacturer="Contec", model="ECG90A"),
            remarks=(*empty, *remarks, *_footer(content)),
        ),
    )


def _channel(label: str, numbers: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> Channel:
    off = numbers == _OFF
    if int(numbers.max()) > np.iinfo(np.int16).max:
        raise UnreadableFile("The Contec file holds numbers that the device does not write.", format=FORMAT)
    missing = off if off.any() else None
    return Channel(label, numbers.astype(np.int16), _RATE_HZ, "mV", _COUNTS_PER_MV, _ZERO, missing)


def _acquired_at(content: bytes) -> datetime | None:
    try:
        return datetime.strptime(content[10:29].decode("ascii"), "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None


def _footer(content: bytes) -> tuple[Remark, ...]:
    """The device ends its samples by an empty row; without one the file may end elsewhere than it should."""
    if content[-_FOOTER : -_FOOTER + _ROW] == bytes(_ROW):
        return ()
    return (Remark("no_end_mark", "The row of zeros that ends the samples is not there; the file may be damaged."),)
