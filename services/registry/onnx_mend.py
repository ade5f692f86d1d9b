"""Known faults of exported models, mended on import; each mend is told in a remark.

Each mend keeps what the graph computes for one ECG in inference. Whether it did is not taken on
trust: `onnx_run` compares the mended graph's answers alone and in a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper, inliner, numpy_helper

from precordia.errors import InvalidModel
from precordia.record import Remark
from services.registry.onnx_graph import Port, graphs_of, inputs_of, nodes_of

_BATCH = "batch"


def mend_model(model: ModelProto, *, leads: int) -> tuple[ModelProto, tuple[Remark, ...]]:
    """The model fit for serving, and what was changed.

    Args:
        model: changed in place.
        leads: leads of the signal, to recognise an input stored as (batch, samples, leads).

    Raises:
        InvalidModel: a training-mode node cannot be turned into an inference one.
    """
    remarks = mend_metadata(model)
    if model.functions:
        model = inliner.inline_local_functions(model)
        remarks += (Remark("functions_inlined", "Functions inside the model were written out as plain operators."),)
    remarks += mend_training_mode(model)
    remarks += _mend_layout(model, leads)
    remarks += mend_fixed_batch(model.graph)
    return model, remarks


def mend_metadata(model: ModelProto) -> tuple[Remark, ...]:
    """Metadata with each key once: ONNX forbids repetition, and some exporters repeat."""
    seen: dict[str, str] = {}
    differing = set()
    for entry in model.metadata_props:
        if seen.get(entry.key, entry.value) != entry.value:
            differing.add(entry.key)
        seen[entry.key] = entry.value
    if len(seen) == len(model.metadata_props):
        return ()
    del model.metadata_props[:]
    helper.set_model_props(model, seen)
    if differing:
        said = "A metadata key stood in the file with different values; the last one counts."
    else:
        said = "A metadata key stood in the file more than once, with one value."
    return (Remark("duplicate_metadata", said),)


def mend_training_mode(model: ModelProto) -> tuple[Remark, ...]:
    """BatchNorm and Dropout nodes as in inference.

    BatchNorm in training mode uses the batch's own mean and spread, so one patient's answer would
    depend on who else is in the batch. In inference it uses the stored ones.
    """
    norms = drops = 0
    consumed = _consumed(model)
    for node in nodes_of(model):
        if node.domain in ("", "ai.onnx") and node.op_type == "BatchNormalization":
            norms += _mend_batch_norm(node, consumed)
        if node.domain in ("", "ai.onnx") and node.op_type == "Dropout" and len(node.input) > 2:
            del node.input[2:]
            drops += 1
    remarks: tuple[Remark, ...] = ()
    if norms:
        said = f"{norms} BatchNormalization nodes were in training mode; they now use their stored statistics."
        remarks += (Remark("batch_norm_training_mode", said),)
    if drops:
        remarks += (Remark("dropout_training_mode", f"{drops} Dropout nodes had a training switch; it is off."),)
    return remarks


def _mend_batch_norm(node: NodeProto, consumed: set[str]) -> bool:
    switches = [attribute for attribute in node.attribute if attribute.name == "training_mode"]
    if not any(switch.i for switch in switches) and len(node.output) == 1:
        return False
    if consumed & (set(node.output[1:]) - {""}):
        raise InvalidModel(
            "A BatchNormalization node is in training mode and its statistics are used; export the model in eval mode.",
            operator="BatchNormalization",
        )
    del node.output[1:]
    for switch in switches:
        node.attribute.remove(switch)
    return True


def _consumed(model: ModelProto) -> set[str]:
    """Names of all values that something reads."""
    read = {name for node in nodes_of(model) for name in node.input}
    return read | {value.name for graph in graphs_of(model) for value in graph.output}


def _mend_layout(model: ModelProto, leads: int) -> tuple[Remark, ...]:
    """An input (batch, samples, leads) gets a transpose in front of it."""
    graph = model.graph
    ports = [port for port in inputs_of(graph) if len(port.shape) == 3]
    if len(ports) != 1 or not _is_transposed(ports[0], leads):
        return ()
    value = next(value for value in graph.input if value.name == ports[0].name)
    inner = f"{value.name}_samples_by_leads"
    for node in nodes_of(model):
        node.input[:] = [inner if name == value.name else name for name in node.input]
    graph.node.insert(0, helper.make_node("Transpose", [value.name], [inner], perm=[0, 2, 1]))
    dimensions = value.type.tensor_type.shape.dim
    samples = type(dimensions[1]).FromString(dimensions[1].SerializeToString())
    dimensions[1].CopyFrom(dimensions[2])
    dimensions[2].CopyFrom(samples)
    return (Remark("input_transposed", "The model takes (batch, samples, leads); a transpose stands before it now."),)


def _is_transposed(port: Port, leads: int) -> bool:
    return port.shape[2] == leads and port.shape[1] != leads


def mend_fixed_batch(graph: GraphProto) -> tuple[Remark, ...]:
    """A batch size that was baked in at export becomes free, in the input and in reshapes."""
    fixed = {port.shape[0] for port in inputs_of(graph) if port.shape} - {None}
    if not fixed:
        return ()
    if len(fixed) > 1:
        raise InvalidModel("The model's inputs have different fixed batch sizes.")
    size = int(fixed.pop() or 0)
    for value in graph.input:
        _free_first_dimension(value, size)
    for value in graph.output:
        _free_first_dimension(value, size)
    del graph.value_info[:]  # shapes that say the old batch size
    _free_shapes(graph, size)
    return (Remark("fixed_batch", f"The model was exported for batches of {size}; it now takes any number."),)


def _free_first_dimension(value: ValueInfoProto, size: int) -> None:
    dimensions = value.type.tensor_type.shape.dim
    if dimensions and dimensions[0].dim_value == size:
        dimensions[0].dim_param = _BATCH


def _free_shapes(graph: GraphProto, size: int) -> None:
    """Constant shapes of Reshape and Expand that begin with the batch size."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer if len(tensor.dims) == 1}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    for index, node in enumerate(graph.node):
        if node.op_type not in ("Reshape", "Expand") or node.input[1] not in constants:
            continue
        shape = constants[node.input[1]]
        if shape.ndim != 1 or shape.size == 0 or shape[0] != size:
            continue
        name = f"{node.output[0]}_any_batch_{index}"
        graph.initializer.append(numpy_helper.from_array(_free_shape(node.op_type, shape), name))
        node.input[1] = name


def _free_shape(operator: str, shape: NDArray[Any]) -> NDArray[np.int64]:
    """Expand stretches to 1 without loss; a reshape infers the batch, or copies it where it infers another."""
    freed = shape.astype(np.int64).copy()
    if operator == "Expand":
        freed[0] = 1
    else:
        freed[0] = 0 if (freed[1:] == -1).any() else -1
    return freed
