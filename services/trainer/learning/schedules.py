"""Schedules: the learning rate of every step."""

from __future__ import annotations

import math

from services.trainer.planning.recipe import Recipe, Schedule


def rate_at(recipe: Recipe, highest: float, step: int, steps_an_epoch: int) -> float:
    """Learning rate of a step, counted from 0 over the whole run."""
    steps = steps_an_epoch * recipe.max_epochs
    if recipe.schedule is Schedule.EXPONENTIAL:
        return highest * recipe.gamma ** (step // steps_an_epoch)
    if recipe.schedule is Schedule.COSINE:
        return cosine(step, steps, highest, rising=recipe.warm_up)
    if recipe.schedule is Schedule.CONSTANT:
        return highest
    return one_cycle(step, steps, highest)


def one_cycle(step: int, steps: int, highest: float, *, rising: float = 0.25) -> float:
    """Learning rate of a step: a cosine up from a 25th, then a cosine down to a 10 000th of that."""
    turn = max(1.0, rising * steps)
    low, end = highest / 25, highest / 250_000
    if step < turn:
        return low + (highest - low) * (1 - math.cos(math.pi * step / turn)) / 2
    share = min(1.0, (step - turn) / max(1.0, steps - turn))
    return end + (highest - end) * (1 + math.cos(math.pi * share)) / 2


def cosine(step: int, steps: int, highest: float, *, rising: float) -> float:
    """Learning rate of a step: a line up over the share `rising` of the steps, then a half cosine down to 0.

    The line's first step is already above 0, so that no step is lost.
    """
    turn = math.ceil(rising * steps)
    if step < turn:
        return highest * (step + 1) / (turn + 1)
    share = min(1.0, (step - turn) / max(1, steps - turn))
    return highest * (1 + math.cos(math.pi * share)) / 2
