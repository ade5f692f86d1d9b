"""GRU, LSTM and RNN layers: ONNX's tensors in torch's layers, registered with onnx2torch.

ONNX stacks the gates of a GRU as z, r, h and of an LSTM as i, o, f, c; torch as r, z, n and
i, f, g, o. Shape letters: T time, B batch, W ways (2 where bidirectional), I inputs, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from services.trainer.networks.foreign import operators  # its import makes onnx2torch importable

from onnx2torch.node_converters.registry import add_converter  # isort: skip
from onnx2torch.utils.common import OnnxMapping, OperationConverterResult  # isort: skip

_GATES = {"GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1), "RNN": (0,)}
"""Where torch's gates stand in ONNX's order."""
_LAYERS: dict[str, Callable[..., nn.RNNBase]] = {"GRU": nn.GRU, "LSTM": nn.LSTM, "RNN": nn.RNN}


class Recurrent(nn.Module):
    """One recurrent layer with ONNX's outputs: all states, the last ones, and an LSTM's last cells."""

    def __init__(self, layer: nn.RNNBase, *, backwards: bool, outputs: int) -> None:
        super().__init__()
        self.layer = layer
        self.backwards = backwards
        self.outputs = outputs
        self.ways = 2 if layer.bidirectional else 1

    def forward(
        self, x_tbi: Tensor, state_wbh: Tensor | None = None, cell_wbh: Tensor | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """(T, B, I) to (T, W, B, H), (W, B, H) and, for an LSTM, (W, B, H)."""
        first: Any = state_wbh
        if state_wbh is not None and isinstance(self.layer, nn.LSTM):
            first = (state_wbh, torch.zeros_like(state_wbh) if cell_wbh is None else cell_wbh)
        all_states, last = self.layer(x_tbi.flip(0) if self.backwards else x_tbi, first)
        if self.backwards:
            all_states = all_states.flip(0)
        given = all_states.unflatten(2, (self.ways, self.layer.hidden_size)).transpose(1, 2)
        answers = (given, *last) if isinstance(self.layer, nn.LSTM) else (given, last)
        return answers[: self.outputs] if self.outputs > 1 else given


def _converted(node: Any, graph: Any) -> OperationConverterResult:
    names, kind = node.input_values, node.operation_type
    weight, recurrence = (graph.initializers[name].to_torch() for name in names[1:3])
    bias = graph.initializers[names[3]].to_torch() if len(names) > 3 and names[3] else None
    attributes = node.attributes
    direction = attributes.get("direction", "forward")
    layer = _layer(kind, weight, recurrence, bias, relu=attributes.get("activations", [""])[0] == "Relu")
    module = Recurrent(layer, backwards=direction == "reverse", outputs=len(node.output_values))
    return OperationConverterResult(module, OnnxMapping((names[0], *names[4:]), node.output_values))


def _layer(kind: str, weight_wgi: Tensor, recurrence_wgh: Tensor, bias_w2g: Tensor | None, *, relu: bool) -> nn.RNNBase:
    hidden = recurrence_wgh.shape[2]
    options: dict[str, Any] = {"nonlinearity": "relu"} if kind == "RNN" and relu else {}
    layer = _LAYERS[kind](
        weight_wgi.shape[2], hidden, bias=bias_w2g is not None, bidirectional=weight_wgi.shape[0] == 2, **options
    )
    with torch.no_grad():
        for way, ending in enumerate(("", "_reverse")[: weight_wgi.shape[0]]):
            parts = {"weight_ih": weight_wgi[way], "weight_hh": recurrence_wgh[way]}
            if bias_w2g is not None:
                parts["bias_ih"], parts["bias_hh"] = bias_w2g[way].chunk(2)
            for name, values in parts.items():
                layer.get_parameter(f"{name}_l0{ending}").copy_(_in_torch_order(kind, values))
    return layer


def _in_torch_order(kind: str, values: Tensor) -> Tensor:
    gates = _GATES[kind]
    parts = values.chunk(len(gates))
    return torch.cat([parts[gate] for gate in gates])


for _kind in _LAYERS:
    add_converter(operation_type=_kind, version=1, domain=operators.DOMAIN)(_converted)
