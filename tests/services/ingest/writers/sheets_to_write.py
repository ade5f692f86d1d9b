"""Sheets that the writers' tests write."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from precordia.leads import STANDARD_LEADS
from precordia.record import Channel, Device, Provenance, Recording, Sex
from services.ingest.export import export
from services.ingest.sheet import Sheet, sheets
from services.ingest.writers.written import WrittenFile

EXTREMES = np.array([-32767, 32767, 0, -1, 1, 7], np.int16)


def recording(*channels: Channel, **facts: object) -> Recording:
    """A recording of these channels; a woman of 62, unless said otherwise."""
    made = Recording(
        channels,
        Provenance("a", "0" * 64, "test", "1", "test"),
        patient_key="5eed" * 16,
        acquired_at=datetime(2020, 5, 17, 8, 30, 15),
        age_years=62.0,
        sex=Sex.FEMALE,
        device=Device(manufacturer="Maker", model="Model 7", statements=("Dr Who thinks so",)),
    )
    for name, value in facts.items():
        object.__setattr__(made, name, value)
    return made


def twelve_leads(
    *, samples: int = 1000, rate_hz: float = 500.0, gain: float = 204.8, baseline: float = 0.0, unit: str = "mV"
) -> Recording:
    """Random counts on twelve leads, the extremes of 16 bits at the front of the first."""
    values = np.random.default_rng(7).integers(-3000, 3000, (12, samples)).astype(np.int16)
    values[0, : EXTREMES.size] = EXTREMES[:samples]
    rows = zip(STANDARD_LEADS, values, strict=True)
    return recording(*(Channel(lead, row, rate_hz, unit, gain, baseline) for lead, row in rows))


def written(made: Recording, file_format: str, **options: object) -> tuple[WrittenFile, ...]:
    """The files of an export."""
    return tuple(export("rec-1", made, file_format=file_format, **options))


def only_sheet(made: Recording) -> Sheet:
    """The one sheet of a recording."""
    (sheet,) = sheets("rec-1", made)
    return sheet


def saved(files: tuple[WrittenFile, ...], folder: Path) -> Path:
    """Files in a folder; the path of the first."""
    for file in files:
        (folder / file.name).write_bytes(file.content)
    return folder / files[0].name
