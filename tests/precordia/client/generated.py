"""WFDB records that a test makes, each with samples of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def record(seed: int, *, samples: int = 1000) -> tuple[bytes, bytes]:
    """Header and signal file of a 12-lead record at 500 Hz: smooth, so that it looks like no noise."""
    random = np.random.default_rng(seed)
    time = np.arange(samples)[:, None] / 500
    beats = np.exp(-(((time % 0.8) - 0.4) ** 2) / 0.0004) * random.uniform(100, 400, 12)
    values = (beats + random.normal(0, 4, (samples, 12))).astype("<i2")
    lines = [f"r{seed} 12 500 {samples}"]
    for column, lead in enumerate(LEADS):
        checksum = int(values[:, column].astype(np.int64).sum()) & 0xFFFF
        lines.append(f"r{seed}.dat 16 200/mV 16 0 {values[0, column]} {checksum} 0 {lead}")
    return ("\n".join(lines) + "\n").encode(), values.tobytes()


def write_records(folder: Path, count: int, *, samples: int = 1000) -> Path:
    """A folder of records."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        header, signal = record(seed, samples=samples)
        (folder / f"r{seed}.hea").write_bytes(header)
        (folder / f"r{seed}.dat").write_bytes(signal)
    return folder
