"""An imported model of the older platform gets exactly the input that platform gives it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from numpy.typing import NDArray

from precordia.leads import STANDARD_LEADS
from precordia.record import Signal
from precordia.signal import condition
from services.registry.onnx_examination import examine_imported


def ecg_like(rate_hz: float) -> NDArray[np.float32]:
    """Beats on a wandering baseline, in millivolts, 12 x 10 s."""
    random = np.random.default_rng(11)
    time_s = np.arange(round(10 * rate_hz)) / rate_hz
    beats = np.exp(-(((time_s % 0.8) - 0.3) ** 2) / 0.0008)
    wander = 0.3 * np.sin(2 * np.pi * 0.15 * time_s)
    gains = np.linspace(-0.6, 1.4, 12)[:, None]
    return (gains * beats + wander + 0.02 * random.standard_normal((12, time_s.size))).astype(np.float32)


def as_the_older_platform(values: NDArray[np.float32], *, scale: float) -> NDArray[np.float64]:
    """Periodic FFT resampling to 100 Hz, minus the median of 201 samples, in the model's unit."""
    resampled = scipy.signal.resample(values.astype(np.float64), 1000, axis=1)
    baseline = np.stack([scipy.ndimage.median_filter(lead, size=201, mode="reflect") for lead in resampled])
    return (resampled - baseline) * scale


@pytest.mark.parametrize("rate_hz", [100.0, 500.0])
def test_the_pretrained_model_gets_the_input_and_gives_the_scores_of_its_platform(
    testdata: Path, rate_hz: float
) -> None:
    import onnxruntime

    examined = examine_imported((testdata / "models" / "xc_super_pretrained.onnx").read_bytes(), None)
    values = ecg_like(rate_hz)

    ours = condition(Signal(values, STANDARD_LEADS, rate_hz), examined.manifest).x
    theirs = as_the_older_platform(values, scale=1000.0)[None].astype(np.float32)

    np.testing.assert_allclose(ours, theirs, atol=0.05)  # microvolts
    session = onnxruntime.InferenceSession(examined.content, providers=["CPUExecutionProvider"])
    one, other = (session.run(None, {"arg0": x})[0] for x in (ours, theirs))
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("standardizer", ["minMax", "meanStd"])
def test_standardizers_of_the_older_platform_work_over_the_record(standardizer: str) -> None:
    from tests.services.registry.graphs import linear_model

    metadata = (("sampling_rate", "100"), ("standardizer", standardizer))
    graph = linear_model(shape=(12, 1000), metadata=metadata).SerializeToString()
    values = ecg_like(100.0)

    ours = condition(Signal(values, STANDARD_LEADS, 100.0), examine_imported(graph, None).manifest).x[0]

    theirs = as_the_older_platform(values, scale=1.0)
    if standardizer == "minMax":
        theirs = 2 * (theirs - theirs.min()) / (theirs.max() - theirs.min()) - 1
    else:
        theirs = (theirs - theirs.mean()) / theirs.std()
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
