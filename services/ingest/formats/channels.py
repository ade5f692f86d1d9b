"""Making channels: names put on, inverted leads turned upright."""

from __future__ import annotations

from precordia.record import MILLIVOLTS_PER, Channel
from services.ingest.formats.facts import NamedLead


def upright(channel: Channel, name: NamedLead) -> Channel:
    """The channel under its resolved name.

    A lead that the source stores upside down (-aVR) keeps its numbers: integers get a negative
    gain, floats are negated.
    """
    samples, gain = channel.samples, channel.gain
    if name.inverted and gain is not None:
        gain = -gain
    elif name.inverted:
        samples = -samples
    return Channel(
        label=name.label,
        samples=samples,
        sample_rate_hz=channel.sample_rate_hz,
        unit=channel.unit,
        gain=gain,
        baseline=channel.baseline,
        missing=channel.missing,
        source_label=name.source_label,
        derived=channel.derived,
    )


def millivolts(channel: Channel) -> tuple[float, ...]:
    """A channel's samples in millivolts, for what is kept beside a signal; empty where it is no voltage."""
    factor = next((factor for unit, factor in MILLIVOLTS_PER.items() if unit.value == channel.unit), 0.0)
    return tuple((channel.physical() * factor).tolist()) if factor else ()
