"""Traces: what a chart draws, made once from what came over the wire."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.record import Recording, Signal, Unit

_MILLIVOLT_UNITS = ("mV", "uV")


@dataclass(frozen=True, eq=False)
class Trace:
    """One lead or channel, ready to draw.

    Attributes:
        label: the lead's name, or the source's label.
        values: float32 (samples,), NaN where missing, with the median taken off, in millivolts; for
            what has no voltage, in its own unit, or scaled so that a deviation is half a millivolt.
        sample_rate_hz: of this trace.
        derived: computed from other leads.
        scaled: the amplitude is not millivolts.
    """

    label: str
    values: NDArray[np.float32]
    sample_rate_hz: float
    derived: bool = False
    scaled: bool = False

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.values.size / self.sample_rate_hz

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return bool(np.isnan(self.values).all())


def traces_of_signal(signal: Signal) -> tuple[Trace, ...]:
    """The leads of a signal. A standardised one is drawn at half a millivolt for each deviation."""
    scaled = signal.unit is Unit.STANDARDISED
    factor = {Unit.MILLIVOLT: 1.0, Unit.MICROVOLT: 0.001, Unit.STANDARDISED: 0.5}[signal.unit]
    return tuple(
        Trace(
            lead,
            _centred(signal.values[row].astype(np.float64) * factor),
            signal.sample_rate_hz,
            lead in signal.derived,
            scaled,
        )
        for row, lead in enumerate(signal.leads)
    )


def traces_of_recording(recording: Recording) -> tuple[Trace, ...]:
    """Every channel as the source has it, for recordings that are no 12-lead ECG."""
    traces = []
    for channel in recording.channels:
        values = channel.physical()
        scaled = channel.unit not in _MILLIVOLT_UNITS
        factor = 0.001 if channel.unit == "uV" else 1.0
        if scaled:
            spread = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
            factor = 0.5 / spread if spread > 0 else 1.0
        label = channel.label if not scaled else f"{channel.label} ({channel.unit or 'no unit'})"
        traces.append(Trace(label, _centred(values * factor), channel.sample_rate_hz, channel.derived, scaled))
    return tuple(traces)


def _centred(values: NDArray[np.float64]) -> NDArray[np.float32]:
    known = values[np.isfinite(values)]
    middle = np.median(known) if known.size else 0.0
    centred: NDArray[np.float32] = (values - middle).astype(np.float32)
    return centred
