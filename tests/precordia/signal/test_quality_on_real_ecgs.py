"""Suspected swaps on real ECGs: swaps are made by calculation, so both kinds of error are known.

The rates stand in docs/quality.md; these bounds hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numba
import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from precordia.leads import STANDARD_LEADS, derive_limb_leads
from precordia.quality import Defect, Grade, Quality
from precordia.record import Signal, Unit
from precordia.signal.quality import assess_signal

pytestmark = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="whole ECGs take minutes uncompiled; test_quality_kernels does not"
)


Values = NDArray[np.float32]
PLACEMENT = {Defect.ARMS_SWAPPED, Defect.ARM_AND_LEG_SWAPPED, Defect.NEUTRAL_SWAPPED, Defect.CHEST_ORDER}


@pytest.fixture(scope="module")
def challenge(testdata: Path) -> dict[str, Values]:
    """Raw 12-lead ECGs of the Challenge in mV, by record."""
    found = {}
    for header in sorted((testdata / "cinc2021").rglob("*.hea")):
        record = wfdb.rdrecord(str(header.with_suffix("")))
        order = [record.sig_name.index(lead) for lead in STANDARD_LEADS]
        found[header.stem] = record.p_signal.T[order].astype(np.float32)
    return found


@pytest.fixture(scope="module")
def ptbxl(testdata: Path) -> list[Values]:
    """Every fourth record of PTB-XL at 100 Hz, standardised."""
    signals = np.load(testdata / "ptbxl-z" / "signals_100hz.npz")["x"][::4]
    return [(record.T * 0.001).astype(np.float32) for record in signals]


def of_challenge(values: Values) -> Quality:
    return assess_signal(Signal(values, STANDARD_LEADS, 500.0))


def of_ptbxl(values: Values) -> Quality:
    return assess_signal(Signal(values, STANDARD_LEADS, 100.0, Unit.STANDARDISED))


def with_limbs(values: Values, one: Values, two: Values) -> Values:
    limbs = derive_limb_leads({"I": one.astype(np.float64), "II": two.astype(np.float64)})
    rows = [one, two, *(limbs[lead] for lead in STANDARD_LEADS[2:6]), *values[6:]]
    return np.stack(rows).astype(np.float32)


def share(found: Sequence[Quality], defects: set[Defect]) -> float:
    return float(np.mean([any(one.defect in defects for one in quality.findings) for quality in found]))


def exchanged(values: Values, one: int, other: int) -> Values:
    order = list(range(12))
    order[one], order[other] = order[other], order[one]
    return values[order]


def test_correct_recordings_raise_few_suspicions(challenge: dict[str, Values], ptbxl: list[Values]) -> None:
    assert share([of_challenge(values) for values in challenge.values()], PLACEMENT) <= 0.02
    assert share([of_ptbxl(values) for values in ptbxl], PLACEMENT) <= 0.015


def test_real_amplitudes_are_plausible(challenge: dict[str, Values]) -> None:
    found = [of_challenge(values) for values in challenge.values()]
    assert share(found, {Defect.IMPLAUSIBLE_AMPLITUDE}) == 0.0
    assert share([of_challenge(1000 * values) for values in challenge.values()], {Defect.IMPLAUSIBLE_AMPLITUDE}) == 1.0
    assert share([of_challenge(values / 1000) for values in challenge.values()], {Defect.IMPLAUSIBLE_AMPLITUDE}) == 1.0


@pytest.mark.parametrize(
    ("swap", "defects", "least"),
    [
        (lambda v: with_limbs(v, -v[0], v[2]), {Defect.ARMS_SWAPPED}, 0.75),
        (lambda v: with_limbs(v, -v[2], -v[1]), {Defect.ARM_AND_LEG_SWAPPED, Defect.ARMS_SWAPPED}, 0.75),
        (lambda v: with_limbs(v, -v[2], 0.01 * v[1]), {Defect.NEUTRAL_SWAPPED}, 0.9),
    ],
    ids=["arms", "right arm and left leg", "right arm and right leg"],
)
def test_swapped_limb_electrodes_are_mostly_suspected(
    challenge: dict[str, Values], swap: Callable[[Values], Values], defects: set[Defect], least: float
) -> None:
    flat = {name for name, values in challenge.items() if any(np.ptp(row) < 0.01 for row in values)}
    found = [of_challenge(swap(values)) for name, values in challenge.items() if name not in flat]
    assert share(found, defects) >= least


@pytest.mark.parametrize(("one", "other", "least"), [(0, 2, 0.8), (2, 3, 0.8), (2, 5, 0.9), (0, 5, 0.95)])
def test_exchanged_chest_leads_are_mostly_suspected(ptbxl: list[Values], one: int, other: int, least: float) -> None:
    found = [of_ptbxl(exchanged(values, 6 + one, 6 + other)) for values in ptbxl]
    assert share(found, {Defect.CHEST_ORDER}) >= least


def test_recordings_with_dead_chest_leads_are_unusable(challenge: dict[str, Values]) -> None:
    assert of_challenge(challenge["JS45542"]).grade is Grade.UNUSABLE
    assert of_challenge(challenge["JS45551"]).grade is Grade.POOR


def test_the_leads_of_the_challenge_agree_and_those_of_ludb_were_scaled_one_by_one(
    challenge: dict[str, Values], testdata: Path
) -> None:
    assert share([of_challenge(values) for values in challenge.values()], {Defect.LEADS_DISAGREE}) == 0
    headers = sorted((testdata / "ludb" / "data").rglob("*.hea"))[:10]
    found = []
    for header in headers:
        record = wfdb.rdrecord(str(header.with_suffix("")))
        order = [[name.lower() for name in record.sig_name].index(lead.lower()) for lead in STANDARD_LEADS]
        values = record.p_signal.T[order]
        np.testing.assert_allclose(np.ptp(values, axis=1), 1.0, atol=0.01)  # no body does this
        found.append(of_challenge(values.astype(np.float32)))
    assert share(found, {Defect.LEADS_DISAGREE}) >= 0.9
