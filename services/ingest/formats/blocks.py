"""Blocks of numbers that became channels: the part that CSV, NPY, NPZ and MAT share.

A block is (channels, samples) with what its file states about names, unit, scale and rate. What is
not stated comes from hints, or is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import MILLIVOLTS_PER, Channel, Hints, Native, Remark, Sex, Unit
from services.ingest.formats._check_kernels import holds, is_finite
from services.ingest.formats.channels import upright
from services.ingest.formats.facts import (
    NamedLead,
    agree_gain,
    agree_unit,
    duplicate_remarks,
    hinted_gain,
    hinted_unit,
    missing_unit,
    resolve_leads,
    stated_unit,
)
from services.ingest.formats.parsed import ParsedEcg

Numbers = NDArray[np.generic]
Fact = TypeVar("Fact", str, float)

_SENTINEL = {np.dtype(np.int16): -(1 << 15), np.dtype(np.int32): -(1 << 31)}


@dataclass(frozen=True)
class BlockFacts:
    """What a file states about its numbers; None and empty where it is silent.

    Attributes:
        labels: name of each channel.
        units: of each channel, or one for all.
        gains: counts for each unit, for each channel, or one for all.
        baselines: counts at zero, in the same way.
    """

    sample_rate_hz: float | None = None
    labels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    gains: tuple[float, ...] = ()
    baselines: tuple[float, ...] = ()
    age_years: float | None = None
    sex: Sex | None = None


class _Scale(NamedTuple):
    gain: float | None
    baseline: float
    unit: str


def native(numbers: Numbers) -> Native:
    """The numbers in one of the four types that a recording keeps: exactly, or as doubles."""
    kind = numbers.dtype.kind
    if kind == "f":
        small = numbers.dtype.itemsize <= 4
        return numbers.astype(np.float32, copy=False) if small else numbers.astype(np.float64, copy=False)
    if kind not in "iu":
        raise UnreadableFile("The numbers are of a kind that no signal has.")
    if numbers.size and numbers.dtype.itemsize > 1 and numbers.dtype.newbyteorder("=") != np.dtype(np.int16):
        low, high = int(cast(int, numbers.min())), int(cast(int, numbers.max()))
        if low < -(1 << 31) or high >= 1 << 31:
            return numbers.astype(np.float64)
        if low < -(1 << 15) or high >= 1 << 15:
            return numbers.astype(np.int32)
    return numbers.astype(np.int16, copy=False)


def block_ecg(
    block: Native,
    rate_hz: float,
    facts: BlockFacts,
    hints: Hints,
    *,
    source_record: str = "",
    transforms: tuple[str, ...] = (),
) -> ParsedEcg:
    """One recording from a block of (channels, samples) and its facts.

    Raises:
        MissingField: names or unit are neither stated nor hinted.
        HintConflict: a hint contradicts the file.
    """
    channels, samples = block.shape
    if samples < 2:
        raise UnreadableFile("The file holds fewer than two samples for each channel.")
    named = resolve_leads(_labels(facts, channels), hints)
    scales = _scales(facts, hints, named)
    built = [_channel(row, rate_hz, scale, name) for row, scale, name in zip(block, scales, named, strict=True)]
    kept, empty = left_out(built)
    return ParsedEcg(
        channels=kept,
        source_record=source_record,
        applied=hints.applied,
        age_years=facts.age_years,
        sex=facts.sex,
        remarks=(*empty, *_steps_unknown(kept, hints), *duplicate_remarks(named)),
        transforms=transforms,
    )


def _labels(facts: BlockFacts, channels: int) -> tuple[str, ...]:
    if not facts.labels:
        return ("",) * channels
    if len(facts.labels) != channels:
        raise UnreadableFile(f"The file names {len(facts.labels)} channels and holds {channels}.")
    return facts.labels


def _scales(facts: BlockFacts, hints: Hints, named: Sequence[NamedLead]) -> list[_Scale]:
    count = len(named)
    units = _each(facts.units, count, "units")
    gains = _each(facts.gains, count, "gains")
    baselines = _each(facts.baselines, count, "baselines")
    scales: list[_Scale] = []
    leads = [name.label in STANDARD_LEADS for name in named]
    none = not any(leads)
    known: dict[tuple[str, float | None, float, bool], _Scale] = {}
    for unit, gain, baseline, lead in zip(units, gains, baselines, leads, strict=True):
        said = (unit or "", gain, baseline or 0.0, lead or none)
        if said not in known:
            known[said] = _scale(*said[:3], hints, needed=said[3])
        scales.append(known[said])
    return scales


def _each(values: Sequence[Fact], count: int, what: str) -> Sequence[Fact | None]:
    if len(values) in (0, 1):
        return (values[0] if values else None,) * count
    if len(values) != count:
        raise UnreadableFile(f"The file gives {len(values)} {what} for {count} channels.")
    return values


def _scale(stated: str, gain: float | None, baseline: float, hints: Hints, *, needed: bool) -> _Scale:
    """How one channel's numbers become its unit; `needed` where it must be a voltage or standardised."""
    if gain is not None and not (math.isfinite(gain) and gain != 0):
        raise UnreadableFile("The file states a gain or scale of 0.")
    unit = stated_unit(stated)
    if unit is not None:
        agree_unit(unit, hints)
        counts = gain if gain is not None else 1.0
        if unit.unit in MILLIVOLTS_PER:
            agree_gain(counts / unit.factor / MILLIVOLTS_PER[unit.unit], hints)
        scaled = gain is not None or unit.factor != 1.0
        return _Scale(counts / unit.factor if scaled else None, baseline, unit.unit.value)
    wanted = hinted_unit(hints) if not stated else None
    if wanted is None:
        if needed:
            raise missing_unit()
        return _Scale(gain, baseline, stated[:32])
    if gain is not None and wanted in MILLIVOLTS_PER:
        agree_gain(gain / MILLIVOLTS_PER[wanted], hints)
    return _Scale(gain if gain is not None else hinted_gain(hints), baseline, wanted.value)


def _channel(row: Native, rate_hz: float, scale: _Scale, name: NamedLead) -> Channel:
    if row.dtype.kind == "f" and scale.gain is not None:
        row = _counts(row)
    if row.dtype.kind == "f":
        return _float_channel(row, rate_hz, scale, name)
    blank = _SENTINEL[row.dtype]
    gain = 1.0 if scale.gain is None else scale.gain
    return Channel(
        label=name.label,
        samples=row,
        sample_rate_hz=rate_hz,
        unit=scale.unit,
        gain=-gain if name.inverted else gain,
        baseline=scale.baseline,
        missing=row == blank if holds(row, blank) else None,
        source_label=name.source_label,
    )


def _counts(row: Native) -> Native:
    """Counts that a file holds as floats, as integers again where that loses nothing."""
    finite = np.isfinite(row).all() and np.abs(row).max(initial=0) < (1 << 31)
    if not finite:
        return row
    whole = row.astype(np.int32)
    return native(whole) if (whole == row).all() else row


def _float_channel(row: Native, rate_hz: float, scale: _Scale, name: NamedLead) -> Channel:
    samples, missing = row, None if is_finite(row) else ~np.isfinite(row)
    if scale.gain is not None:
        samples = (row.astype(np.float64) - scale.baseline) / scale.gain
    if missing is not None:
        samples = np.where(missing, samples.dtype.type(np.nan), samples)
    channel = Channel(name.label, samples, rate_hz, scale.unit, missing=missing, source_label=name.source_label)
    return upright(channel, name) if name.inverted else channel


def left_out(channels: Sequence[Channel]) -> tuple[tuple[Channel, ...], tuple[Remark, ...]]:
    """The channels that have a sample, and a remark for each that has none.

    Raises:
        UnreadableFile: none has any.
    """
    empty = [channel for channel in channels if channel.missing is not None and channel.missing.all()]
    if not empty:
        return tuple(channels), ()
    if len(empty) == len(channels):
        raise UnreadableFile("The file holds no sample that is a number.")
    remarks = [
        Remark("empty_channel", "The file has this channel without a single sample; it is left out.", channel.label)
        for channel in empty
    ]
    return tuple(channel for channel in channels if channel not in empty), tuple(remarks)


def _steps_unknown(channels: Sequence[Channel], hints: Hints) -> list[Remark]:
    if hints.applied or all(channel.unit != Unit.STANDARDISED.value for channel in channels):
        return []
    return [Remark("steps_unknown", "The signal is standardised, and nobody said by which steps; give --applied.")]
