"""Resampling: equal to scipy where it should be, quiet at the ends where scipy rings."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from precordia.errors import InvalidArgument
from precordia.signal import resample, resampled_length, scipy_resample


@pytest.mark.parametrize(("samples", "wanted"), [(5000, 1000), (5000, 1001), (4999, 1000), (1000, 5000), (999, 5001)])
def test_plain_resampling_equals_scipys(samples: int, wanted: int) -> None:
    values = np.cumsum(np.random.default_rng(0).standard_normal((3, 4, samples)), axis=-1)
    expected = scipy.signal.resample(values, wanted, axis=-1)
    result = scipy_resample(values, wanted)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-5 * np.abs(values).max(), rtol=0)


def test_constants_and_lines_are_kept() -> None:
    ramp = np.linspace(-3.0, 5.0, 5000)
    result = resample(np.stack([np.full(5000, 2.5), ramp]), from_hz=500, to_hz=100)
    np.testing.assert_allclose(result, [np.full(1000, 2.5), ramp[::5]], atol=2e-6)


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(500, 100), (1000, 100), (360, 500), (257, 100), (500, 497.3), (100, 500)]
)
def test_a_sine_stays_the_same_sine(from_hz: float, to_hz: float) -> None:
    def sine(rate_hz: float, samples: int) -> np.ndarray:
        return np.sin(2 * np.pi * 7.3 * np.arange(samples) / rate_hz + 0.4)

    samples = round(10 * from_hz)
    result = resample(sine(from_hz, samples), from_hz=from_hz, to_hz=to_hz)
    error = np.abs(result - sine(to_hz, result.size))
    inner = slice(round(0.5 * to_hz), -round(0.5 * to_hz))
    assert error[inner].max() < 2e-4
    assert error.max() < 0.02


def _ecg_with_differing_ends() -> np.ndarray:
    """Ten seconds at 500 Hz: beats and a baseline that ends 0.6 mV from where it began."""
    seconds = np.arange(5000) / 500
    beats = sum(np.exp(-(((seconds - at) / 0.02) ** 2)) for at in np.arange(0.45, 10, 0.8))
    return beats + 0.3 * np.tanh((seconds - 5) / 3)


def test_differing_ends_ring_when_periodic_and_not_when_continued() -> None:
    signal = _ecg_with_differing_ends()
    truth = signal[::5]
    ends = np.r_[0:40, 960:1000]
    plain = np.abs(scipy_resample(signal, 1000) - truth)[ends].max()
    continued = np.abs(resample(signal, from_hz=500, to_hz=100) - truth)[ends].max()
    assert plain > 0.04
    assert continued < 0.005


def test_real_ecgs_do_not_ring_at_their_ends(testdata) -> None:
    """Against the same ECG resampled within its surroundings: ten seconds cut from a longer recording."""
    import wfdb

    record = wfdb.rdrecord(str(testdata / "mitdb" / "100"), sampto=360 * 70)
    rings = []
    for start in range(20, 40):
        whole = record.p_signal[360 * (start - 10) : 360 * (start + 20)].T
        cut = record.p_signal[360 * start : 360 * (start + 10)].T
        truth = resample(whole, from_hz=360, to_hz=100)[:, 1000:2000]
        plain, continued = scipy_resample(cut, 1000), resample(cut, from_hz=360, to_hz=100)
        rings.append((np.abs(plain - truth).max(), np.abs(continued - truth).max()))
    plain_mv, continued_mv = np.median(rings, axis=0)
    assert continued_mv < 0.4 * plain_mv


def test_the_same_rate_returns_equal_samples_in_a_new_array() -> None:
    values = np.random.default_rng(1).standard_normal((12, 100)).astype(np.float32)
    result = resample(values, from_hz=100, to_hz=100)
    np.testing.assert_array_equal(result, values)
    assert not np.shares_memory(result, values)


def test_without_edges_it_is_plain_resampling() -> None:
    values = np.random.default_rng(1).standard_normal((2, 500))
    result = resample(values, from_hz=500, to_hz=100, edges=False)
    np.testing.assert_array_equal(result, scipy_resample(values, 100))


def test_content_above_half_the_new_rate_is_removed() -> None:
    seconds = np.arange(5000) / 500
    result = resample(np.sin(2 * np.pi * 180 * seconds), from_hz=500, to_hz=100)
    assert np.abs(result[50:-50]).max() < 5e-3


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(1, 400),
    from_hz=st.floats(20, 2000, allow_nan=False),
    to_hz=st.floats(20, 2000, allow_nan=False),
)
def test_any_length_and_rates_give_the_stated_length_and_finite_samples(
    samples: int, from_hz: float, to_hz: float
) -> None:
    values = np.random.default_rng(samples).standard_normal(samples)
    result = resample(values, from_hz=from_hz, to_hz=to_hz)
    assert result.shape == (resampled_length(samples, from_hz=from_hz, to_hz=to_hz),)
    assert np.isfinite(result).all()


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(rate_hz: float) -> None:
    with pytest.raises(InvalidArgument) as refused:
        resample(np.zeros(10), from_hz=500, to_hz=rate_hz)
    assert refused.value.field == "to_hz"


def test_no_samples_are_refused() -> None:
    with pytest.raises(InvalidArgument):
        resample(np.zeros((12, 0)), from_hz=500, to_hz=100)
    with pytest.raises(InvalidArgument):
        scipy_resample(np.zeros(10), 0)
