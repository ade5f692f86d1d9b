"""Checks that every recording goes through, whatever its format. They remark; they change nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from precordia.leads import check_einthoven
from precordia.record import MILLIVOLTS_PER, Channel, Remark, Unit

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
    leads = [channel for channel in channels if channel.is_standard_lead]
    if not leads:
        return (
            Remark("no_standard_lead", "No channel is one of the twelve standard leads."),
            *_missing(channels),
        )
    return (*_missing(channels), *_lengths(leads), *_einthoven(leads), *_amplitude(leads), *_resolution(leads))


def _missing(channels: Sequence[Channel]) -> list[Remark]:
    remarks = []
    for channel in channels:
        fraction = _share(channel.missing) if channel.missing is not None else 0.0
        if fraction:
            remarks.append(Remark("missing_samples", f"{fraction:.2%} of the samples are missing.", channel.label))
    return remarks


def _share(missing: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(missing)) / max(1, missing.size)


def _lengths(leads: Sequence[Channel]) -> list[Remark]:
    if len({(lead.sample_rate_hz, lead.samples.size) for lead in leads}) == 1:
        return []
    return [Remark("uneven_leads", "The leads differ in sampling rate or length.")]


def _millivolts(channel: Channel) -> float | None:
    for unit, factor in MILLIVOLTS_PER.items():
        if channel.unit == unit.value:
            return factor
    return None


def _einthoven(leads: Sequence[Channel]) -> list[Remark]:
    limb = {lead.label: lead for lead in leads if lead.label in ("I", "II", "III") and not lead.derived}
    if len(limb) < 3 or len({(lead.samples.size, lead.sample_rate_hz, lead.unit) for lead in limb.values()}) > 1:
        return []
    factor = _millivolts(limb["I"])
    if factor is None:
        return []
    if _fit_in_counts(*(limb[name] for name in ("I", "II", "III"))):
        return []
    one, two, three = (limb[name].physical() for name in ("I", "II", "III"))
    steps = [abs(1 / lead.gain) for lead in limb.values() if lead.gain]
    allowed = EINTHOVEN_COUNTS * max(steps) if steps else EINTHOVEN_FLOAT_MV / factor
    residual = one + three - two
    if residual.size and max(-residual.min(), residual.max()) <= allowed:  # False where a sample is missing, too
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


def _fit_in_counts(one: Channel, two: Channel, three: Channel) -> bool:
    """Whether whole numbers of one scale obey the law as they stand: the common case, told without floats."""
    leads = (one, two, three)
    scales = {(lead.gain, lead.baseline, lead.missing is None, lead.samples.dtype) for lead in leads}
    if scales != {(one.gain, one.baseline, True, np.dtype(np.int16))}:
        return False
    residual = one.samples.astype(np.int32) + three.samples - two.samples
    low, high = int(residual.min(initial=0)), int(residual.max(initial=0))
    return max(abs(low - one.baseline), abs(high - one.baseline)) <= EINTHOVEN_COUNTS


def _amplitude(leads: Sequence[Channel]) -> list[Remark]:
    spread = [_spread_mv(lead) for lead in leads if lead.unit != Unit.STANDARDISED.value]
    known = [value for value in spread if value is not None and np.isfinite(value)]
    if not known:
        return []
    typical = float(np.median(known))
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
    steps = [(_millivolts(lead) or 0.0) / abs(lead.gain) for lead in leads if lead.gain]
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
    factor = _millivolts(lead)
    if factor is None or lead.samples.size == 0:
        return None
    every = max(1, lead.samples.size // SPREAD_SAMPLES)
    values = lead.samples[::every] if lead.missing is None else lead.samples[~lead.missing][::every]
    if values.size == 0:
        return None
    spread = float(values.std(dtype=np.float64))  # not by BLAS: its threads cost more than they save here
    return spread * (factor / abs(lead.gain) if lead.gain else factor)
