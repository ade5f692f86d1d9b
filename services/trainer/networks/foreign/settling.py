"""A graph on its way to operators that are converted: what its handlers ask, and the tensors they read.

Exporters store equal tensors once, and a fresh network has many: scales of one, shifts of zero.
Every place that reads such a tensor gets a copy of its own, as it was in the network that was
exported. A tensor of differing numbers that several places read is one weight of the author's
(a recurrent layer written out step by step), and stays one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from precordia.errors import TooLarge
from services.trainer.networks.foreign.folding import BATCHES, Array, Folded, Shape
from services.trainer.networks.foreign.graph import MOST_ELEMENTS
from services.trainer.networks.foreign.refusal import refused

DOMAIN = "precordia"
WEIGHT, CONSTANT = "weight", "constant"
"""What names of initializers begin with, by whether training changes them."""

_WEIGHT_SLOTS = {
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (1, 2),
    "BatchNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "PRelu": (1,),
    "GRU": (1, 2, 3),
    "LSTM": (1, 2, 3),
    "RNN": (1, 2, 3),
}
"""Inputs that are weights by what the operator is, whatever the exporter called them."""
_SETTING_SLOTS = {"InstanceNormalization": (1, 2)}
"""Inputs that are weights only under a name of their own: exporters write GroupNorm with ones and zeros there."""


class Settling:
    """One graph on its way: `nodes` and `tensors` are those made so far.

    Args:
        folded: the graph, with everything that does not depend on the signal known.
        own_names: tensors whose names their author gave.
    """

    def __init__(self, folded: Folded, own_names: frozenset[str]) -> None:
        self.folded = folded
        self.own_names = own_names
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []
        self.numbers = itertools.count()
        self.elements = 0
        self.shared: dict[tuple[str, bool], str] = {}

    # What handlers ask

    def shape(self, name: str) -> Shape:
        """A value's shape at the smaller batch."""
        return self.folded.shapes[0][name]

    def setting(self, node: NodeProto, index: int) -> Array | None:
        """An input that must be known and the same for every batch; None where it is not given."""
        if index >= len(node.input) or not node.input[index]:
            return None
        name = node.input[index]
        if not self.folded.is_constant(name):
            raise refused(node.op_type, "takes a setting that depends on the signal, which is not converted")
        small, large = (values[name] for values in self.folded.constants)
        if small.shape != large.shape or not np.array_equal(small, large):
            raise refused(node.op_type, "takes a setting that depends on the number of ECGs, which is not converted")
        return small

    def needed(self, node: NodeProto, index: int) -> Array:
        """A setting that the operator cannot do without."""
        found = self.setting(node, index)
        if found is None:
            raise refused(node.op_type, "lacks a setting")
        return found

    def operand(self, node: NodeProto, index: int) -> str:
        """The name under which a node finds an input: a value, or a tensor of its own."""
        name = node.input[index] if index < len(node.input) else ""
        if not name or not self.folded.is_constant(name):
            return name
        small, large = (values[name] for values in self.folded.constants)
        if small.shape == large.shape:
            if not np.array_equal(small, large, equal_nan=small.dtype.kind == "f"):
                raise refused(node.op_type, "takes numbers that depend on the number of ECGs, which is not converted")
            return self._own_or_shared(small, name, self._is_weight(node, index, name))
        return self._repeated(node, name, small, large)

    def add(self, kind: str, node: NodeProto, inputs: Sequence[str], /, **attributes: object) -> None:
        """An operator of ours in a node's place."""
        made = helper.make_node(kind, list(inputs), list(node.output), name=node.name, domain=DOMAIN)
        for key, value in attributes.items():
            empty = AttributeProto.INTS if value == [] else None  # ONNX cannot tell of what a list is empty
            made.attribute.append(helper.make_attribute(key, value, attr_type=empty))
        self.nodes.append(made)

    def batch_axis_only(self, node: NodeProto, name: str, axes: Sequence[int]) -> None:
        """Refuse what reaches across the ECGs of a batch."""
        if set(axes) & set(self.folded.grows(name)):
            raise refused(node.op_type, "works across the ECGs of a batch, so that one's answer depends on the others")

    # Tensors

    def _is_weight(self, node: NodeProto, index: int, name: str) -> bool:
        array = self.folded.constants[0][name]
        if array.dtype != np.float32:
            return False
        if index in _WEIGHT_SLOTS.get(node.op_type, ()) or (node.op_type == "MatMul" and array.ndim > 1):
            return True
        if index in _SETTING_SLOTS.get(node.op_type, ()):
            return name in self.own_names
        return name in self.folded.weights

    def _own_or_shared(self, array: Array, name: str, is_weight: bool) -> str:
        if array.size < 2 or (array == array.reshape(-1)[0]).all():
            return self._tensor(array, is_weight)
        if (name, is_weight) not in self.shared:
            self.shared[name, is_weight] = self._tensor(array, is_weight)
        return self.shared[name, is_weight]

    def _tensor(self, array: Array, is_weight: bool) -> str:
        self.elements += array.size
        if self.elements > MOST_ELEMENTS:
            raise TooLarge(f"The model has more than {MOST_ELEMENTS} weights.", limit=MOST_ELEMENTS)
        name = f"{WEIGHT if is_weight else CONSTANT}_{next(self.numbers)}"
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _repeated(self, node: NodeProto, name: str, small: Array, large: Array) -> str:
        """One slice of a constant that is the same for each ECG, stretched to the batch as it runs."""
        axes = [axis for axis, (one, other) in enumerate(zip(small.shape, large.shape, strict=True)) if one != other]
        one = small.take([0], axis=axes[0])
        grows = small.shape[axes[0]] * BATCHES[1] == large.shape[axes[0]] * BATCHES[0]
        if (
            len(axes) > 1
            or not grows
            or not all(np.array_equal(np.broadcast_to(one, a.shape), a) for a in (small, large))
        ):
            raise refused(node.op_type, "takes numbers that depend on the number of ECGs, which is not converted")
        number = next(self.numbers)
        is_weight = name in self.folded.weights and one.dtype == np.float32
        stretched = helper.make_node(
            "Repeat",
            [self._tensor(one, is_weight), "input_0"],
            [f"repeated_{number}"],
            f"Repeat_{number}",
            domain=DOMAIN,
        )
        times = small.shape[axes[0]] // BATCHES[0]
        stretched.attribute.extend([helper.make_attribute("axis", axes[0]), helper.make_attribute("times", times)])
        self.nodes.append(stretched)
        return f"repeated_{number}"
