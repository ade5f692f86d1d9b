"""A sheet: channels of one recording on one time base, as one file of an export holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from precordia.leads import STANDARD_LEADS, derive_limb_leads
from precordia.record import MILLIVOLTS_PER, Channel, Native, Recording, Unit
from precordia.steps import Step

VOLTAGES = (Unit.MILLIVOLT.value, Unit.MICROVOLT.value)


@dataclass(frozen=True, eq=False)
class Sheet:
    """Channels on one time base, with the facts of their recording.

    Attributes:
        name: of the file, without its ending.
        channels: standard leads first, in standard order; then the others under their own label.
            Integers are the source's own, unless a view made floats of them.
        recording: whose facts (time, age, sex, device) a file may carry.
        applied: steps that the samples went through, the view's included.
    """

    name: str
    channels: tuple[Channel, ...]
    recording: Recording
    applied: tuple[Step, ...] = ()

    @property
    def sample_rate_hz(self) -> float:
        """Of all channels."""
        return self.channels[0].sample_rate_hz

    @property
    def samples(self) -> int:
        """Of each channel."""
        return int(self.channels[0].samples.size)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the channels."""
        return tuple(channel.label for channel in self.channels)

    @property
    def units(self) -> tuple[str, ...]:
        """Of each channel's values: "mV" for every voltage, "standardised", or the source's own unit."""
        return tuple("mV" if channel.unit in VOLTAGES else channel.unit for channel in self.channels)

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """float32 (channels, samples) in `units`, NaN where missing."""
        return np.stack([_in_millivolts(channel) for channel in self.channels]).astype(np.float32)

    def with_values(self, values: NDArray[np.float32], rate_hz: float, steps: Sequence[Step] = ()) -> Sheet:
        """The same channels with other numbers, float32 (channels, samples) in `units`."""
        channels = tuple(
            Channel(old.label, row, rate_hz, unit, missing=_missing(row), source_label=old.source_label)
            for old, row, unit in zip(self.channels, values, self.units, strict=True)
        )
        kept = [replace(new, derived=old.derived) for new, old in zip(channels, self.channels, strict=True)]
        return replace(self, channels=tuple(kept), applied=(*self.applied, *steps))


def sheets(name: str, recording: Recording) -> list[Sheet]:
    """All channels of a recording, those of one rate and length together; the sheet with the leads first.

    Limb leads that follow from those present are among them; a lead that is neither there nor
    follows is left out.
    """
    bases: dict[tuple[float, int], list[Channel]] = {}
    for channel in recording.channels:
        bases.setdefault((channel.sample_rate_hz, int(channel.samples.size)), []).append(channel)
    ordered = sorted(bases.values(), key=lambda found: -sum(channel.is_standard_lead for channel in found))
    made = []
    for place, channels in enumerate(ordered):
        suffix = f"-{place + 1}-{channels[0].sample_rate_hz:g}hz" if place else ""
        made.append(Sheet(f"{name}{suffix}", _with_derived(channels), recording, recording.applied))
    return made


def _with_derived(channels: Sequence[Channel]) -> tuple[Channel, ...]:
    order = {lead: place for place, lead in enumerate(STANDARD_LEADS)}
    return tuple(sorted([*channels, *_derived(channels)], key=lambda one: order.get(one.label, len(order))))


def _derived(channels: Sequence[Channel]) -> list[Channel]:
    """Limb leads that follow: as half counts where the leads are integers of one gain, else as floats."""
    leads = [channel for channel in channels if channel.is_standard_lead and channel.unit in VOLTAGES]
    if not leads:
        return []
    gains = {(one.gain, one.unit) for one in leads if one.label in ("I", "II", "III")}
    if len(gains) == 1 and (gain := next(iter(gains))[0]) is not None:
        counts = {
            one.label: one.samples.astype(np.float64) - one.baseline for one in leads if one.label in ("I", "II", "III")
        }
        doubled = {lead: _whole(2 * rows) for lead, rows in derive_limb_leads(counts).items()}
        if all(rows is not None for rows in doubled.values()):
            return _of_counts(leads, doubled, 2 * gain)
    found = derive_limb_leads({one.label: _in_millivolts(one) for one in leads})
    return [
        Channel(lead, rows, leads[0].sample_rate_hz, "mV", missing=_missing(rows), derived=True)
        for lead, rows in found.items()
        if lead not in {one.label for one in leads}
    ]


def _of_counts(leads: Sequence[Channel], counts: dict[str, Native | None], gain: float) -> list[Channel]:
    absent = [one.missing for one in leads if one.label in ("I", "II", "III") and one.missing is not None]
    missing = np.logical_or.reduce(absent) if absent else None
    first = next(one for one in leads if one.label in ("I", "II", "III"))
    present = {one.label for one in leads}
    return [
        Channel(lead, rows, first.sample_rate_hz, first.unit, gain, missing=missing, derived=True)
        for lead, rows in counts.items()
        if rows is not None and lead not in present
    ]


def _whole(values: NDArray[np.float64]) -> Native | None:
    """The values as the smallest integers that hold them; None where they are no whole numbers."""
    rounded = np.rint(values)
    if not np.array_equal(rounded, values) or (rounded.size and np.abs(rounded).max() >= 1 << 31):
        return None
    narrow = not rounded.size or np.abs(rounded).max() < 1 << 15
    return rounded.astype(np.int16) if narrow else rounded.astype(np.int32)


def _in_millivolts(channel: Channel) -> NDArray[np.float64]:
    """Physical values; voltages in millivolts."""
    values = channel.physical()
    factor = MILLIVOLTS_PER[Unit(channel.unit)] if channel.unit in VOLTAGES else 1.0
    return values if factor == 1.0 else values * factor


def _missing(values: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.bool_] | None:
    absent = np.isnan(values)
    return absent if absent.any() else None
