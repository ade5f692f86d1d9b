"""What waits are expected to take, against waits that are known."""

from __future__ import annotations

import random

import pytest

from precordia.prediction import Priority
from services.inference.queueing.forecast import Forecast

ANSWER_S = 0.002


def test_without_experience_a_wait_is_taken_as_a_quarter_longer() -> None:
    forecast = Forecast(0.02, 0.01, workers=2)
    assert forecast.reckoned_s(40) == pytest.approx(0.2)
    assert forecast.wait_s(0.2, Priority.ROUTINE) == pytest.approx(0.25)


def test_runs_that_vary_ask_for_more_room_than_their_mean() -> None:
    forecast = Forecast(0.01, 0.01)
    for took_s in [0.01] * 50:
        forecast.ran(took_s, 1)
    assert forecast.needed_s == pytest.approx(0.01 + ANSWER_S)
    for took_s in [0.008, 0.012] * 100:
        forecast.ran(took_s, 1)
    assert forecast.run_s == pytest.approx(0.01, abs=2e-4)
    assert forecast.needed_s == pytest.approx(0.014 + ANSWER_S, abs=5e-4)


def test_nearly_all_waits_are_no_longer_than_foreseen() -> None:
    draw, forecast = random.Random(3), Forecast(0.01, 0.01)
    for _ in range(4000):
        forecast.waited(Priority.BACKGROUND, 0.5, 0.5 * draw.uniform(1.5, 2.5))
    foreseen_s = forecast.wait_s(0.5, Priority.BACKGROUND)
    kept = sum(0.5 * draw.uniform(1.5, 2.5) <= foreseen_s for _ in range(4000)) / 4000
    assert 0.80 < kept < 0.99
    assert forecast.wait_s(0.5, Priority.STAT) == pytest.approx(0.625), "each class learns from its own waits"


def test_a_wait_that_was_given_up_teaches_only_where_it_was_long() -> None:
    forecast = Forecast(0.01, 0.01)
    forecast.waited_in_vain(Priority.ROUTINE, 0.5, 0.3)
    assert forecast.wait_s(0.5, Priority.ROUTINE) == pytest.approx(0.625)
    forecast.waited_in_vain(Priority.ROUTINE, 0.5, 1.0)
    assert forecast.wait_s(0.5, Priority.ROUTINE) == pytest.approx(0.5 * (1.25 + 0.1 * 0.75))


def test_short_waits_teach_nothing_and_single_ones_little() -> None:
    forecast = Forecast(0.01, 0.01)
    forecast.waited(Priority.ROUTINE, 0.03, 3.0)
    assert forecast.wait_s(1.0, Priority.ROUTINE) == pytest.approx(1.25)
    forecast.waited(Priority.ROUTINE, 0.1, 1e6)
    assert forecast.wait_s(1.0, Priority.ROUTINE) == pytest.approx(1.375)


def test_where_nothing_runs_any_more_the_expectation_shrinks() -> None:
    forecast = Forecast(5.0, 5.0)
    for _ in range(8):
        forecast.hopeless()
    assert forecast.run_s == 5.0
    for _ in range(200):
        forecast.hopeless()
    assert forecast.run_s < 0.001
    forecast.ran(0.002, 1)
    before = forecast.run_s
    forecast.hopeless()
    assert forecast.run_s == before, "a run was measured since"
