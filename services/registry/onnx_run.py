"""A model's first run: does it take what the manifest says, and is an answer one ECG's own?

The graph runs in ONNX Runtime on the CPU with zeros and with seeded noise, alone and three at a
time. It is refused where an answer is not finite, differs between two runs, or depends on what
else is in the batch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidModel, MissingDependency
from precordia.manifest import CoInputs, Manifest
from precordia.record import Unit

Feeds = dict[str, NDArray[np.float32]]
Answer = NDArray[np.float32]

_BATCH = 3
_SEED = 20_261_120
_NOISE = {Unit.MILLIVOLT: 0.3, Unit.MICROVOLT: 300.0, Unit.STANDARDISED: 1.0}
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4
"""Kernels chosen for other batch sizes add in another order; a batch statistic differs far more."""


@dataclass(frozen=True)
class TrialInput:
    """What a trial feeds: the signal's name, leads, samples and unit, and the numbers beside it."""

    name: str
    leads: int
    samples: int
    unit: Unit = Unit.MILLIVOLT
    co_inputs: CoInputs | None = None

    @staticmethod
    def of(manifest: Manifest) -> TrialInput:
        """As the manifest says."""
        signal = manifest.input
        return TrialInput(signal.name, len(signal.leads), signal.samples, signal.unit, manifest.co_inputs)

    def zeros(self, batch: int) -> Feeds:
        """A flat line for each of `batch` ECGs."""
        return {name: np.zeros_like(values) for name, values in self.noise(batch).items()}

    def noise(self, batch: int) -> Feeds:
        """Seeded noise of the size of an ECG, another for each of `batch`."""
        random = np.random.default_rng(_SEED)
        signal = random.standard_normal((batch, self.leads, self.samples), dtype=np.float32)
        feeds = {self.name: signal * np.float32(_NOISE[self.unit])}
        if self.co_inputs is not None:
            feeds[self.co_inputs.name] = random.random((batch, len(self.co_inputs.columns)), dtype=np.float32)
        return feeds


def try_model(content: bytes, trial: TrialInput, output_name: str) -> int:
    """Run the model and judge its answers; gives how many numbers it answers for one ECG.

    Raises:
        InvalidModel: it does not load, does not run, or its answers cannot be used.
        MissingDependency: ONNX Runtime is not installed.
    """
    session = _session(content)
    flat = [_run(session, output_name, trial.zeros(batch)) for batch in (1, _BATCH)]
    together = _run(session, output_name, trial.noise(_BATCH))
    again = _run(session, output_name, trial.noise(_BATCH))
    alone = np.concatenate([_run(session, output_name, _row(trial.noise(_BATCH), index)) for index in range(_BATCH)])
    for answer in (*flat, together, alone):
        if not np.isfinite(answer).all():
            raise InvalidModel("The model's answer to a plain input is not finite; its weights may be damaged.")
    if not _alike(together, again):
        raise InvalidModel("The model answers the same ECG differently each time; export it in eval mode.")
    if not _alike(together, alone) or not _alike(flat[1], np.repeat(flat[0], _BATCH, axis=0)):
        raise InvalidModel(
            "The model's answer for one ECG depends on what else is in the batch; export it in eval mode."
        )
    return int(together.shape[1])


def _row(feeds: Feeds, index: int) -> Feeds:
    return {name: values[index : index + 1] for name, values in feeds.items()}


def _alike(one: Answer, other: Answer) -> bool:
    scale = max(1.0, float(np.abs(one).max(initial=0.0)))
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=_RELATIVE, atol=_ABSOLUTE * scale))


def _session(content: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingDependency(
            "Checking a model needs ONNX Runtime: install precordia[cpu] or precordia[gpu].",
            package="onnxruntime",
            extra="cpu",
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        raise InvalidModel(f"ONNX Runtime cannot load the model: {plain_reason(error)}") from None


def _run(session: Any, output_name: str, feeds: Feeds) -> Answer:
    batch = next(iter(feeds.values())).shape[0]
    try:
        answer = session.run([output_name], feeds)[0]
    except Exception as error:  # as above
        raise InvalidModel(f"The model does not run with {batch} ECGs at once: {plain_reason(error)}") from None
    if not isinstance(answer, np.ndarray) or answer.dtype != np.float32 or answer.ndim != 2 or len(answer) != batch:
        raise InvalidModel(f"The model's output is not (batch, outputs) float32 for a batch of {batch}.")
    return answer


def plain_reason(error: Exception) -> str:
    """The first line of a library's message, without anything that looks like a path."""
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return re.sub(r"\S*[/\\]\S*", "...", line)[:300]
