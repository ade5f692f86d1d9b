"""A settled graph as a torch network whose every weight learns.

onnx2torch keeps the tensors that an operator reads beside the signal (of MatMul, of LayerNorm,
position embeddings) as buffers, which no optimizer sees. Here those that `settle` named weights
become parameters.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator, Sequence

import torch
from onnx import ModelProto
from torch import fx, nn

from precordia.errors import InvalidModel, PrecordiaError
from services.trainer.networks.foreign import operators, recurrent  # registers what they hold
from services.trainer.networks.foreign.refusal import refused
from services.trainer.networks.foreign.settling import CONSTANT, WEIGHT

from onnx2torch import convert  # isort: skip  # operators.py made it importable
from onnx2torch.node_converters.registry import get_converter  # isort: skip

__all__ = ["converted", "operator_of", "operators", "recurrent"]


def converted(model: ModelProto) -> fx.GraphModule:
    """The network, in inference mode, with the same answers as the graph.

    Raises:
        InvalidModel: an operator is not converted; named.
    """
    _check_operators(model)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx2torch's own deprecations
        torch.manual_seed(0)  # layers are built with weights that are replaced at once
        try:
            network: fx.GraphModule = convert(model, attach_onnx_mapping=True)
        except PrecordiaError:
            raise
        except Exception as error:  # onnx2torch raises many kinds, by operator
            raise _blamed(model, error) from error
    readings = list(_readings(network))
    _share(network, model)
    _name_by_place(network)
    _promote(network, readings)
    network.recompile()
    return network.eval()


def operator_of(module_name: str) -> str:
    """The ONNX operator that a module of a converted network stands for: names are given as "operator.number"."""
    return module_name.split(".")[0]


def _check_operators(model: ModelProto) -> None:
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    for node in model.graph.node:
        try:
            get_converter(domain=node.domain, operation_type=node.op_type, version=opsets[node.domain])
        except NotImplementedError:
            raise refused(node.op_type, "is not converted") from None


def _blamed(model: ModelProto, error: Exception) -> InvalidModel:
    """onnx2torch converts in order and says nothing of where it is: find the node by converting up to each."""
    for count, node in enumerate(model.graph.node):
        part = ModelProto.FromString(model.SerializeToString())
        del part.graph.node[count + 1 :]
        del part.graph.output[:]
        part.graph.output.add().name = node.output[0]
        try:
            convert(part)
        except Exception:  # as above: whichever it is, this operator is to blame
            return refused(node.op_type, "has settings or inputs that are not converted")
    return InvalidModel(f"The model cannot be converted: {type(error).__name__}.")


def _promote(network: fx.GraphModule, readings: Sequence[tuple[fx.Node, fx.Node, str]]) -> None:
    """Weights as parameters, constants as buffers, in the layer that reads them first."""
    homes: dict[str, str] = {}
    for node, reader, name in readings:
        tensor = operator.attrgetter(str(node.target))(network)
        if name not in homes:  # one weight may be read in several places
            homes[name] = str(reader.target)
            layer = network.get_submodule(homes[name])
            if name.startswith(WEIGHT):
                layer.register_parameter(name, nn.Parameter(tensor.clone()))
            else:
                layer.register_buffer(name, tensor.clone())
        node.target = f"{homes[name]}.{name}"
    if hasattr(network, "initializers"):
        delattr(network, "initializers")
    for module in network.modules():
        if hasattr(module, "onnx_mapping"):
            del module.onnx_mapping


def _name_by_place(network: fx.GraphModule) -> None:
    """Layers as "Conv.12": the number, which is the place in the graph, makes each a block of its own."""
    for node in network.graph.nodes:
        if node.op != "call_module":
            continue
        kind, _, number = str(node.target).rpartition("/")[2].rpartition("_")
        network.add_submodule(f"{kind}.{number}", network.get_submodule(str(node.target)))
        node.target = f"{kind}.{number}"
    network.delete_all_unused_submodules()


def _share(network: fx.GraphModule, model: ModelProto) -> None:
    """Layers with the very same tensors and settings are one layer, used several times."""
    first: dict[tuple[object, ...], str] = {}
    instead: dict[str, str] = {}
    for node in model.graph.node:
        tensors = tuple(name for name in node.input if name.startswith((WEIGHT, CONSTANT)))
        if tensors:
            attributes = tuple(sorted(attribute.SerializeToString() for attribute in node.attribute))
            name = f"{node.domain}/{node.name}".lstrip("/")  # as onnx2torch names modules
            instead[name] = first.setdefault((node.op_type, tensors, attributes), name)
    for node in network.graph.nodes:
        if node.op == "call_module":
            node.target = instead.get(str(node.target), str(node.target))
    network.delete_all_unused_submodules()


def _readings(network: fx.GraphModule) -> Iterator[tuple[fx.Node, fx.Node, str]]:
    """Each node that reads a tensor, the node that it reads for, and the tensor's name in the graph."""
    for node in network.graph.nodes:
        if node.op != "call_module":
            continue
        mapping = getattr(network.get_submodule(str(node.target)), "onnx_mapping", None)
        names = [name for name in mapping.inputs if name] if mapping is not None else []
        given = [*node.args, *node.kwargs.values()]
        for name, read in zip(names, given, strict=True):
            if isinstance(read, fx.Node) and read.op == "get_attr":
                yield read, node, name
