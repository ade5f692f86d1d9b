"""ONNX Runtime, the engine in use.

Which execution provider really runs is checked after loading and reported, because its GPU build
names CUDA as available on machines without a GPU and falls back without a word. On a GPU batches
are bound where they lie, in page-locked memory, instead of being passed along.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from precordia.errors import InvalidModel
from services.inference.engine.host_buffers import HostBuffers, Tensor
from services.inference.engine.machine import accelerators, processor
from services.inference.engine.providers import CPU, Choice, Device, check_in_use, load_libraries, wanted
from services.inference.engine.sessions import Engine, Session, TensorSpec

log = logging.getLogger(__name__)

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


class OnnxRuntimeEngine(Engine):
    """ONNX Runtime with explicit providers; threads do not spin, since cores are shared.

    Args:
        device: where models run.
        intra_op_threads: inside one run; 0 = 1, or all `cores` where that is measured to be faster.
        cores: that this process may use.
        allow_fallback: whether the CPU may stand in for the device.
        cache: folder for what TensorRT builds.
    """

    def __init__(
        self,
        *,
        device: Device = Device.AUTO,
        intra_op_threads: int = 1,
        cores: int = 1,
        allow_fallback: bool = False,
        cache: Path | None = None,
    ) -> None:
        self._device = device
        self._threads = intra_op_threads
        self._cores = cores
        self._fallback = allow_fallback or device is Device.AUTO
        self._cache = cache

    @property
    def device(self) -> str:
        """Device, processor, accelerators where they are used, and version."""
        provider = self._wanted()[0][0]
        chips = [f"{processor()}/{os.cpu_count()}", *(accelerators() if provider != CPU else ())]
        return f"{provider}|{'|'.join(chips)}|onnxruntime={ort.__version__}"

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """See `Engine.thread_counts`. A GPU's runs keep one thread of the host busy."""
        if self._threads:
            return (self._threads,)
        return (1, self._cores) if self._cores > 1 and self._wanted()[0][0] == CPU else (1,)

    def load(self, graph: bytes, *, threads: int = 0) -> Session:
        """See `Engine.load`."""
        choices = self._wanted()
        load_libraries(choices)
        session = self._session(graph, choices, threads or self.thread_counts[0])
        in_use: str = session.get_providers()[0]
        check_in_use(self._device, in_use, fallback=self._fallback)
        if in_use != CPU:
            return _BoundSession(session)
        made = _OnnxSession(session)
        if (threads or self.thread_counts[0]) == 1:
            made.clock = time.thread_time  # what else the machine does must not look like a slow model
        return made

    def _wanted(self) -> list[Choice]:
        return wanted(self._device, fallback=self._fallback, cache=self._cache)

    def _session(self, graph: bytes, choices: list[Choice], threads: int) -> Any:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = ort.InferenceSession(graph, options, providers=choices)
        except Exception as error:  # ONNX Runtime's errors share no base class but Exception
            log.warning("a graph does not load: %s", error)
            raise InvalidModel(
                f"ONNX Runtime {ort.__version__} cannot load this graph ({type(error).__name__}). "
                "Import it into the registry, which says what is wrong with it."
            ) from None
        _forget_file(session)
        return session


class _OnnxSession(Session):
    """On the CPU: arrays are passed as they are."""

    def __init__(self, session: Any, *, page_locked: bool = False) -> None:
        self._session = session
        self.providers = tuple(session.get_providers())
        self.inputs = tuple(map(_spec, session.get_inputs()))
        self.outputs = tuple(map(_spec, session.get_outputs()))
        self._shrink = ort.RunOptions()
        self._shrink.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._buffers = HostBuffers(page_locked=page_locked)

    def compute(self, tensors: Mapping[str, Tensor], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """See `Session.compute`."""
        try:
            return self._run(tensors, list(outputs))
        except Exception as error:  # as above: no common base class
            log.warning("a graph does not run: %s", error)
            raise InvalidModel(
                f"ONNX Runtime {ort.__version__} cannot run this graph on its manifest's input "
                f"({type(error).__name__}). Publish the model again with a manifest that fits the graph."
            ) from None

    def room(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """See `Session.room`."""
        return self._buffers.room(name, shape)

    def release(self) -> None:
        smallest = {spec.name: np.zeros(_one(spec.shape), np.float32) for spec in self.inputs}
        self._session.run([self.outputs[0].name], smallest, self._shrink)

    def _run(self, tensors: Mapping[str, Tensor], outputs: list[str]) -> list[NDArray[Any]]:
        answers: list[NDArray[Any]] = self._session.run(outputs, dict(tensors))
        return answers


class _BoundSession(_OnnxSession):
    """On a GPU: inputs are bound where they lie, each thread with a binding of its own."""

    def __init__(self, session: Any, *, page_locked: bool = True) -> None:
        super().__init__(session, page_locked=page_locked)
        self._kept = threading.local()

    def release(self) -> None:
        """The device's memory stays with its arena: the next large batch needs it."""

    def _run(self, tensors: Mapping[str, Tensor], outputs: list[str]) -> list[NDArray[Any]]:
        binding = getattr(self._kept, "binding", None)
        if binding is None:
            binding = self._kept.binding = self._session.io_binding()
        binding.clear_binding_inputs()
        binding.clear_binding_outputs()
        held = {name: self._in_place(name, tensor) for name, tensor in tensors.items()}
        for name, tensor in held.items():
            binding.bind_input(name, "cpu", 0, np.float32, tensor.shape, tensor.ctypes.data)
        for name in outputs:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        answers: list[NDArray[Any]] = binding.copy_outputs_to_cpu()
        return answers

    def _in_place(self, name: str, tensor: Tensor) -> Tensor:
        """The tensor in this thread's buffer: itself where it lies there, else a copy of it."""
        room = self.room(name, tensor.shape)
        if tensor.ctypes.data != room.ctypes.data:
            room[...] = tensor
        return room


def _forget_file(session: Any) -> None:
    """Lets go of the graph's bytes, which ONNX Runtime keeps beside what it made of them.

    It would need them to begin anew on another provider after a failed run, which nobody asked for.
    """
    session.disable_fallback()
    session._model_bytes = None  # it has no public way; a test sees to it that this is the only reference


def _spec(node: Any) -> TensorSpec:
    return TensorSpec(node.name, _shape(node.shape), _DATATYPES.get(node.type, ""))


def _shape(shape: list[Any]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _one(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(1 if size is None else size for size in shape)
