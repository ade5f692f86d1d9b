"""A foreign ONNX file as a graph that can be converted: parsed within bounds, mended, with names of our own.

Nothing in the file is trusted. Names in it would become part of Python source when torch.fx
compiles a network, so every node and value is renamed first. The graph that comes out has the
standard operators alone, one output, the signal as its first input and a free batch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx.inliner
import onnx.version_converter
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from precordia.errors import InvalidModel, TooLarge
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Manifest
from precordia.onnx_metadata import MANIFEST_KEY, input_grid
from services.trainer.networks.foreign.mend import free_batch, mend_training_mode, take_leads_first
from services.trainer.networks.foreign.refusal import refused

NEWEST_OPSET = 20
OLDEST_OPSET = 7
_RAISED_FROM, RAISED_TO = 13, 17
"""Graphs older than opset 13 are raised to 17 by ONNX's own converter, which is sound upwards."""

MOST_BYTES = 1 << 30
MOST_NODES = 20_000
MOST_ELEMENTS = 1 << 28
"""Of any tensor, at a batch of three."""
MOST_INPUT = 1 << 22
"""Leads times samples: 12 leads at 1000 Hz for 5 minutes are fewer."""

_RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
_MICROVOLT_NOISE, _NOISE = 300.0, 1.0


@dataclass(frozen=True)
class ForeignGraph:
    """A graph ready to be looked at, and what it takes.

    Attributes:
        model: mended, renamed; inputs (batch, leads, samples) and, where there is one, (batch, columns).
        reference: the same before renaming and freeing, with its batch size where that is fixed: what
            the converted network must equal.
        input_name: of the signal, as the file has it.
        free_samples: the file leaves the length open; `samples` is then that of its contract.
        own_names: values of `model` that carry a name someone gave them, and no exporter's number.
        fractions: values by which linear upsampling weighs neighbours; torch's exporter computes them beforehand.
        noise: standard deviation of a made-up signal, in the input's unit.
    """

    model: ModelProto
    reference: ModelProto
    reference_batch: int | None
    input_name: str
    output_name: str
    leads: int
    samples: int
    free_samples: bool
    columns: int = 0
    column_input: str = ""
    own_names: frozenset[str] = field(default_factory=frozenset)
    fractions: frozenset[str] = field(default_factory=frozenset)
    noise: float = _NOISE

    def opset(self) -> int:
        """Version of the standard operators in `model`."""
        return opset_of(self.model)


def read_graph(content: bytes) -> ForeignGraph:
    """Parse a file and bring it into the form described above.

    Raises:
        InvalidModel: broken, reaching outside itself, or taking something else than ECGs by lead.
        TooLarge: beyond a bound of this module.
    """
    model = _parsed(content)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    del model.metadata_props[:]  # a repeated key, which some files have, makes a file that no checker takes
    model = _plain(model)
    _check(model)
    _drop_stale_shapes(model.graph)
    mend_training_mode(model)
    manifest = Manifest.parse(metadata[MANIFEST_KEY]) if MANIFEST_KEY in metadata else None
    signal, beside = _ports(model.graph)
    output = _output(model.graph, manifest)
    leads = len(manifest.input.leads) if manifest else len(STANDARD_LEADS)
    take_leads_first(model.graph, signal, leads)
    _keep_needed(model.graph, output)
    reference = ModelProto.FromString(model.SerializeToString())
    batch = free_batch(model.graph)
    leads, samples, free = _grid(signal, manifest, metadata)
    fractions = frozenset(_tensor(index) for index, one in enumerate(model.graph.initializer) if _is_clamp(one.name))
    own = _renamed(model.graph, [signal.name, *([beside.name] if beside else [])])
    return ForeignGraph(
        model=model,
        reference=reference,
        reference_batch=batch,
        input_name=signal.name,
        output_name=output,
        leads=leads,
        samples=samples,
        free_samples=free,
        columns=_size(beside, 1) or 0 if beside else 0,
        column_input=beside.name if beside else "",
        own_names=own,
        fractions=fractions,
        noise=_MICROVOLT_NOISE if metadata.get("scale") == "mikroVolt" else _NOISE,
    )


def opset_of(model: ModelProto) -> int:
    """Version of the standard operator set."""
    return max((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def tensors_of(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor that the graph holds."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            yield from attribute.tensors


def _parsed(content: bytes) -> ModelProto:
    if len(content) > MOST_BYTES:
        raise TooLarge(f"The model has more than {MOST_BYTES >> 20} MiB.", limit=MOST_BYTES)
    try:
        model = ModelProto.FromString(content)
    except DecodeError:
        raise InvalidModel("The file is no ONNX model, or it is cut short.") from None
    if not model.graph.node or not model.graph.output:
        raise InvalidModel("The file is no ONNX model, or its graph is empty.")
    if len(model.graph.node) > MOST_NODES:
        raise TooLarge(f"The graph has more than {MOST_NODES} nodes.", limit=MOST_NODES)
    opset = opset_of(model)
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise InvalidModel(
            f"The model uses opset {opset}; {OLDEST_OPSET} to {NEWEST_OPSET} can be fine-tuned. Export it again."
        )
    return model


def _plain(model: ModelProto) -> ModelProto:
    """The model with its functions written out, in standard operators of opset 13 to 20, all checked."""
    for tensor in tensors_of(model.graph):
        _check_tensor(tensor)
    if model.functions:
        model = _library(lambda: onnx.inliner.inline_local_functions(model), "its functions cannot be written out")
    for node in model.graph.node:
        _check_node(node)
    if model.graph.sparse_initializer:
        raise InvalidModel("The model keeps weights as sparse tensors; export it with plain ones.")
    if opset_of(model) < _RAISED_FROM:
        model = _library(lambda: onnx.version_converter.convert_version(model, RAISED_TO), "its opset is too old")
    for tensor in tensors_of(model.graph):
        _check_tensor(tensor)
    if sum(math.prod(tensor.dims) for tensor in tensors_of(model.graph)) > MOST_ELEMENTS:
        raise TooLarge(f"The model has more than {MOST_ELEMENTS} weights.", limit=MOST_ELEMENTS)
    return model


def _library(work: object, what: str) -> ModelProto:
    assert callable(work)
    try:
        model = work()
    except Exception as error:  # ONNX raises many kinds, by what is wrong
        raise InvalidModel(f"The model cannot be a base for training: {what}; export it with opset 17.") from error
    assert isinstance(model, ModelProto)
    return model


def _check_node(node: NodeProto) -> None:
    if node.domain not in ("", "ai.onnx"):
        raise refused(f"{node.domain}.{node.op_type}", "is not of the ONNX standard")
    if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        raise refused(node.op_type, "has a graph inside (a branch or a loop), which is not converted")
    if node.op_type in _RANDOM:
        raise refused(node.op_type, "draws random numbers; export the model in eval mode")
    node.domain = ""


def _check_tensor(tensor: TensorProto) -> None:
    """Whether its numbers are inside the file and as many as it says."""
    if tensor.external_data or tensor.data_location == TensorProto.EXTERNAL:
        raise InvalidModel("The model keeps its weights in another file; save it as one file.")
    if any(size < 0 for size in tensor.dims) or math.prod(tensor.dims) > MOST_ELEMENTS:
        raise TooLarge(f"A tensor of the model has more than {MOST_ELEMENTS} numbers.", limit=MOST_ELEMENTS)
    try:
        numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError):
        raise InvalidModel("A tensor of the model is damaged: its numbers are not those of its shape.") from None


def _check(model: ModelProto) -> None:
    known = {value.name for value in model.graph.input} | {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if not {name for name in node.input if name} <= known:
            raise refused(node.op_type, "reads a value that nothing before it makes; the graph is broken or a circle")
        known.update(node.output)
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # the checker raises its own and, on damage, many others
        line = re.sub(r"\S*[/\\]\S*", "...", (str(error).strip() or "no reason given").splitlines()[0])[:300]
        raise InvalidModel(f"The model's graph is not valid ONNX: {line}") from None


def _drop_stale_shapes(graph: GraphProto) -> None:
    """Shapes that the file states beside its inputs are looked for anew; what it states may be wrong."""
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    graph.doc_string = ""


def _ports(graph: GraphProto) -> tuple[ValueInfoProto, ValueInfoProto | None]:
    """The signal and, where there is one, the numbers beside it."""
    constants = {tensor.name for tensor in graph.initializer}
    fed = [value for value in graph.input if value.name not in constants]
    signals = [value for value in fed if len(value.type.tensor_type.shape.dim) == 3]
    beside = [value for value in fed if len(value.type.tensor_type.shape.dim) == 2]
    if len(signals) != 1 or len(beside) > 1 or len(fed) != len(signals) + len(beside):
        ranks = ", ".join(str(len(value.type.tensor_type.shape.dim)) for value in fed) or "none"
        raise InvalidModel(
            "A base takes one signal (batch, leads, samples) and at most one (batch, numbers) beside it; this model's "
            f"inputs have these numbers of dimensions: {ranks}. Export it with such inputs.",
            field="input",
        )
    if any(value.type.tensor_type.elem_type != TensorProto.FLOAT for value in fed):
        raise InvalidModel("The model's inputs are not float32; export it in float32.", field="input")
    if beside and _size(beside[0], 1) is None:
        raise InvalidModel("The model does not say how many numbers it takes beside the signal.", field="input")
    for value in [value for value in graph.input if value.name in constants]:
        graph.input.remove(value)
    return signals[0], beside[0] if beside else None


def _output(graph: GraphProto, manifest: Manifest | None) -> str:
    names = [value.name for value in graph.output]
    return manifest.output_name if manifest and manifest.output_name in names else str(names[0])


def _grid(signal: ValueInfoProto, manifest: Manifest | None, metadata: dict[str, str]) -> tuple[int, int, bool]:
    """Leads, samples, and whether the length is open; what the graph leaves open the contract says."""
    leads, samples = _size(signal, 1), _size(signal, 2)
    if manifest is not None:
        wanted = (len(manifest.input.leads), manifest.input.samples)
        if leads not in (None, wanted[0]) or samples not in (None, wanted[1]):
            raise InvalidModel("The model's input is not of the shape that its manifest says.", field="input")
        return *_bounded(*wanted), samples is None
    leads = leads or len(STANDARD_LEADS)
    free = samples is None
    if samples is None:
        rate_hz, duration_s, _ = input_grid(metadata, (None, leads, None))
        samples = round(rate_hz * duration_s)
    return *_bounded(leads, samples), free


def _bounded(leads: int, samples: int) -> tuple[int, int]:
    if leads * samples > MOST_INPUT:
        raise TooLarge("The model's input is larger than any ECG.", limit=MOST_INPUT)
    return leads, samples


def _size(value: ValueInfoProto | None, axis: int) -> int | None:
    if value is None:
        return None
    size = int(value.type.tensor_type.shape.dim[axis].dim_value)
    return size if size > 0 else None


def _keep_needed(graph: GraphProto, output: str) -> None:
    """One output, and only nodes and tensors that it needs."""
    kept = [value for value in graph.output if value.name == output]
    del graph.output[:]
    graph.output.extend(kept)
    keep_nodes(graph, {output})
    read = {name for node in graph.node for name in node.input} | {output}
    tensors = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(tensors)


def keep_nodes(graph: GraphProto, wanted: set[str]) -> None:
    """Only the nodes that some of these values need."""
    needed, nodes = set(wanted), []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed.update(name for name in node.input if name)
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(reversed(nodes))


_EXPORTERS_NAME = re.compile(r"^(val_\d+|onnx::\w+|\d+|_?const\w*|scalar\w*|_?lifted\w*|.*Constant\w*)$", re.IGNORECASE)


def _is_clamp(name: str) -> bool:
    """Whether torch's exporter named a value after the operation that it came from: a clamp, as fractions do."""
    return re.fullmatch(r"clamp(_\d+)?", name) is not None


def _tensor(index: int) -> str:
    return f"tensor_{index}"


def _renamed(graph: GraphProto, inputs: list[str]) -> frozenset[str]:
    """Give every node and value a name of ours; inputs come in this order. Returns initializers named by people."""
    names = {"": ""} | {name: f"input_{index}" for index, name in enumerate(inputs)}
    own = set()
    for index, tensor in enumerate(graph.initializer):
        names[tensor.name] = _tensor(index)
        if not _EXPORTERS_NAME.match(tensor.name):
            own.add(_tensor(index))
        tensor.name = _tensor(index)
    for index, node in enumerate(graph.node):
        node.name, node.doc_string = f"{node.op_type}_{index}", ""
        node.input[:] = [names[name] for name in node.input]
        for position, name in enumerate(node.output):
            names[name] = f"value_{index}_{position}" if name else ""
        node.output[:] = [names[name] for name in node.output]
    given = {value.name: value for value in graph.input}
    ordered = [ValueInfoProto.FromString(given[name].SerializeToString()) for name in inputs]
    for value in ordered:
        value.name = names[value.name]
    del graph.input[:]
    graph.input.extend(ordered)
    output = helper.make_tensor_value_info(names[graph.output[0].name], TensorProto.FLOAT, None)
    del graph.output[:]
    graph.output.append(output)
    return frozenset(own)


def arrays(graph: GraphProto) -> dict[str, np.ndarray]:
    """The graph's initializers by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
