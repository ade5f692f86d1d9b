"""The recording: one ECG as its source has it, and the signal that is made from it.

Values only; nothing here reads or writes. The source's own numbers are the canonical ones:
integers with gain and baseline where the source has them, else floats. Millivolts are derived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.errors import MissingField, UnsupportedView
from precordia.leads import LIMB_LEADS, STANDARD_LEADS, derive_limb_leads
from precordia.steps import Step

Native = NDArray[np.int16] | NDArray[np.int32] | NDArray[np.float32] | NDArray[np.float64]


class Unit(Enum):
    """Unit of an ECG signal."""

    MILLIVOLT = "mV"
    MICROVOLT = "uV"
    STANDARDISED = "standardised"
    """No physical unit: standardised before it came here."""


MILLIVOLTS_PER = {Unit.MILLIVOLT: 1.0, Unit.MICROVOLT: 0.001}

_STANDARD, _LIMBS = frozenset(STANDARD_LEADS), frozenset(LIMB_LEADS)
_FACTORS = {unit.value: MILLIVOLTS_PER.get(unit, 1.0) for unit in Unit}
_STANDARDISED, _INT16 = Unit.STANDARDISED.value, np.dtype(np.int16)
_EXACT_BASELINE, _EXACT_GAINS = 1 << 22, (1e-6, 1e12)
"""Within these, counts of 16 bits minus a whole baseline are exact as float32, and so is the gain's range."""


class Sex(Enum):
    """As the source states it."""

    FEMALE = "female"
    MALE = "male"


@dataclass(frozen=True)
class Remark:
    """Something a reader or a check noticed. `lead` is empty when the whole recording is meant."""

    code: str
    message: str
    lead: str = ""


@dataclass(frozen=True)
class Hints:
    """What a caller knows about a file that the file does not say. A hint fills a gap only."""

    sample_rate_hz: float | None = None
    unit: Unit | None = None
    gain_adu_per_mv: float | None = None
    lead_names: tuple[str, ...] = ()
    applied: tuple[Step, ...] = ()
    delimiter: str = ""
    decimal_mark: str = ""
    time_column: int | None = None
    """Index of the column that holds time, -1 for none, None to detect."""
    variable: str = ""

    def to_json(self) -> dict[str, Any]:
        """Only what is set, canonical: equal hints give equal JSON."""
        said: dict[str, Any] = {
            "sample_rate_hz": self.sample_rate_hz,
            "unit": self.unit.value if self.unit else None,
            "gain_adu_per_mv": self.gain_adu_per_mv,
            "lead_names": list(self.lead_names) or None,
            "applied": [step.to_json() for step in self.applied] or None,
            "delimiter": self.delimiter or None,
            "decimal_mark": self.decimal_mark or None,
            "time_column": self.time_column,
            "variable": self.variable or None,
        }
        return {name: value for name, value in said.items() if value is not None}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Hints:
        """The inverse of `to_json`."""
        return Hints(
            sample_rate_hz=value.get("sample_rate_hz"),
            unit=Unit(value["unit"]) if "unit" in value else None,
            gain_adu_per_mv=value.get("gain_adu_per_mv"),
            lead_names=tuple(value.get("lead_names", ())),
            applied=tuple(Step.from_json(step) for step in value.get("applied", ())),
            delimiter=value.get("delimiter", ""),
            decimal_mark=value.get("decimal_mark", ""),
            time_column=value.get("time_column"),
            variable=value.get("variable", ""),
        )


@dataclass(frozen=True, eq=False)
class Channel:
    """One channel as the source has it.

    Attributes:
        label: the standard lead's name where it is one, else the source's label.
        samples: 1-D, the source's numbers: integers (with `gain` and `baseline`), or floats.
        missing: 1-D bool, True where the source says that a sample is absent; None = none is.
            Missing floats are NaN as well.
        sample_rate_hz: of this channel.
        unit: "mV", "uV", "standardised", or the source's own for channels that are no voltage.
        gain: counts for each `unit`; physical = (samples - baseline) / gain. None for floats.
        derived: computed here from other leads, not in the source.
    """

    label: str
    samples: Native
    sample_rate_hz: float
    unit: str
    gain: float | None = None
    baseline: float = 0.0
    missing: NDArray[np.bool_] | None = None
    source_label: str = ""
    derived: bool = False

    @property
    def is_standard_lead(self) -> bool:
        """Whether the channel is one of the twelve leads."""
        return self.label in _STANDARD

    @property
    def missing_fraction(self) -> float:
        """Share of samples that are absent, 0 to 1."""
        if self.samples.size == 0:
            return 1.0
        absent: float = np.isnan(self.physical()).mean()
        return absent

    def physical(self) -> NDArray[np.float64]:
        """Samples in `unit`, float64, NaN where missing."""
        values = self.samples.astype(np.float64)
        if self.gain is not None:
            values = (values - self.baseline) / self.gain
        if self.missing is not None:
            values[self.missing] = np.nan
        return values


@dataclass(frozen=True)
class Device:
    """What the recording device said, kept beside the signal and never used to change it."""

    manufacturer: str = ""
    model: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    measurements: Mapping[str, str] = field(default_factory=dict)
    statements: tuple[str, ...] = ()
    median_beats: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Millivolts by lead."""


@dataclass(frozen=True)
class Provenance:
    """Where a recording came from and what was done on the way.

    `source_sha256` is over the source's bytes and those of its companions (by name). A recording's
    identity is source, index and hints.
    """

    source_name: str
    source_sha256: str
    reader: str
    reader_version: str
    format: str
    source_index: int = 0
    source_record: str = ""
    hints: Hints = field(default_factory=Hints)
    transforms: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Signal:
    """Standard leads on one time base, ready for a viewer or for conditioning.

    Attributes:
        values: float32, (leads, samples), in `unit`; NaN where missing.
        leads: standard names, one for each row.
        applied: conditioning steps the signal already went through.
        derived: leads among `leads` that were computed from others.
    """

    values: NDArray[np.float32]
    leads: tuple[str, ...]
    sample_rate_hz: float
    unit: Unit = Unit.MILLIVOLT
    applied: tuple[Step, ...] = ()
    derived: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return int(self.values.shape[1]) / self.sample_rate_hz

    def lead(self, name: str) -> NDArray[np.float32]:
        """Samples of one lead, (samples,)."""
        row: NDArray[np.float32] = self.values[self.leads.index(name)]
        return row


@dataclass(frozen=True, eq=False)
class Recording:
    """One ECG: channels as the source has them, facts about the patient and device, provenance."""

    channels: tuple[Channel, ...]
    provenance: Provenance
    applied: tuple[Step, ...] = ()
    patient_key: str = ""
    """Pseudonymous: a keyed hash, or the key of a public dataset. Never a name."""
    acquired_at: datetime | None = None
    """Without a zone where the source has none: the device's own clock, never taken for another."""
    age_years: float | None = None
    sex: Sex | None = None
    device: Device = field(default_factory=Device)
    labels: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def leads(self) -> tuple[str, ...]:
        """Standard leads present, in standard order."""
        present = {channel.label for channel in self.channels}
        return tuple(lead for lead in STANDARD_LEADS if lead in present)

    @property
    def unit(self) -> Unit | None:
        """Unit of the ECG leads as a signal: standardised, or millivolts; None without ECG leads."""
        units = {channel.unit for channel in self.ecg_channels}
        if not units:
            return None
        return Unit.STANDARDISED if Unit.STANDARDISED.value in units else Unit.MILLIVOLT

    @property
    def ecg_channels(self) -> tuple[Channel, ...]:
        """The channels that are standard leads."""
        return tuple(channel for channel in self.channels if channel.is_standard_lead)

    def with_remarks(self, *remarks: Remark) -> Recording:
        """The same recording with further remarks."""
        return replace(self, remarks=self.remarks + remarks)

    def signal(self, leads: tuple[str, ...] = STANDARD_LEADS) -> Signal:
        """The given leads in millivolts (or standardised), at the native rate.

        Limb leads that follow from those present are derived and named in `derived`; leads that
        are neither present nor derivable are NaN. A V lead is never made up.

        Raises:
            UnsupportedView: no standard lead, or leads of different rate or length.
        """
        present = {channel.label: channel for channel in self.channels if channel.label in _STANDARD}
        if not present:
            raise UnsupportedView("The recording has no standard ECG lead.")
        chosen = list(present.values())
        rates = {(channel.sample_rate_hz, channel.samples.size) for channel in chosen}
        if len(rates) > 1:
            raise UnsupportedView("The recording's leads differ in rate or length; read its channels instead.")
        rate_hz, samples = rates.pop()
        for channel in chosen:
            if channel.unit not in _FACTORS:
                raise _no_voltage(channel)
        standardised = any(channel.unit == _STANDARDISED for channel in chosen)
        derived = {} if standardised else _derived(present, leads)
        values = np.empty((len(leads), samples), np.float32)
        scale = _scale_in_float32(chosen)
        for row, lead in zip(values, leads, strict=True):
            if lead not in present:
                row[:] = derived.get(lead, np.nan)
            elif scale is None:
                row[:] = _in_signal_unit(present[lead])
            else:
                _fill(row, present[lead].samples, *scale)
        return Signal(
            values=values,
            leads=leads,
            sample_rate_hz=rate_hz,
            unit=Unit.STANDARDISED if standardised else Unit.MILLIVOLT,
            applied=self.applied,
            derived=tuple(lead for lead in leads if lead in derived)
            + tuple(lead for lead in leads if lead in present and present[lead].derived),
        )


def _no_voltage(channel: Channel) -> MissingField:
    return MissingField(
        f"Lead {channel.label} has no unit that is a voltage; give --unit mV or --unit uV.", field="unit"
    )


def _in_signal_unit(channel: Channel) -> NDArray[np.float64]:
    factor = _FACTORS[channel.unit]
    values = channel.physical()
    return values if factor == 1.0 else values * factor


def _derived(present: Mapping[str, Channel], leads: tuple[str, ...]) -> Mapping[str, NDArray[np.float64]]:
    """Limb leads among `leads` that follow from those present, in the signal's unit."""
    wanted = _LIMBS.intersection(leads) - present.keys()
    if not wanted:
        return {}
    rows = {name: _in_signal_unit(present[name]) for name in ("I", "II", "III") if name in present}
    return {lead: row for lead, row in derive_limb_leads(rows).items() if lead in wanted}


def _fill(row: NDArray[np.float32], samples: Native, gain: float | None, baseline: float) -> None:
    """Samples of a scale that float32 holds, in the signal's unit."""
    row[:] = samples
    if baseline:
        row -= np.float32(baseline)
    if gain is not None:
        row /= np.float32(gain)


def _scale_in_float32(channels: Sequence[Channel]) -> tuple[float | None, float] | None:
    """Gain and baseline that all channels share, where dividing as float32 gives the nearest float32; else None.

    The quotient of two float32 rounded to 53 bits and then to 24 is the quotient rounded at once (Figueroa 1995).
    """
    gain, baseline = channels[0].gain, channels[0].baseline
    for channel in channels:
        if channel.missing is not None or channel.gain != gain or _FACTORS[channel.unit] != 1.0:
            return None
        if gain is not None and (channel.baseline != baseline or channel.samples.dtype != _INT16):
            return None
    if gain is None:
        return None, 0.0
    small = _EXACT_GAINS[0] <= abs(gain) <= _EXACT_GAINS[1] and abs(baseline) <= _EXACT_BASELINE
    exact = small and float(np.float32(gain)) == gain and float(baseline).is_integer()
    return (gain, float(baseline)) if exact else None
