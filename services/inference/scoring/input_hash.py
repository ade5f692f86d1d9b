"""The hash of what a graph was given: with the model's digest and its operating points it says what was scored."""

from __future__ import annotations

import hashlib

import numpy as np

from precordia.manifest import Manifest
from precordia.record import Sex
from services.inference.engine.host_buffers import Tensor


def input_sha256(x: Tensor, manifest: Manifest, age_years: float | None, sex: Sex | None) -> str:
    """Hex SHA-256 of an ECG's windows, and of its row of co-inputs behind them where the model has some.

    Args:
        x: conditioned windows, (windows, leads, samples), float32.
        manifest: the model's.
        age_years: of the patient.
        sex: of the patient.
    """
    digest = hashlib.sha256(x.data)
    if manifest.co_inputs is not None:
        digest.update(np.asarray(manifest.co_inputs.row(age_years, sex), np.float32).data)
    return digest.hexdigest()
