"""From signals to model inputs: resampling, filters, conditioning."""

from precordia.signal.conditioning import (
    Conditioned,
    Conditioner,
    condition,
    condition_batch,
    conditioner,
    lead_missing,
)
from precordia.signal.resampling import resample, resampled_length, scipy_resample

__all__ = [
    "Conditioned",
    "Conditioner",
    "condition",
    "condition_batch",
    "conditioner",
    "lead_missing",
    "resample",
    "resampled_length",
    "scipy_resample",
]
