"""Dots stand where the samples are."""

import numpy as np
import pytest

from tui import braille


def _dots(cells: np.ndarray) -> np.ndarray:
    """Braille bits (rows, columns) back to dots (rows * 4, columns * 2), by the Unicode table."""
    order = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)]
    on = np.zeros((cells.shape[0] * 4, cells.shape[1] * 2), bool)
    for bit, (y, x) in enumerate(order):
        on[y::4, x::2] = (cells >> bit) & 1
    return on


def test_packing_follows_the_unicode_table() -> None:
    on = np.zeros((4, 2), bool)
    on[0, 0] = on[3, 1] = True
    assert chr(int(braille.packed(on)[0, 0]) + braille.BLANK) == "⢁"
    everything = np.random.default_rng(1).random((12, 10)) < 0.5
    np.testing.assert_array_equal(_dots(braille.packed(everything)), everything)


def test_a_column_of_dots_spans_its_lowest_and_highest_sample() -> None:
    values = np.zeros(100, np.float32)
    values[33] = 2.0
    values[57] = -1.0
    low, high = braille.spans(values, sample_rate_hz=100, start_s=0, dot_s=0.1, dots=10)
    assert high[3] == 2.0
    assert low[5] == -1.0
    assert (low[0], high[0]) == (0.0, 0.0)


def test_neighbouring_columns_meet() -> None:
    values = np.repeat(np.array([0.0, 1.0, -1.0], np.float32), 10)
    low, high = braille.spans(values, sample_rate_hz=100, start_s=0, dot_s=0.1, dots=3)
    for left, right in ((0, 1), (1, 2)):
        assert max(low[left], low[right]) <= min(high[left], high[right])


def test_between_samples_the_trace_is_the_line_between_them() -> None:
    values = np.array([0.0, 1.0, 0.0], np.float32)
    low, high = braille.spans(values, sample_rate_hz=10, start_s=0, dot_s=0.05, dots=4)
    np.testing.assert_allclose((low + high) / 2, [0.25, 0.75, 0.75, 0.25], atol=0.26)
    assert high.max() <= 1.0


def test_outside_the_recording_and_in_gaps_nothing_is_drawn() -> None:
    values = np.ones(100, np.float32)
    values[40:60] = np.nan
    low, high = braille.spans(values, sample_rate_hz=100, start_s=-0.2, dot_s=0.1, dots=14)
    assert np.isnan(low).tolist() == [True] * 2 + [False] * 4 + [True] * 2 + [False] * 4 + [True] * 2
    cells = braille.drawn(low, high, rows=4, row_mv=1.0)
    assert not cells[:, 0].any()
    assert not cells[:, 3].any()


@pytest.mark.parametrize("start_s", [5.0, -5.0])
def test_a_window_beside_the_recording_is_empty(start_s: float) -> None:
    low, high = braille.spans(np.ones(100, np.float32), sample_rate_hz=100, start_s=start_s, dot_s=0.01, dots=20)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_a_millivolt_is_as_many_dots_high_as_the_scale_says() -> None:
    flat = np.array([0.0, 0.0, 1.0, 1.0])
    on = _dots(braille.drawn(flat, flat, rows=8, row_mv=0.5))
    zero, one = np.argmax(on[:, 0]), np.argmax(on[:, 2])
    assert zero == braille.zero_dot(8)
    assert zero - one == 8


def test_paper_lines_stand_a_box_apart_and_on_zero() -> None:
    on = _dots(braille.paper(10, 30, 0, 10))
    assert np.flatnonzero(on.sum(axis=0) > 15).tolist() == [0, 10, 20, 30, 40, 50]
    assert np.flatnonzero(on.sum(axis=1) > 25).tolist() == [2, 12, 22, 32]
    assert braille.zero_dot(10) == 22


def test_paper_moves_with_the_trace() -> None:
    on = _dots(braille.paper(10, 30, 4, 10))
    assert np.flatnonzero(on.sum(axis=0) > 15).tolist() == [6, 16, 26, 36, 46, 56]


@pytest.mark.parametrize(("column_s", "row_mv", "width", "height"), [(0.04, 0.2, 10, 20), (0.02, 0.4, 20, 10)])
def test_the_calibration_mark_is_one_millivolt_by_200_ms(
    column_s: float, row_mv: float, width: int, height: int
) -> None:
    on = _dots(braille.calibration(9, column_s=column_s, row_mv=row_mv))
    columns = np.flatnonzero(on.sum(axis=0) > height / 2)
    assert columns[-1] - columns[0] == width
    rows = np.flatnonzero(on[:, columns[0]])
    assert rows[-1] - rows[0] == height
    assert on[rows[0], columns[0] : columns[-1] + 1].all()


def test_a_calibration_mark_that_does_not_fit_has_no_top() -> None:
    on = _dots(braille.calibration(4, column_s=0.04, row_mv=0.1))
    assert on[0].sum() == 2
