"""Channels of formats that state their own calibration: named, checked against the hints, turned upright."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from precordia.leads import match_lead
from precordia.record import MILLIVOLTS_PER, Channel, Hints, Remark
from services.ingest.formats.channels import upright
from services.ingest.formats.facts import (
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


def named_channels(stored: Sequence[Channel], hints: Hints) -> tuple[tuple[Channel, ...], tuple[Remark, ...]]:
    """The channels under their resolved names, and what is to be remarked about the names.

    Args:
        stored: channels under the source's own labels, with the unit as the source writes it.
        hints: of the caller; they may repeat what the file says of its leads, never change it.

    Raises:
        HintConflict: a hint contradicts rate, unit, gain or name of a lead.
        MissingField: a channel without a name, or a lead without a unit.
    """
    named = resolve_leads([channel.label for channel in stored], hints)
    channels = []
    for channel, name in zip(stored, named, strict=True):
        lead = match_lead(name.label) is not None
        if lead:
            resolve_rate(channel.sample_rate_hz, hints)
        channels.append(upright(_in_kept_unit(channel, hints, lead=lead), name))
    return tuple(channels), duplicate_remarks(named)


def _in_kept_unit(channel: Channel, hints: Hints, *, lead: bool) -> Channel:
    """The channel in mV, uV or its own unit; volts and nanovolts become the unit that is kept."""
    stated = stated_unit(channel.unit)
    if stated is None:
        return _with_hinted_unit(channel, hints) if lead and not channel.unit else channel
    agree_unit(stated, hints)
    gain = (1.0 if channel.gain is None else channel.gain) / stated.factor
    if stated.unit in MILLIVOLTS_PER and lead:
        agree_gain(gain / MILLIVOLTS_PER[stated.unit], hints)
    plain = channel.gain is None and stated.factor == 1.0 and channel.samples.dtype.kind == "f"
    return replace(channel, unit=stated.unit.value, gain=None if plain else gain)


def _with_hinted_unit(channel: Channel, hints: Hints) -> Channel:
    """A lead whose source gives no unit: what the caller says, or a question."""
    unit = hinted_unit(hints)
    if unit is None:
        raise missing_unit()
    gain = hinted_gain(hints)
    if channel.gain is not None and gain is not None:
        agree_gain(channel.gain, hints)
    return replace(channel, unit=unit.value, gain=channel.gain if channel.gain is not None else gain or 1.0)
