"""Multiplex groups of a DICOM waveform (PS3.3 C.10.9): stored numbers to channels.

physical = stored x sensitivity x correction + baseline, where the baseline is already in units
(PS3.3 C.10.9.1.4). Stored integers are kept; gain and baseline say the same in counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from precordia.errors import MissingField, UnreadableFile
from precordia.leads import match_lead
from precordia.record import MILLIVOLTS_PER, Channel, Hints, Remark, Unit
from services.ingest.formats.channels import upright
from services.ingest.formats.facts import (
    StatedUnit,
    agree_gain,
    agree_unit,
    duplicate_remarks,
    hinted_gain,
    hinted_unit,
    missing_unit,
    resolve_leads,
    resolve_rate,
    stated_unit,
)
from services.ingest.formats.limits import Limits

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_TYPES = {
    (8, "SB"): "i1",
    (8, "UB"): "u1",
    (8, "MB"): "u1",
    (8, "AB"): "u1",
    (16, "SS"): "i2",
    (16, "US"): "u2",
    (32, "SL"): "i4",
    (32, "UL"): "u4",
    (64, "SV"): "i8",
    (64, "UV"): "u8",
}
_AVERAGED = re.compile(r"MEDIAN|AVERAGE|REPRESENTATIVE|TEMPLATE", re.IGNORECASE)
_AVERAGE_AT_MOST_S = 2.5


@dataclass(frozen=True, eq=False)
class Group:
    """One multiplex group as channels. `offset_ms` is from the start of the acquisition."""

    label: str
    original: bool
    offset_ms: float
    channels: tuple[Channel, ...]
    remarks: tuple[Remark, ...] = ()

    @property
    def averaged(self) -> bool:
        """Whether it holds a median or average beat rather than the signal."""
        if _AVERAGED.search(self.label):
            return True
        first = self.channels[0]
        return not self.original and first.samples.size / first.sample_rate_hz <= _AVERAGE_AT_MOST_S

    @property
    def leads(self) -> set[str]:
        """Labels of its channels."""
        return {channel.label for channel in self.channels}


def read_group(item: Dataset, hints: Hints, limits: Limits, *, little_endian: bool) -> Group:
    """One item of the Waveform Sequence.

    Raises:
        UnreadableFile: it lacks what every waveform has, or has fewer samples than it says.
        MissingField: a channel has no sensitivity or no unit, and no hint gives them.
    """
    stored, padding = _stored(item, limits, little_endian=little_endian)
    definitions = list(item.get("ChannelDefinitionSequence") or ())
    if len(definitions) != stored.shape[0]:
        raise UnreadableFile("The DICOM waveform does not define each of its channels.", format="dicom")
    rate = resolve_rate(_number(item, "SamplingFrequency"), hints)
    named = resolve_leads([_source_label(definition) for definition in definitions], hints)
    missing = stored == padding if padding is not None else None
    numbers = _kept(stored, str(item.get("WaveformSampleInterpretation")))
    channels = []
    for place, (definition, name) in enumerate(zip(definitions, named, strict=True)):
        gain, baseline, unit = _scale(definition, hints)
        absent = missing[place] if missing is not None and missing[place].any() else None
        channel = Channel(name.label, numbers[place], rate, unit, gain, baseline, absent)
        channels.append(upright(channel, name))
    return Group(
        label=str(item.get("MultiplexGroupLabel") or "")[:64],
        original=str(item.get("WaveformOriginality") or "ORIGINAL").upper() != "DERIVED",
        offset_ms=_number(item, "MultiplexGroupTimeOffset") or 0.0,
        channels=tuple(channels),
        remarks=(*duplicate_remarks(named), *_skew(definitions, rate)),
    )


def _stored(item: Dataset, limits: Limits, *, little_endian: bool) -> tuple[NDArray[np.generic], int | None]:
    """Stored numbers, (channels, samples), and the number that stands for "no sample"."""
    channels, samples = int(item.NumberOfWaveformChannels), int(item.NumberOfWaveformSamples)
    if channels < 1 or samples < 1:
        raise UnreadableFile("The DICOM waveform has no channels or no samples.", format="dicom")
    limits.check_samples(channels, samples)
    kind = _TYPES.get((int(item.WaveformBitsAllocated), str(item.WaveformSampleInterpretation)))
    if kind is None:
        raise UnreadableFile("The DICOM waveform has a sample type that does not exist.", format="dicom")
    dtype = np.dtype(("<" if little_endian else ">") + kind)
    content = item.WaveformData
    if len(content) < channels * samples * dtype.itemsize:
        raise UnreadableFile("The DICOM waveform has fewer samples than it says.", format="dicom")
    flat = np.frombuffer(content, dtype, channels * samples)
    padding = item.get("WaveformPaddingValue")
    known = isinstance(padding, bytes) and len(padding) >= dtype.itemsize
    blank = int(np.frombuffer(padding, dtype, 1)[0]) if known and isinstance(padding, bytes) else None
    return np.ascontiguousarray(flat.reshape(samples, channels).T), blank


def _kept(stored: NDArray[np.generic], interpretation: str) -> NDArray[np.int16] | NDArray[np.int32]:
    """Stored numbers as the smallest of int16 and int32 that holds them; companded ones expanded."""
    if interpretation == "MB":
        return _mu_law()[stored.astype(np.uint8)]
    if interpretation == "AB":
        return _a_law()[stored.astype(np.uint8)]
    if stored.dtype.itemsize == 1 or stored.dtype.str[1:] == "i2":
        return stored.astype(np.int16)
    low, high = int(stored.min()), int(stored.max())
    if low < -(1 << 31) or high >= 1 << 31:
        raise UnreadableFile("The DICOM waveform has numbers beyond 32 bits.", format="dicom")
    narrow = stored.dtype.itemsize == 2 and high < 1 << 15
    return stored.astype(np.int16) if narrow else stored.astype(np.int32)


def _mu_law() -> NDArray[np.int16]:
    """Value of each mu-law byte (ITU-T G.711)."""
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0xF).astype(np.int32) << 3) + 0x84 << ((code >> 4) & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law() -> NDArray[np.int16]:
    """Value of each A-law byte (ITU-T G.711)."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 0xF).astype(np.int32) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _scale(definition: Dataset, hints: Hints) -> tuple[float, float, str]:
    """Gain, baseline in counts, and unit of a channel."""
    sensitivity = _number(definition, "ChannelSensitivity")
    if sensitivity is None:
        return _hinted_scale(hints)
    codes = definition.get("ChannelSensitivityUnitsSequence") or ()
    text = str(codes[0].get("CodeValue") or codes[0].get("CodeMeaning") or "") if codes else ""
    unit = stated_unit(text)
    if unit is None and not text:
        asked = hinted_unit(hints)
        if asked is None:
            raise missing_unit()
        unit = StatedUnit(asked)
    correction = _number(definition, "ChannelSensitivityCorrectionFactor")
    step = sensitivity * (1.0 if correction is None else correction)
    if not math.isfinite(step) or step == 0:
        raise UnreadableFile("The DICOM waveform has a channel of sensitivity 0.", format="dicom")
    baseline = _number(definition, "ChannelBaseline") or 0.0
    if unit is None:
        return 1 / step, -baseline / step, text[:32]
    agree_unit(unit, hints)
    gain = 1 / (step * unit.factor)
    if unit.unit in MILLIVOLTS_PER:
        agree_gain(gain / MILLIVOLTS_PER[unit.unit], hints)
    return gain, -baseline / step, unit.unit.value


def _hinted_scale(hints: Hints) -> tuple[float, float, str]:
    gain = hinted_gain(hints)
    if gain is None:
        raise MissingField(
            "A channel of the DICOM waveform has no sensitivity, so its counts mean nothing; give --gain ADU_PER_MV.",
            field="gain_adu_per_mv",
        )
    return gain, 0.0, Unit.MILLIVOLT.value


def _source_label(definition: Dataset) -> str:
    """The name of a channel: the lead that its code or meaning says, else its meaning or label."""
    sources = definition.get("ChannelSourceSequence") or ()
    code = str(sources[0].get("CodeValue") or "") if sources else ""
    meaning = str(sources[0].get("CodeMeaning") or "") if sources else ""
    label = str(definition.get("ChannelLabel") or "")
    for text in (code, re.sub(r"\s*\(.*\)\s*$", "", meaning), label):
        match = match_lead(text)
        if match is not None:
            return ("-" if match.inverted else "") + match.lead
    return meaning or label or code


def _skew(definitions: Sequence[Dataset], rate: float) -> tuple[Remark, ...]:
    """Channels sampled one after the other within a period stay as they are; that is said."""
    late = [
        _number(definition, "ChannelTimeSkew") or (_number(definition, "ChannelSampleSkew") or 0.0) / rate
        for definition in definitions
    ]
    if not any(late):
        return ()
    spread_ms = 1000 * (max(late) - min(late))
    return (Remark("channel_skew", f"Channels were sampled up to {spread_ms:.3g} ms apart; they are kept as stored."),)


def _number(item: Dataset, keyword: str) -> float | None:
    value = item.get(keyword)
    if value is None or value == "":
        return None
    return float(value)
