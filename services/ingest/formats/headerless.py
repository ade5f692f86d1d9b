"""Bare 16-bit samples without any header: read only for a caller who knows rate, gain and lead order.

Nothing in such a file says what it is, so it is never told by its bytes: it is what remains when no
other reader knows a file that is named like a signal file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from precordia.errors import HintConflict, MissingField, UnreadableFile
from precordia.record import Channel, Hints
from precordia.source import Source
from services.ingest.formats.calibrated import named_channels
from services.ingest.formats.facts import hinted_gain, hinted_unit, resolve_rate
from services.ingest.formats.limits import ReaderContext
from services.ingest.formats.parsed import ParsedEcg

FORMAT = "headerless"
VERSION = "1"

_NAMES = (".dat", ".raw")
_SENTINEL = -(1 << 15)
_SCRAMBLED = 0.5
"""Share of lead II's spread by which I + III may differ from it. Leads in the right order stay far
below, whatever filters they went through; columns that belong to several leads are far above."""


def may_be(source: Source) -> bool:
    """Whether a file that no reader knows could be one: by its name, since its bytes say nothing."""
    return source.name.lower().endswith(_NAMES)


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """Interleaved little-endian int16, one sample of each lead after the other.

    Raises:
        MissingField: rate, gain or lead order are not given; all that are missing are named.
        HintConflict: the file's length, or Einthoven's law, contradicts the lead order.
    """
    _check_given(hints)
    leads = len(hints.lead_names)
    samples, rest = divmod(len(source.content), 2 * leads)
    if rest:
        raise HintConflict(
            f"The file's length is no whole number of samples of {leads} leads; it has another number of leads, "
            "or is cut short.",
            field="lead_names",
            file_value=f"{len(source.content)} bytes",
            hint_value=leads,
        )
    if samples < 2:
        raise UnreadableFile("The file holds fewer than two samples for each lead.", format=FORMAT)
    context.limits.check_samples(leads, samples)
    rows = np.ascontiguousarray(np.frombuffer(source.content, "<i2").reshape(samples, leads).T)
    rate, gain = resolve_rate(None, hints), hinted_gain(hints)
    hinted_unit(hints)
    raw = [_channel(label, row, rate, gain) for label, row in zip(hints.lead_names, rows, strict=True)]
    channels, remarks = named_channels(raw, hints)
    _check_order(channels)
    return (ParsedEcg(channels=channels, applied=hints.applied, remarks=remarks),)


def _check_given(hints: Hints) -> None:
    given = {
        "sample_rate_hz": (hints.sample_rate_hz is not None, "sampling rate (--rate HZ)"),
        "gain_adu_per_mv": (hints.gain_adu_per_mv is not None, "counts for each mV (--gain ADU_PER_MV)"),
        "lead_names": (bool(hints.lead_names), "lead order (--leads I,II,...)"),
    }
    missing = [name for name, (known, _) in given.items() if not known]
    if missing:
        raise MissingField(
            "No reader knows this file. If it is bare 16-bit samples, give what it cannot say: "
            f"{', '.join(given[name][1] for name in missing)}.",
            field=missing[0],
            fields=",".join(missing),
        )


def _channel(label: str, row: NDArray[np.int16], rate: float, gain: float | None) -> Channel:
    missing = row == _SENTINEL
    return Channel(label, row, rate, "mV", gain, missing=missing if missing.any() else None)


def _check_order(channels: tuple[Channel, ...]) -> None:
    """Refuse an order of leads in which I + III is nothing like II."""
    limb = {channel.label: channel.physical() for channel in channels if channel.label in ("I", "II", "III")}
    if len(limb) < 3:
        return
    known = ~(np.isnan(limb["I"]) | np.isnan(limb["II"]) | np.isnan(limb["III"]))
    if not known.any():
        return
    residual = float(np.std((limb["I"] + limb["III"] - limb["II"])[known]))
    if residual > _SCRAMBLED * float(np.std(limb["II"][known])):
        raise HintConflict(
            "In the lead order given, I + III is nothing like II: the file has other leads or another number of them.",
            field="lead_names",
            file_value="another order",
            hint_value=",".join(channel.label for channel in channels)[:64],
        )
