"""Names under which files state facts: keys of arrays, columns, comment lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from services.ingest.formats.facts import stated_unit

RATE = frozenset(
    {
        "curr_sample_rate",
        "freq",
        "frequency",
        "fs",
        "fs_hz",
        "rate",
        "rate_hz",
        "sample_rate",
        "sample_rate_hz",
        "samplerate",
        "sampling_frequency",
        "sampling_rate",
        "sampling_rate_hz",
        "sfreq",
    }
)
FORMER_RATE = frozenset({"org_sample_rate", "original_sample_rate", "orig_fs"})
"""Of the signal before it was resampled: known, and not used."""
UNIT = frozenset({"unit", "units", "amplitude_unit"})
LEADS = frozenset(
    {"ch_names", "channel_names", "channels", "desc", "lead", "lead_names", "leads", "sig_name", "sig_names"}
)
SCALE = frozenset({"scale", "resolution"})
GAIN = frozenset({"adc_gain", "gain", "gains"})
BASELINE = frozenset({"adczero", "baseline", "baselines"})
RECORD_ID = frozenset(
    {"ecg_id", "ecg_ids", "exam_id", "exam_ids", "record", "record_id", "record_ids", "record_name", "recname"}
)
AGE = frozenset({"age", "age_years"})
SEX = frozenset({"sex", "gender"})
OTHER = frozenset({"idx", "index", "nsamp", "nsig", "n_sig", "sig_len", "curr_sample_size", "org_sample_size"})

KNOWN = RATE | FORMER_RATE | UNIT | LEADS | SCALE | GAIN | BASELINE | RECORD_ID | AGE | SEX | OTHER

_BRACKETED = re.compile(r"^(?P<name>.*?)[\s_]*[\[(]\s*(?P<unit>[^\[\]()]{1,16}?)\s*[\])]$")
_SUFFIXED = re.compile(r"^(?P<name>.+?)[\s_/.-]+(?P<unit>mV|uV|nV|µV|μV)$", re.IGNORECASE)
_TIME = re.compile(r"^(elapsed[ _]?time|time|t|timestamp|sec|secs|seconds?|ms|milliseconds?)$", re.IGNORECASE)
_COUNTER = re.compile(r"^(|index|idx|samples?|sample[ _]?(number|no|#)|#|n|unnamed:? ?0)$", re.IGNORECASE)
_CLOCK = re.compile(r"^(hh?:)?mm:ss([.,]m+)?$")
_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "milliseconds": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
}


@dataclass(frozen=True)
class ColumnTitle:
    """A column's title taken apart.

    Attributes:
        name: without the unit.
        unit: the voltage that the title names, as written; empty where it names none.
        is_time, is_counter: a column of times, or of row numbers.
        seconds: length of the time column's unit, None where the title does not say.
    """

    name: str
    unit: str = ""
    is_time: bool = False
    is_counter: bool = False
    seconds: float | None = None


def column_title(text: str) -> ColumnTitle:
    """What a title such as `II [mV]`, `time_ms` or `sample` says."""
    return _remembered(text) if len(text) <= _REMEMBERED_LENGTH else _taken_apart(text)


def _taken_apart(text: str) -> ColumnTitle:
    plain = text.replace("\0", "").strip().strip("\"'").strip()
    match = _BRACKETED.match(plain) or _SUFFIXED.match(plain)
    name, unit = (match["name"].strip(), match["unit"]) if match else (plain, "")
    if stated_unit(unit) is not None:
        return ColumnTitle(name, unit)
    timed = re.match(r"^(?P<name>.+?)[\s_](?P<unit>s|sec|seconds|ms|us)$", plain, re.IGNORECASE)
    if timed and _TIME.match(timed["name"]):
        name, unit = timed["name"], timed["unit"]
    if _TIME.match(name):
        return ColumnTitle(name, is_time=True, seconds=_SECONDS.get((unit or name).lower()))
    return ColumnTitle(plain, is_counter=bool(_COUNTER.match(plain)))


_remembered = lru_cache(maxsize=256)(_taken_apart)
_REMEMBERED_LENGTH = 64
"""Tables name the same few columns again and again; longer titles are not worth the memory."""


def time_unit(text: str) -> float | None:
    """Seconds in the unit of time that a text names, None where it names none."""
    plain = text.strip().strip("\"'[]()").lower()
    return 1.0 if _CLOCK.match(plain) else _SECONDS.get(plain)
