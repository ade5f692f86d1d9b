"""WFDB header files (`.hea`), by the description in the WFDB Applications Guide, header(5).

Only the header's text is looked at here. File names in it are kept as written; they are looked up
among the companions that came along and never on a disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from precordia.errors import MissingField, UnreadableFile, UnsafeContent

FORMATS = ("8", "16", "24", "32", "61", "80", "160", "212", "310", "311", "508", "516", "524")
LAYOUT_FORMAT = "0"
_KNOWN = frozenset((*FORMATS, LAYOUT_FORMAT))
_REMEMBERED_LENGTH = 64
"""The headers of a database repeat a few words on every line; no layout has more letters than this."""
NULL_FILE = "~"
MAX_TEXT = 4 << 20

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RECORD = re.compile(
    rf"^(?P<name>\S+?)(?:/(?P<segments>\d{{1,6}}))?\s+(?P<signals>\d{{1,6}})"
    rf"(?:\s+(?P<rate>{_NUMBER})(?:/{_NUMBER})?(?:\({_NUMBER}\))?"
    r"(?:\s+(?P<samples>\d{1,15})(?:\s+(?P<rest>.*))?)?)?\s*$"
)
_LAYOUT = re.compile(r"^(\d{1,3})(?:x(\d{1,6}))?(?::(\d{1,9}))?(?:\+(\d{1,12}))?$")
_GAIN = re.compile(rf"^(?P<gain>{_NUMBER})(?:\((?P<baseline>[-+]?\d{{1,12}})\))?(?:/(?P<unit>\S+))?$")
_INTEGER = re.compile(r"^[-+]?\d{1,12}$")
_SAFE_NAME = re.compile(r"^(?!\.)[^/\\\0:]{1,255}$")
_CLOCK = re.compile(r"^(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?$")
_DATE = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{4})$")


class SignalLine(NamedTuple):
    """One signal of a header. `gain` 0 means that the header gives none; `unit` defaults to mV."""

    file: str
    format: str
    per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    unit: str
    initial: int
    checksum: int | None
    description: str


@dataclass(frozen=True)
class Segment:
    """One segment of a multi-segment record: its record name (`~` = a gap) and frames."""

    name: str
    frames: int


@dataclass(frozen=True)
class Header:
    """A whole header. `frame_rate_hz` and `frames` are None where the header does not say."""

    name: str
    signal_count: int
    frame_rate_hz: float | None
    frames: int | None
    started_at: datetime | None
    signals: tuple[SignalLine, ...]
    segments: tuple[Segment, ...]
    comments: tuple[str, ...]


def looks_like_header(content: bytes) -> bool:
    """Whether the first line that is no comment is a WFDB record line, followed by fitting lines."""
    head = content[:4096]
    if b"\0" in head:
        return False
    following = _specification_lines(head.decode("latin-1"))
    match = _RECORD.match(next(following, ""))
    if match is None:
        return False
    second = next(following, "")
    if not second or match["segments"]:
        return match["rate"] is not None
    words = second.split(maxsplit=2)
    layout = _layout(words[1]) if len(words) > 1 else None
    return layout is not None and layout[0] in _KNOWN


def _specification_lines(text: str) -> Iterator[str]:
    lines = map(str.strip, text.splitlines())
    return (line for line in lines if line and line[0] != "#")


def parse_header(content: bytes) -> Header:
    """The header in `content`.

    Raises:
        UnreadableFile: it breaks the header syntax.
        UnsafeContent: it names a file outside its own folder.
    """
    if len(content) > MAX_TEXT:
        raise _broken("is far longer than any header")
    text = content.decode("utf-8", errors="replace")
    lines = list(_specification_lines(text))
    record = _RECORD.match(lines[0]) if lines else None
    if record is None:
        raise _broken("has no record line")
    count = int(record["signals"])
    segments = int(record["segments"]) if record["segments"] else None
    expected = count if segments is None else segments
    if len(lines) - 1 < expected:
        raise _broken(f"announces {expected} lines and has {len(lines) - 1}")
    body = lines[1 : expected + 1]
    return Header(
        name=record["name"],
        signal_count=count,
        frame_rate_hz=float(record["rate"]) if record["rate"] else None,
        frames=int(record["samples"]) if record["samples"] else None,
        started_at=_start(record["rest"] or ""),
        signals=_signals(body) if segments is None else (),
        segments=tuple(_segment(line) for line in body) if segments is not None else (),
        comments=_comments(text) if "#" in text else (),
    )


def _comments(text: str) -> tuple[str, ...]:
    return tuple(line.strip()[1:].strip() for line in text.splitlines() if line.strip().startswith("#"))


def checked_file_name(name: str) -> str:
    """The name, if it is a plain file name.

    Raises:
        UnsafeContent: it has a folder, a drive or a dot at its front.
    """
    if not _SAFE_NAME.match(name):
        raise UnsafeContent("The header names a file outside its own folder; that is never followed.", format="wfdb")
    return name


def _segment(line: str) -> Segment:
    name, _, frames = line.partition(" ")
    if not _INTEGER.match(frames.strip()) or int(frames) < 0:
        raise _broken("has a segment without a length")
    return Segment(name if name == NULL_FILE else checked_file_name(name), int(frames))


def _signals(lines: Sequence[str]) -> tuple[SignalLine, ...]:
    signals: list[SignalLine] = []
    checked = NULL_FILE
    for line in lines:
        signal = _signal(line)
        if signal.file not in (checked, NULL_FILE):
            checked = checked_file_name(signal.file)
        signals.append(signal)
    return tuple(signals)


def _signal(line: str) -> SignalLine:
    """One line's signal; its file's name is as written."""
    words = line.split(maxsplit=8)
    layout = _layout(words[1]) if len(words) > 1 else None
    if layout is None:
        raise _broken("has a signal line that is none")
    if layout[0] not in _KNOWN:
        raise _broken("uses a signal format that does not exist")
    gain, baseline, unit = _gain(words[2]) if len(words) > 2 else (0.0, None, "mV")
    zero, initial, checksum = _integer(words, 4), _integer(words, 5), _integer(words, 6)
    return SignalLine(
        words[0],
        *layout,
        gain,
        baseline if baseline is not None else zero or 0,
        unit,
        initial if initial is not None else zero or 0,
        checksum,
        words[8] if len(words) > 8 else "",
    )


def _layout(word: str) -> tuple[str, int, int, int] | None:
    """Format, samples in a frame, skew and offset; None where the word is none of that."""
    return _remembered_layout(word) if len(word) <= _REMEMBERED_LENGTH else None


@lru_cache(maxsize=256)
def _remembered_layout(word: str) -> tuple[str, int, int, int] | None:
    match = _LAYOUT.match(word)
    if match is None:
        return None
    return match[1], int(match[2] or 1) or 1, int(match[3] or 0), int(match[4] or 0)


def _gain(word: str) -> tuple[float, int | None, str]:
    """Counts for each unit, counts at zero, and the unit."""
    return _remembered_gain(word) if len(word) <= _REMEMBERED_LENGTH else _parsed_gain(word)


def _parsed_gain(word: str) -> tuple[float, int | None, str]:
    match = _GAIN.match(word)
    if match is None:
        raise _broken("has a gain that is no number")
    baseline = int(match["baseline"]) if match["baseline"] else None
    return float(match["gain"]), baseline, match["unit"] or "mV"


_remembered_gain = lru_cache(maxsize=256)(_parsed_gain)


def _integer(words: list[str], place: int) -> int | None:
    if len(words) <= place:
        return None
    if not _INTEGER.match(words[place]):
        raise _broken("has a signal line with a word where a number belongs")
    return int(words[place])


def _start(rest: str) -> datetime | None:
    """Base time and date by the recorder's own clock: the format has no zone.

    Dates in another order than dd/mm/yyyy are no WFDB dates and stay out.
    """
    words = rest.split()
    clock = _CLOCK.match(words[0]) if words else None
    date = _DATE.match(words[1]) if len(words) > 1 else None
    if clock is None or date is None:
        return None
    hour, minute, second = (int(clock[place]) for place in (1, 2, 3))
    microsecond = int((clock[4] or "0").ljust(6, "0"))
    day, month, year = (int(date[place]) for place in (1, 2, 3))
    try:
        return datetime(year, month, day, hour, minute, second, microsecond)
    except ValueError:
        return None


def _broken(what: str) -> UnreadableFile:
    return UnreadableFile(f"The WFDB header {what}.", format="wfdb")


def missing_companion(name: str) -> MissingField:
    """The error for a signal or segment file that did not come along, told by its extension."""
    extension = name.rpartition(".")[2][:16] if "." in name else "signal"
    return MissingField(
        f"The header needs a .{extension} file that did not come with it; "
        "give the header's folder, or the file beside the header.",
        field="companions",
    )
