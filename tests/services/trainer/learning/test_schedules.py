import math

import pytest

from services.trainer.learning.schedules import cosine, rate_at
from services.trainer.planning.recipe import DEFAULT, PUBLISHED


def test_exponential_falls_by_gamma_after_each_epoch() -> None:
    rates = [rate_at(PUBLISHED, 0.01, step, 10) for step in (0, 9, 10, 19, 20, 100)]
    assert rates == pytest.approx([0.01, 0.01, 0.009, 0.009, 0.0081, 0.01 * 0.9**10])


def test_constant_is_constant() -> None:
    constant = DEFAULT.changed({"schedule": "constant"})
    assert {rate_at(constant, 0.02, step, 7) for step in range(200)} == {0.02}


def test_cosine_rises_in_a_line_and_falls_by_half_a_cosine() -> None:
    named = {0: 0.1, 4: 0.5, 8: 0.9, 9: 1.0, 54: 0.5 * (1 + math.cos(math.pi * 45 / 91)), 99: 0.5}
    named[99] = 0.5 * (1 + math.cos(math.pi * 90 / 91))
    for step, wanted in named.items():
        assert cosine(step, 100, 1.0, rising=0.09) == pytest.approx(wanted), step
    assert cosine(100, 100, 1.0, rising=0.09) == pytest.approx(0.0)


def test_cosine_without_warm_up_begins_at_its_highest() -> None:
    recipe = DEFAULT.changed({"schedule": "cosine", "warm_up": 0, "max_epochs": 10})
    assert [rate_at(recipe, 0.2, step, 4) for step in (0, 20, 40)] == pytest.approx([0.2, 0.1, 0.0])


def test_one_cycle_is_a_twenty_fifth_at_first_and_highest_after_a_quarter() -> None:
    recipe = DEFAULT.changed({"max_epochs": 10})
    named = [rate_at(recipe, 1.0, step, 10) for step in (0, 25, 100)]
    assert named == pytest.approx([1 / 25, 1.0, 1 / 250_000])
