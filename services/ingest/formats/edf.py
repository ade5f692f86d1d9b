"""EDF, EDF+, BDF and BDF+: several rates in one file, annotations, and recordings with gaps.

Digital values are kept with gain and baseline. What the header says about calibration is believed;
a step that no electrocardiograph has is remarked on by the checks that every recording goes through.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from precordia.leads import match_lead
from precordia.record import Channel, Device, Hints, Remark, Sex
from precordia.source import Source
from services.ingest.formats.calibrated import named_channels
from services.ingest.formats.edf_header import FORMAT as FORMAT
from services.ingest.formats.edf_header import EdfHeader, SignalHeader, looks_like_edf, parse_day, parse_header
from services.ingest.formats.edf_times import RecordTimes, record_times
from services.ingest.formats.facts import age_between, checked_rate, parse_sex
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.parsed import ParsedEcg
from services.ingest.formats.sampling_interval import rate_from_interval

VERSION = "1"

_PREFIX = re.compile(r"^E[CK]G[\s:_-]*", re.IGNORECASE)
_REFERENCE = re.compile(r"[\s_-]*(ref|gnd|avg)\.?$", re.IGNORECASE)


def sniff(source: Source) -> bool:
    """The version field and a header length that fits."""
    return looks_like_edf(source.content)


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """The recording, gaps between its records as missing samples.

    Raises:
        UnreadableFile: the header does not fit itself or the samples, or records overlap in time.
    """
    header = parse_header(source.content)
    records = _records(header, source.content)
    columns = _columns(header)
    table = np.frombuffer(source.content, np.uint8, records * header.record_bytes, header.size)
    table = table.reshape(records, header.record_bytes)
    times = record_times([np.ascontiguousarray(table[:, a:b]) for signal, a, b in columns if signal.is_annotations])
    signals = [(signal, begin, end) for signal, begin, end in columns if not signal.is_annotations]
    if not signals or header.record_s <= 0:
        raise UnreadableFile("The EDF file holds annotations and no signal.", format=FORMAT)
    context.limits.check_samples(len(signals), records * max(signal.samples for signal, _, _ in signals))
    raw = [_channel(header, signal, table[:, begin:end], times, context.limits) for signal, begin, end in signals]
    channels, remarks = named_channels(raw, hints)
    stored = records * sum(signal.samples for signal, _, _ in signals)
    gaps = ("edf.gaps_filled",) if sum(channel.samples.size for channel in channels) > stored else ()
    return (_parsed(header, channels, times, hints, context, remarks, gaps),)


def _records(header: EdfHeader, content: bytes) -> int:
    held = (len(content) - header.size) // header.record_bytes
    records = held if header.records == -1 else header.records
    if records < 1 or records > held:
        raise UnreadableFile("The EDF file has fewer samples than its header says.", format=FORMAT)
    return records


def _columns(header: EdfHeader) -> list[tuple[SignalHeader, int, int]]:
    """Each signal with begin and end of its bytes in a record."""
    ends = np.cumsum([signal.samples * header.bytes_per_sample for signal in header.signals]).tolist()
    begins = [0, *ends[:-1]]
    return list(zip(header.signals, begins, ends, strict=True))


def _channel(
    header: EdfHeader, signal: SignalHeader, block: NDArray[np.uint8], times: RecordTimes, limits: Limits
) -> Channel:
    numbers = _numbers(block, header.bytes_per_sample)
    rate = _rate(header, signal)
    missing = _out_of_range(numbers, signal)
    if header.discontinuous:
        numbers, missing = _spread(numbers, missing, signal.samples, rate, times, limits)
    gain, baseline, unit = _scale(signal)
    return Channel(_cleaned(signal.label), numbers, rate, unit, gain, baseline, missing)


def _rate(header: EdfHeader, signal: SignalHeader) -> float:
    if signal.samples == 1:
        return rate_from_interval(header.record_s, "s")
    return checked_rate(float(signal.samples / Fraction(header.record_s)))


def _numbers(block: NDArray[np.uint8], width: int) -> NDArray[np.int16] | NDArray[np.int32]:
    """Digital values of one signal, (samples,): 16 bits, or 24 widened to 32."""
    if width == 2:
        return np.ascontiguousarray(block.view("<i2")).ravel()
    packed = np.ascontiguousarray(block).reshape(-1, 3)
    wide = np.zeros((len(packed), 4), np.uint8)
    wide[:, 1:] = packed
    return wide.view("<i4").ravel() >> 8


def _out_of_range(numbers: NDArray[np.int16] | NDArray[np.int32], signal: SignalHeader) -> NDArray[np.bool_] | None:
    """The lowest number stands for "no sample" where the header's range leaves it out."""
    lowest = -(1 << 15) if numbers.dtype == np.int16 else -(1 << 23)
    if not signal.digital[0] > lowest:
        return None
    missing: NDArray[np.bool_] = numbers == lowest
    return missing if missing.any() else None


def _scale(signal: SignalHeader) -> tuple[float | None, float, str]:
    """Gain, baseline and unit; a channel that is no lead may come without calibration, in bare counts."""
    (low, high), (first, last) = signal.physical, signal.digital
    span = high - low
    gain = (last - first) / span if span else math.nan
    if math.isfinite(gain) and gain:
        return gain, first - low * gain, signal.dimension[:32]
    if match_lead(_cleaned(signal.label)):
        raise UnreadableFile("The EDF header gives a lead a calibration that is no number, or 0.", format=FORMAT)
    return None, 0.0, ""


def _spread(
    numbers: NDArray[np.int16] | NDArray[np.int32],
    missing: NDArray[np.bool_] | None,
    each: int,
    rate: float,
    times: RecordTimes,
    limits: Limits,
) -> tuple[NDArray[np.int16] | NDArray[np.int32], NDArray[np.bool_] | None]:
    """Records put at their times; what lies between them is missing."""
    begins = times.begins(each, rate, numbers.size // each)
    total = int(begins[-1]) + each
    if total == numbers.size:
        return numbers, missing
    limits.check_samples(1, total)
    limits.check_unpacked(numbers.nbytes, total * (numbers.itemsize + 1))
    places = (begins[:, None] + np.arange(each)).ravel()
    spread = np.zeros(total, numbers.dtype)
    absent = np.ones(total, np.bool_)
    spread[places] = numbers
    absent[places] = False if missing is None else missing
    return spread, absent


def _cleaned(label: str) -> str:
    """A label without the signal type and reference electrode that EDF+ writes around a lead's name."""
    plain = _REFERENCE.sub("", _PREFIX.sub("", " ".join(label.split())))
    return plain if match_lead(plain) else label


def _parsed(
    header: EdfHeader,
    channels: tuple[Channel, ...],
    times: RecordTimes,
    hints: Hints,
    context: ReaderContext,
    remarks: tuple[Remark, ...],
    transforms: tuple[str, ...],
) -> ParsedEcg:
    code, sex, born = _patient(header)
    filters = dict.fromkeys(signal.prefilter for signal in header.signals if signal.prefilter)
    return ParsedEcg(
        channels=channels,
        applied=hints.applied,
        patient_key=context.patient_key(code, "") if code else "",
        acquired_at=header.started_at,
        age_years=age_between(born, header.started_at),
        sex=sex,
        device=Device(
            model=_equipment(header),
            filters={"prefiltering": "; ".join(filters)[:256]} if filters else {},
            statements=times.statements,
        ),
        remarks=remarks,
        transforms=transforms,
    )


def _patient(header: EdfHeader) -> tuple[str, Sex | None, datetime | None]:
    """Code, sex and birth date; only EDF+ says which word is which. The name that follows is not read."""
    words = header.patient.split() if header.plus else []
    words += ["X"] * (3 - len(words))
    return ("" if words[0] == "X" else words[0]), parse_sex(words[1]), parse_day(words[2])


def _equipment(header: EdfHeader) -> str:
    """The device, the last of EDF+'s words about the recording; those before it may name people."""
    words = header.recording.split() if header.plus else []
    return words[4][:64] if len(words) > 4 and words[0] == "Startdate" and words[4] != "X" else ""
