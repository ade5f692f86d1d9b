"""Annotations of EDF+ and BDF+: when each data record began, and what was noted when.

A record's annotation bytes hold lists of "onset, duration, texts" (TAL); the first one of each
record has no text and tells the record's own time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.errors import TooLarge, UnreadableFile
from services.ingest.formats.statements import MAX_STATEMENTS, kept_statements

_LIST = re.compile(rb"([+-]\d{1,15}(?:\.\d{0,15})?)(?:\x15\d{0,15}(?:\.\d{0,15})?)?\x14([^\0]{0,4096})\0")
MAX_TIMED_RECORDS = 4_000_000
_MAX_LISTS = 100_000


@dataclass(frozen=True, eq=False)
class RecordTimes:
    """Seconds at which records began, NaN where one does not say it; and the notes, with their times."""

    seconds: NDArray[np.float64]
    statements: tuple[str, ...] = ()

    def begins(self, each: int, rate_hz: float, records: int) -> NDArray[np.int64]:
        """Place of each record's first sample, from the first record's on.

        Args:
            each: samples in a record.
            rate_hz: of the signal.
            records: number of records.

        Raises:
            UnreadableFile: a record has no time, or begins before the one before it ends.
        """
        if self.seconds.size != records or not np.isfinite(self.seconds).all():
            raise UnreadableFile(
                "A data record of the discontinuous EDF file does not say when it began.", format="edf"
            )
        exact = (self.seconds - self.seconds[0]) * rate_hz
        if np.abs(exact).max(initial=0) >= 1 << 52:
            raise UnreadableFile("The EDF file's records lie too far apart.", format="edf")
        slots = np.arange(records, dtype=np.int64) * each
        offsets = np.rint(exact).astype(np.int64) - slots
        latest = np.maximum.accumulate(offsets)
        if (latest - offsets > 1).any():  # a sample's width of rounding is no overlap
            raise UnreadableFile("Data records of the EDF file overlap in time.", format="edf")
        return slots + latest


def record_times(blocks: Sequence[NDArray[np.uint8]]) -> RecordTimes:
    """Times and notes of all records.

    Args:
        blocks: annotation bytes, (records, bytes); the first block's tell the records' times.
    """
    if not blocks:
        return RecordTimes(np.zeros(0))
    if len(blocks[0]) > MAX_TIMED_RECORDS:
        raise TooLarge("The EDF file has more annotated records than are read.", limit=MAX_TIMED_RECORDS)
    return RecordTimes(_seconds(blocks[0]), kept_statements(_notes(blocks)))


def _seconds(block: NDArray[np.uint8]) -> NDArray[np.float64]:
    width, content = block.shape[1], block.tobytes()
    found = np.full(len(block), np.nan)
    for place in range(len(block)):
        match = _LIST.match(content, place * width, (place + 1) * width)
        if match:
            found[place] = float(match.group(1))
    return found


def _notes(blocks: Sequence[NDArray[np.uint8]]) -> list[str]:
    notes: list[str] = []
    for block in blocks:
        for count, match in enumerate(_LIST.finditer(block.tobytes())):
            if len(notes) >= MAX_STATEMENTS or count >= _MAX_LISTS:
                return notes
            onset = float(match.group(1))
            texts = match.group(2).decode("utf-8", "replace").split("\x14")
            notes += [f"{onset:g} s: {text}" for text in texts if text.strip() and math.isfinite(onset)]
    return notes
