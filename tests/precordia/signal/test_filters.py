"""Filters equal scipy's, and say what they could not do."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

from precordia.errors import ConditioningConflict, InvalidManifest
from precordia.signal import filters
from precordia.steps import Step

RATES = [100.0, 257.0, 500.0, 1000.0]


@pytest.fixture
def walk() -> np.ndarray:
    return (np.cumsum(np.random.default_rng(4).standard_normal((5, 3000)), axis=1) * 0.05).astype(np.float32)


def _filtered(values: np.ndarray, step: Step, rate_hz: float) -> np.ndarray:
    rows = values.copy()
    design = filters.designed(step, rate_hz)
    assert design is not None
    design.run(rows)
    return rows


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize(
    ("name", "parameters", "kind", "edges"),
    [
        ("band_pass", {"low_hz": 0.5, "high_hz": 40}, "bandpass", [0.5, 40]),
        ("high_pass", {"cutoff_hz": 0.5}, "highpass", 0.5),
        ("low_pass", {"cutoff_hz": 40}, "lowpass", 40),
    ],
)
def test_butterworth_filters_equal_sosfiltfilt(
    walk: np.ndarray, rate_hz: float, order: int, name: str, parameters: dict, kind: str, edges: object
) -> None:
    sections = scipy.signal.butter(order, edges, kind, fs=rate_hz, output="sos")
    expected = scipy.signal.sosfiltfilt(sections, walk.astype(np.float64))
    result = _filtered(walk, Step(name, 1, {**parameters, "order": order}), rate_hz)
    np.testing.assert_allclose(result, expected, atol=2e-6 * np.abs(expected).max(), rtol=0)


def test_the_diagnostic_band_is_stable_at_a_high_rate(walk: np.ndarray) -> None:
    sections = scipy.signal.butter(4, [0.05, 150], "bandpass", fs=1000, output="sos")
    expected = scipy.signal.sosfiltfilt(sections, walk.astype(np.float64))
    result = _filtered(walk, Step("band_pass", 1, {"low_hz": 0.05, "high_hz": 150}), 1000.0)
    np.testing.assert_allclose(result, expected, atol=1e-4 * np.abs(walk).max(), rtol=0)


@pytest.mark.parametrize("frequency_hz", [50.0, 60.0])
def test_notch_equals_iirnotch_forward_and_backward(walk: np.ndarray, frequency_hz: float) -> None:
    coefficients = scipy.signal.iirnotch(frequency_hz, 30, fs=500)
    expected = scipy.signal.filtfilt(*coefficients, walk.astype(np.float64))
    result = _filtered(walk, Step("notch", 1, {"frequency_hz": frequency_hz}), 500.0)
    np.testing.assert_allclose(result, expected, atol=1e-6 * np.abs(walk).max(), rtol=0)


def test_notch_removes_mains_and_leaves_the_rest() -> None:
    seconds = np.arange(5000) / 500
    beat, hum = np.sin(2 * np.pi * 8 * seconds), 0.2 * np.sin(2 * np.pi * 50 * seconds)
    rows = (beat + hum)[None].astype(np.float32)
    result = _filtered(rows, Step("notch", 1, {"frequency_hz": 50}), 500.0)
    assert np.abs(result[0] - beat)[500:-500].max() < 0.002


def test_signals_shorter_than_the_extension_are_still_filtered() -> None:
    rows = np.linspace(0, 1, 10, dtype=np.float32)[None].copy()
    result = _filtered(rows, Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40}), 500.0)
    assert np.isfinite(result).all()


def test_one_sample_passes_a_low_pass_unchanged() -> None:
    result = _filtered(np.array([[0.75]], np.float32), Step("low_pass", 1, {"cutoff_hz": 40}), 500.0)
    np.testing.assert_allclose(result, [[0.75]], atol=1e-6)


def test_an_upper_edge_beyond_the_signal_makes_it_a_high_pass_and_says_so(walk: np.ndarray) -> None:
    design = filters.designed(Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 150}), 250.0)
    assert design is not None
    assert "150 Hz removes nothing" in design.remark
    expected = _filtered(walk, Step("high_pass", 1, {"cutoff_hz": 0.5}), 250.0)
    rows = walk.copy()
    design.run(rows)
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("step", [Step("low_pass", 1, {"cutoff_hz": 60}), Step("notch", 1, {"frequency_hz": 50})])
def test_what_a_slow_signal_cannot_hold_needs_no_filter(step: Step) -> None:
    assert filters.designed(step, 100.0) is None


def test_a_band_above_the_signal_is_a_conflict() -> None:
    with pytest.raises(ConditioningConflict, match="higher rate"):
        filters.designed(Step("band_pass", 1, {"low_hz": 60, "high_hz": 80}), 100.0)


@pytest.mark.parametrize(
    "step",
    [
        Step("band_pass", 1, {"low_hz": 40, "high_hz": 0.5}),
        Step("band_pass", 1, {"low_hz": 40, "high_hz": 40}),
        Step("high_pass", 1, {"cutoff_hz": 0}),
        Step("low_pass", 1, {"cutoff_hz": -1}),
        Step("low_pass", 1, {"cutoff_hz": 40, "order": 2.5}),
        Step("low_pass", 1, {"cutoff_hz": 40, "order": 0}),
        Step("notch", 1, {"frequency_hz": 0}),
        Step("notch", 1, {"frequency_hz": 50, "quality": 0}),
    ],
)
def test_numbers_that_make_no_filter_are_refused(step: Step) -> None:
    with pytest.raises(InvalidManifest):
        filters.designed(step, 500.0)


@pytest.mark.parametrize(("window_s", "rate_hz", "window"), [(0.2, 500, 101), (0.6, 500, 301), (0.25, 500, 125)])
def test_the_median_window_is_odd(window_s: float, rate_hz: float, window: int) -> None:
    assert filters.median_window(window_s, rate_hz) == window


def test_reflecting_median_equals_scipys(walk: np.ndarray) -> None:
    expected = walk - scipy.ndimage.median_filter(walk, size=(1, 101), mode="reflect")
    rows = walk.copy()
    filters.subtract_median(rows, 101)
    np.testing.assert_array_equal(rows, expected)


def test_zero_padded_median_equals_medfilt(walk: np.ndarray) -> None:
    expected = np.stack([row - scipy.signal.medfilt(row, 101) for row in walk])
    rows = walk.copy()
    filters.subtract_median(rows, 101, reflect=False)
    np.testing.assert_array_equal(rows, expected)


def test_a_median_window_of_no_time_is_refused() -> None:
    with pytest.raises(InvalidManifest):
        filters.median_window(0, 500)
