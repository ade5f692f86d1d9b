"""Shape arithmetic worked out at conversion, so that the network holds settings and no bookkeeping.

Exporters write `x.reshape(len(x), -1)` as a dozen operators on integers. Here every value that does
not depend on the signal's samples is computed, by ONNX Runtime, at two batch sizes. What is equal
at both is a constant; what grows with the batch is known to do so. After that each shape in the
graph is known at both sizes, and a converted network is free of baked-in batch sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper

from precordia.errors import InvalidModel, TooLarge
from services.trainer.networks.foreign.graph import MOST_ELEMENTS, ForeignGraph, arrays, keep_nodes
from services.trainer.networks.foreign.refusal import refused

BATCHES = (2, 3)
"""Batch sizes at which shapes are looked at. Neither is 1: a dimension of 1 stretches in broadcasts."""

_DATA_SHAPED = {"Compress", "NonMaxSuppression", "NonZero", "Unique"}

Shape = tuple[int, ...]
Array = NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Folded:
    """A graph whose shapes are known.

    Attributes:
        model: only the nodes that the signal's samples pass through.
        constants: by value name, what the other nodes compute, at each of `BATCHES`; initializers too.
        shapes: of every value in `model`, at each of `BATCHES`.
        weights: names of constants that hold weights of the author's.
    """

    model: ModelProto
    constants: tuple[dict[str, Array], dict[str, Array]]
    shapes: tuple[dict[str, Shape], dict[str, Shape]]
    weights: frozenset[str]

    def is_constant(self, name: str) -> bool:
        """Whether it does not depend on the signal's samples."""
        return name in self.constants[0]

    def grows(self, name: str) -> tuple[int, ...]:
        """Axes of a value whose size grows with the batch."""
        small, large = (shapes[name] for shapes in self.shapes)
        return tuple(axis for axis, (one, other) in enumerate(zip(small, large, strict=True)) if one != other)


def fold(graph: ForeignGraph) -> Folded:
    """Work out everything that does not depend on the signal's samples.

    Raises:
        InvalidModel: a shape cannot be known beforehand; the message names the operator.
        TooLarge: a value would be larger than any ECG network needs.
    """
    _bound(graph)
    passed = _passed(graph.model)
    if graph.model.graph.output[0].name not in passed:
        raise InvalidModel("The model's answer does not depend on the signal.")
    frontier = _frontier(graph.model, passed)
    fixed = arrays(graph.model.graph)
    constants = [fixed | _evaluate(graph, frontier, batch) for batch in BATCHES]
    shapes = [_shapes(graph, passed, values, batch) for values, batch in zip(constants, BATCHES, strict=True)]
    model = ModelProto.FromString(graph.model.SerializeToString())
    keep_nodes(model.graph, {model.graph.output[0].name})
    kept = [node for node in model.graph.node if set(node.output) & passed]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    weights = _weights(graph, fixed)
    return Folded(model, (constants[0], constants[1]), (shapes[0], shapes[1]), weights)


def _passed(model: ModelProto) -> set[str]:
    """Values that the signal's samples reach; a shape is not reached."""
    reached = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if node.op_type in ("Shape", "Size"):
            continue
        if reached & set(node.input):
            if node.op_type in _DATA_SHAPED:
                raise refused(
                    node.op_type, "makes as many values as the signal happens to have, which is not converted"
                )
            reached.update(name for name in node.output if name)
    return reached


def _frontier(model: ModelProto, passed: set[str]) -> list[str]:
    """Computed values that are not reached, but read by nodes that are."""
    made = {name for node in model.graph.node for name in node.output} - passed
    read = [name for node in model.graph.node if set(node.output) & passed for name in node.input]
    return sorted(set(read) & made)


def _evaluate(graph: ForeignGraph, names: list[str], batch: int) -> dict[str, Array]:
    if not names:
        return {}
    model = ModelProto.FromString(graph.model.SerializeToString())
    del model.graph.output[:]
    model.graph.output.extend(ValueInfoProto(name=name) for name in names)
    keep_nodes(model.graph, set(names))
    feeds = {"input_0": np.zeros((batch, graph.leads, graph.samples), np.float32)}
    if graph.columns:
        feeds["input_1"] = np.zeros((batch, graph.columns), np.float32)
    session = quiet_session(model)
    try:
        return dict(zip(names, session.run(names, feeds), strict=True))
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        raise InvalidModel(f"The model does not run with {batch} ECGs at once.") from error


def quiet_session(model: ModelProto) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the CPU with the graph as it is.

    Raises:
        InvalidModel: it does not load.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        raise InvalidModel("ONNX Runtime cannot load the model.") from error


def _bound(graph: ForeignGraph) -> None:
    """Refuse what would ask for all memory, as far as shapes are known before anything is computed."""
    model = ModelProto.FromString(graph.model.SerializeToString())
    _fix_inputs(model, graph, max(BATCHES))
    for value in _inferred(model).graph.value_info:
        sizes = [int(one.dim_value) for one in value.type.tensor_type.shape.dim]
        if math.prod(size or 1 for size in sizes) > MOST_ELEMENTS:
            raise TooLarge(f"A value inside the model has more than {MOST_ELEMENTS} numbers.", limit=MOST_ELEMENTS)


def _fix_inputs(model: ModelProto, graph: ForeignGraph, batch: int) -> None:
    sizes = [(batch, graph.leads, graph.samples), (batch, graph.columns)]
    for value, size in zip(model.graph.input, sizes, strict=False):
        for dimension, fixed in zip(value.type.tensor_type.shape.dim, size, strict=True):
            dimension.dim_value = fixed


def _inferred(model: ModelProto) -> ModelProto:
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # its own kind, and others on damage
        raise InvalidModel("The model's shapes do not fit each other.") from error


def _shapes(graph: ForeignGraph, passed: set[str], constants: dict[str, Array], batch: int) -> dict[str, Shape]:
    """Shape of every value at one batch size, with all shape arithmetic replaced by its result."""
    model = ModelProto.FromString(graph.model.SerializeToString())
    kept = [node for node in model.graph.node if set(node.output) & passed]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    del model.graph.initializer[:]
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    _fix_inputs(model, graph, batch)
    inferred = _inferred(model).graph
    shapes = {name: array.shape for name, array in constants.items()}
    for value in [*inferred.input, *inferred.value_info, *inferred.output]:
        dimensions = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(one.HasField("dim_value") for one in dimensions):
            shapes[value.name] = tuple(int(one.dim_value) for one in dimensions)
    for node in kept:
        for name in node.output:
            if name and name not in shapes:
                raise refused(node.op_type, "gives a value whose shape cannot be known beforehand")
            if name and math.prod(shapes[name]) > MOST_ELEMENTS:
                raise TooLarge(f"A value inside the model has more than {MOST_ELEMENTS} numbers.", limit=MOST_ELEMENTS)
    return shapes


def _weights(graph: ForeignGraph, fixed: dict[str, Array]) -> frozenset[str]:
    """Constants that come from weights: float initializers, and what is computed from them.

    Exporters also keep settings as float initializers. A single number is a weight only where it has
    a name of its own, and a mask (infinite or huge numbers) never is; nor are fractions of places.
    """
    found = {
        name
        for name, array in fixed.items()
        if name not in graph.fractions and _may_learn(array, name in graph.own_names)
    }
    for node in graph.model.graph.node:
        if node.op_type not in ("Shape", "Size", "ConstantOfShape") and found & set(node.input):
            found.update(node.output)
    return frozenset(found)


_LARGEST_WEIGHT = 1e4


def _may_learn(array: Array, has_own_name: bool) -> bool:
    if array.dtype != np.float32 or array.size == 0 or (array.size == 1 and not has_own_name):
        return False
    return bool(np.abs(array).max() < _LARGEST_WEIGHT)  # false for NaN and infinity too


def value_info(folded: Folded) -> list[ValueInfoProto]:
    """Shapes at the smaller batch, as converters look for them: they use rank and fixed sizes."""
    return [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in folded.shapes[0].items()
    ]
