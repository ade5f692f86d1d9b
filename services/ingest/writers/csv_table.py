"""CSV: a line of names with units, then one line a sample; an empty cell is a missing sample."""

from __future__ import annotations

import numpy as np

from services.ingest.sheet import Sheet
from services.ingest.writers.written import WrittenFile

FORMAT = "csv"


def write(sheet: Sheet) -> tuple[WrittenFile, ...]:
    """Seconds first, then a column for each channel; numbers in the fewest digits that give back the same float32."""
    names = ["time [s]", *(f"{label} [{unit}]" for label, unit in zip(sheet.labels, sheet.units, strict=True))]
    lines = [",".join(map(_quoted, names))]
    cells = sheet.values.astype("U32")
    cells[np.isnan(sheet.values)] = ""
    times = [repr(index / sheet.sample_rate_hz) for index in range(sheet.samples)]
    lines += [",".join(row) for row in zip(times, *cells.tolist(), strict=True)]
    return (WrittenFile(f"{sheet.name}.csv", ("\n".join(lines) + "\n").encode()),)


def _quoted(name: str) -> str:
    if not any(mark in name for mark in ',"\n\r'):
        return name
    return '"' + name.replace('"', '""').replace("\n", " ").replace("\r", " ") + '"'
