"""Signal quality: what is wrong with an ECG, lead by lead and between leads. It says so and changes nothing.

Where the measures come from. A flat line, missing and clipped samples, relative power of baseline
and noise are the usual signal quality indices of 12-lead ECGs (Clifford, Behar, Li and Rezek,
Physiol. Meas. 33, 2012; Johannesen and Galeotti, Physiol. Meas. 33, 2012); here they are kept in
millivolts, because a limit in millivolts can be seen on paper: 0.5 mm are 0.05 mV. Swapped electrodes
show by the signs that the clinical literature names (P and QRS upright in aVR, lead I unlike V6, one
limb lead below 0.1 mV, R waves out of order in V1 to V6; Garcia-Niebla et al., Ann. Noninvasive
Electrocardiol. 2009; the mnemonic REVERSE of Rudiger et al.); the limits were set on real ECGs
with swaps made by calculation, and `docs/quality.md` states what they find and what they miss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from precordia.quality import Defect, Finding, Grade, LeadQuality, Quality
from precordia.record import MILLIVOLTS_PER, Channel, Recording, Signal, Unit
from precordia.signal import _quality_kernels as kernels
from precordia.signal import lead_amplitude
from precordia.signal.lead_agreement import disagreement
from precordia.signal.lead_placement import calibration_pulse, misplaced, typical_beat

Rows = NDArray[np.float32]

FLAT_S = 1.0
"""A line this long that does not move is none of a heart's: the longest rest of a beating heart is moved by noise."""
FLAT_MV = 0.005
"""The usual step of an electrocardiograph (IEC 60601-2-25)."""
CLIP_S = 0.016
CLIP_EDGE_S = 0.006
CLIP_STEEP = 0.01
"""A QRS turns faster than this: an extreme value that is steeply reached and held so long is a rail."""

QUIET_S = 0.1
SMOOTH_S = 0.02
BLOCK_S = 0.2
TEN_S = 10.0
"""What is read at once: a baseline that moves over an hour disturbs no one."""
MAINS_HZ = (50, 60)
LOWEST_RATE_FOR_NOISE_HZ = 200.0
HUM_MARGIN = 1.15
"""A mains frequency that is off is measured a tenth too small; what it leaves must not be taken for noise."""

PLACEMENT_S = 60.0
"""Between leads, the first minute is looked at: electrodes are not swapped halfway."""


@dataclass(frozen=True)
class Limit:
    """From which value on a lead is not more than usable, poor, unusable."""

    defect: Defect
    usable: float
    poor: float
    unusable: float
    message: Callable[[float], str]

    def check(self, lead: str, value: float | None) -> Finding | None:
        """The finding, where the value is beyond a limit; None also where it is not measurable."""
        if value is None or value < self.usable:
            return None
        steps = ((self.unusable, Grade.UNUSABLE), (self.poor, Grade.POOR), (self.usable, Grade.USABLE))
        limit, grade = next((limit, grade) for limit, grade in steps if value >= limit)
        return Finding(self.defect, grade, self.message(value), lead, value, limit)


NEVER = math.inf
MISSING = Limit(Defect.MISSING, 0.01, 0.1, 0.5, lambda value: f"{value:.0%} of the samples are missing.")
FLAT = Limit(Defect.FLAT_LINE, 0.05, 0.2, 0.5, lambda value: f"{value:.0%} of the lead is a flat line.")
CLIPPING = Limit(
    Defect.CLIPPING,
    0.002,
    0.02,
    0.5,
    lambda value: f"{value:.1%} of the samples are cut off at the same extreme value.",
)
HUM = Limit(Defect.MAINS_HUM, 25.0, 100.0, NEVER, lambda value: f"Mains hum of {value:.0f} uV.")
WANDER = Limit(Defect.BASELINE_WANDER, 0.5, 2.0, NEVER, lambda value: f"The baseline wanders by {value:.2f} mV.")
NOISE = Limit(Defect.NOISE, 25.0, 100.0, NEVER, lambda value: f"Noise of {value:.0f} uV between the beats.")
TALL = Limit(
    Defect.IMPLAUSIBLE_AMPLITUDE,
    lead_amplitude.LARGE_MV,
    lead_amplitude.IMPOSSIBLE_MV,
    NEVER,
    lead_amplitude.message,
)
"""In order: 0.5 mm and 2 mm peak to peak on paper; half a large square's height, and four of them; as hum; what an
electrocardiograph has to show at most, and twice that."""


@dataclass(frozen=True)
class _Measures:
    """Of all leads: (leads,) each, None where not measurable."""

    missing: NDArray[np.float64]
    flat: NDArray[np.float64]
    clipped: NDArray[np.float64]
    hum_uv: NDArray[np.float64] | None
    hum_hz: NDArray[np.float64] | None
    baseline_mv: NDArray[np.float64] | None
    noise_uv: NDArray[np.float64] | None
    spans_mv: NDArray[np.float64] | None
    """(leads, stretches)."""


def assess(recording: Recording) -> Quality | None:
    """Quality of a recording's ECG leads as its source has them; None where it has none with samples.

    Leads that were computed from others are left out: they say nothing of their own. Leads that differ
    in rate or length are looked at one by one, and not compared with each other.
    """
    shown = [channel for channel in recording.ecg_channels if not channel.derived and channel.samples.size]
    known = [channel for channel in shown if channel.unit in {unit.value for unit in Unit}]
    if not known:
        return None
    together: dict[tuple[float, int, str], list[int]] = {}
    for index, channel in enumerate(known):
        together.setdefault((channel.sample_rate_hz, channel.samples.size, channel.unit), []).append(index)
    parts = []
    for (rate_hz, _, unit), members in together.items():
        factor = MILLIVOLTS_PER.get(Unit(unit), 1.0)
        values = np.stack([_as_float32(known[index], factor) for index in members])
        shown_as = Unit.STANDARDISED if unit == Unit.STANDARDISED.value else Unit.MILLIVOLT
        leads = tuple(known[index].label for index in members)
        parts.append(_assess(values, leads, rate_hz, shown_as))
    return parts[0] if len(parts) == 1 else _joined(parts)


def assess_signal(signal: Signal) -> Quality:
    """Quality of a signal; leads that were derived or that are not there are left out.

    Args:
        signal: float32 (leads, samples) in any unit; NaN where missing. It stays as it is.
    """
    leads = [lead for lead in signal.leads if lead not in signal.derived]
    values = signal.values[[signal.leads.index(lead) for lead in leads]].astype(np.float32, copy=False)
    if signal.unit is Unit.MICROVOLT:
        values *= np.float32(MILLIVOLTS_PER[Unit.MICROVOLT])
    unit = Unit.STANDARDISED if signal.unit is Unit.STANDARDISED else Unit.MILLIVOLT
    return _assess(values, tuple(leads), signal.sample_rate_hz, unit)


def _as_float32(channel: Channel, factor: float) -> Rows:
    """Samples in millivolts; float32 is fine enough to measure with, and half the work."""
    values = channel.samples.astype(np.float32)
    if channel.gain is not None:
        values -= np.float32(channel.baseline)
        values *= np.float32(factor / channel.gain)
    elif factor != 1.0:
        values *= np.float32(factor)
    if channel.missing is not None:
        values[channel.missing] = np.nan
    return values


@np.errstate(over="ignore", invalid="ignore")  # amplitudes of 1e30 mV are found, and said
def _assess(values: Rows, leads: tuple[str, ...], rate_hz: float, unit: Unit) -> Quality:
    """`values` are ours to change: (leads, samples) in millivolts, or standardised."""
    if values.shape[1] == 0 or not leads:
        return Quality(Grade.UNUSABLE)
    physical = unit is Unit.MILLIVOLT
    measures = _measure(values, rate_hz, physical=physical)
    found = _findings(measures, leads)
    graded = _graded(measures, leads, found)
    lost = {lead.lead for lead in graded if lead.grade is Grade.UNUSABLE}
    between = _between(values[:, : int(PLACEMENT_S * rate_hz)], leads, rate_hz, physical=physical, lost=lost)
    between += lead_amplitude.faint(measures.spans_mv) if measures.spans_mv is not None else []
    findings = sorted([finding for part in found for finding in part] + between, key=lambda one: -one.grade.rank)
    return Quality(overall(graded, between), tuple(findings), graded)


def _measure(values: Rows, rate_hz: float, *, physical: bool) -> _Measures:
    samples = values.shape[1]
    clip_run = max(3, round(CLIP_S * rate_hz) + 1)
    flat_run = max(clip_run + 1, min(round(FLAT_S * rate_hz), samples))
    edge = max(1, round(CLIP_EDGE_S * rate_hz))
    lost = kernels.lost_samples(values, flat_run, FLAT_MV if physical else 0.0, clip_run, edge, CLIP_STEEP) / samples
    blocks = _blocks_of(values, rate_hz) if physical else None
    hum = _hum(blocks, rate_hz) if blocks is not None else None
    noise = None
    if physical and rate_hz >= LOWEST_RATE_FOR_NOISE_HZ and samples >= rate_hz:
        half = max(1, round(SMOOTH_S * rate_hz / 2))
        width = 2 * half + 1
        power = np.median(kernels.rest_powers(values, width, round(QUIET_S * rate_hz)), axis=1)
        of_hum = (HUM_MARGIN * hum[0] / 1e3 * _rest_after_mean(hum[1] / rate_hz, width)) ** 2 / 2 if hum else 0.0
        noise = np.sqrt(np.maximum(power - of_hum, 0.0)) * 1e3
    return _Measures(
        missing=lost[:, kernels.MISSING],
        flat=lost[:, kernels.FLAT],
        clipped=lost[:, kernels.CLIPPED],
        hum_uv=hum[0] if hum else None,
        hum_hz=hum[1] if hum else None,
        baseline_mv=_wander(blocks) if blocks is not None else None,
        noise_uv=noise,
        spans_mv=lead_amplitude.spans(values, rate_hz) if physical else None,
    )


def _rest_after_mean(turns: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """What a sine of `turns` periods a sample keeps of its size when a moving mean over `width` is taken off."""
    rest: NDArray[np.float64] = 1.0 - np.sin(np.pi * turns * width) / (width * np.sin(np.pi * turns))
    return rest


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Blocks of 0.2 s, in each of which every multiple of 5 Hz is orthogonal to the others.

    Attributes:
        products: (leads, blocks, WAVES): the mean, then cosine and sine of 45, 50, 55, 60 and 65 Hz.
        turned: (blocks, lines, 2): how far each line has turned where a block begins.
    """

    products: NDArray[np.float32]
    turned: NDArray[np.float32]

    @property
    def means(self) -> NDArray[np.float32]:
        """(leads, blocks)."""
        means: NDArray[np.float32] = self.products[:, :, 0]
        return means


_MOST_BLOCKS = 9000
"""Half an hour."""
_LINES_HZ = (45.0, 50.0, 55.0, 60.0, 65.0)


def _has_lines(rate_hz: float) -> bool:
    """Whether the rate is high enough for all of the lines."""
    return rate_hz > 2.2 * _LINES_HZ[-1]


@lru_cache(maxsize=16)
def _waves(rate_hz: float, block: int) -> NDArray[np.float32]:
    """What a block is multiplied with: ones, then cosine and sine of each line, then zeros; (block, WAVES)."""
    columns = [np.full(block, 1.0 / block)]
    if _has_lines(rate_hz):
        time_s = np.arange(block) / rate_hz
        for hz in _LINES_HZ:
            columns += [np.cos(2 * np.pi * hz * time_s) * 2 / block, -np.sin(2 * np.pi * hz * time_s) * 2 / block]
    waves = np.zeros((block, kernels.WAVES), np.float32)
    waves[:, : len(columns)] = np.stack(columns, axis=1)
    return waves


@lru_cache(maxsize=64)
def _turned(rate_hz: float, block: int, blocks: int) -> NDArray[np.float32]:
    angles = 2 * np.pi * np.outer(np.arange(blocks) * block / rate_hz, _LINES_HZ)
    return np.stack([np.cos(angles), np.sin(angles)], axis=2).astype(np.float32)


def _blocks_of(values: Rows, rate_hz: float) -> _Blocks | None:
    block = round(BLOCK_S * rate_hz)
    blocks = values.shape[1] // block if block else 0
    if blocks < 5:
        return None
    # Hum is looked for in the first half hour, which bounds what is kept.
    products = kernels.block_products(values, _waves(rate_hz, block), blocks)
    return _Blocks(products, _turned(rate_hz, block, min(blocks, _MOST_BLOCKS)))


def _hum(blocks: _Blocks, rate_hz: float) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Amplitude in uV and frequency of the mains line that stands out of its neighbours, (leads,) each.

    The median over the blocks of two seconds is blind to beats, which come with changing phase; the
    median over all such spans to what lasts shortly. A mains frequency that is off by 0.2 Hz still shows.
    """
    if not _has_lines(rate_hz):
        return None
    count = blocks.turned.shape[0]
    levels = kernels.line_levels(blocks.products[:, :count], blocks.turned, min(10, count))
    power = np.median(levels, axis=2).T ** 2
    beyond = [power[1] - (power[0] + power[2]) / 2, power[3] - (power[2] + power[4]) / 2]
    amplitudes = np.sqrt(np.maximum(beyond, 0.0)) * 1e3
    which = np.argmax(amplitudes, axis=0)
    return amplitudes.max(axis=0), np.asarray(MAINS_HZ, dtype=np.float64)[which]


def _wander(blocks: _Blocks) -> NDArray[np.float64]:
    """Peak to peak of the mean over one second, which a beat hardly moves, in mV: of a typical ten seconds."""
    sums = np.cumsum(blocks.means, axis=1, dtype=np.float64)
    second = round(1.0 / BLOCK_S)
    means = (sums[:, second - 1 :] - np.pad(sums, ((0, 0), (1, 0)))[:, :-second]) / second
    span = round(TEN_S / BLOCK_S)
    if means.shape[1] < 2 * span:
        return np.asarray(np.ptp(means, axis=1))
    spans = means.shape[1] // span
    of_each = np.ptp(means[:, : spans * span].reshape(-1, spans, span), axis=2)
    return np.asarray(np.median(of_each, axis=1))


def _findings(measures: _Measures, leads: Sequence[str]) -> list[list[Finding]]:
    """Findings of each lead. What disturbs a lead that is lost anyway is not said."""
    lost = ((MISSING, measures.missing), (FLAT, measures.flat), (CLIPPING, measures.clipped))
    sizes = lead_amplitude.typical(measures.spans_mv) if measures.spans_mv is not None else None
    disturbed = ((TALL, sizes), (HUM, measures.hum_uv), (WANDER, measures.baseline_mv), (NOISE, measures.noise_uv))
    found: list[list[Finding]] = [[] for _ in leads]
    for limit, values in (*lost, *disturbed):
        if values is None or values.max() < limit.usable:
            continue
        for lead, value, so_far in zip(leads, values.tolist(), found, strict=True):
            finding = limit.check(lead, value)
            if finding is not None and not any(one.grade is Grade.UNUSABLE for one in so_far):
                so_far.append(finding)
    return found


def _graded(measures: _Measures, leads: Sequence[str], found: Sequence[Sequence[Finding]]) -> tuple[LeadQuality, ...]:
    nothing = [None] * len(leads)
    hum, hum_hz, wander, noise = (
        nothing if values is None else values.tolist()
        for values in (measures.hum_uv, measures.hum_hz, measures.baseline_mv, measures.noise_uv)
    )
    lost = zip(measures.missing.tolist(), measures.flat.tolist(), measures.clipped.tolist(), strict=True)
    disturbed = zip(hum, hum_hz, wander, noise, strict=True)
    return tuple(
        LeadQuality(lead, _worst(of_lead), missing, flat, clipped, uv, hz if uv else None, mv, rest)
        for lead, of_lead, (missing, flat, clipped), (uv, hz, mv, rest) in zip(
            leads, found, lost, disturbed, strict=True
        )
    )


def _worst(found: Sequence[Finding]) -> Grade:
    return max((finding.grade for finding in found), key=lambda grade: grade.rank, default=Grade.GOOD)


def _between(values: Rows, leads: tuple[str, ...], rate_hz: float, *, physical: bool, lost: set[str]) -> list[Finding]:
    """What shows only where leads are compared: sums that do not fit, swapped electrodes, a calibration pulse."""
    found: list[Finding] = []
    if physical:
        found += calibration_pulse(values, leads, rate_hz)
        # The pulse is in every lead, which no law of the body has: it would be taken for disagreement.
        found += [] if found else disagreement(values, leads, lost)
    beat = typical_beat(values, leads, rate_hz, lost)
    # Limb leads that contradict each other do not say which electrode is where.
    trusted = physical and not any(finding.grade is Grade.POOR for finding in found)
    return found + (misplaced(beat, limbs=trusted) if beat is not None else [])


def overall(leads: Sequence[LeadQuality], between: Sequence[Finding]) -> Grade:
    """The grade of the whole: by how many leads are lost or disturbed, and by what shows between leads."""
    grades = [lead.grade for lead in leads]
    lost = grades.count(Grade.UNUSABLE)
    disturbed = lost + grades.count(Grade.POOR)
    if 2 * lost >= len(grades):
        return Grade.UNUSABLE
    if lost or 2 * disturbed >= len(grades) or any(finding.grade is Grade.POOR for finding in between):
        return Grade.POOR
    return Grade.GOOD if not between and all(grade is Grade.GOOD for grade in grades) else Grade.USABLE


def _joined(parts: Sequence[Quality]) -> Quality:
    leads = tuple(lead for part in parts for lead in part.leads)
    findings = sorted((finding for part in parts for finding in part.findings), key=lambda one: -one.grade.rank)
    if not all(any(_is_faint(finding) for finding in part.findings) for part in parts):
        findings = [finding for finding in findings if not _is_faint(finding)]
    between = [finding for finding in findings if not finding.lead]
    return Quality(overall(leads, between), tuple(findings), leads)


def _is_faint(finding: Finding) -> bool:
    """Whether it says that all leads are too small, which is true of the whole where it is of each part."""
    return finding.defect is Defect.IMPLAUSIBLE_AMPLITUDE and not finding.lead
