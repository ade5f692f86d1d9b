"""Variations of training ECGs: what a model should not mind. All randomness comes from one generator.

Shape letters: B batch, L leads, T samples, K targets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.trainer.planning.recipe import Recipe

Batch = NDArray[np.float32]


def crop(x_blt: Batch, length: int, generator: np.random.Generator) -> Batch:
    """A random excerpt of each ECG, (B, L, length)."""
    samples = x_blt.shape[2]
    if not 0 < length < samples:
        return x_blt
    starts = generator.integers(0, samples - length + 1, len(x_blt))
    return np.stack([ecg[:, start : start + length] for ecg, start in zip(x_blt, starts, strict=True)])


def shift(x_blt: Batch, largest: int, generator: np.random.Generator) -> Batch:
    """Each ECG moved by up to `largest` samples either way; zeros come in behind it.

    As a recording that begins late or ends early is padded. Samples that left at one end and came in
    at the other would make a beat interval that never was, and a repeated last sample a plateau.
    """
    samples = x_blt.shape[2]
    by = generator.integers(-largest, largest + 1, len(x_blt)).clip(-samples, samples)
    moved = np.zeros_like(x_blt)
    for ecg, source, offset in zip(moved, x_blt, by, strict=True):
        ecg[:, max(offset, 0) : samples + min(offset, 0)] = source[:, max(-offset, 0) : samples - max(offset, 0)]
    return moved


def scale(x_blt: Batch, spread: float, generator: np.random.Generator) -> Batch:
    """Each ECG times a factor around 1; `spread` is the standard deviation of its logarithm."""
    factor = np.exp(generator.normal(0.0, spread, (len(x_blt), 1, 1))).astype(np.float32)
    return x_blt * factor


def add_noise(x_blt: Batch, largest: float, generator: np.random.Generator) -> Batch:
    """White noise; its standard deviation is drawn for each ECG from 0 to `largest`."""
    deviation = generator.uniform(0.0, largest, (len(x_blt), 1, 1)).astype(np.float32)
    return x_blt + deviation * generator.standard_normal(x_blt.shape, dtype=np.float32)


def add_wander(x_blt: Batch, largest: float, rate_hz: float, generator: np.random.Generator) -> Batch:
    """A slow sine (0.05-0.5 Hz), one frequency for each ECG, amplitude and phase lead by lead."""
    count, leads, samples = x_blt.shape
    frequency = generator.uniform(0.05, 0.5, (count, 1, 1))
    phase = generator.uniform(0.0, 2 * np.pi, (count, leads, 1))
    amplitude = generator.uniform(0.0, largest, (count, leads, 1))
    time_s = np.arange(samples) / rate_hz
    return x_blt + (amplitude * np.sin(2 * np.pi * frequency * time_s + phase)).astype(np.float32)


def drop_leads(x_blt: Batch, chance: float, generator: np.random.Generator) -> Batch:
    """Leads silenced by chance; an ECG keeps one at least of those that it has."""
    kept = generator.random(x_blt.shape[:2]) >= chance
    recorded: NDArray[np.bool_] = np.any(x_blt, axis=2)
    lost = ~(kept & recorded).any(axis=1)
    kept[lost, recorded.argmax(axis=1)[lost]] = True
    return x_blt * kept[:, :, None].astype(np.float32)


def mix(x_blt: Batch, y_bk: Batch, spread: float, generator: np.random.Generator) -> tuple[Batch, Batch]:
    """Mixup (Zhang et al. 2018): each ECG and its targets blended with another of the batch."""
    share = generator.beta(spread, spread, (len(x_blt), 1)).astype(np.float32)
    share = np.maximum(share, 1 - share)
    other = generator.permutation(len(x_blt))
    return (
        x_blt * share[:, :, None] + x_blt[other] * (1 - share[:, :, None]),
        y_bk * share + y_bk[other] * (1 - share),
    )


def augmented(
    x_blt: Batch, y_bk: Batch, *, recipe: Recipe, rate_hz: float, generator: np.random.Generator
) -> tuple[Batch, Batch]:
    """A training batch as the recipe wants it, (B, L, T or the excerpt) and (B, K)."""
    x_blt = crop(x_blt, round(recipe.crop_s * rate_hz), generator)
    if recipe.time_shift:
        x_blt = shift(x_blt, round(recipe.time_shift * rate_hz), generator)
    recorded: NDArray[np.bool_] = np.any(x_blt, axis=2, keepdims=True)
    if recipe.scale:
        x_blt = scale(x_blt, recipe.scale, generator)
    if recipe.wander:
        x_blt = add_wander(x_blt, recipe.wander, rate_hz, generator)
    if recipe.noise:
        x_blt = add_noise(x_blt, recipe.noise, generator)
    if not recorded.all():  # what is not there has no noise either: zeros are what the model will be given
        x_blt = x_blt * recorded
    if recipe.lead_dropout:
        x_blt = drop_leads(x_blt, recipe.lead_dropout, generator)
    if recipe.mixup:
        x_blt, y_bk = mix(x_blt, y_bk, recipe.mixup, generator)
    return np.ascontiguousarray(x_blt), y_bk
