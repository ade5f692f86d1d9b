"""Float graph in, int8 graph out: static quantization in QDQ form by ONNX Runtime's own tools.

Weights are int8 by output channel, activations uint8 by tensor: integers with a scale, Jacob et al. 2018,
CVPR, 2704-2713. Weights use 7 of the 8 bits: without VNNI an x86 processor adds two products in 16 bits,
which 8-bit weights overflow, and a model would answer differently from machine to machine.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from precordia.errors import InvalidModel
from services.inference.quantization.rewrites import with_bins_convolved, with_norms_folded

WEIGHTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
"""Layers that integers make faster."""

_BETWEEN = (
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Flatten",
    "GlobalAveragePool",
    "MaxPool",
    "Mul",
    "Pad",
    "Relu",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
"""What passes integers on from layer to layer; norms and activations of other kinds stay in float."""

_LEAST_OPSET = 13
"""Scales by channel came with it."""
_OPSET = 17
_STANDARD = ("", "ai.onnx", "ai.onnx.ml")

Ranges = Mapping[str, tuple[float, float]]
"""Lowest and highest value that a tensor's integers stand for, by its name."""


def prepared(graph: bytes) -> ModelProto:
    """The graph with constants folded, BatchNorm within convolutions, shapes known and every node named.

    Raises:
        InvalidModel: it is quantized already, has no layer that integers make faster, or does not load.
    """
    model = onnx.load_from_string(graph)
    if any(node.op_type.endswith("QuantizeLinear") or node.op_type.startswith("QLinear") for node in model.graph.node):
        raise InvalidModel("This model computes with integers already. Quantize the one that it was made from.")
    folded = with_norms_folded(with_bins_convolved(_folded(_recent(model))))
    # What ONNX Runtime declares beside what is used would bind the file to it.
    used = {node.domain for node in folded.graph.node}
    kept = [entry for entry in folded.opset_import if entry.domain in used or entry.domain == ""]
    del folded.opset_import[:]
    folded.opset_import.extend(kept)
    if used - set(_STANDARD):
        raise InvalidModel("This graph has operators of a vendor, which cannot be quantized here.")
    for number, node in enumerate(folded.graph.node):
        node.name = f"{node.op_type}_{number}"
    if not weighted(folded):
        raise InvalidModel(f"This graph has no layer that int8 makes faster ({', '.join(WEIGHTED)}).")
    del folded.metadata_props[:]
    folded.metadata_props.extend(model.metadata_props)
    return onnx.shape_inference.infer_shapes(folded)


def _recent(model: ModelProto) -> ModelProto:
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset >= _LEAST_OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, _OPSET)
    except Exception:  # the converter raises whatever its C++ side does
        raise InvalidModel(
            f"This graph is of opset {opset} and cannot be raised to {_LEAST_OPSET}. Export it again at {_OPSET}."
        ) from None


def _folded(model: ModelProto) -> ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        try:
            ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no base class but Exception
            raise InvalidModel(f"ONNX Runtime cannot load this graph ({type(error).__name__}).") from None
        return onnx.load(options.optimized_model_filepath)


def weighted(model: ModelProto) -> tuple[str, ...]:
    """Names of the layers that integers make faster, in their order."""
    held = {tensor.name for tensor in model.graph.initializer}
    return tuple(node.name for node in model.graph.node if node.op_type in WEIGHTED and set(node.input) & held)


def observable(model: ModelProto) -> tuple[str, ...]:
    """Float tensors that flow between nodes, inputs included: those that need a range."""
    known = {value.name: value for value in (*model.graph.value_info, *model.graph.output)}
    flowing = [name for node in model.graph.node for name in node.output]
    floats = [name for name in flowing if name in known and _is_float(known[name])]
    return tuple(dict.fromkeys([*(value.name for value in model.graph.input if _is_float(value)), *floats]))


def _is_float(value: onnx.ValueInfoProto) -> bool:
    return bool(value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT)


def observing(model: ModelProto) -> bytes:
    """The graph with every observable tensor among its outputs."""
    wider = copy.deepcopy(model)
    there = {value.name for value in (*wider.graph.output, *wider.graph.input)}
    known = {value.name: value for value in wider.graph.value_info}
    wider.graph.output.extend(known[name] for name in observable(model) if name not in there)
    serialised: bytes = wider.SerializeToString()
    return serialised


def quantized(model: ModelProto, ranges: Ranges, in_float: Collection[str] = ()) -> bytes:
    """The graph in integers.

    Args:
        model: from `prepared`.
        ranges: of its tensors.
        in_float: nodes that stay as they are.
    """
    data = {
        name: TensorData(lowest=np.asarray(low, np.float32), highest=np.asarray(high, np.float32))
        for name, (low, high) in _tied(model, ranges).items()
    }
    quantizer = QDQQuantizer(
        copy.deepcopy(model),
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=[],
        nodes_to_exclude=[*in_float, *_pools_of_input(model)],
        op_types_to_quantize=[*WEIGHTED, *_BETWEEN],
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    made: ModelProto = quantizer.model.model
    made.producer_name = "precordia"
    serialised: bytes = made.SerializeToString(deterministic=True)
    return serialised


def _tied(model: ModelProto, ranges: Ranges) -> Ranges:
    """One range for everything that is put side by side: then it is copied, and not scaled anew."""
    tied = dict(ranges)
    for node in model.graph.node:
        names = [name for name in (*node.input, *node.output) if name in tied]
        if node.op_type == "Concat" and names:
            whole = min(tied[name][0] for name in names), max(tied[name][1] for name in names)
            tied |= dict.fromkeys(names, whole)
    return tied


def _pools_of_input(model: ModelProto) -> list[str]:
    """Pools that read the ECG itself: of so few channels, floats are pooled faster."""
    same = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if node.op_type in ("Unsqueeze", "Reshape") and node.input[0] in same:
            same.update(node.output)
    return [node.name for node in model.graph.node if node.op_type == "MaxPool" and node.input[0] in same]
