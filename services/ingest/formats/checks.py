"""Checks that every recording goes through, whatever its format. They remark; they change nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from precordia.leads import STANDARD_LEADS, check_einthoven
from precordia.record import MILLIVOLTS_PER, Channel, Remark, Unit
from services.ingest.formats._check_kernels import deviation, residual_span

_STANDARD = frozenset(STANDARD_LEADS)
_FACTORS = {unit.value: factor for unit, factor in MILLIVOLTS_PER.items()}
_STANDARDISED = Unit.STANDARDISED.value
_INT16, _FLOAT64 = np.dtype(np.int16), np.dtype(np.float64)

EINTHOVEN_COUNTS = 2.0
EINTHOVEN_FLOAT_MV = 0.005
"""For floats, whose step is not known: the usual step of 2.5 uV, twice."""

IMPLAUSIBLE_ABOVE_MV = 5.0
IMPLAUSIBLE_BELOW_MV = 0.002

SPREAD_SAMPLES = 1024
"""Of a lead so many samples, or up to twice as many, evenly spaced, tell how large it is, to a factor of ten."""

COARSE_STEP_MV = 0.02
"""Electrocardiographs store 0.005 mV for each count or less (IEC 60601-2-25); four times that is no device's."""


def remarks_on(channels: Sequence[Channel]) -> tuple[Remark, ...]:
    """Everything noteworthy about a recording's channels."""
    leads = [channel for channel in channels if channel.label in _STANDARD]
    if not leads:
        return (
            Remark("no_standard_lead", "No channel is one of the twelve standard leads."),
            *_missing(channels),
        )
    return (*_missing(channels), *_lengths(leads), *_einthoven(leads), *_amplitude(leads), *_resolution(leads))


def _missing(channels: Sequence[Channel]) -> list[Remark]:
    shares = [(channel.label, _share(channel.missing)) for channel in channels if channel.missing is not None]
    return [
        Remark("missing_samples", f"{share:.2%} of the samples are missing.", label) for label, share in shares if share
    ]


def _share(missing: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(missing)) / max(1, missing.size)


def _lengths(leads: Sequence[Channel]) -> list[Remark]:
    if len({(lead.sample_rate_hz, lead.samples.size) for lead in leads}) == 1:
        return []
    return [Remark("uneven_leads", "The leads differ in sampling rate or length.")]


def _einthoven(leads: Sequence[Channel]) -> list[Remark]:
    limb = {lead.label: lead for lead in leads if lead.label in ("I", "II", "III") and not lead.derived}
    if len(limb) < 3 or len({(lead.samples.size, lead.sample_rate_hz, lead.unit) for lead in limb.values()}) > 1:
        return []
    factor = _FACTORS.get(limb["I"].unit)
    if factor is None:
        return []
    if _fit_in_counts(*(limb[name] for name in ("I", "II", "III"))):
        return []
    one, two, three = (_physical(limb[name]) for name in ("I", "II", "III"))
    steps = [abs(1 / lead.gain) for lead in limb.values() if lead.gain]
    allowed = EINTHOVEN_COUNTS * max(steps) if steps else EINTHOVEN_FLOAT_MV / factor
    low, high = residual_span(one, two, three) if one.size else (math.nan, math.nan)
    if max(-low, high) <= allowed and low == low:  # NaN where a sample is missing
        return []
    check = check_einthoven(one, two, three)
    if check is None or check.largest <= allowed * (1 + 1e-9):
        return []
    return [
        Remark(
            "einthoven",
            f"I + III differs from II by up to {check.largest * factor:.3f} mV "
            f"(median {check.median * factor:.3f} mV, worst at sample {check.worst_sample}).",
        )
    ]


def _physical(lead: Channel) -> NDArray[np.float64]:
    """As `Channel.physical`, and the samples themselves where they are that already."""
    if lead.gain is None and lead.missing is None and lead.samples.dtype == _FLOAT64:
        return lead.samples  # type: ignore[return-value]  # float64, as was asked
    return lead.physical()


def _fit_in_counts(one: Channel, two: Channel, three: Channel) -> bool:
    """Whether whole numbers of one scale obey the law as they stand: the common case, told without floats."""
    for lead in (one, two, three):
        if lead.samples.dtype != _INT16 or lead.missing is not None or not lead.samples.size:
            return False
        if (lead.gain, lead.baseline) != (one.gain, one.baseline):
            return False
    low, high = residual_span(one.samples, two.samples, three.samples)
    return bool(max(abs(low - one.baseline), abs(high - one.baseline)) <= EINTHOVEN_COUNTS)


def _amplitude(leads: Sequence[Channel]) -> list[Remark]:
    spread = [_spread_mv(lead) for lead in leads if lead.unit != _STANDARDISED]
    known = [value for value in spread if value is not None and math.isfinite(value)]
    if not known:
        return []
    typical = median(known)
    if typical > IMPLAUSIBLE_ABOVE_MV or typical < IMPLAUSIBLE_BELOW_MV:
        return [
            Remark(
                "implausible_amplitude",
                f"The leads have a standard deviation of {typical:.3g} mV; check unit and gain.",
            )
        ]
    return []


def _resolution(leads: Sequence[Channel]) -> list[Remark]:
    """A step that no electrocardiograph has: the stated calibration may not be the samples' own."""
    steps = [_FACTORS.get(lead.unit, 0.0) / abs(lead.gain) for lead in leads if lead.gain]
    if not steps or max(steps) <= COARSE_STEP_MV:
        return []
    return [
        Remark(
            "coarse_resolution",
            f"One count is {max(steps):.3g} mV by what the file says, electrocardiographs have 0.005 mV or less; "
            "check the calibration.",
        )
    ]


def _spread_mv(lead: Channel) -> float | None:
    factor = _FACTORS.get(lead.unit)
    every = max(1, lead.samples.size // SPREAD_SAMPLES)
    known = lead.samples if lead.missing is None else lead.samples[~lead.missing]
    if factor is None or known.size == 0:
        return None
    return float(deviation(known, every)) * (factor / abs(lead.gain) if lead.gain else factor)
