"""A recording's signal is the nearest float32 to its physical values, whichever way it is worked out."""

from __future__ import annotations

import numpy as np
import pytest

from precordia.record import MILLIVOLTS_PER, Channel, Provenance, Recording, Unit

EVERY_COUNT = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
SOURCE = Provenance("a", "", "", "", "")


def assert_nearest(channel: Channel) -> None:
    values = Recording((channel,), SOURCE).signal(("V1",)).values[0]
    expected = (channel.physical() * MILLIVOLTS_PER[Unit(channel.unit)]).astype(np.float32)
    np.testing.assert_array_equal(values.view(np.int32), expected.view(np.int32))


@pytest.mark.parametrize("unit", ["mV", "uV"])
@pytest.mark.parametrize("baseline", [0.0, -7.0, 0.5, 4_000_000.0, 5e9])
@pytest.mark.parametrize("gain", [1000.0, -200.0, 204.8, 1 / 3, 3.0, 1e-3, 16777217.0, 1e-20])
def test_counts_become_the_nearest_float32(gain: float, baseline: float, unit: str) -> None:
    assert_nearest(Channel("V1", EVERY_COUNT, 500.0, unit, gain, baseline))


@pytest.mark.parametrize("kind", [np.int32, np.float32, np.float64])
def test_other_numbers_become_the_nearest_float32(kind: type) -> None:
    samples = np.random.default_rng(3).normal(0, 1e5, 1000).astype(kind)
    assert_nearest(Channel("V1", samples, 500.0, "mV", 1000.0 if kind is np.int32 else None))


def test_a_missing_sample_is_nan() -> None:
    missing = np.arange(65536) % 100 == 3
    values = Recording((Channel("V1", EVERY_COUNT, 500.0, "mV", 1000.0, 0.0, missing),), SOURCE).signal(("V1",)).values
    assert np.isnan(values[0]).tolist() == missing.tolist()
