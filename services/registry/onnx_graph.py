"""ONNX files as data: parsed within bounds, refused where they reach outside, described by shape.

Nothing is run here. What a file may hold is narrow on purpose: the operators of the ONNX standard,
tensors inside the file, an opset that the whole product (serving and fine-tuning) knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from precordia.errors import InvalidModel

NEWEST_OPSET = 20
OLDEST_OPSET = 7
"""Older operator versions are no longer run by ONNX Runtime."""

STANDARD_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_MOST_NODES = 200_000


@dataclass(frozen=True)
class Port:
    """One input or output of a graph; a dimension is None where it is free."""

    name: str
    element_type: int
    shape: tuple[int | None, ...]

    @property
    def is_float(self) -> bool:
        """Whether it is a float32 tensor."""
        return self.element_type == TensorProto.FLOAT


def parse_model(content: bytes) -> ModelProto:
    """The file as a graph of standard operators with all its numbers inside.

    Raises:
        InvalidModel: it is no ONNX file, or reaches outside of what is allowed; the message says how.
    """
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError:
        raise InvalidModel("The file is no ONNX model, or it is cut short.") from None
    if not model.graph.node or not model.graph.output:
        raise InvalidModel("The file is no ONNX model, or its graph is empty.")
    _refuse_opsets(model)
    _refuse_foreign_operators(model)
    _refuse_external_data(model)
    return model


def metadata_of(model: ModelProto) -> dict[str, str]:
    """The file's metadata strings; of a repeated key, the last."""
    return {entry.key: entry.value for entry in model.metadata_props}


def inputs_of(graph: GraphProto) -> tuple[Port, ...]:
    """Inputs that a caller feeds: those that are no initializers."""
    constants = {tensor.name for tensor in graph.initializer}
    return tuple(_port(value) for value in graph.input if value.name not in constants)


def outputs_of(graph: GraphProto) -> tuple[Port, ...]:
    """The graph's outputs in order."""
    return tuple(_port(value) for value in graph.output)


def final_operator(graph: GraphProto, output_name: str) -> str:
    """Name of the operator that makes an output; empty where none does."""
    for node in reversed(graph.node):
        if output_name in node.output:
            return str(node.op_type)
    return ""


def opset_of(model: ModelProto) -> int:
    """Version of the standard operator set."""
    return max((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def graphs_of(model: ModelProto) -> Iterator[GraphProto]:
    """The main graph and every graph inside its nodes (branches and loop bodies)."""
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            waiting.extend(_subgraphs(node))


def nodes_of(model: ModelProto) -> Iterator[NodeProto]:
    """Every node, those of functions and of inner graphs included."""
    for graph in graphs_of(model):
        yield from graph.node
    for function in model.functions:
        waiting = list(function.node)
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(inner for graph in _subgraphs(node) for inner in graph.node)


def serialize(model: ModelProto) -> bytes:
    """The file's bytes, the same for the same graph."""
    return bytes(model.SerializeToString(deterministic=True))


def with_metadata(model: ModelProto, metadata: dict[str, str]) -> ModelProto:
    """The model with these strings in its metadata; others stay, each key once."""
    merged = metadata_of(model) | metadata
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(sorted(merged.items())))
    return model


def _subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _port(value: ValueInfoProto) -> Port:
    tensor = value.type.tensor_type
    shape = tuple(
        int(dimension.dim_value) if dimension.HasField("dim_value") and dimension.dim_value > 0 else None
        for dimension in tensor.shape.dim
    )
    return Port(value.name, tensor.elem_type, shape)


def _refuse_opsets(model: ModelProto) -> None:
    opset = opset_of(model)
    if opset > NEWEST_OPSET:
        raise InvalidModel(f"The model uses opset {opset}; up to {NEWEST_OPSET} can be used. Export it again.")
    if opset < OLDEST_OPSET:
        raise InvalidModel(f"The model uses opset {opset}; {OLDEST_OPSET} to {NEWEST_OPSET} can be used.")


def _refuse_foreign_operators(model: ModelProto) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    for count, node in enumerate(nodes_of(model)):
        if count >= _MOST_NODES:
            raise InvalidModel(f"The graph has more than {_MOST_NODES} nodes.")
        if node.domain not in STANDARD_DOMAINS and (node.domain, node.op_type) not in own:
            operator = f"{node.domain}.{node.op_type}"[:100]
            raise InvalidModel(
                f"Operator '{operator}' is not of the ONNX standard; export the model without it.", operator=operator
            )


def _refuse_external_data(model: ModelProto) -> None:
    for tensor in _tensors(model):
        if tensor.external_data or tensor.data_location == TensorProto.EXTERNAL:
            raise InvalidModel("The model keeps its weights in another file; save it as one file.")


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    for graph in graphs_of(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in nodes_of(model):
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
