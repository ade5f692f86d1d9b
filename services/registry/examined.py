"""What an examination finds. Apart from it, so that the service itself never loads an ONNX library."""

from __future__ import annotations

from dataclasses import dataclass

from precordia.manifest import Manifest
from precordia.record import Remark


@dataclass(frozen=True)
class Examined:
    """A model that can be served. `content` is what to keep: the file as it came, or mended."""

    manifest: Manifest
    content: bytes
    opset: int
    producer: str
    remarks: tuple[Remark, ...] = ()
