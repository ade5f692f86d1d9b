"""The engine seam: a graph becomes a session on a device, and a session turns batches into outputs.

`Engine.load` takes the bytes of a graph, `Session.run` takes tensors by name. ONNX Runtime is the
engine in use; which execution provider really runs is checked after loading and reported, because
its GPU build names CUDA as available on machines without a GPU and falls back without a word.
"""

from __future__ import annotations

import logging
import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from precordia.errors import FailedPrecondition, InvalidModel, MissingDependency

log = logging.getLogger(__name__)

Tensor = NDArray[np.float32]

# ONNX Runtime's word for a tensor's elements, and the Open Inference Protocol's.
_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
}

_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"


class Device(Enum):
    """Where models run."""

    CPU = "cpu"
    CUDA = "cuda"
    AUTO = "auto"
    """CUDA where it works, else the CPU; which of them is reported."""


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

    @abstractmethod
    def release(self) -> None:
        """Gives back memory that earlier, larger runs left allocated, where the engine can."""


class Engine(ABC):
    """Makes sessions on one device."""

    @property
    @abstractmethod
    def device(self) -> str:
        """Names the device and what else a measurement depends on; the key of kept profiles."""

    @abstractmethod
    def load(self, graph: bytes) -> Session:
        """A session for a serialised graph.

        Raises:
            InvalidModel: the graph is broken, or uses what this engine does not have.
            MissingDependency, FailedPrecondition: the device asked for is not there.
        """


class OnnxRuntimeEngine(Engine):
    """ONNX Runtime with explicit providers; threads do not spin, since cores are shared."""

    def __init__(self, *, device: Device = Device.AUTO, intra_op_threads: int = 1, allow_fallback: bool = False):
        self._device = device
        self._threads = intra_op_threads
        self._fallback = allow_fallback or device is Device.AUTO

    @property
    def device(self) -> str:
        """Device, processor, threads and version."""
        wanted = "cuda" if _CUDA in self._wanted() else "cpu"
        processor = f"{_processor()}/{os.cpu_count()}"
        return f"{wanted}|{processor}|threads={self._threads}|onnxruntime={ort.__version__}"

    def load(self, graph: bytes) -> Session:
        """See `Engine.load`."""
        session = self._session(graph, self._wanted())
        if self._device is Device.CUDA and session.get_providers()[0] != _CUDA:
            if not self._fallback:
                raise FailedPrecondition(
                    "CUDA was asked for and does not work here (no device, or its libraries do not load). "
                    "Mend that, or set PRECORDIA_INFERENCE_DEVICE=cpu or PRECORDIA_INFERENCE_ALLOW_FALLBACK=true."
                )
            log.warning("CUDA does not work here; the model runs on the CPU")
        return _OnnxSession(session)

    def _wanted(self) -> list[str]:
        if self._device is Device.CPU:
            return [_CPU]
        if _CUDA in ort.get_available_providers():
            return [_CUDA, _CPU]
        if not self._fallback:
            raise MissingDependency(
                "CUDA was asked for and this build of ONNX Runtime has none. Install the extra 'gpu', "
                "or set PRECORDIA_INFERENCE_DEVICE=cpu.",
                package="onnxruntime-gpu",
                extra="gpu",
            )
        return [_CPU]

    def _session(self, graph: bytes, providers: list[str]) -> Any:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return ort.InferenceSession(graph, options, providers=providers)
        except Exception as error:  # ONNX Runtime's errors share no base class but Exception
            log.warning("a graph does not load: %s", error)
            raise InvalidModel(
                f"ONNX Runtime {ort.__version__} cannot load this graph ({type(error).__name__}). "
                "Import it into the registry, which says what is wrong with it."
            ) from None


class _OnnxSession(Session):
    def __init__(self, session: Any) -> None:
        self._session = session
        self.providers = tuple(session.get_providers())
        self.inputs = tuple(map(_spec, session.get_inputs()))
        self.outputs = tuple(map(_spec, session.get_outputs()))
        self._shrink = ort.RunOptions()
        self._shrink.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def compute(self, tensors: Mapping[str, Tensor], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """See `Session.compute`."""
        return self._run(dict(tensors), list(outputs), None)

    def release(self) -> None:
        smallest = {spec.name: np.zeros(_one(spec.shape), np.float32) for spec in self.inputs}
        self._run(smallest, [self.outputs[0].name], self._shrink)

    def _run(self, tensors: dict[str, Tensor], outputs: list[str], options: Any) -> list[NDArray[Any]]:
        try:
            answers: list[NDArray[Any]] = self._session.run(outputs, tensors, options)
        except Exception as error:  # as above: no common base class
            log.warning("a graph does not run: %s", error)
            raise InvalidModel(
                f"ONNX Runtime {ort.__version__} cannot run this graph on its manifest's input "
                f"({type(error).__name__}). Publish the model again with a manifest that fits the graph."
            ) from None
        return answers


def _spec(node: Any) -> TensorSpec:
    return TensorSpec(node.name, _shape(node.shape), _DATATYPES.get(node.type, ""))


def _shape(shape: list[Any]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _one(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(1 if size is None else size for size in shape)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
