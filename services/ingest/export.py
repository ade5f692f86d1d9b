"""Recordings as files again: what a view of them is in a format that other programs read."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidArgument, UnsupportedView
from precordia.leads import STANDARD_LEADS, derive_limb_leads
from precordia.record import MILLIVOLTS_PER, Channel, Recording, Unit

VIEWS = ("raw",)
MAX_RATE_HZ = 100_000.0


@dataclass(frozen=True)
class ExportFile:
    """One file of an export."""

    name: str
    content: bytes


@dataclass(frozen=True, eq=False)
class Block:
    """Channels on one time base.

    Attributes:
        values: float32 (channels, samples), NaN where missing.
        labels: standard leads first, in standard order; then the other channels under their own label.
        units: "mV" for every voltage, "standardised", or the source's own unit.
    """

    values: NDArray[np.float32]
    labels: tuple[str, ...]
    units: tuple[str, ...]
    sample_rate_hz: float


def blocks(recording: Recording) -> list[Block]:
    """All channels of a recording, those of one rate and length together; the one with the leads first.

    Limb leads that follow from those present are among them; a lead that is neither there nor
    follows is left out.
    """
    bases: dict[tuple[float, int], list[Channel]] = {}
    for channel in recording.channels:
        bases.setdefault((channel.sample_rate_hz, channel.samples.size), []).append(channel)
    found = [_block(rate, channels) for (rate, _), channels in bases.items()]
    return sorted(found, key=lambda block: -sum(label in STANDARD_LEADS for label in block.labels))


def _block(rate_hz: float, channels: Sequence[Channel]) -> Block:
    rows = [(channel.label, *_scaled(channel)) for channel in channels]
    leads = {label: values for label, values, unit in rows if label in STANDARD_LEADS and unit == "mV"}
    rows += [(label, values, "mV") for label, values in derive_limb_leads(leads).items()]
    order = {lead: place for place, lead in enumerate(STANDARD_LEADS)}
    rows.sort(key=lambda row: order.get(row[0], len(order)))
    return Block(
        values=np.stack([values for _, values, _ in rows]).astype(np.float32),
        labels=tuple(label for label, _, _ in rows),
        units=tuple(unit for _, _, unit in rows),
        sample_rate_hz=rate_hz,
    )


def _scaled(channel: Channel) -> tuple[NDArray[np.float64], str]:
    """Physical values, voltages in millivolts, and their unit."""
    values = channel.physical()
    if channel.unit in (Unit.MILLIVOLT.value, Unit.MICROVOLT.value):
        factor = MILLIVOLTS_PER[Unit(channel.unit)]
        return values if factor == 1.0 else values * factor, "mV"
    return values, channel.unit


def resampled(block: Block, rate_hz: float) -> Block:
    """The block at another rate. What was missing stays missing; gaps count as lines meanwhile.

    Raises:
        InvalidArgument: a rate that cannot be.
    """
    from precordia.signal import resample  # compiled code takes long to load and only this needs it

    if not 0 < rate_hz <= MAX_RATE_HZ:
        raise InvalidArgument(f"A rate is above 0 and at most {MAX_RATE_HZ:g} Hz.", field="sample_rate_hz")
    if rate_hz == block.sample_rate_hz or not block.values.shape[1]:
        return block
    missing = np.isnan(block.values)
    filled = np.stack([_bridged(row) for row in block.values]) if missing.any() else block.values
    values = resample(filled, from_hz=block.sample_rate_hz, to_hz=rate_hz)
    if missing.any():
        nearest = np.round(np.arange(values.shape[1]) * block.sample_rate_hz / rate_hz).astype(np.int64)
        values[missing[:, np.minimum(nearest, missing.shape[1] - 1)]] = np.nan
    return Block(values, block.labels, block.units, rate_hz)


def _bridged(row: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.flatnonzero(~np.isnan(row))
    if known.size == 0:
        return np.zeros_like(row)
    return np.interp(np.arange(row.size), known, row[known]).astype(np.float32)


def _npz(block: Block) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(
        file,
        x=block.values,
        rate_hz=np.float64(block.sample_rate_hz),
        leads=np.array(block.labels),
        units=np.array(block.units),
    )
    return file.getvalue()


def _csv(block: Block) -> bytes:
    """A line of names with units, then one line a sample; an empty cell is a missing sample."""
    names = ["time [s]", *(f"{label} [{unit}]" for label, unit in zip(block.labels, block.units, strict=True))]
    lines = [",".join(f'"{name}"' if "," in name or '"' in name else name for name in names)]
    cells = block.values.astype("U32")  # the shortest text that gives back the same float32
    cells[np.isnan(block.values)] = ""
    times = [repr(index / block.sample_rate_hz) for index in range(block.values.shape[1])]
    lines += [",".join(row) for row in zip(times, *cells.tolist(), strict=True)]
    return ("\n".join(lines) + "\n").encode()


FORMATS: dict[str, Callable[[Block], bytes]] = {"npz": _npz, "csv": _csv}


def export(
    recording_id: str,
    recording: Recording,
    *,
    file_format: str,
    view: str = "raw",
    sample_rate_hz: float | None = None,
) -> Iterator[ExportFile]:
    """One file a time base: `<recording>.npz`, and `<recording>-2-125hz.npz` for channels of another rate.

    Raises:
        UnsupportedView: a format or view that is not made here.
        InvalidArgument: a rate that cannot be.
    """
    check_export(file_format, view)
    for place, block in enumerate(blocks(recording)):
        shown = block if sample_rate_hz is None else resampled(block, sample_rate_hz)
        suffix = f"-{place + 1}-{block.sample_rate_hz:g}hz" if place else ""
        yield ExportFile(f"{recording_id}{suffix}.{file_format}", FORMATS[file_format](shown))


def check_export(file_format: str, view: str) -> None:
    """Refuse what is not made here, before the first file.

    Raises:
        UnsupportedView: a format or view that is not made here.
    """
    if file_format not in FORMATS:
        raise UnsupportedView(f"There is no export to '{file_format[:16]}'; there is: {', '.join(FORMATS)}.")
    if view not in VIEWS:
        raise UnsupportedView(f"There is no view '{view[:16]}'; there is: {', '.join(VIEWS)}.")
