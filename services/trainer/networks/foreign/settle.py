"""A folded graph in the operators that are converted: settings as attributes, every weight its own.

Operators that take a setting as an input (a shape, axes, bounds) differ from opset to opset and,
converted as they stand, look into tensors while running, which neither a GPU nor the exporter
likes. They become operators of the domain `precordia`, with the setting, known since `folding`, as
an attribute. What stays standard means the same in opsets 13 to 20, and the graph is marked 17.
"""

from __future__ import annotations

from collections.abc import Callable

from onnx import ModelProto, NodeProto, helper

from services.trainer.networks.foreign import settings
from services.trainer.networks.foreign import settle_places as places
from services.trainer.networks.foreign import settle_values as values
from services.trainer.networks.foreign.folding import Folded
from services.trainer.networks.foreign.settling import DOMAIN, Settling

OPSET = 17

_HANDLERS: dict[str, Callable[[Settling, NodeProto], None]] = {
    **dict.fromkeys(("Reshape", "Flatten"), places.reshape),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), values.global_pool),
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization"), values.norm),
    **dict.fromkeys(("Gelu", "Mish", "PRelu", "Min", "Max", "Sum", "Mean"), values.same_inputs),
    **dict.fromkeys(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"), values.same_inputs),
    # what onnx2torch has for these looks into tensors while running and cannot be exported again
    **dict.fromkeys(
        ("EyeLike", "GatherElements", "NonMaxSuppression", "Range", "RoiAlign", "ScatterND", "TopK"), values.never
    ),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), values.recurrent),
    **dict.fromkeys(("Dropout", "Identity"), values.identity),
    **dict.fromkeys(settings.REDUCTIONS, values.reduce),
    "Squeeze": places.squeeze,
    "Unsqueeze": places.unsqueeze,
    "Expand": places.expand,
    "Slice": places.cut,
    "Pad": places.pad,
    "Split": places.split,
    "Tile": places.tile,
    "Gather": places.gather,
    "GatherND": places.gather_nd,
    "CumSum": values.cumulate,
    "Not": values.same_inputs,
    "Clip": values.clip,
    "Resize": values.resize,
}


def settled(folded: Folded, own_names: frozenset[str]) -> ModelProto:
    """The graph in converted operators; `own_names` are tensors whose names their author gave.

    Raises:
        InvalidModel: an operator, or a setting of it, is not converted; named.
    """
    graph = Settling(folded, own_names)
    for node in folded.model.graph.node:
        _HANDLERS.get(node.op_type, values.standard)(graph, node)
    source = folded.model.graph
    made = helper.make_graph(graph.nodes, "base", list(source.input), list(source.output), graph.tensors)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8)
