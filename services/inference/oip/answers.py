"""Tensors as answers of the Open Inference Protocol: always raw, as its clients read them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from precordia.oip import inference_pb2 as pb
from services.inference.predicting.tensor_predictor import TensorResult
from services.inference.scoring.tensors import AnyTensor

_DATATYPES = {
    "bool": "BOOL",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
} | {f"{kind}{bits}": f"{kind.upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
_WIRE = {np.dtype(name): (datatype, np.dtype(name).newbyteorder("<")) for name, datatype in _DATATYPES.items()}
"""Datatype, and the order of bytes, by the type of a graph's output."""


def answer_of(result: TensorResult, request_id: str, classes: Mapping[str, int]) -> pb.ModelInferResponse:
    """The answer to a request.

    Args:
        result: its outputs.
        request_id: comes back as it was sent.
        classes: outputs of which only the largest elements are wanted, and how many.
    """
    version = result.version
    answer = pb.ModelInferResponse(model_name=version.name, model_version=str(version.version), id=request_id)
    for name, tensor in result.outputs.items():
        if name in classes:
            labels = version.manifest.output_names if name == version.manifest.output_name else ()
            _add(
                answer,
                name,
                "BYTES",
                (len(tensor), _shown(tensor, classes[name])),
                _classes(tensor, classes[name], labels),
            )
        else:
            datatype, little = _WIRE[tensor.dtype]
            _add(answer, name, datatype, tensor.shape, tensor.astype(little, copy=False).tobytes())
    return answer


def _add(answer: pb.ModelInferResponse, name: str, datatype: str, shape: Sequence[int], content: bytes) -> None:
    answer.outputs.add(name=name, datatype=datatype, shape=shape)
    answer.raw_output_contents.append(content)


def _shown(tensor: AnyTensor, wanted: int) -> int:
    return min(wanted, int(tensor[0].size))


def _classes(tensor: AnyTensor, wanted: int, labels: Sequence[str]) -> bytes:
    """The largest elements of each row, largest first, each as "value:index:label"; sizes before them."""
    parts = []
    for row in tensor.reshape(len(tensor), -1):
        for index in np.argsort(-row.astype(np.float64), kind="stable")[: _shown(tensor, wanted)]:
            label = f":{labels[index]}" if index < len(labels) else ""
            text = f"{row[index]:f}:{index}{label}".encode()
            parts.append(struct.pack("<I", len(text)) + text)
    return b"".join(parts)
