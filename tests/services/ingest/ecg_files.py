"""ECG files that the tests make themselves."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Unit
from precordia.source import Source
from precordia.steps import Step

CONDITIONED = Hints(
    lead_names=STANDARD_LEADS,
    unit=Unit.STANDARDISED,
    applied=(Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40.0}), Step("z_score")),
)


def counts(seed: int = 0, *, samples: int = 200, leads: int = 12) -> NDArray[np.int16]:
    """Random counts, (samples, leads)."""
    return np.random.default_rng(seed).integers(-900, 900, (samples, leads)).astype(np.int16)


def wfdb(
    name: str = "ecg",
    seed: int = 0,
    *,
    rate_hz: float = 500,
    gain: float = 200,
    leads: tuple[str, ...] = STANDARD_LEADS,
    samples: int = 200,
    comments: str = "",
) -> Source:
    """A WFDB record in format 16: header and signal file."""
    values = counts(seed, samples=samples, leads=len(leads))
    lines = [f"{name} {len(leads)} {rate_hz:g} {samples}"]
    for column, lead in enumerate(leads):
        checksum = int(values[:, column].astype(np.int64).sum()) & 0xFFFF
        lines.append(f"{name}.dat 16 {gain:g}/mV 16 0 {values[0, column]} {checksum} 0 {lead}")
    header = "\n".join(lines) + "\n" + comments
    return Source(f"{name}.hea", header.encode(), {f"{name}.dat": values.astype("<i2").tobytes()})


def many(records: int = 20, *, samples: int = 100, first_id: int = 100) -> Source:
    """One NPZ with many standardised records and their identifiers."""
    file = io.BytesIO()
    values = np.stack([counts(seed, samples=samples) for seed in range(records)])
    np.savez(
        file,
        x=values,
        ecg_id=np.arange(first_id, first_id + records),
        scale=np.float64(0.001),
        fs=np.int64(100),
    )
    return Source("signals.npz", file.getvalue())


def table(records: int = 20, *, first_id: int = 100) -> bytes:
    """Labels for `many`: two groups, a patient for every two records, five folds."""
    lines = ["ecg_id,patient_id,strat_fold,super:NORM,super:MI,rhythm:AFIB"]
    for index in range(records):
        norm = int(index % 4 != 0)
        lines.append(f"{first_id + index},{index // 2},{index // 2 % 5 + 1},{norm},{1 - norm},{int(index % 7 == 0)}")
    return ("\n".join(lines) + "\n").encode()
