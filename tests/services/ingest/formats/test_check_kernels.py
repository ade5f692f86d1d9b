"""The checks' compiled passes against their slow twins, with the compiler on and off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.ingest.formats import _check_kernels as kernels
from tests import naive_reading

DRAW = np.random.default_rng(7)
COUNTS = DRAW.integers(-32768, 32767, (4, 300)).astype(np.int16)
TYPES = (np.int16, np.int32, np.float32, np.float64)


@pytest.fixture(params=["compiled", "plain"])
def kernel(request: pytest.FixtureRequest) -> Any:
    def chosen(name: str) -> Any:
        function = getattr(kernels, name)
        return function if request.param == "compiled" else getattr(function, "py_func", function)

    return chosen


@pytest.mark.parametrize("every", [1, 4, 299, 400])
@pytest.mark.parametrize("kind", TYPES)
def test_the_deviation_is_that_of_every_so_many_th_sample(kernel: Any, kind: type, every: int) -> None:
    samples = COUNTS[0].astype(kind)
    expected = naive_reading.deviation(samples.tolist(), every)
    assert kernel("deviation")(samples, every) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # inf - inf: the compiled kernel says nothing
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 150, 299])
def test_what_is_not_finite_shows(kernel: Any, odd: float, at: int) -> None:
    samples = COUNTS[0].astype(np.float64)
    assert kernel("is_finite")(samples)
    samples[at] = odd
    assert not np.isfinite(kernel("deviation")(samples, 1))
    assert not kernel("is_finite")(samples)


@pytest.mark.parametrize("kind", [np.int16, np.float64])
def test_the_residual_span_is_the_twins(kernel: Any, kind: type) -> None:
    one, two, three = (COUNTS[row].astype(kind) // 4 for row in range(3))
    expected = naive_reading.residual_span(one.tolist(), two.tolist(), three.tolist())
    assert kernel("residual_span")(one, two, three) == expected


@pytest.mark.parametrize("lead", [0, 1, 2])
def test_a_sample_that_is_missing_leaves_no_residual(kernel: Any, lead: int) -> None:
    rows = COUNTS[:3].astype(np.float64)
    rows[lead, 200] = np.nan
    assert np.isnan(kernel("residual_span")(*rows)).all()


def test_sums_and_the_lowest_are_of_every_row(kernel: Any) -> None:
    rows = np.full((3, 70_000), 32767, np.int16)
    rows[1, 69_999] = -32768
    sums = np.empty(3, np.int64)
    assert kernel("sums_and_lowest")(rows, sums) == -32768
    assert sums.tolist() == [sum(row) for row in rows.tolist()]


@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_a_value_is_found_wherever_it_stands(kernel: Any, kind: type) -> None:
    samples = np.arange(100).astype(kind)
    assert [kernel("holds")(samples, value) for value in (-1, 0, 50, 99, 100)] == [False, True, True, True, False]
