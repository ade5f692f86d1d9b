"""Making channels: names put on, inverted leads turned upright."""

from __future__ import annotations

from dataclasses import replace

from precordia.record import Channel
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
