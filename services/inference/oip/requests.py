"""Requests of the Open Inference Protocol as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from precordia.catalog import ModelRef, checked_name
from precordia.errors import InvalidArgument, ModelNotFound
from precordia.oip import inference_pb2 as pb
from precordia.prediction import Priority
from services.inference.engine.host_buffers import Tensor
from services.inference.predicting.tensor_predictor import SentTensor, TensorCall

_PRIORITIES = {1: Priority.STAT, 2: Priority.ROUTINE, 3: Priority.BACKGROUND}
PRIORITY_LEVELS = len(_PRIORITIES)
DEFAULT_PRIORITY = 2

_LARGEST_VERSION = 999_999_999
_FLOAT = np.dtype("<f4")


@lru_cache(maxsize=1024)
def model_ref(name: str, version: str) -> ModelRef:
    """A model by name and version: a number, an alias, or empty for the latest.

    Raises:
        ModelNotFound: no model can have this name or number.
        InvalidArgument: no model is named.
    """
    if not name:
        raise InvalidArgument("Name the model.", field="model_name")
    try:
        checked_name(name)
        if version and not version.isdecimal():
            return ModelRef(name, alias=checked_name(version))
    except InvalidArgument:
        raise ModelNotFound("Request for unknown model: no model has this name or alias.") from None
    if version and not 1 <= int(version[:10]) <= _LARGEST_VERSION:
        raise ModelNotFound("Request for unknown model: versions are numbered from 1.")
    return ModelRef(name, int(version or 0))


def call_of(request: pb.ModelInferRequest) -> TensorCall:
    """What is asked.

    Raises:
        InvalidArgument: it uses what is not offered, or says one thing in two ways.
        ModelNotFound: no model can have this name.
    """
    return TensorCall(
        model_ref(request.model_name, request.model_version),
        _tensors(request),
        _outputs(request),
        _priority(request.parameters),
        _timeout_s(request.parameters),
    )


def classes_of(request: pb.ModelInferRequest) -> dict[str, int]:
    """How many classes are asked for, by output; only outputs that are to be classified."""
    return {output.name: count for output in request.outputs if (count := _number(output.parameters, "classification"))}


def _tensors(request: pb.ModelInferRequest) -> list[SentTensor]:
    raw: Sequence[bytes] = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InvalidArgument(
            f"There are {len(request.inputs)} inputs and {len(raw)} raw_input_contents; send one for each input.",
            field="raw_input_contents",
        )
    return [_tensor(sent, raw[at] if raw else None) for at, sent in enumerate(request.inputs)]


def _tensor(sent: pb.ModelInferRequest.InferInputTensor, raw: bytes | None) -> SentTensor:
    _refuse_shared_memory(sent.parameters)
    shape = tuple(sent.shape)
    if raw is None:
        return SentTensor(sent.name, sent.datatype, shape, _numbers(sent.contents))
    if sent.HasField("contents") and sent.contents.ByteSize():
        raise InvalidArgument(
            "An input has its content once: leave contents empty with raw_input_contents.", field="inputs"
        )
    return SentTensor(sent.name, sent.datatype, shape, raw)


def _numbers(contents: pb.InferTensorContents) -> Tensor:
    """Typed contents, (n,). On the wire they stand as raw bytes in a row, which is far quicker to take than one by one.

    A packed field is its key, its length and its content (protobuf's encoding); where something else is beside
    it, they are taken one by one.
    """
    numbers = contents.fp32_contents
    size = _FLOAT.itemsize * len(numbers)
    if size and contents.ByteSize() == 1 + _varint_bytes(size) + size:
        packed = contents.SerializeToString()
        return np.frombuffer(packed, _FLOAT, offset=len(packed) - size).copy()  # aligned, as kernels want it
    return np.fromiter(numbers, np.float32, len(numbers))


def _varint_bytes(number: int) -> int:
    return max(1, -(-number.bit_length() // 7))


def _outputs(request: pb.ModelInferRequest) -> tuple[str, ...]:
    for output in request.outputs:
        _refuse_shared_memory(output.parameters)
    return tuple([output.name for output in request.outputs])


def _refuse_shared_memory(parameters: Mapping[str, Any]) -> None:
    if "shared_memory_region" in parameters:
        raise InvalidArgument("Shared memory is not offered; send the tensor's content.", field="inputs")


def _priority(parameters: Mapping[str, Any]) -> Priority:
    """Unknown levels are the default level, as this protocol's clients expect."""
    return _PRIORITIES.get(_number(parameters, "priority"), _PRIORITIES[DEFAULT_PRIORITY])


def _timeout_s(parameters: Mapping[str, Any]) -> float | None:
    microseconds = _number(parameters, "timeout")
    return microseconds / 1e6 if microseconds else None


def _number(parameters: Mapping[str, Any], name: str) -> int:
    """A whole number of 0 or more; 0 where there is none."""
    if name not in parameters:
        return 0
    choice = parameters[name].WhichOneof("parameter_choice")
    number = getattr(parameters[name], choice) if choice in ("int64_param", "uint64_param") else -1
    if number < 0:
        raise InvalidArgument(f"Parameter '{name}' is a whole number of 0 or more.", field="parameters")
    return int(number)
