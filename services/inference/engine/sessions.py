"""The engine seam: a graph becomes a session on a device, and a session turns batches into outputs.

`Engine.load` takes the bytes of a graph, `Session.run` takes tensors by name.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.engine.host_buffers import Tensor


@dataclass(frozen=True)
class TensorSpec:
    """Name and shape of a graph's input or output; None stands for a free dimension.

    `datatype` is as the Open Inference Protocol writes it; empty where it has no word for it.
    """

    name: str
    shape: tuple[int | None, ...]
    datatype: str = "FP32"


class Session(ABC):
    """One loaded graph. `run` may be called from several threads at once."""

    providers: tuple[str, ...]
    """Execution providers really in use, first choice first."""
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    clock: Callable[[], float] = staticmethod(time.perf_counter)
    """Seconds by which a run is measured: of this thread's processor where the whole run is on it, else of the wall."""

    @abstractmethod
    def compute(self, tensors: Mapping[str, Tensor], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """The named outputs as the graph gives them, in the order of the names.

        Raises:
            InvalidModel: the graph cannot run on these tensors.
        """

    def run(self, tensors: Mapping[str, Tensor], output: str) -> Tensor:
        """The named output, (batch, outputs), float32.

        Raises:
            InvalidModel: the graph cannot run on these tensors.
        """
        (answer,) = self.compute(tensors, [output])
        return np.asarray(answer, dtype=np.float32).reshape(answer.shape[0], -1)

    def room(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Memory for a batch of this input, with whatever is in it, that `compute` takes without a copy.

        Good until this thread asks for the same input again.
        """
        return np.empty(shape, np.float32)

    @abstractmethod
    def release(self) -> None:
        """Gives back memory that earlier, larger runs left allocated, where the engine can."""


class Engine(ABC):
    """Makes sessions on one device."""

    @property
    @abstractmethod
    def device(self) -> str:
        """Names the device and what else a measurement depends on; the key of kept profiles."""

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """Threads inside a run that are worth measuring; one where that is settled."""
        return (1,)

    @abstractmethod
    def load(self, graph: bytes, *, threads: int = 0) -> Session:
        """A session for a serialised graph.

        Args:
            graph: its bytes.
            threads: inside one run; 0 = the first of `thread_counts`.

        Raises:
            InvalidModel: the graph is broken, or uses what this engine does not have.
            MissingDependency, FailedPrecondition: the device asked for is not there.
        """
