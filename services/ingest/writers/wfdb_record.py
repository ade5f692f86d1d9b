"""WFDB: a header and a signal file, with the source's own integers, gain and baseline.

Samples are format 16; 24 or 32 only where the source's own integers need them.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from precordia.record import Channel, Remark
from services.ingest.sheet import Sheet
from services.ingest.writers.counts import Counts, as_counts, bits_needed
from services.ingest.writers.said import spell_steps
from services.ingest.writers.written import WrittenFile

FORMAT = "wfdb"


def write(sheet: Sheet) -> tuple[WrittenFile, ...]:
    """`<name>.hea` and `<name>.dat`; a missing sample is the format's own mark for it."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", sheet.name)
    bits = bits_needed(sheet.channels)
    counts = [_whole_baseline(as_counts(channel, bits)) for channel in sheet.channels]
    lines = [_record_line(sheet, name)]
    lines += [_signal_line(name, channel, one, bits) for channel, one in zip(sheet.channels, counts, strict=True)]
    lines += [f"# {comment}" for comment in _comments(sheet)]
    header = ("\n".join(lines) + "\n").encode()
    samples = np.stack([one.samples for one in counts], axis=1)
    rounded = tuple(
        Remark("rounded", "Samples were rounded to 16 bits.", channel.label)
        for channel, one in zip(sheet.channels, counts, strict=True)
        if not one.exact
    )
    return (WrittenFile(f"{name}.hea", header, rounded), WrittenFile(f"{name}.dat", _packed(samples, bits)))


def _whole_baseline(counts: Counts) -> Counts:
    """A header holds whole baselines only; what is left over is less than half a count."""
    return Counts(counts.samples, counts.gain, float(round(counts.baseline)), counts.missing, counts.exact)


def _packed(samples: NDArray[np.int32], bits: int) -> bytes:
    if bits == 24:
        return samples.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
    return samples.astype("<i2" if bits == 16 else "<i4").tobytes()


def _record_line(sheet: Sheet, name: str) -> str:
    line = f"{name} {len(sheet.channels)} {sheet.sample_rate_hz!r} {sheet.samples}"
    start = sheet.recording.acquired_at
    return line if start is None else f"{line} {start:%H:%M:%S} {start:%d/%m/%Y}"


def _signal_line(name: str, channel: Channel, counts: Counts, bits: int) -> str:
    first = int(counts.samples[0]) if counts.samples.size else 0
    checksum = int(counts.samples.astype(np.int64).sum()) & 0xFFFF
    unit = re.sub(r"\s+", "_", channel.unit) or "NU"
    label = re.sub(r"[\r\n]+", " ", channel.label)
    zero = int(counts.baseline)
    return f"{name}.dat {bits} {counts.gain!r}({zero})/{unit} {bits} 0 {first} {checksum} 0 {label}"


def _comments(sheet: Sheet) -> list[str]:
    recording = sheet.recording
    said = {
        "Age": f"{recording.age_years:g}" if recording.age_years is not None else "",
        "Sex": recording.sex.value.capitalize() if recording.sex else "",
        "Dx": ",".join(re.sub(r"[,\s]+", " ", label) for label in recording.labels),
        "Derived": ",".join(channel.label for channel in sheet.channels if channel.derived),
        "Applied": spell_steps(sheet.applied),
    }
    return [f"{name}: {value}" for name, value in said.items() if value]
