"""Attributes of ONNX nodes: read, made the same for every opset, and checked for what is converted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onnx import AttributeProto, NodeProto, helper

from services.trainer.networks.foreign.refusal import refused

REDUCTIONS = (
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
)


def attribute(node: NodeProto, name: str) -> AttributeProto | None:
    """An attribute by name, or None."""
    return next((one for one in node.attribute if one.name == name), None)


def number(node: NodeProto, name: str, default: int) -> int:
    """An integer attribute."""
    found = attribute(node, name)
    return default if found is None else int(found.i)


def real(node: NodeProto, name: str, default: float) -> float:
    """A float attribute."""
    found = attribute(node, name)
    return default if found is None else float(found.f)


def numbers(node: NodeProto, name: str) -> list[int]:
    """A list of integers; empty where it is not given."""
    found = attribute(node, name)
    return [] if found is None else [int(one) for one in found.ints]


def text(node: NodeProto, name: str, default: str) -> str:
    """A string attribute."""
    found = attribute(node, name)
    return default if found is None else found.s.decode("utf-8", "replace")


def same_in_every_opset(node: NodeProto, shape: Sequence[int]) -> None:
    """Take off what opset 18 to 20 added, and write automatic padding out.

    Args:
        node: changed in place.
        shape: of its first input.

    Raises:
        InvalidModel: an addition is in use.
    """
    if node.op_type == "Cast":
        _drop(node, "saturate")
    if node.op_type == "AveragePool":
        if any(size != 1 for size in numbers(node, "dilations")):
            raise refused(node.op_type, "has dilations, which are not converted")
        _drop(node, "dilations")
    if node.op_type in ("Conv", "MaxPool", "AveragePool"):
        _write_padding_out(node, shape)


def _drop(node: NodeProto, name: str) -> None:
    found = attribute(node, name)
    if found is not None:
        node.attribute.remove(found)


def _write_padding_out(node: NodeProto, shape: Sequence[int]) -> None:
    """SAME_UPPER and SAME_LOWER as numbers: output size is input size over stride, rounded up."""
    mode = text(node, "auto_pad", "NOTSET")
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        return
    spatial = list(shape[2:])
    kernel = numbers(node, "kernel_shape")
    if not kernel:
        raise refused(node.op_type, "does not state its kernel's size")
    strides = numbers(node, "strides") or [1] * len(spatial)
    dilations = numbers(node, "dilations") or [1] * len(spatial)
    before, after = [], []
    for size, width, stride, dilation in zip(spatial, kernel, strides, dilations, strict=True):
        total = max(0, (math.ceil(size / stride) - 1) * stride + (width - 1) * dilation + 1 - size)
        small, large = total // 2, total - total // 2
        before.append(small if mode == "SAME_UPPER" else large)
        after.append(large if mode == "SAME_UPPER" else small)
    _drop(node, "auto_pad")
    _drop(node, "pads")
    node.attribute.append(helper.make_attribute("pads", before + after))


def check_padding(node: NodeProto, mode: str, flat: Sequence[int]) -> None:
    """Refuse padding that torch cannot do: `flat` is in torch's order, last dimension first."""
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise refused(node.op_type, "has a mode that is not converted")
    if mode != "constant" and any(flat[2:]):
        raise refused(node.op_type, f"pads other dimensions than the last in mode '{mode}', which is not converted")


_RESIZE = {
    ("nearest", "asymmetric"): "nearest",
    ("linear", "half_pixel"): "linear",
    ("linear", "pytorch_half_pixel"): "linear",
    ("linear", "align_corners"): "linear_aligned",
}


def resize_kind(node: NodeProto) -> str:
    """How a Resize interpolates, in our words."""
    mode = text(node, "mode", "nearest")
    corners = text(node, "coordinate_transformation_mode", "half_pixel")
    kind = _RESIZE.get((mode, corners))
    rounds = text(node, "nearest_mode", "round_prefer_floor")
    if kind is None or number(node, "antialias", 0) or (kind == "nearest" and rounds != "floor"):
        raise refused(node.op_type, f"interpolates in a way ({mode}, {corners}) that is not converted")
    return kind


_ACTIVATIONS = {"GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "RNN": ["Tanh"]}


def check_recurrent(node: NodeProto, *, has_peepholes: bool) -> None:
    """Refuse recurrent layers that torch does not have."""
    found = attribute(node, "activations")
    given = [one.decode("utf-8", "replace") for one in found.strings] if found is not None else []
    usual = _ACTIVATIONS[node.op_type]
    ways = 2 if text(node, "direction", "forward") == "bidirectional" else 1
    allowed = [usual * ways, ["Relu"] * ways] if node.op_type == "RNN" else [usual * ways]
    if given and given not in allowed:
        raise refused(node.op_type, "has other activations than the usual ones, which are not converted")
    if has_peepholes or attribute(node, "clip") is not None or number(node, "input_forget", 0):
        raise refused(node.op_type, "has peepholes, clipping or coupled gates, which are not converted")
    if number(node, "layout", 0):
        raise refused(node.op_type, "has the batch first inside; export the model with layout 0")
    if node.op_type == "GRU" and not number(node, "linear_before_reset", 0):
        raise refused(node.op_type, "resets before the linear part (linear_before_reset=0), which is not converted")
