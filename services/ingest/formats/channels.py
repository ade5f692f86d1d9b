"""Making channels: names put on, inverted leads turned upright."""

from __future__ import annotations

from dataclasses import replace

from precordia.record import MILLIVOLTS_PER, Channel
from services.ingest.formats.facts import NamedLead


def upright(channel: Channel, name: NamedLead) -> Channel:
    """The channel under its resolved name.

    A lead that the source stores upside down (-aVR) keeps its numbers: integers get a negative
    gain, floats are negated.
    """
    named = replace(channel, label=name.label, source_label=name.source_label)
    if not name.inverted:
        return named
    if named.gain is not None:
        return replace(named, gain=-named.gain)
    return replace(named, samples=-named.samples)


def millivolts(channel: Channel) -> tuple[float, ...]:
    """A channel's samples in millivolts, for what is kept beside a signal; empty where it is no voltage."""
    factor = next((factor for unit, factor in MILLIVOLTS_PER.items() if unit.value == channel.unit), 0.0)
    return tuple((channel.physical() * factor).tolist()) if factor else ()
