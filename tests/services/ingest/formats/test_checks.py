"""Checks on what was read."""

from __future__ import annotations

import numpy as np
import pytest

from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Recording, Unit
from services.ingest.formats import read_source
from tests.services.ingest.formats.written_files import ecg_counts, npy_file, wfdb_record

VALUES = ecg_counts(1000)


def codes(recording: Recording) -> list[str]:
    return [remark.code for remark in recording.remarks]


@pytest.mark.parametrize(("counts", "remarked"), [(0, False), (2, False), (3, True), (200, True)])
def test_einthoven_is_clean_up_to_two_counts(counts: int, remarked: bool) -> None:
    values = VALUES.copy()
    values[700, 2] += counts
    recording = read_source(wfdb_record(values))[0]
    assert ("einthoven" in codes(recording)) is remarked
    if remarked:
        assert "sample 700" in recording.remarks[0].message


def test_swapped_limb_leads_show_in_the_einthoven_check() -> None:
    values = VALUES.copy()
    values[:, [0, 1]] = values[:, [1, 0]]
    assert "einthoven" in codes(read_source(wfdb_record(values))[0])


@pytest.mark.parametrize(("factor", "remarked"), [(1.0, False), (0.06, False), (1000.0, True), (1e-6, True)])
def test_an_impossible_amplitude_is_remarked_and_never_acted_on(factor: float, remarked: bool) -> None:
    values = VALUES / 400 * factor
    hints = Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS)
    recording = read_source(npy_file(values), hints)[0]
    assert ("implausible_amplitude" in codes(recording)) is remarked
    np.testing.assert_array_equal(recording.channels[0].physical(), values[:, 0])


def test_standardised_signals_are_not_checked_as_voltages() -> None:
    values = np.random.default_rng(0).normal(size=(1000, 12))
    hints = Hints(sample_rate_hz=100, unit=Unit.STANDARDISED, lead_names=STANDARD_LEADS)
    assert codes(read_source(npy_file(values), hints)[0]) == ["steps_unknown"]


def test_the_missing_part_of_each_lead_is_reported() -> None:
    values = VALUES.copy()
    values[:250, 6] = -32768
    remark = read_source(wfdb_record(values))[0].remarks[0]
    assert (remark.code, remark.lead, "25.00%" in remark.message) == ("missing_samples", "V1", True)
