"""MFER files (ISO/TS 11073-92001): bedside monitors and electrocardiographs, several rates in one file.

A waveform is laid out as sequences of blocks, one block a channel. Channels that are no ECG lead -
pressures, pleth - are kept with their own unit.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from precordia.leads import match_lead
from precordia.record import Channel, Device, Hints, Native, Remark, Sex
from precordia.source import Source
from services.ingest.formats.blocks import native
from services.ingest.formats.calibrated import named_channels
from services.ingest.formats.facts import age_between, checked_rate, resolve_rate
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.mfer_tags import Tag, broken, definitions
from services.ingest.formats.parsed import ParsedEcg
from services.ingest.formats.sampling_interval import rate_from_interval

FORMAT = "mfer"
VERSION = "1"

_TYPES = ("i2", "u2", "i4", "u1", "u2", "i1", "u4", "f4", "f8")
_STATUS_TYPE = 4
_UNITS = (
    *("V", "mmHg", "Pa", "cmH2O", "mmHg/s", "dyn", "N", "%", "degC", "1/min", "1/s", "Ohm", "A", "rpm", "W", "dB"),
    *("kg", "J", "dyn s m2/cm5", "L", "L/s", "L/min", "cd"),
)
_VOLT = 0
_ECG_WAVEFORMS = frozenset({0, 1, 2, 20})
"""Unidentified, 12-lead, long-term and monitor: in these, lead codes below 128 are those of SCP-ECG."""
_CHEST_LEADS = {9: "V7", 10: "V2R", 11: "V3R", 12: "V4R", 13: "V5R", 14: "V6R", 15: "V7R", 66: "V8", 67: "V9"}


@dataclass
class _Attributes:
    """What holds for one channel, or for all that say nothing else."""

    values: dict[int, bytes] = field(default_factory=dict)

    def get(self, tag: Tag, other: _Attributes) -> bytes | None:
        return self.values.get(tag, other.values.get(tag))


@dataclass
class _File:
    """The definitions of a file and its waveforms, as they stood before each."""

    order: str = ">"
    common: _Attributes = field(default_factory=_Attributes)
    channels: dict[int, _Attributes] = field(default_factory=dict)
    facts: dict[int, bytes] = field(default_factory=dict)
    waveforms: list[memoryview] = field(default_factory=list)


@dataclass(frozen=True)
class _Lane:
    """One channel's place in a sequence: samples in its block, and how they are stored."""

    attributes: _Attributes
    block: int
    dtype: np.dtype[np.generic]

    @property
    def size(self) -> int:
        return self.block * self.dtype.itemsize


_LAYOUT = (Tag.CHANNELS, Tag.SEQUENCES, Tag.BLOCK_LENGTH, Tag.DATA_TYPE)


def sniff(source: Source) -> bool:
    """The preamble, which names the format."""
    content = source.content
    return content[:1] == b"\x40" and len(content) > 2 and b"MFR" in content[2 : 2 + min(content[1], 64)]


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """The recording: all channels of all waveforms, one after the other.

    Raises:
        UnreadableFile: broken, cut short, compressed, or laid out anew in the middle.
    """
    file = _parsed_file(source.content)
    if not file.waveforms:
        raise UnreadableFile("The MFER file holds no waveform.", format=FORMAT)
    lanes = _lanes(file, context.limits)
    rows = [_rows(file, lanes, waveform, context.limits) for waveform in file.waveforms]
    context.limits.check_samples(len(lanes), max(sum(each[0].size for each in rows), 1))
    joined = [np.concatenate(parts) if len(parts) > 1 else parts[0] for parts in zip(*rows, strict=True)]
    raw = [_channel(file, lane, numbers, hints) for lane, numbers in zip(lanes, joined, strict=True)]
    channels, remarks = named_channels(raw, hints)
    start = _moment(file.facts.get(Tag.TIME), file.order)
    identifier = _text(file.facts.get(Tag.PATIENT_ID))
    return (
        ParsedEcg(
            channels=channels,
            applied=hints.applied,
            patient_key=context.patient_key(identifier, "") if identifier else "",
            acquired_at=start,
            age_years=_age(file.facts.get(Tag.AGE), file.order, start),
            sex={1: Sex.MALE, 2: Sex.FEMALE}.get(_number(file.facts.get(Tag.SEX), file.order, 0)),
            device=_device(file.facts),
            remarks=(*remarks, *_offsets(raw)),
        ),
    )


def _offsets(raw: list[Channel]) -> tuple[Remark, ...]:
    """Devices differ in how they mean an offset: value = (number + offset) x resolution is the standard's way."""
    if not any(channel.baseline for channel in raw):
        return ()
    return (Remark("zero_level", "The file states offsets, which were added to the numbers; check the zero level."),)


def _parsed_file(content: bytes) -> _File:
    file = _File()
    for definition in definitions(content):
        tag, value = definition.tag, definition.value
        if tag == Tag.WAVEFORM:
            file.waveforms.append(value)
        elif definition.channel >= 0:
            file.channels.setdefault(definition.channel, _Attributes()).values[tag] = bytes(value)
        elif tag == Tag.BYTE_ORDER:
            file.order = "<" if len(value) and value[0] == 1 else ">"
        else:
            if file.waveforms and tag in _LAYOUT and file.common.values.get(tag) != bytes(value):
                raise UnreadableFile("The MFER file changes its layout between waveforms.", format=FORMAT)
            file.common.values[tag] = bytes(value)
            file.facts.setdefault(tag, bytes(value))
    return file


def _lanes(file: _File, limits: Limits) -> list[_Lane]:
    count = _number(file.common.values.get(Tag.CHANNELS), file.order, 1)
    if count < 1:
        raise broken()
    limits.check_samples(count, 1)
    lanes = []
    for index in range(count):
        own = file.channels.get(index, _Attributes())
        if _number(own.get(Tag.COMPRESSION, file.common), file.order, 0):
            raise UnreadableFile("The MFER file is compressed, which is not read.", format=FORMAT)
        kind = _number(own.get(Tag.DATA_TYPE, file.common), file.order, 0)
        block = _number(own.get(Tag.BLOCK_LENGTH, file.common), file.order, 1)
        if not 0 <= kind < len(_TYPES) or block < 1:
            raise UnreadableFile("The MFER file has a kind of samples that is not read.", format=FORMAT)
        limits.check_samples(1, block)
        lanes.append(_Lane(own, block, np.dtype(file.order + _TYPES[kind])))
    return lanes


def _rows(file: _File, lanes: list[_Lane], waveform: memoryview, limits: Limits) -> list[NDArray[np.generic]]:
    """Samples of each channel in one waveform, (samples,)."""
    width = sum(lane.size for lane in lanes)
    held = len(waveform) // width
    sequences = _number(file.common.values.get(Tag.SEQUENCES), file.order, held)
    if sequences < 1 or sequences > held:
        raise UnreadableFile("The MFER file has fewer samples than it says.", format=FORMAT)
    limits.check_samples(len(lanes), sequences * max(lane.block for lane in lanes))
    table = np.frombuffer(waveform, np.uint8, sequences * width).reshape(sequences, width)
    rows, at = [], 0
    for lane in lanes:
        rows.append(np.ascontiguousarray(table[:, at : at + lane.size]).view(lane.dtype).ravel())
        at += lane.size
    return rows


def _channel(file: _File, lane: _Lane, stored: NDArray[np.generic], hints: Hints) -> Channel:
    common, own = file.common, lane.attributes
    label = _label(own.get(Tag.LEAD, common), own.get(Tag.WAVEFORM_TYPE, common), file.order)
    rate = _rate(own.get(Tag.INTERVAL, common), file.order)
    lead = match_lead(label) is not None
    gain, unit = _gain(own.get(Tag.SENSITIVITY, common), file.order, lead=lead)
    numbers = native(stored.astype(stored.dtype.newbyteorder("="), copy=False))
    missing = _missing(own.get(Tag.NULL, common), stored)
    offset = own.get(Tag.OFFSET, common)
    baseline = -float(_scalars(offset, stored.dtype)[0]) if offset and len(offset) >= stored.dtype.itemsize else 0.0
    return _kept(label, numbers, resolve_rate(rate, hints) if rate is None else rate, unit, gain, baseline, missing)


def _kept(
    label: str,
    numbers: Native,
    rate: float,
    unit: str,
    gain: float | None,
    baseline: float,
    missing: NDArray[np.bool_] | None,
) -> Channel:
    """Integers with their gain; floats as physical values, NaN where missing."""
    if numbers.dtype.kind != "f":
        return Channel(label, numbers, rate, unit, gain, baseline, missing)
    absent = ~np.isfinite(numbers) if missing is None else missing | ~np.isfinite(numbers)
    values = np.where(absent, np.nan, (numbers.astype(np.float64) - baseline) / (gain or 1.0))
    return Channel(label, values, rate, unit, missing=absent if absent.any() else None)


def _label(code: bytes | None, waveform: bytes | None, order: str) -> str:
    """The lead's name; for other channels the text that the file gives, else the code."""
    if not code:
        return ""
    number, text = _number(code[:2], order, 0), _text(code[2:])
    if _number(waveform[:2] if waveform else None, order, 0) in _ECG_WAVEFORMS and 0 < number < 128:
        match = match_lead(f"2:{number}")
        return match.lead if match else _CHEST_LEADS.get(number) or text or f"lead {number}"
    return text or f"channel {number}"


def _rate(value: bytes | None, order: str) -> float | None:
    """Samples per second from "unit, exponent, number", as frequency or as interval."""
    if value is None:
        return None
    if len(value) < 3 or value[0] > 1:
        raise UnreadableFile("The MFER file states its rate in a unit that is no time.", format=FORMAT)
    stated = _scaled(value, order)
    return checked_rate(float(stated)) if value[0] == 0 else rate_from_interval(stated, "s")


def _gain(value: bytes | None, order: str, *, lead: bool) -> tuple[float | None, str]:
    """Counts for each unit, and the unit: mV for voltages."""
    if value is None:
        return None, ""
    if len(value) < 3:
        raise broken()
    step = _scaled(value, order)
    unit = _UNITS[value[0]] if value[0] < len(_UNITS) else ""
    if step == 0 or (lead and value[0] != _VOLT):
        raise UnreadableFile("The MFER file gives a lead a resolution that is no voltage, or 0.", format=FORMAT)
    return (float(Decimal("0.001") / step), "mV") if value[0] == _VOLT else (float(1 / step), unit)


def _scaled(value: bytes, order: str) -> Decimal:
    exponent = struct.unpack("b", value[1:2])[0]
    return Decimal(_number(value[2:], order, 0)).scaleb(exponent)


def _missing(null: bytes | None, stored: NDArray[np.generic]) -> NDArray[np.bool_] | None:
    """Samples that equal the number which the file sets aside for "none"."""
    if null is None or len(null) != stored.dtype.itemsize:
        return None
    absent: NDArray[np.bool_] = stored == _scalars(null, stored.dtype)[0]
    return absent if absent.any() else None


def _scalars(value: bytes, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    return np.frombuffer(value, dtype, 1)


def _number(value: bytes | None, order: str, default: int) -> int:
    if not value:
        return default
    return int.from_bytes(value[:8], "little" if order == "<" else "big")


def _text(value: bytes | None) -> str:
    return (value or b"").split(b"\0")[0].decode("latin-1").strip()[:64]


def _moment(value: bytes | None, order: str) -> datetime | None:
    """Year, month, day, hour, minute, second."""
    if value is None or len(value) < 7:
        return None
    try:
        return datetime(*struct.unpack(order + "H5B", value[:7]))
    except ValueError:
        return None


def _age(value: bytes | None, order: str, start: datetime | None) -> float | None:
    """Years as stated, else from the date of birth; all bits set means unknown."""
    if value is None or not value:
        return None
    if value[0] <= 120:
        return float(value[0])
    if len(value) < 7:
        return None
    return age_between(_moment(value[3:7] + bytes(3), order), start)


def _device(facts: Mapping[int, bytes]) -> Device:
    """Maker and model; "maker^model^version^serial number" in the file."""
    parts = _text(facts.get(Tag.MANUFACTURER)).split("^")
    said = _text(facts.get(Tag.FILTER))
    return Device(
        manufacturer=parts[0].strip(),
        model=parts[1].strip() if len(parts) > 1 else "",
        filters={"filter": said} if said else {},
    )
