"""Tensors that are a model's input as they come: no conditioning before the graph, no activation after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidModel
from services.inference.engine.host_buffers import Tensor
from services.inference.engine.sessions import Session
from services.inference.statistics import Phases

AnyTensor = NDArray[Any]


@dataclass(frozen=True, eq=False)
class TensorJob:
    """One row of each input, (1, ...), float32, and the outputs that are wanted."""

    tensors: Mapping[str, Tensor]
    outputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TensorAnswer:
    """One row of each output, (1, ...), as the graph gives it."""

    tensors: Mapping[str, AnyTensor]
    phases: Phases
    """The run that made them."""


class TensorRunner:
    """Runs rows of several callers at once through one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, jobs: Sequence[TensorJob], phases: Phases) -> list[TensorAnswer]:
        """An answer for each job, in order.

        Raises:
            InvalidModel: the graph cannot run on these tensors, or does not answer row by row.
        """
        names = list(dict.fromkeys(name for job in jobs for name in job.outputs))
        tensors = jobs[0].tensors if len(jobs) == 1 else self._joined([job.tensors for job in jobs])
        phases.prepared()
        computed = dict(zip(names, self._session.compute(tensors, names), strict=True))
        phases.inferred()
        for name, tensor in computed.items():
            if tensor.ndim == 0 or len(tensor) != len(jobs):
                raise InvalidModel(f"The graph's output '{name}' has no row for each ECG, so it cannot be served.")
        answers = [
            TensorAnswer({name: computed[name][row : row + 1] for name in job.outputs}, phases)
            for row, job in enumerate(jobs)
        ]
        phases.finished()
        return answers

    def _joined(self, rows: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The rows of each input in one piece, in the session's own memory."""
        joined: dict[str, Tensor] = {}
        for name, first in rows[0].items():
            room = self._session.room(name, (len(rows), *first.shape[1:]))
            joined[name] = np.concatenate([row[name] for row in rows], out=room)
        return joined
