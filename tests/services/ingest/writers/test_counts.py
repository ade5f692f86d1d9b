from __future__ import annotations

import numpy as np
import pytest

from precordia.record import Channel
from services.ingest.writers.counts import MISSING, as_counts, bits_needed


def test_own_integers_stay_with_their_calibration() -> None:
    channel = Channel("II", np.array([-32767, 5, 32767], np.int16), 500.0, "mV", 204.8, 12.0)
    counts = as_counts(channel)
    assert counts.samples.tolist() == [-32767, 5, 32767]
    assert (counts.gain, counts.baseline, counts.exact) == (204.8, 12.0, True)


def test_missing_samples_are_the_mark_and_nothing_else_is() -> None:
    channel = Channel(
        "II", np.array([-32768, -32768, 3], np.int16), 500.0, "mV", 200.0, missing=np.array([True, False, False])
    )
    counts = as_counts(channel)
    assert counts.samples[0] == MISSING[16]
    assert (counts.known - counts.baseline).tolist() == [-32768, 3]
    assert MISSING[16] not in counts.known.tolist()
    assert counts.exact


def test_wide_integers_near_each_other_are_moved_and_stay_exact() -> None:
    channel = Channel("II", np.array([100_000, 130_000, 160_000], np.int32), 500.0, "uV", 2.0, 100_000.0)
    counts = as_counts(channel)
    assert counts.exact
    assert np.array_equal((counts.samples - counts.baseline) / counts.gain, channel.physical())


def test_a_channel_upside_down_gets_a_positive_gain() -> None:
    channel = Channel("II", np.array([10, -20], np.int16), 500.0, "mV", -200.0, 4.0)
    counts = as_counts(channel)
    assert counts.gain == 200.0
    assert np.array_equal((counts.samples - counts.baseline) / counts.gain, channel.physical())


def test_floats_made_of_round_counts_come_back_bit_by_bit() -> None:
    samples = (np.arange(-500, 500) / 1000).astype(np.float32)
    counts = as_counts(Channel("II", samples, 500.0, "mV"))
    assert counts.exact
    assert np.array_equal((counts.samples / counts.gain).astype(np.float32), samples)


def test_other_floats_are_rounded_to_the_finest_counts_that_fit() -> None:
    samples = np.random.default_rng(1).normal(size=1000)
    samples[3] = np.nan
    counts = as_counts(Channel("II", samples, 500.0, "mV"))
    assert not counts.exact
    assert counts.missing.tolist() == np.isnan(samples).tolist()
    known = ~np.isnan(samples)
    assert np.abs(counts.samples[known] / counts.gain - samples[known]).max() <= 0.5001 / counts.gain
    assert np.abs(counts.known).max() > 32767 / 5


@pytest.mark.parametrize(("largest", "bits"), [(32767, 16), (40_000, 24), (9_000_000, 32)])
def test_bits_are_those_that_the_own_integers_need(largest: int, bits: int) -> None:
    assert bits_needed((Channel("II", np.array([0, largest], np.int32), 500.0, "mV", 1.0),)) == bits


def test_a_channel_of_nothing_but_gaps_is_written() -> None:
    counts = as_counts(Channel("II", np.full(4, np.nan), 500.0, "mV"))
    assert counts.samples.tolist() == [MISSING[16]] * 4
