"""Electrodes that look swapped, and a calibration pulse that was left in the signal. Suspicions, never corrections."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from precordia.quality import Defect, Finding, Grade
from precordia.signal import _quality_kernels as kernels

Rows = NDArray[np.float32]

P_S, LEVEL_S, QRS_S = (-0.24, -0.088), (-0.112, -0.072), (-0.072, 0.08)
QRST_S, BEAT_S = (-0.072, 0.4), (-0.24, 0.44)
"""Parts of a beat against the middle of its QRS."""
_BIN_S = 0.008
LONGEST_BIN_S = 0.012
"""Below 83 Hz a QRS is a few samples, and has no shape to be judged by."""
_BEFORE_S = 0.28
_LENGTH_S = 0.72
_MOST_BEATS = 16
_FEWEST_BEATS = 3

P_MV = 0.02
"""A P wave this large has a sign."""
P_IN_TWO_MV = 0.03
FLAT_LIMB_MV = 0.1
"""Peak to peak of an isolated limb lead between two legs, where nothing beats (mnemonic REVERSE)."""
OTHER_LIMB_MV = 0.2
ORDER_SHARE = 0.85
"""A swap that brings the chest leads closer together than this share of what they are apart is suspected."""

_CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
_PAIRS = tuple(combinations(range(6), 2))


def _orders() -> NDArray[np.intp]:
    """The natural order of the chest leads, then one for each pair that is exchanged, (16, 6)."""
    orders = np.tile(np.arange(6), (1 + len(_PAIRS), 1))
    for order, (one, other) in zip(orders[1:], _PAIRS, strict=True):
        order[[one, other]] = order[[other, one]]
    return orders


_ORDERS = _orders()

PULSE_MV = 1.0
_PULSE_OFF_MV = 0.08


@dataclass(frozen=True, eq=False)
class TypicalBeat:
    """The median beat of each lead against its own level before the QRS, in bins of 8 ms.

    Attributes:
        values: (leads, bins), in the signal's unit; a bin is 8 ms, or one sample where that is more.
        middle: the bin of the QRS's middle.
        bin_s: length of a bin.
        lost: leads that are flat or missing; their beat says nothing but that.
    """

    leads: tuple[str, ...]
    values: Rows
    middle: int
    bin_s: float
    lost: frozenset[str] = frozenset()

    def lead(self, name: str) -> Rows:
        """One lead's beat, (bins,)."""
        row: Rows = self.values[self.leads.index(name)]
        return row

    def part(self, name: str, span_s: tuple[float, float]) -> Rows:
        """One lead between two times against the QRS's middle, (bins,)."""
        return self.lead(name)[bins_of(span_s, self.middle, self.bin_s)]

    def p_wave(self, name: str) -> float:
        """Largest plus smallest value of the P wave: positive where it is upright."""
        part = self.part(name, P_S)
        return float(part.max() + part.min())

    def qrs(self, name: str) -> float:
        """Largest plus smallest value of the QRS: positive where it is upright."""
        part = self.part(name, QRS_S)
        return float(part.max() + part.min())

    def has(self, *names: str) -> bool:
        """Whether all these leads are there and beat."""
        return set(names) <= set(self.leads) - self.lost


def bins_of(span_s: tuple[float, float], middle: int, bin_s: float) -> slice:
    """The bins between two times against the QRS's middle."""
    first, last = (middle + round(at_s / bin_s) for at_s in span_s)
    return slice(max(first, 0), last)


def typical_beat(values: Rows, leads: tuple[str, ...], rate_hz: float, lost: set[str]) -> TypicalBeat | None:
    """The median beat, found in the leads that are not lost; None where too few beats are seen."""
    width = max(1, round(_BIN_S * rate_hz))
    before, bins = round(_BEFORE_S * rate_hz), int(_LENGTH_S * rate_hz) // width
    kept = [index for index, lead in enumerate(leads) if lead not in lost]
    if not kept or values.shape[1] < 4 * before or width / rate_hz > LONGEST_BIN_S:
        return None
    speed = kernels.steepness(values if len(kept) == len(leads) else values[kept], width)
    places = kernels.beat_places(speed, max(1, round(0.08 * rate_hz)), round(0.25 * rate_hz), 0.45)
    places = places[(places >= before) & (places + bins * width - before < values.shape[1])][:_MOST_BEATS]
    if places.size < _FEWEST_BEATS:
        return None
    beats = kernels.median_beats(values, places, before, bins, width)
    middle, bin_s = round(before / width), width / rate_hz
    beats -= beats[:, bins_of(LEVEL_S, middle, bin_s)].mean(axis=1, keepdims=True)
    return TypicalBeat(leads, beats, middle, bin_s, frozenset(lost))


def misplaced(beat: TypicalBeat, *, limbs: bool) -> list[Finding]:
    """Electrodes that look swapped.

    Args:
        beat: the median beat.
        limbs: also judge the limb leads, which needs millivolts; the order of the chest leads does not.
    """
    found = [_arms(beat), _arm_and_leg(beat), _neutral(beat)] if limbs else []
    return [finding for finding in (*found, _chest_order(beat)) if finding is not None]


def _likeness(one: Rows, other: Rows) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / size if size else 0.0


def _arms(beat: TypicalBeat) -> Finding | None:
    """Lead I unlike V6 and upside down: its P wave points down, or its QRS does while that of aVR points up."""
    if not beat.has("I", "aVR", "V6"):
        return None
    likeness = _likeness(beat.part("I", BEAT_S), beat.part("V6", BEAT_S))
    p_wave = beat.p_wave("I")
    turned = p_wave < -P_MV or (p_wave <= P_MV and beat.qrs("I") < 0 < beat.qrs("aVR"))
    if likeness >= 0 or not turned:
        return None
    return Finding(
        Defect.ARMS_SWAPPED,
        Grade.POOR,
        "Lead I is upside down and unlike V6: the arm electrodes may be swapped (or the heart lies on the right).",
        "I",
        likeness,
        0.0,
    )


def _arm_and_leg(beat: TypicalBeat) -> Finding | None:
    """Lead II unlike V6, its P wave down and that of aVR up."""
    if not beat.has("II", "aVR", "V6") or beat.p_wave("II") >= -P_IN_TWO_MV or beat.p_wave("aVR") <= P_MV:
        return None
    likeness = _likeness(beat.part("II", BEAT_S), beat.part("V6", BEAT_S))
    if likeness >= 0:
        return None
    return Finding(
        Defect.ARM_AND_LEG_SWAPPED,
        Grade.POOR,
        "Lead II is upside down and aVR upright: the electrodes of right arm and left leg may be swapped.",
        "II",
        likeness,
        0.0,
    )


def _neutral(beat: TypicalBeat) -> Finding | None:
    """One limb lead shows nothing, the two others do: it lies between the legs."""
    names = ("I", "II", "III")
    if not set(names) <= set(beat.leads) or len(beat.lost & set(names)) > 1:
        return None
    sizes = {name: float(np.ptp(beat.lead(name))) for name in names}
    flat = min(names, key=sizes.__getitem__)
    if sizes[flat] >= FLAT_LIMB_MV or any(sizes[name] < OTHER_LIMB_MV for name in names if name != flat):
        return None
    return Finding(
        Defect.NEUTRAL_SWAPPED,
        Grade.POOR,
        f"Lead {flat} is nearly flat and the other limb leads are not: an arm electrode may be swapped with the "
        "right leg's.",
        flat,
        sizes[flat],
        FLAT_LIMB_MV,
    )


def _chest_order(beat: TypicalBeat) -> Finding | None:
    """V1 to V6 change step by step; where swapping two of them makes the steps much smaller, they look swapped."""
    if not beat.has(*_CHEST):
        return None
    part = np.stack([beat.part(name, QRST_S) for name in _CHEST])
    size = np.sqrt((part * part).sum(axis=1, keepdims=True))
    if size.min() <= 0:
        return None
    part = part / size
    apart = np.sqrt(np.maximum(2.0 - 2.0 * (part @ part.T), 0.0))
    steps = apart[_ORDERS[:, :-1], _ORDERS[:, 1:]].sum(axis=1)
    natural, which = float(steps[0]), int(np.argmin(steps[1:]))
    best = float(steps[1 + which])
    if natural <= 0 or best >= ORDER_SHARE * natural:
        return None
    one, other = (_CHEST[index] for index in _PAIRS[which])
    return Finding(
        Defect.CHEST_ORDER,
        Grade.POOR,
        f"V1 to V6 do not follow each other; with {one} and {other} exchanged they would.",
        one,
        best / natural,
        ORDER_SHARE,
    )


def calibration_pulse(values: Rows, leads: tuple[str, ...], rate_hz: float) -> list[Finding]:
    """A jump of 1 mV in all leads at once: the electrocardiograph's own pulse, left in the signal."""
    reach = max(1, round(0.01 * rate_hz))
    if len(leads) < 3 or values.shape[1] <= 2 * reach:
        return []
    mean = values.mean(axis=0)
    jumps = np.flatnonzero(np.abs(np.abs(mean[reach:] - mean[:-reach]) - PULSE_MV) < _PULSE_OFF_MV)
    if jumps.size == 0:
        return []
    steps = values[:, jumps + reach] - values[:, jumps]
    together = np.all(np.abs(np.abs(steps) - PULSE_MV) < 2 * _PULSE_OFF_MV, axis=0) & (
        np.abs(np.sign(steps).sum(axis=0)) == len(leads)
    )
    if not together.any():
        return []
    at_s = float(jumps[together][0]) / rate_hz
    return [
        Finding(
            Defect.CALIBRATION_PULSE,
            Grade.USABLE,
            f"All leads jump by 1 mV at {at_s:.2f} s: a calibration pulse is part of the signal.",
            "",
            at_s,
            PULSE_MV,
        )
    ]
