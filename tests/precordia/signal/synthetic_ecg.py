"""A 12-lead ECG made of a heart vector: every lead is its projection, so that all laws between leads hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from precordia.leads import STANDARD_LEADS, derive_limb_leads
from precordia.record import Signal, Unit

RATE_HZ = 500.0
_CHEST_DEGREES = {"V1": 115.0, "V2": 90.0, "V3": 70.0, "V4": 50.0, "V5": 20.0, "V6": 0.0}

# Time from the R peak (s), width (s), left, down, front (mV): P, septum, main, base, T.
_WAVES = (
    (-0.16, 0.022, 0.09, 0.10, 0.04),
    (-0.025, 0.008, -0.10, -0.05, 0.25),
    (0.0, 0.012, 1.0, 0.8, -0.35),
    (0.028, 0.010, -0.12, -0.15, -0.45),
    (0.26, 0.045, 0.30, 0.25, 0.20),
)

Leads = dict[str, NDArray[np.float64]]


def heart_vector(time_s: NDArray[np.float64], beat_s: float) -> NDArray[np.float64]:
    """Left, down and front components in mV, (3, samples)."""
    since = (time_s + 0.4) % beat_s - 0.4
    parts = np.zeros((3, time_s.size))
    for at, width, *direction in _WAVES:
        parts += np.outer(direction, np.exp(-((since - at) ** 2) / (2 * width**2)))
    return parts


def leads(seconds: float = 10.0, rate_hz: float = RATE_HZ, beat_s: float = 0.83, seed: int = 0) -> Leads:
    """All twelve leads in mV with 4 uV of noise in each electrode."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    left, down, front = heart_vector(time_s, beat_s)
    generator = np.random.default_rng(seed)
    noise = generator.normal(0, 0.004, (8, time_s.size))
    made = {"I": 0.9 * left + noise[0], "II": 0.45 * left + 0.9 * down + noise[1]}
    made |= derive_limb_leads(made)
    for index, (lead, degrees) in enumerate(_CHEST_DEGREES.items()):
        angle = np.radians(degrees)
        made[lead] = 1.3 * (np.cos(angle) * left + np.sin(angle) * front) + 0.1 * down + noise[2 + index]
    return {lead: made[lead] for lead in STANDARD_LEADS}


def limb(made: Leads, one: NDArray[np.float64], two: NDArray[np.float64]) -> Leads:
    """The ECG with other leads I and II, and what follows from them."""
    return made | derive_limb_leads({"I": one, "II": two}) | {"I": one, "II": two}


def as_signal(made: Leads, rate_hz: float = RATE_HZ, unit: Unit = Unit.MILLIVOLT) -> Signal:
    """As float32, nothing derived."""
    return Signal(np.stack(list(made.values())).astype(np.float32), tuple(made), rate_hz, unit)
