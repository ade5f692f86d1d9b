"""Known faults of exported models, mended so that they can be trained.

The registry mends the same faults when it takes a model in; a file that comes from elsewhere may
still have them. Each mend keeps what the graph computes for one ECG in inference.
"""

from __future__ import annotations

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper, numpy_helper

from services.trainer.networks.foreign.refusal import refused

_BATCH = "batch"


def mend_training_mode(model: ModelProto) -> None:
    """BatchNorm and Dropout as in inference.

    BatchNorm in training mode has further outputs and uses the batch's own statistics, so that one
    ECG's answer depends on the others; in inference it uses the stored ones.

    Raises:
        InvalidModel: something reads the statistics of the batch.
    """
    read = {name for node in model.graph.node for name in node.input}
    read |= {value.name for value in model.graph.output}
    for node in model.graph.node:
        if node.op_type in ("BatchNormalization", "Dropout") and read & (set(node.output[1:]) - {""}):
            raise refused(node.op_type, "is in training mode and its further outputs are used; export in eval mode")
        if node.op_type == "BatchNormalization":
            del node.output[1:]
            for attribute in [one for one in node.attribute if one.name == "training_mode"]:
                node.attribute.remove(attribute)
        if node.op_type == "Dropout":
            del node.input[1:]
            del node.output[1:]


def take_leads_first(graph: GraphProto, signal: ValueInfoProto, leads: int) -> None:
    """An input (batch, samples, leads) becomes (batch, leads, samples), with a transpose behind it."""
    dimensions = signal.type.tensor_type.shape.dim
    if dimensions[2].dim_value != leads or dimensions[1].dim_value == leads:
        return
    inner = f"{signal.name}_samples_by_leads"
    for node in graph.node:
        node.input[:] = [inner if name == signal.name else name for name in node.input]
    graph.node.insert(0, helper.make_node("Transpose", [signal.name], [inner], perm=[0, 2, 1]))
    samples = type(dimensions[1]).FromString(dimensions[1].SerializeToString())
    dimensions[1].CopyFrom(dimensions[2])
    dimensions[2].CopyFrom(samples)


def free_batch(graph: GraphProto) -> int | None:
    """Free a batch size that was baked in at export, in the inputs and in constant shapes.

    Returns that size, or None where the batch was free. Shapes that mention it in another place than
    the first are left; the comparison with the original finds what that breaks.
    """
    sizes = {int(value.type.tensor_type.shape.dim[0].dim_value) for value in graph.input}
    for value in graph.input:
        value.type.tensor_type.shape.dim[0].dim_param = _BATCH
    size = max(sizes)
    if not size:
        return None
    constants = _constant_shapes(graph)
    for index, node in enumerate(graph.node):
        shape = constants.get(node.input[1]) if node.op_type in ("Reshape", "Expand") else None
        if shape is None or shape.size == 0 or shape[0] != size:
            continue
        name = f"{node.output[0]}_any_batch_{index}"
        graph.initializer.append(numpy_helper.from_array(_any_batch(node, shape), name))
        node.input[1] = name
    return size


def _constant_shapes(graph: GraphProto) -> dict[str, np.ndarray]:
    tensors = {tensor.name: tensor for tensor in graph.initializer if len(tensor.dims) == 1}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    found = {name: numpy_helper.to_array(tensor) for name, tensor in tensors.items()}
    return {name: array for name, array in found.items() if array.ndim == 1 and array.dtype == np.int64}


def _any_batch(node: NodeProto, shape: np.ndarray) -> np.ndarray:
    """Expand stretches to 1 without loss; a reshape infers the batch, or copies it where it infers another."""
    freed = shape.copy()
    freed[0] = 1 if node.op_type == "Expand" else 0 if (freed[1:] == -1).any() else -1
    return freed
