"""A converted network beside ONNX Runtime: the same numbers, or it is not trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from precordia.errors import InvalidModel
from services.trainer.networks.foreign.folding import quiet_session
from services.trainer.networks.foreign.graph import ForeignGraph

PARITY = 1e-5
PARITY_BATCHES = (1, 3, 64)
_SEED = 20_261_120

Signals = NDArray[np.float32]


def made_up(graph: ForeignGraph, count: int, samples: int | None = None) -> list[Signals]:
    """Seeded noise of the size of an ECG, and numbers beside it where the model takes some."""
    generator = np.random.default_rng(_SEED)
    length = samples or graph.samples
    signal = generator.standard_normal((count, graph.leads, length), dtype=np.float32) * np.float32(graph.noise)
    beside = [generator.random((count, graph.columns), dtype=np.float32)] if graph.columns else []
    return [signal, *beside]


def check_reproduction(network: nn.Module, graph: ForeignGraph, *, samples: int | None = None) -> float:
    """Largest difference between a converted network and its graph, relative where answers exceed 1.

    A graph with a fixed batch is asked in batches of that size.

    Raises:
        InvalidModel: more than `PARITY` at batch 1, 3 or 64, or an answer that is not finite.
    """
    signals = made_up(graph, max(PARITY_BATCHES), samples)
    wanted = _answers(graph, signals)
    worst = max(_difference(network, signals, wanted, size) for size in PARITY_BATCHES)
    if not worst <= PARITY:  # NaN too
        _check_independence(graph, signals, wanted)
        raise InvalidModel(
            f"The model cannot be a base for training: converted, it differs from its file by {worst:.1e}; "
            f"{PARITY:.0e} is allowed.",
            difference=worst,
        )
    return worst


def _difference(network: nn.Module, signals: Sequence[Signals], wanted: Signals, size: int) -> float:
    with torch.no_grad():
        given = network(*(torch.from_numpy(part[:size]) for part in signals)).numpy()
    if given.shape != wanted[:size].shape:
        return float("nan")
    return float((np.abs(given - wanted[:size]) / np.maximum(1.0, np.abs(wanted[:size]))).max())


def _check_independence(graph: ForeignGraph, signals: Sequence[Signals], wanted: Signals) -> None:
    """Say so where the file itself answers otherwise in a smaller batch: that is why no network equals it."""
    few = PARITY_BATCHES[1]
    alone = _answers(graph, [part[:few] for part in signals])
    if not np.abs(alone - wanted[:few]).max() <= PARITY * max(1.0, float(np.abs(wanted[:few]).max())):
        raise InvalidModel(
            "The model cannot be a base for training: its answer for one ECG depends on the others in the batch; "
            "export it in eval mode."
        )


def _answers(graph: ForeignGraph, signals: Sequence[Signals]) -> Signals:
    session = quiet_session(graph.reference)
    names = [graph.input_name, graph.column_input] if graph.columns else [graph.input_name]
    count = len(signals[0])
    size = graph.reference_batch or count
    parts = []
    for start in range(0, count, size):
        rows = np.arange(start, start + size) % count  # the last batch is filled up with the first ECGs
        feeds = {name: part[rows] for name, part in zip(names, signals, strict=True)}
        parts.append(_run(session, graph.output_name, feeds))
    return np.concatenate(parts)[:count]


def _run(session: object, output: str, feeds: dict[str, Signals]) -> Signals:
    try:
        answer = session.run([output], feeds)[0]  # type: ignore[attr-defined]  # ONNX Runtime is published without types
    except Exception as error:  # its exceptions share no public base class
        raise InvalidModel("ONNX Runtime cannot run the model with made-up ECGs.") from error
    if not isinstance(answer, np.ndarray) or answer.dtype != np.float32 or answer.ndim != 2:
        raise InvalidModel("The model's answer is not (batch, outputs) float32.")
    return answer
