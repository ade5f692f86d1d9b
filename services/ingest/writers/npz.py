"""NPZ: x, float32 (channels, samples), NaN where missing, with rate, names and units beside it."""

from __future__ import annotations

import io

import numpy as np

from services.ingest.sheet import Sheet
from services.ingest.writers.written import WrittenFile

FORMAT = "npz"


def write(sheet: Sheet) -> tuple[WrittenFile, ...]:
    """Millivolts for every voltage; other channels in their own unit."""
    file = io.BytesIO()
    np.savez_compressed(
        file,
        x=sheet.values,
        rate_hz=np.float64(sheet.sample_rate_hz),
        leads=np.array(sheet.labels),
        units=np.array(sheet.units),
    )
    return (WrittenFile(f"{sheet.name}.npz", file.getvalue()),)
