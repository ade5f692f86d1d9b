"""Facts that a file states, set against the hints of the caller.

A hint fills a gap. Where file and hint both speak they must agree; where neither does, the error
names the field and the option that gives it. Nothing is ever concluded from amplitudes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from precordia.errors import HintConflict, InvalidArgument, MissingField, UnreadableFile
from precordia.leads import STANDARD_LEADS, LeadMatch, match_lead
from precordia.record import MILLIVOLTS_PER, Hints, Remark, Sex, Unit

MAX_RATE_HZ = 1e6
_STANDARD = frozenset(STANDARD_LEADS)

_VOLTAGES: dict[str, tuple[Unit, float]] = {
    "mv": (Unit.MILLIVOLT, 1.0),
    "millivolt": (Unit.MILLIVOLT, 1.0),
    "millivolts": (Unit.MILLIVOLT, 1.0),
    "uv": (Unit.MICROVOLT, 1.0),
    "\u00b5v": (Unit.MICROVOLT, 1.0),
    "\u03bcv": (Unit.MICROVOLT, 1.0),
    "microvolt": (Unit.MICROVOLT, 1.0),
    "microvolts": (Unit.MICROVOLT, 1.0),
    "nv": (Unit.MICROVOLT, 1e-3),
    "nanovolt": (Unit.MICROVOLT, 1e-3),
    "v": (Unit.MILLIVOLT, 1e3),
    "volt": (Unit.MILLIVOLT, 1e3),
    "volts": (Unit.MILLIVOLT, 1e3),
    "standardised": (Unit.STANDARDISED, 1.0),
    "standardized": (Unit.STANDARDISED, 1.0),
}


@dataclass(frozen=True)
class StatedUnit:
    """A unit as read: `unit`, and the factor from the stored value to it (1000 for volts)."""

    unit: Unit
    factor: float = 1.0

    @property
    def millivolts(self) -> float | None:
        """Millivolts in the unit as written; None where it is no voltage."""
        each = MILLIVOLTS_PER.get(self.unit)
        return None if each is None else each * self.factor


def stated_unit(text: str) -> StatedUnit | None:
    """The unit that a file's text means, or None where it is no voltage."""
    return _remembered_unit(text) if len(text) <= _REMEMBERED_LENGTH else _unit_of(text)


def _unit_of(text: str) -> StatedUnit | None:
    found = _VOLTAGES.get(text.replace("\0", "").strip().strip("[]()").lower())
    return StatedUnit(*found) if found else None


_remembered_unit = lru_cache(maxsize=256)(_unit_of)
_REMEMBERED_LENGTH = 32
"""Every file names the same few units, once for each lead."""


def checked_rate(value: float) -> float:
    """A sampling rate as a file states it.

    Raises:
        UnreadableFile: it is not a positive, finite, possible rate.
    """
    if not (math.isfinite(value) and 0 < value <= MAX_RATE_HZ):
        raise UnreadableFile("The file states a sampling rate that is not a positive number.", field="sample_rate_hz")
    return value


def resolve_rate(stated: float | None, hints: Hints, *, tolerance: float = 1e-6) -> float:
    """The sampling rate in Hz, from the file or else from the hint.

    Args:
        stated: what the file says, None where it is silent.
        hints: what the caller says.
        tolerance: relative difference that still counts as agreement.
    """
    hinted = hints.sample_rate_hz
    if stated is None:
        if hinted is None:
            raise MissingField(
                "The file does not say its sampling rate; give --rate HZ (sample_rate_hz).", field="sample_rate_hz"
            )
        if not (math.isfinite(hinted) and 0 < hinted <= MAX_RATE_HZ):
            raise InvalidArgument("--rate is a positive number of samples per second.", field="sample_rate_hz")
        return float(hinted)
    rate = checked_rate(stated)
    if hinted is not None and not math.isclose(hinted, rate, rel_tol=tolerance):
        raise HintConflict(
            f"The file says {rate:g} Hz, the hint says {hinted:g} Hz.",
            field="sample_rate_hz",
            file_value=rate,
            hint_value=hinted,
        )
    return rate


_GAINS = (1e-3, 1e9)
"""Counts for each mV that a recorder can have: from 1 V to 1 pV a count, far beyond any real one."""


def agree_unit(stated: StatedUnit, hints: Hints) -> StatedUnit:
    """The file's unit, after a look at the hints.

    Raises:
        HintConflict: a hint says something else.
    """
    if hints.unit is not None and hints.unit is not stated.unit:
        raise _conflict("unit", stated.unit.value, hints.unit.value)
    if hints.gain_adu_per_mv is not None and stated.unit is Unit.STANDARDISED:
        raise _conflict("gain_adu_per_mv", stated.unit.value, f"{hints.gain_adu_per_mv:g}")
    return stated


def agree_gain(counts_per_mv: float, hints: Hints) -> None:
    """Refuse a gain hint that contradicts the file's own gain."""
    hinted = hints.gain_adu_per_mv
    if hinted is not None and not math.isclose(hinted, counts_per_mv, rel_tol=1e-6):
        raise _conflict("gain_adu_per_mv", f"{counts_per_mv:g}", f"{hinted:g}")


def hinted_gain(hints: Hints) -> float | None:
    """The hint's counts for each millivolt, checked."""
    gain = hints.gain_adu_per_mv
    if gain is not None and not (math.isfinite(gain) and _GAINS[0] <= abs(gain) <= _GAINS[1]):
        raise InvalidArgument(
            f"--gain is a number of counts for each millivolt, {_GAINS[0]:g} to {_GAINS[1]:g}.",
            field="gain_adu_per_mv",
        )
    return gain


def hinted_unit(hints: Hints) -> Unit | None:
    """The unit that the hints give, be it in so many words or by steps that leave no unit.

    Raises:
        InvalidArgument: the hints contradict each other.
    """
    unitless = any(step.kind.removes_unit for step in hints.applied)
    if unitless and hints.unit not in (None, Unit.STANDARDISED):
        raise InvalidArgument(
            "The applied steps leave no physical unit, yet --unit names one; give --unit standardised.", field="unit"
        )
    unit = Unit.STANDARDISED if unitless else hints.unit
    if hinted_gain(hints) is None or unit is Unit.MILLIVOLT:
        return unit
    if unit is not None:
        raise InvalidArgument("--gain is in counts for each mV; it does not go with another --unit.", field="unit")
    return Unit.MILLIVOLT


def missing_unit() -> MissingField:
    """The error for a file of which nobody knows what its numbers mean."""
    return MissingField(
        "The file does not say the unit of its samples; give --unit mV, uV or standardised, "
        "or --gain ADU_PER_MV for bare counts. It is never guessed from the amplitude.",
        field="unit",
    )


def missing_leads(channels: int) -> MissingField:
    """The error for channels without names."""
    return MissingField(
        f"The file does not name its {channels} channels; give --leads with {channels} names in file order, "
        "for example --leads I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6.",
        field="lead_names",
        channels=channels,
    )


class NamedLead(NamedTuple):
    """One channel's name: the standard lead or the source's label, and whether it is upside down."""

    label: str
    inverted: bool
    source_label: str


def resolve_leads(stated: Sequence[str], hints: Hints) -> tuple[NamedLead, ...]:
    """Names of all channels in file order, from the file, with the hints where it is silent.

    A hint names channels that the file leaves without a standard lead; it may repeat what the file
    says, never change it.

    Raises:
        MissingField: an empty label, and no hint.
        HintConflict: the hint gives another lead to a channel, or another number of channels.
    """
    if len(stated) <= _REMEMBERED_LEADS and max(map(len, stated), default=0) <= _REMEMBERED_LENGTH:
        return _remembered_leads(tuple(stated), hints.lead_names)
    return _resolved_leads(stated, hints.lead_names)


def _resolved_leads(stated: Sequence[str], hinted: tuple[str, ...]) -> tuple[NamedLead, ...]:
    names = tuple(label.replace("\0", "").strip() for label in stated)
    if hinted:
        names = tuple(_agreed(name, hint) for name, hint in zip(names, _fitting(hinted, len(names)), strict=True))
    if not all(names):
        raise missing_leads(len(names))
    return _distinct([_named(name, source) for name, source in zip(names, stated, strict=True)])


_remembered_leads = lru_cache(maxsize=64)(_resolved_leads)
_REMEMBERED_LEADS = 16
"""The files of a database name the same leads in the same order."""


def duplicate_remarks(named: Sequence[NamedLead]) -> tuple[Remark, ...]:
    """A remark for each channel that bears the name of a lead which an earlier one already has."""
    return tuple(
        Remark("duplicate_lead", "The file holds this lead more than once; the first is taken as the lead.", name.label)
        for name in named
        if name.label not in _STANDARD and match_lead(name.source_label) and not match_lead(name.label)
    )


def _fitting(hinted: tuple[str, ...], channels: int) -> tuple[str, ...]:
    if len(hinted) != channels:
        raise HintConflict(
            f"The file has {channels} channels, --leads names {len(hinted)}.",
            field="lead_names",
            file_value=channels,
            hint_value=len(hinted),
        )
    return hinted


def _agreed(stated: str, hint: str) -> str:
    own, wanted = match_lead(stated), match_lead(hint)
    if own is None:
        return hint.strip()
    if own != wanted:
        raise _conflict("lead_names", stated[:32], hint[:32])
    return stated


def _named(name: str, source: str) -> NamedLead:
    match = match_lead(name) or LeadMatch(name[:64])
    own = name if source is name else source.replace("\0", "").strip()
    return NamedLead(match.lead, match.inverted, own[:64] or name[:64])


def _distinct(named: Sequence[NamedLead]) -> tuple[NamedLead, ...]:
    if len({name.label for name in named}) == len(named):
        return tuple(named)
    seen: dict[str, int] = {}
    result = []
    for name in named:
        seen[name.label] = seen.get(name.label, 0) + 1
        label = name.label if seen[name.label] == 1 else f"{name.label} ({seen[name.label]})"
        result.append(NamedLead(label, name.inverted, name.source_label))
    return tuple(result)


def _conflict(field: str, stated: str, hinted: str) -> HintConflict:
    return HintConflict(
        f"The file says {stated}, the hint says {hinted}.", field=field, file_value=stated, hint_value=hinted
    )


def parse_sex(text: str) -> Sex | None:
    """Sex as files write it: a word or its first letter, in any case."""
    return {"F": Sex.FEMALE, "FEMALE": Sex.FEMALE, "M": Sex.MALE, "MALE": Sex.MALE}.get(text.strip().upper())


_AGE = re.compile(r"^\s*(\d{1,3}(?:\.\d+)?)\s*([A-Z]*)\s*$", re.IGNORECASE)
_AGE_UNITS = {
    **dict.fromkeys(("", "Y", "YR", "YEAR", "YEARS", "A"), 1.0),
    **dict.fromkeys(("M", "MO", "MONTH", "MONTHS"), 12.0),
    **dict.fromkeys(("W", "WK", "WEEK", "WEEKS"), 52.1775),
    **dict.fromkeys(("D", "DAY", "DAYS"), 365.2425),
}
"""Of each unit in a year; words, DICOM's letters and UCUM's codes."""


def parse_age(text: str) -> float | None:
    """Age in years as files write it (`62`, `062Y`, `18M`, `43 years`); None where it is none that a person has."""
    match = _AGE.match(text)
    units = _AGE_UNITS.get(match.group(2).upper()) if match else None
    if match is None or units is None:
        return None
    return _possible_age(float(match.group(1)) / units)


def age_between(born: date | datetime | None, start: date | datetime | None) -> float | None:
    """Whole years of age at a time, None where either is unknown or the result is no age."""
    if born is None or start is None:
        return None
    days = (_day(start) - _day(born)).days
    return _possible_age(days // 365.2425)


def _day(moment: date | datetime) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _possible_age(years: float) -> float | None:
    return years if 0 <= years <= 120 else None


def parse_moment(text: str, zone: timezone | None = None) -> datetime | None:
    """A time as DICOM and HL7 write it (YYYYMMDDHHMMSS.FFFFFF&ZZXX), without fractions; None where it is none.

    Args:
        text: may stop after the day.
        zone: of a time that has none itself.
    """
    sign = max(text.rfind("+"), text.rfind("-"))
    own = parse_offset(text[sign:]) if sign >= 8 else zone
    digits = (text[:sign] if sign >= 8 else text).partition(".")[0]
    try:
        return datetime.strptime(digits.ljust(14, "0")[:14], "%Y%m%d%H%M%S").replace(tzinfo=own)
    except ValueError:
        return None


def parse_offset(text: str) -> timezone | None:
    """An offset from UTC (`+0130`), None where it is none."""
    if len(text) != 5 or text[0] not in "+-" or not text[1:].isdecimal():
        return None
    minutes = 60 * int(text[1:3]) + int(text[3:5])
    if minutes > 14 * 60:
        return None
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
