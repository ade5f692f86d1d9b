"""From a trained network to the files of a model version, checked against each other.

The ONNX file is what runs; the weights are what is trained on. They hold the same numbers, and the
export fails where ONNX Runtime and torch do not agree.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from precordia.errors import InvalidModel
from precordia.manifest import Manifest
from precordia.onnx_metadata import metadata_from_manifest
from services.trainer.networks.ensemble import Ensemble

OPSET = 18
PARITY = 1e-5
PARITY_BATCHES = (1, 3, 64)


class FirstOutputs(nn.Module):
    """A network without its auxiliary outputs and, for regression, in the unit of the targets."""

    def __init__(self, network: nn.Module, outputs: int, scale: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.network = network
        head = network.get_submodule("head")
        assert isinstance(head, nn.Linear)
        kept = nn.Linear(head.in_features, outputs)
        with torch.no_grad():
            kept.weight.copy_(head.weight[:outputs] * scale[:, None])
            kept.bias.copy_(head.bias[:outputs] * scale + offset)
        network.head = kept

    def forward(self, x_blt: Tensor) -> Tensor:
        """(B, L, T) to (B, outputs)."""
        given: Tensor = self.network(x_blt)
        return given


def finished_network(
    network: nn.Module, outputs: int, *, scale: Sequence[float] = (), offset: Sequence[float] = ()
) -> nn.Module:
    """The network, or each of an ensemble: its first outputs, on the CPU, its head times `scale` plus `offset`."""
    if isinstance(network, Ensemble):
        return network.each(lambda member: finished_network(member, outputs, scale=scale, offset=offset)).eval()
    factor = torch.tensor(scale, dtype=torch.float32) if scale else torch.ones(outputs)
    added = torch.tensor(offset, dtype=torch.float32) if offset else torch.zeros(outputs)
    whole = network.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's stub lacks it
    return FirstOutputs(whole, outputs, factor, added).network.eval()


def to_onnx(network: nn.Module, manifest: Manifest) -> bytes:
    """The network as an ONNX file with a dynamic batch and the manifest in its metadata."""
    example = [torch.zeros(2, len(manifest.input.leads), manifest.input.samples)]
    names = [manifest.input.name]
    if manifest.co_inputs is not None:
        example.append(torch.zeros(2, len(manifest.co_inputs.columns)))
        names.append(manifest.co_inputs.name)
    batch = torch.export.Dim("batch", min=1, max=1 << 20)
    # the exporter logs its progress, and warns of torch's own deprecations
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            tuple(example),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=names,
            output_names=[manifest.output_name],
            dynamic_shapes=tuple({0: batch} for _ in example),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _keep_to_the_graph(model)
    onnx.helper.set_model_props(model, metadata_from_manifest(manifest))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _keep_to_the_graph(model: onnx.ModelProto) -> None:
    """Drop what the exporter adds about the machine it ran on: stack traces with folder names."""
    model.doc_string = ""
    graph = model.graph
    graph.doc_string = ""
    del graph.metadata_props[:]
    parts: list[Any] = [*graph.node, *graph.input, *graph.output, *graph.initializer]
    for part in parts:
        part.doc_string = ""
        del part.metadata_props[:]
    del graph.value_info[:]


def weights_file(network: nn.Module, facts: Mapping[str, str | int]) -> bytes:
    """The weights as a safetensors file, with facts about the architecture, as JSON, in its header."""
    tensors = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    # One key: the order of several would differ from run to run, and equal weights make equal files.
    return save(tensors, metadata={"architecture": json.dumps(dict(facts), sort_keys=True)})


def check_parity(
    network: nn.Module, model: bytes, examples: NDArray[np.float32], beside: NDArray[np.float32] | None = None
) -> float:
    """Largest difference between torch and ONNX Runtime, relative where outputs exceed 1.

    `examples`, float32 (any number of ECGs, leads, samples), and `beside`, float32 (as many,
    co-inputs), are repeated to fill the batches.

    Raises:
        InvalidModel: they differ by more than `PARITY` at batch 1, 3 or 64.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the cores are shared
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]
    inputs = [examples] if beside is None else [examples, beside]
    worst = 0.0
    for size in PARITY_BATCHES:
        batch = [np.resize(part, (size, *part.shape[1:])).astype(np.float32) for part in inputs]
        with torch.no_grad():
            wanted = network(*map(torch.from_numpy, batch)).numpy()
        given = session.run(None, dict(zip(names, batch, strict=True)))[0]
        difference = np.abs(given - wanted) / np.maximum(1.0, np.abs(wanted))
        worst = max(worst, float(difference.max()))
    if not worst <= PARITY:
        raise InvalidModel(f"The exported model differs from the trained one by {worst:.1e}; {PARITY:.0e} is allowed.")
    return worst
