from __future__ import annotations

import numpy as np
import pytest

from precordia.signal import _quality_kernels as kernels
from precordia.signal import quality
from tests import naive_quality as naive

RNG = np.random.default_rng(11)


def rows(count: int = 3, samples: int = 400) -> np.ndarray:
    return np.cumsum(RNG.normal(0, 0.05, (count, samples)), axis=1).astype(np.float32)


def test_lost_samples_are_those_of_the_obvious_count() -> None:
    values = rows()
    values[0, 50:90] = values[0, 50]
    values[0, 200:230] = np.nan
    values[1] = np.clip(values[1], np.quantile(values[1], 0.1), np.quantile(values[1], 0.9))
    values[2, :20] = np.nan
    values[2, -40:] = np.nan
    before = values.copy()
    found = kernels.lost_samples(values, 30, 0.001, 4, 3, 0.01)
    for index, row in enumerate(before):
        whole = naive.filled(row)
        np.testing.assert_array_equal(values[index], np.float32(whole))
        assert found[index, kernels.MISSING] == np.isnan(row).sum()
        assert found[index, kernels.FLAT] == naive.flat_samples(row, 30, 0.001)
    assert found[0, kernels.FLAT] == 40
    assert found[1, kernels.CLIPPED] == naive.clipped_samples([float(x) for x in values[1]], 30, 4, 3, 0.01) > 0


def test_a_row_without_a_sample_is_missing_and_neither_flat_nor_clipped() -> None:
    values = np.full((1, 50), np.nan, np.float32)
    assert kernels.lost_samples(values, 30, 0.001, 4, 3, 0.01).tolist() == [[50, 0, 0]]
    assert not values.any()


def test_quiet_noise_is_that_of_its_twin() -> None:
    values = rows() + RNG.normal(0, 0.01, (3, 400)).astype(np.float32)
    found = np.sqrt(np.median(kernels.rest_powers(values, 11, 50), axis=1))
    np.testing.assert_allclose(found, [naive.quiet_noise(row.tolist(), 11, 50) for row in values], rtol=1e-4)


def test_there_is_no_block_in_less_than_one() -> None:
    assert kernels.rest_powers(rows(2, 40), 11, 50).shape == (2, 0)


@pytest.mark.parametrize("rate_hz", [250.0, 257.0, 500.0])
def test_lines_are_the_sums_that_define_them(rate_hz: float) -> None:
    values = rows(2, round(rate_hz * 2))
    found = quality._blocks_of(values, rate_hz)
    assert found is not None
    block = round(0.2 * rate_hz)
    levels = np.median(kernels.line_levels(found.products, found.turned, 5), axis=2)
    for part in (0, 3):
        cut = values[1, part * block : (part + 1) * block].tolist()
        assert found.means[1, part] == pytest.approx(np.mean(cut), abs=1e-5)
        for index, hz in enumerate((45.0, 50.0, 55.0, 60.0, 65.0)):
            amplitude = complex(*found.products[1, part, 1 + 2 * index : 3 + 2 * index].tolist())
            assert amplitude == pytest.approx(naive.line(cut, hz, rate_hz), abs=2e-4)
    for index, hz in enumerate((45.0, 50.0, 55.0, 60.0, 65.0)):
        parts = [
            naive.line(values[1, at * block : (at + 1) * block].tolist(), hz, rate_hz)
            * np.exp(-2j * np.pi * hz * at * block / rate_hz)
            for at in range(10)
        ]
        spans = [np.hypot(np.median(np.real(span)), np.median(np.imag(span))) for span in (parts[:5], parts[5:])]
        assert levels[1, index] == pytest.approx(np.median(spans), abs=2e-4)


def test_residuals_are_deviations_of_weighted_sums() -> None:
    values = rows()
    weights = np.array([[1, 1, -1], [0, 0.5, 0.5]], np.float32)
    expected = [naive.residual(values.tolist(), line) for line in weights.tolist()]
    np.testing.assert_allclose(kernels.residuals(values, weights), expected, rtol=1e-4)


def test_steepness_and_median_beats_are_those_of_their_twins() -> None:
    values = rows()
    np.testing.assert_allclose(kernels.steepness(values, 4), naive.steepness(values.tolist(), 4), rtol=1e-3, atol=1e-5)
    for places in ([60, 160, 260], [60, 160, 260, 330]):
        found = kernels.median_beats(values, np.array(places), 40, 20, 4)
        expected = [naive.median_beat(row.tolist(), places, 40, 20, 4) for row in values]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_beats_are_found_once_each_at_their_steepest() -> None:
    speed = np.zeros(2000, np.float32)
    for at in (200, 620, 1040, 1460, 1880):
        speed[at - 10 : at + 11] = 1.0
        speed[at + 30 : at + 40] = 0.3
    found = kernels.beat_places(speed, 40, 125, 0.45)
    assert found.size == 5
    np.testing.assert_allclose(found, [200, 620, 1040, 1460, 1880], atol=20)


def test_no_beat_is_found_where_nothing_moves() -> None:
    assert kernels.beat_places(np.zeros(1000, np.float32), 40, 125, 0.45).size == 0
