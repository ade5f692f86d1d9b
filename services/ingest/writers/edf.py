"""EDF+: 16-bit integers; calibration as two numbers of eight characters, chosen so that they are exact.

EDF has no mark for a missing sample: such samples are written as the number nearest to 0 and named
by annotations (`missing II`), with their time and length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnsupportedView
from precordia.record import Channel, Remark, Sex
from services.ingest.sheet import Sheet
from services.ingest.writers.counts import Counts, as_counts
from services.ingest.writers.said import passed_band
from services.ingest.writers.written import WrittenFile

FORMAT = "edf"

_RECORD_BYTES = 61_440
"""Most that a data record may take (EDF's own rule)."""
_LONGEST_S = 60.0


@dataclass(frozen=True)
class Records:
    """How samples are cut into data records: `samples` each, `seconds` long, `padding` after the last sample."""

    samples: int
    seconds: float
    padding: int


def write(sheet: Sheet) -> tuple[WrittenFile, ...]:
    """One EDF+C file.

    Raises:
        UnsupportedView: there is no sample, or a rate that data records cannot hold.
    """
    import edfio  # only this writer needs it

    records = data_records(sheet.samples, sheet.sample_rate_hz, len(sheet.channels))
    counts = [as_counts(channel) for channel in sheet.channels]
    start = sheet.recording.acquired_at
    signals = [
        _signal(edfio, sheet, channel, one, records) for channel, one in zip(sheet.channels, counts, strict=True)
    ]
    made = edfio.Edf(
        signals,
        patient=_patient(edfio, sheet),
        recording=_recording(edfio, sheet),
        starttime=start.time() if start is not None and _startdate(sheet) else None,
        data_record_duration=records.seconds,
        annotations=[edfio.EdfAnnotation(*one) for one in _annotations(sheet, counts, records)],
    )
    content = _with_short_starts(made.to_bytes(), len(signals), records)
    return (WrittenFile(f"{sheet.name}.edf", content, tuple(_remarks(sheet, counts))),)


def data_records(samples: int, rate_hz: float, channels: int) -> Records:
    """The longest records that divide the samples evenly; else of a second or so, the last one padded.

    Raises:
        UnsupportedView: no length of a record makes whole samples.
    """
    if samples < 1:
        raise UnsupportedView("There is no sample to write.")
    most = max(1, min(_RECORD_BYTES // (2 * channels), int(_LONGEST_S * rate_hz)))
    for count in range(min(most, samples), 0, -1):
        seconds = count / rate_hz
        if samples % count or seconds < min(0.1, samples / rate_hz):
            continue
        if _is_short(seconds):
            return Records(count, count / rate_hz, 0)
    period = Fraction(rate_hz).limit_denominator(1000)
    count = period.numerator * max(1, round(1 / period.denominator))
    if count > most or abs(float(period) - rate_hz) > 1e-9 * rate_hz:
        raise UnsupportedView(f"EDF cannot hold {rate_hz:g} Hz exactly; resample with --rate to a whole number of Hz.")
    return Records(count, float(count / period), -samples % count)


def _is_short(value: float) -> bool:
    """Whether eight characters hold the number exactly."""
    return float(_eight(value)) == value


def _with_short_starts(content: bytes, channels: int, records: Records) -> bytes:
    """The file with the start of every data record in few digits; edfio writes `21.119999999999997`.

    The start stands first in the record's annotations, which come after the channels.
    """
    before = 2 * channels * records.samples
    annotations = 2 * int(content[256 + 216 * (channels + 1) :][8 * channels : 8 * channels + 8])
    changed = bytearray(content)
    for place, at in enumerate(range(256 * (channels + 2) + before, len(content), before + annotations)):
        _, _, rest = bytes(changed[at : at + annotations]).partition(b"\x14")
        start = f"+{place * records.seconds:.6f}".rstrip("0").rstrip(".").encode()
        changed[at : at + annotations] = (start + b"\x14" + rest)[:annotations].ljust(annotations, b"\0")
    return bytes(changed)


def _eight(value: float) -> str:
    """The number in eight characters at most, as close as they come."""
    for digits in range(12, -1, -1):
        text = np.format_float_positional(value, precision=digits, unique=False, trim="-")
        if len(text) <= 8:
            return text
    return f"{value:.0f}"


def _signal(edfio: Any, sheet: Sheet, channel: Channel, counts: Counts, records: Records) -> Any:
    low, high = _digital_range(counts)
    blank = int(np.clip(round(counts.baseline), low, high))
    digital = np.full(sheet.samples + records.padding, blank, np.int16)
    digital[: sheet.samples] = np.where(counts.missing, blank, counts.samples)
    return edfio.EdfSignal.from_digital(
        digital,
        sheet.sample_rate_hz,
        label=_ascii(f"ECG {channel.label}" if channel.is_standard_lead else channel.label, 16),
        physical_dimension=_ascii(channel.unit, 8),
        physical_range=_physical_range(counts, low, high),
        digital_range=(low, high),
        prefiltering=_prefiltering(sheet, channel),
    )


def _digital_range(counts: Counts) -> tuple[int, int]:
    """Digital limits around the samples, the widest whose physical limits eight characters hold exactly."""
    known = counts.known
    low, high = (int(known.min()), int(known.max())) if known.size else (0, 0)
    least, most = np.arange(-32_768, min(low, -1) + 1), np.arange(32_767, max(high, 1) - 1, -1)
    return _first_exact(counts, least, -32_768), _first_exact(counts, most, 32_767)


def _first_exact(counts: Counts, candidates: NDArray[np.int64], otherwise: int) -> int:
    """The first candidate whose physical value has few enough digits for eight characters."""
    values = (candidates - counts.baseline) / counts.gain
    whole_digits = np.maximum(1, np.floor(np.log10(np.maximum(np.abs(values), 1e-9))) + 1)
    decimals = np.clip(6 - whole_digits, 0, 6)
    scaled = values * 10.0**decimals
    exact = np.abs(scaled - np.rint(scaled)) <= 1e-9 * np.maximum(1.0, np.abs(scaled) * 1e-3)
    found = np.flatnonzero(exact & (whole_digits <= 6))
    return int(candidates[found[0]]) if found.size else otherwise


def _physical_range(counts: Counts, low: int, high: int) -> tuple[float, float]:
    """The limits in units, a hair's breadth inwards: edfio rounds outwards and would step past exact ones."""
    least, most = (float(_eight((end - counts.baseline) / counts.gain)) for end in (low, high))
    return least + 1e-12 * abs(least), most - 1e-12 * abs(most)


def _prefiltering(sheet: Sheet, channel: Channel) -> str:
    if not channel.is_standard_lead:
        return ""
    low, high = passed_band(sheet.applied)
    return " ".join(f"{name}:{edge:g}Hz" for name, edge in (("HP", low), ("LP", high)) if edge is not None)


def _annotations(sheet: Sheet, counts: Sequence[Counts], records: Records) -> Iterator[tuple[float, float, str]]:
    """Start, length and text of every span that holds no sample."""
    rate = sheet.sample_rate_hz
    for channel, one in zip(sheet.channels, counts, strict=True):
        for first, last in _spans(one.missing):
            yield first / rate, (last - first) / rate, f"missing {channel.label}"
    if records.padding:
        yield sheet.samples / rate, records.padding / rate, "missing, after the end of the recording"


def _spans(missing: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _remarks(sheet: Sheet, counts: Sequence[Counts]) -> Iterator[Remark]:
    for channel, one in zip(sheet.channels, counts, strict=True):
        if not one.exact:
            yield Remark("rounded", "Samples were rounded to 16 bits.", channel.label)
        if one.missing.any():
            yield Remark("missing_as_annotation", "EDF cannot mark missing samples; annotations do.", channel.label)


def _patient(edfio: Any, sheet: Sheet) -> Any:
    sex = {Sex.FEMALE: "F", Sex.MALE: "M", None: "X"}[sheet.recording.sex]
    return edfio.Patient(code=sheet.recording.patient_key[:16] or "X", sex=sex)


def _recording(edfio: Any, sheet: Sheet) -> Any:
    model = re.sub(r"\s+", "_", _ascii(sheet.recording.device.model, 24).strip())
    return edfio.Recording(startdate=_startdate(sheet), equipment_code=model or "X")


def _startdate(sheet: Sheet) -> date | None:
    start = sheet.recording.acquired_at
    return start.date() if start is not None and 1985 <= start.year <= 2084 else None


def _ascii(text: str, length: int) -> str:
    plain = text.replace("\u00b5", "u").replace("\u03bc", "u")
    return "".join(mark for mark in plain if " " <= mark <= "~")[:length]
