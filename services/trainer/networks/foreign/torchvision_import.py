"""onnx2torch, imported beside a torchvision that was built for another torch.

onnx2torch needs three functions of `torchvision.ops`. The torchvision of the package index is
linked to CUDA; beside a CPU build of torch its compiled part does not load, and its Python part
fails because operators that it describes were never declared. Declaring them is enough: nothing
that this trainer converts calls them.
"""

from __future__ import annotations

import sys

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_kept: list[torch.library.Library] = []
"""A declaration lives as long as its library object."""


def import_torchvision() -> None:
    """Make `import torchvision` work; where it does already, nothing is declared."""
    try:
        import torchvision.ops
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # torch leaves it untyped
        for operator in ("nms", "qnms"):
            library.define(operator + _SCHEMA)  # type: ignore[no-untyped-call]  # as above
        _kept.append(library)
        import torchvision.ops  # noqa: F401
