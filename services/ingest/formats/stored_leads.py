"""Leads as XML, JSON and other formats store them: numbers with a step, a unit and an origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.errors import MissingField, UnreadableFile
from precordia.record import MILLIVOLTS_PER, Channel, Device, Hints, Native, Remark, Unit
from services.ingest.formats.channels import upright
from services.ingest.formats.facts import (
    NamedLead,
    StatedUnit,
    agree_gain,
    agree_unit,
    duplicate_remarks,
    hinted_gain,
    hinted_unit,
    missing_unit,
    resolve_leads,
    stated_unit,
)

_SENTINEL = {np.dtype(np.int16): -(1 << 15), np.dtype(np.int32): -(1 << 31)}
_SMALLEST, _LARGEST = 1e-15, 1e15
"""Of a step, in any unit that there is."""


@dataclass(frozen=True, eq=False)
class StoredLead:
    """One lead: value = number x `step` + `origin`, both in `unit`.

    Attributes:
        label: as the file names it; empty where it does not.
        numbers: as stored, 1-D.
        step: None where the file does not say it.
        unit: as written; empty where the file does not say it.
        missing: samples that the file marks as absent. The lowest number of 16 or 32 bits is, too.
    """

    label: str
    numbers: Native
    step: float | None
    unit: str
    origin: float = 0.0
    missing: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class LeadSet:
    """Leads as channels, with what there is to say about them."""

    channels: tuple[Channel, ...]
    remarks: tuple[Remark, ...]


def lead_set(leads: Sequence[StoredLead], rate_hz: float, hints: Hints) -> LeadSet:
    """Channels of leads that share a rate; a lead without any sample is left out and remarked.

    Raises:
        MissingField: names, unit or step are neither stated nor hinted.
        HintConflict: a hint contradicts the file.
        UnreadableFile: there are no samples.
    """
    named = resolve_leads([lead.label for lead in leads], hints)
    built = [_channel(lead, name, rate_hz, hints) for lead, name in zip(leads, named, strict=True)]
    kept = [channel for channel in built if channel.samples.size and not _empty(channel)]
    if not kept or max(channel.samples.size for channel in kept) < 2:
        raise UnreadableFile("The file holds fewer than two samples.")
    gone = [
        Remark("empty_channel", "The file has this channel without a single sample; it is left out.", channel.label)
        for channel in built
        if channel not in kept
    ]
    return LeadSet(tuple(kept), (*gone, *duplicate_remarks(named)))


def _empty(channel: Channel) -> bool:
    return channel.missing is not None and bool(channel.missing.all())


def _channel(lead: StoredLead, name: NamedLead, rate_hz: float, hints: Hints) -> Channel:
    gain, baseline, unit = _scale(lead, hints)
    numbers, missing = lead.numbers, lead.missing
    samples: Native
    if numbers.dtype.kind == "i":
        blank = numbers == _SENTINEL[numbers.dtype]
        absent = blank if missing is None else missing | blank
        samples, kept_gain = numbers, gain
    else:
        absent = ~np.isfinite(numbers) if missing is None else missing | ~np.isfinite(numbers)
        samples, kept_gain = np.where(absent, np.nan, (numbers.astype(np.float64) - baseline) / gain), None
    channel = Channel(
        label=name.label,
        samples=samples,
        sample_rate_hz=rate_hz,
        unit=unit,
        gain=kept_gain,
        baseline=baseline if kept_gain is not None else 0.0,
        missing=absent if absent.any() else None,
        source_label=name.source_label,
    )
    return upright(channel, name) if name.inverted else channel


def _scale(lead: StoredLead, hints: Hints) -> tuple[float, float, str]:
    """Gain, baseline in numbers, and unit."""
    if lead.step is None:
        gain = hinted_gain(hints)
        if gain is None:
            raise MissingField(
                "The file does not say what one count of its samples is; give --gain ADU_PER_MV.",
                field="gain_adu_per_mv",
            )
        return gain, 0.0, Unit.MILLIVOLT.value
    if not (_SMALLEST < abs(lead.step) < _LARGEST and abs(lead.origin) < _LARGEST):
        raise UnreadableFile("The file states a lead whose step is no number that a lead can have.")
    baseline = 0.0 - lead.origin / lead.step
    unit = stated_unit(lead.unit)
    if unit is None and lead.unit:
        return 1 / lead.step, baseline, lead.unit[:32]
    if unit is None:
        asked = hinted_unit(hints)
        if asked is None:
            raise missing_unit()
        unit = StatedUnit(asked)
    agree_unit(unit, hints)
    gain = 1 / (lead.step * unit.factor)
    if unit.unit in MILLIVOLTS_PER:
        agree_gain(gain / MILLIVOLTS_PER[unit.unit], hints)
    return gain, baseline, unit.unit.value


def beat_remarks(device: Device, *, stored: bool) -> tuple[Remark, ...]:
    """What there is to say where a file has median beats (`stored`) and none could be read."""
    if not stored or device.median_beats:
        return ()
    return (Remark("damaged_beat", "The file's median beat is damaged, or its scale is not stated; it is left out."),)


def beat_hints(hints: Hints) -> Hints:
    """The hints that hold for a median beat, too: what a count is, not how many there are of it."""
    return Hints(unit=hints.unit, gain_adu_per_mv=hints.gain_adu_per_mv)
