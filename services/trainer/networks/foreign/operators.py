"""torch modules for the operators of the domain `precordia`, registered with onnx2torch.

Each holds its settings as Python values, so that a network runs on any device and exports with a
free batch. Shape letters: B batch, D any further dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.trainer.networks.foreign.torchvision_import import import_torchvision

import_torchvision()

from onnx2torch.node_converters.registry import add_converter  # noqa: E402  # needs the line above
from onnx2torch.utils.common import OperationConverterResult, onnx_mapping_from_node  # noqa: E402

DOMAIN = "precordia"
Attributes = dict[str, Any]


class Reshape(nn.Module):
    """To a fixed shape, -1 for the dimension that holds the batch."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = list(shape)

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) to `shape`."""
        return x.reshape(self.shape)


class Squeeze(nn.Module):
    """Without some dimensions of size one."""

    def __init__(self, axes: Sequence[int]) -> None:
        super().__init__()
        self.axes = tuple(axes)

    def forward(self, x: Tensor) -> Tensor:
        """Drop the axes."""
        return x.squeeze(self.axes) if self.axes else x


class Unsqueeze(nn.Module):
    """With further dimensions of size one, which are axes of the result."""

    def __init__(self, axes: Sequence[int]) -> None:
        super().__init__()
        self.axes = list(axes)

    def forward(self, x: Tensor) -> Tensor:
        """Add the axes, in ascending order."""
        for axis in self.axes:
            x = x.unsqueeze(axis)
        return x


class Expand(nn.Module):
    """Dimensions of size one stretched; -1 leaves a dimension as it is."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = list(sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Stretch."""
        return x.expand(self.sizes)


class Repeat(nn.Module):
    """A constant of size one along an axis, stretched to a multiple of the batch of a second value."""

    def __init__(self, axis: int, times: int) -> None:
        super().__init__()
        self.axis = axis
        self.times = times

    def forward(self, x: Tensor, batched: Tensor) -> Tensor:
        """`x` (D, 1, D) and `batched` (B, ...) to (D, times B, D)."""
        sizes = [-1] * x.dim()
        sizes[self.axis] = batched.shape[0] * self.times
        return x.expand(sizes)


class Slice(nn.Module):
    """Parts of some axes: (axis, start, stop, step) for each, with sizes that Python's slices have."""

    def __init__(self, parts: Sequence[int]) -> None:
        super().__init__()
        self.parts = [tuple(parts[at : at + 4]) for at in range(0, len(parts), 4)]

    def forward(self, x: Tensor) -> Tensor:
        """Cut axis by axis; a negative step cuts and turns round."""
        for axis, start, stop, step in self.parts:
            if step == 0:  # everything
                continue
            taken = range(start, stop, step)
            low, high = (min(taken), max(taken) + 1) if taken else (0, 0)
            cut = (slice(None),) * axis + (slice(low, high, abs(step)),)
            x = x[cut] if step > 0 else x[cut].flip(axis)
        return x


class Pad(nn.Module):
    """Values before and after, last dimension first as torch has it."""

    def __init__(self, pads: Sequence[int], mode: str, value: float) -> None:
        super().__init__()
        self.mode = {"edge": "replicate", "wrap": "circular"}.get(mode, mode)
        self.pads = list(pads) if mode == "constant" else list(pads[:2])
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """Longer by the pads."""
        if self.mode == "constant":
            return functional.pad(x, self.pads, value=self.value)
        return functional.pad(x, self.pads, mode=self.mode)


class Split(nn.Module):
    """Parts of given sizes along an axis."""

    def __init__(self, axis: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.axis = axis
        self.sizes = list(sizes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """One tensor where there is one part: a graph takes several apart by itself."""
        parts: tuple[Tensor, ...] = torch.split(x, self.sizes, dim=self.axis)
        return parts if len(parts) > 1 else parts[0]


class Tile(nn.Module):
    """Copies side by side."""

    def __init__(self, repeats: Sequence[int]) -> None:
        super().__init__()
        self.repeats = list(repeats)

    def forward(self, x: Tensor) -> Tensor:
        """As many of each dimension as `repeats` says."""
        return x.repeat(self.repeats)


class Gather(nn.Module):
    """Known places of an axis: one, which takes the axis away, or several in any shape."""

    indices: Tensor

    def __init__(self, axis: int, indices: Tensor) -> None:
        super().__init__()
        self.axis = axis
        self.place = int(indices) if indices.dim() == 0 else None
        self.register_buffer("indices", indices, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Take them."""
        if self.place is not None:
            return x.select(self.axis, self.place)
        taken = x.index_select(self.axis, self.indices.reshape(-1))
        return torch.unflatten(taken, self.axis, tuple(self.indices.shape))


class GatherND(nn.Module):
    """Known places of the first axes together."""

    indices: Tensor

    def __init__(self, indices: Tensor) -> None:
        super().__init__()
        self.register_buffer("indices", indices, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The last axis of `indices` says where in the first axes."""
        return x[tuple(self.indices.unbind(-1))]


class CumSum(nn.Module):
    """Running sum along an axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x.cumsum(self.axis)


class Not(nn.Module):
    """Truth values turned round."""

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return torch.logical_not(x)


Reduction = Callable[[Tensor, list[int], bool], Tensor]
_REDUCTIONS: dict[str, Reduction] = {
    "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "ReduceL2": lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt(),
    "ReduceLogSum": lambda x, axes, keep: x.sum(axes, keepdim=keep).log(),
    "ReduceLogSumExp": lambda x, axes, keep: x.logsumexp(axes, keepdim=keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keepdim=keep),
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdim=keep),
    "ReduceSumSquare": lambda x, axes, keep: x.square().sum(axes, keepdim=keep),
}


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in reversed(axes):
        x = x.prod(axis, keepdim=keep)
    return x


class Reduce(nn.Module):
    """One number for what lies along some axes."""

    def __init__(self, kind: str, axes: Sequence[int], keep: int) -> None:
        super().__init__()
        self.kind = kind
        self.axes = list(axes)
        self.keep = bool(keep)

    def forward(self, x: Tensor) -> Tensor:
        """The axes of size one, or gone."""
        return _REDUCTIONS.get(self.kind, _product)(x, self.axes, self.keep)


class Clip(nn.Module):
    """Bounded from both sides."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low = low
        self.high = high

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x.clamp(self.low, self.high)


class LayerNormalization(nn.Module):
    """Mean and spread over the last dimensions, from `axis` on (Ba et al. 2016)."""

    def __init__(self, axis: int, epsilon: float) -> None:
        super().__init__()
        self.axis = axis
        self.epsilon = epsilon

    def forward(self, x: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
        """The same shape."""
        return functional.layer_norm(x, tuple(x.shape[self.axis :]), scale, offset, self.epsilon)


class InstanceNormalization(nn.Module):
    """Mean and spread of each channel of each ECG (Ulyanov et al. 2016); GroupNorm is exported through it."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
        """(B, C, ...) to the same shape."""
        return functional.instance_norm(x, weight=scale, bias=offset, use_input_stats=True, eps=self.epsilon)


class PRelu(nn.Module):
    """A slope for what is below zero; the slope stretches to the input's shape."""

    def forward(self, x: Tensor, slope: Tensor) -> Tensor:
        """The same shape."""
        return torch.relu(x) - slope * torch.relu(-x)


class Resize(nn.Module):
    """Interpolated to fixed sizes of the dimensions after batch and channels."""

    def __init__(self, sizes: Sequence[int], kind: str) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) to (B, C, sizes)."""
        if self.kind == "nearest":
            return functional.interpolate(x, self.sizes, mode="nearest")
        mode = {3: "linear", 4: "bilinear", 5: "trilinear"}[x.dim()]
        return functional.interpolate(x, self.sizes, mode=mode, align_corners=self.kind == "linear_aligned")


class Together(nn.Module):
    """Several values, element by element: Min, Max, Sum or Mean."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, *values: Tensor) -> Tensor:
        """Stretched to one shape, one value."""
        joined = values[0]
        for value in values[1:]:
            if self.kind in ("Min", "Max"):
                joined = torch.minimum(joined, value) if self.kind == "Min" else torch.maximum(joined, value)
            else:
                joined = joined + value
        return joined / len(values) if self.kind == "Mean" else joined


_COMPARISONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
}


class Comparison(nn.Module):
    """Two values, element by element."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Truth values, stretched to one shape."""
        return _COMPARISONS[self.kind](one, other)


def _register(kind: str, build: Callable[[Attributes], nn.Module]) -> None:
    def convert(node: Any, graph: Any) -> OperationConverterResult:
        return OperationConverterResult(build(dict(node.attributes)), onnx_mapping_from_node(node))

    add_converter(operation_type=kind, version=1, domain=DOMAIN)(convert)


def _gelu(attributes: Attributes) -> nn.Module:
    return nn.GELU(approximate="tanh" if attributes.get("approximate") == "tanh" else "none")


def _register_all() -> None:
    by_attributes: tuple[type[nn.Module], ...] = (
        Expand,
        Repeat,
        Slice,
        Pad,
        Split,
        Tile,
        CumSum,
        Reduce,
        Clip,
        LayerNormalization,
        InstanceNormalization,
        Resize,
    )
    for kind in by_attributes:
        _register(kind.__name__, partial(_with_attributes, kind))
    # an empty list of integers does not come back as a list
    _register("Reshape", lambda attributes: Reshape(_listed(attributes, "shape")))
    _register("Squeeze", lambda attributes: Squeeze(_listed(attributes, "axes")))
    _register("Unsqueeze", lambda attributes: Unsqueeze(_listed(attributes, "axes")))
    _register("Gather", lambda attributes: Gather(attributes["axis"], attributes["indices"].to_torch()))
    _register("GatherND", lambda attributes: GatherND(attributes["indices"].to_torch()))
    _register("Not", lambda _: Not())
    _register("Gelu", _gelu)
    _register("Mish", lambda _: nn.Mish())
    _register("PRelu", lambda _: PRelu())
    _register("Identity", lambda _: nn.Identity())
    for name in ("Min", "Max", "Sum", "Mean"):
        _register(name, partial(_named, Together, name))
    for name in _COMPARISONS:
        _register(name, partial(_named, Comparison, name))


def _with_attributes(kind: Callable[..., nn.Module], attributes: Attributes) -> nn.Module:
    return kind(**attributes)


def _named(kind: Callable[[str], nn.Module], name: str, attributes: Attributes) -> nn.Module:
    """A layer that its operator's name says all of."""
    return kind(name)


def _listed(attributes: Attributes, name: str) -> list[int]:
    found = attributes.get(name)
    return found if isinstance(found, list) else []


_register_all()
