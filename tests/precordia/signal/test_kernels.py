"""Every compiled kernel against its slow twin."""

import numpy as np
import pytest

from precordia.signal import _bits, _kernels, _median_kernels, _section_kernels, butterworth, resampling
from tests import naive


def _walk(rows: int, samples: int, seed: int = 1) -> np.ndarray:
    steps = np.random.default_rng(seed).standard_normal((rows, samples))
    return np.cumsum(steps, axis=1).astype(np.float32) * np.float32(0.1)


@pytest.mark.parametrize(("samples", "length"), [(60, 12), (61, 12), (60, 13), (61, 13), (12, 60), (13, 60), (12, 61)])
def test_periodic_resampling_equals_the_trigonometric_polynomial(samples: int, length: int) -> None:
    rows = _walk(11, samples)
    out = np.empty((11, length), np.float32)
    _kernels.resample_periodic(rows, out)
    expected = [naive.resample_periodic(row.tolist(), length) for row in rows]
    np.testing.assert_allclose(out, expected, atol=2e-6 * np.abs(rows).max())


@pytest.mark.parametrize(("from_hz", "to_hz", "samples"), [(100, 40, 90), (90, 100, 50), (50, 20, 7), (40, 100, 1)])
def test_continued_resampling_equals_its_twin(from_hz: float, to_hz: float, samples: int) -> None:
    rows = _walk(9, samples)
    grid = resampling.continued_grid(samples, from_hz, to_hz)
    expected = [
        naive.resample_continued(
            row.tolist(),
            grid.taper.tolist(),
            grid.margin,
            grid.period,
            grid.out_margin,
            grid.out_period,
            grid.out_samples,
        )
        for row in rows
    ]
    np.testing.assert_allclose(grid.run(rows), expected, atol=2e-6 * max(1.0, np.abs(rows).max()))


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("rows", [1, 8, 13])
def test_zero_phase_filter_equals_the_difference_equation(rows: int, order: int) -> None:
    sections = butterworth.butterworth(order, low_hz=0.5, high_hz=40, sample_rate_hz=250)
    values = _walk(rows, 300)
    expected = [naive.filter_zero_phase(row.tolist(), sections.tolist(), 27) for row in values]
    _section_kernels.filter_zero_phase(values, sections, butterworth.settled_state(sections), 27)
    np.testing.assert_allclose(values, expected, atol=1e-6 * np.abs(values).max())


@pytest.mark.parametrize("reflect", [True, False])
@pytest.mark.parametrize(("samples", "window"), [(80, 9), (30, 31), (10, 41), (1, 3), (400, 21)])
def test_running_median_equals_sorting_every_window(samples: int, window: int, reflect: bool) -> None:
    values = np.round(_walk(3, samples), 1)  # rounded: many equal values
    expected = [row - np.float32(naive.running_median(row.tolist(), window, reflect=reflect)) for row in values]
    _median_kernels.subtract_running_median(values, window, reflect)
    np.testing.assert_allclose(values, expected, atol=1e-7)


def test_z_score_by_row_leaves_masked_samples_out_of_the_statistics() -> None:
    values = _walk(5, 40)
    masked = np.random.default_rng(2).random(values.shape) < 0.2
    expected = [naive.z_score(row.tolist(), hidden.tolist()) for row, hidden in zip(values, masked, strict=True)]
    flat = _kernels.z_score(values, masked, 1, 1e-5)
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert not flat.any()


def test_z_score_by_group_takes_its_rows_together() -> None:
    values = _walk(6, 40)
    none = np.zeros(values.shape, np.bool_)
    expected = [naive.z_score(values[at : at + 3].ravel().tolist(), [False] * 120) for at in (0, 3)]
    _kernels.z_score(values, none, 3, 1e-5)
    np.testing.assert_allclose(values.reshape(2, 120), expected, atol=1e-6)


def test_a_flat_row_becomes_zero_and_is_named() -> None:
    values = np.stack([np.full(20, 0.7), np.arange(20)]).astype(np.float32)
    flat = _kernels.z_score(values, np.zeros(values.shape, np.bool_), 1, 1e-5)
    assert flat.tolist() == [True, False]
    assert values[0].tolist() == [0.0] * 20


def test_min_max_equals_its_twin() -> None:
    values = _walk(4, 30)
    masked = np.random.default_rng(3).random(values.shape) < 0.2
    expected = [naive.min_max(row.tolist(), hidden.tolist(), -1, 1) for row, hidden in zip(values, masked, strict=True)]
    flat = _kernels.min_max(values, masked, 1, -1.0, 1.0, 1e-5)
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert not flat.any()


def test_min_max_of_a_flat_or_wholly_masked_row_is_the_lower_limit() -> None:
    values = np.stack([np.full(10, 3.0), np.arange(10)]).astype(np.float32)
    masked = np.array([[False] * 10, [True] * 10])
    flat = _kernels.min_max(values, masked, 1, 0.0, 1.0, 1e-5)
    assert flat.tolist() == [True, True]
    assert values[0].tolist() == [0.0] * 10


@pytest.mark.parametrize("seed", range(5))
def test_gaps_are_bridged_like_the_twin_does(seed: int) -> None:
    values = _walk(4, 50, seed)
    holes = np.random.default_rng(seed).random(values.shape) < 0.4
    values[holes] = np.nan
    values[0, :7] = np.inf
    values[1, -9:] = np.nan
    values[2] = np.nan
    expected = [naive.bridge_gaps(row.tolist(), 2) for row in values]
    unknown = _kernels.bridge_gaps(values, 2)
    np.testing.assert_allclose(values, [filled for filled, _ in expected], atol=1e-5)
    assert unknown.tolist() == [hidden for _, hidden in expected]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # inf - inf: the compiled kernel says nothing
@pytest.mark.parametrize("odd", [None, np.nan, np.inf, -np.inf])
def test_leads_are_gathered_and_what_is_not_finite_is_told(odd: float | None) -> None:
    values = _walk(6, 40).reshape(2, 3, 40)
    if odd is not None:
        values[1, 2, 39] = odd
    out = np.empty((2, 2, 40), np.float32)
    finite = _kernels.gather_leads(values, np.array([2, 0]), np.float32(0.25), out)
    assert bool(finite) is (odd is None)
    expected = [[naive.scaled(record[place].tolist(), 0.25) for place in (2, 0)] for record in values]
    np.testing.assert_array_equal(out, np.array(expected, np.float32))


def test_a_lead_that_is_not_there_is_gathered_as_nan() -> None:
    out = np.empty((1, 2, 10), np.float32)
    assert not _kernels.gather_leads(_walk(3, 10)[None], np.array([1, -1]), np.float32(1), out)
    assert np.isnan(out).all(axis=2).tolist() == [[False, True]]


def test_kernels_release_the_gil_and_agree_across_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    rows = _walk(40, 500)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: resampling.resample(rows, from_hz=500, to_hz=100), range(8)))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_settling_puts_the_neutral_value_where_nothing_is_known_in_place_or_elsewhere() -> None:
    rows = np.random.default_rng(3).standard_normal((4, 50)).astype(np.float32)
    unknown = np.random.default_rng(4).random((4, 50)) < 0.3
    expected = [naive.settled(row.tolist(), gaps, 0.25) for row, gaps in zip(rows, unknown, strict=True)]
    elsewhere = np.full((4, 50), np.nan, np.float32)
    _kernels.settle(rows, unknown, np.float32(0.25), elsewhere)
    assert elsewhere.tolist() == expected
    _kernels.settle(rows, unknown, np.float32(0.25), rows)
    assert rows.tolist() == expected


@pytest.mark.parametrize("value", [0, 1, 255, 1 << 63, (1 << 64) - 1, 0x00F0_0000_0000_0000])
def test_bits_are_counted_without_the_compiler_too(value: int) -> None:
    assert _bits.zeros_above(np.uint64(value)) == 64 - value.bit_length()
    assert _bits.zeros_below(np.uint64(value)) == (f"{value:064b}"[::-1].find("1") if value else 64)
