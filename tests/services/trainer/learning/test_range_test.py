import itertools

import numpy as np
import pytest

from services.trainer.learning.range_test import (
    BOUND,
    BOUND_SGD,
    FALLBACK,
    STEPS,
    RangeTest,
    rising_rates,
    run_range_test,
)


def curve(lowest_at: float, *, noise: float = 0.0, seed: int = 0) -> list[float]:
    """Flat, then falling to the rate `lowest_at`, then rising steeply."""
    at = np.log10(np.array(rising_rates()) / lowest_at)
    losses = 0.7 - 0.4 * np.exp(-((at / 0.7) ** 2)) + np.where(at > 0.5, (at - 0.5) * 4, 0)
    return list(losses + np.random.default_rng(seed).normal(0, noise, len(losses)))


def test_the_rate_is_a_tenth_of_that_with_the_smallest_loss() -> None:
    found = run_range_test(iter(curve(1e-2)))
    assert found.rate == pytest.approx(1e-3, rel=0.25)


@pytest.mark.parametrize("seed", range(5))
def test_noise_hardly_moves_the_rate(seed: int) -> None:
    found = run_range_test(iter(curve(1e-2, noise=0.03, seed=seed)))
    assert 4e-4 < found.rate < 2.5e-3


def test_it_stops_asking_once_the_loss_has_diverged() -> None:
    asked = itertools.count()
    losses = (1.0 - 0.01 * number if number < 20 else 9.0 for number in asked)
    found = run_range_test(losses)
    assert next(asked) == 21
    assert len(found.losses) == len(found.rates) == 21
    assert found.rate < rising_rates()[20]


def test_a_loss_that_is_no_number_ends_it_and_is_kept_as_unknown() -> None:
    found = run_range_test(iter([1.0, 0.9, 0.8, 0.7, 0.6, float("nan")]))
    assert found.to_json()["losses"][-1] is None
    assert np.isfinite(found.rate)


def test_a_curve_that_never_falls_gives_the_usual_rate_and_says_so() -> None:
    found = run_range_test(iter([1.0] * STEPS))
    assert found.rate == FALLBACK
    assert "fell at no rate" in found.rule


def test_a_rate_that_no_whole_run_would_bear_is_bounded_and_the_report_says_so() -> None:
    found = run_range_test(iter(curve(0.6)))
    assert found.rate == BOUND
    assert "at most" in found.to_json()["rule"]
    assert run_range_test(iter(curve(0.6)), BOUND_SGD).rate == pytest.approx(0.06, rel=0.25)


def test_one_step_is_a_curve_too() -> None:
    assert RangeTest.of([1e-5], [float("inf")]).rate == FALLBACK
