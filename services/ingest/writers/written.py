"""What a writer hands over."""

from __future__ import annotations

from dataclasses import dataclass

from precordia.record import Remark


@dataclass(frozen=True)
class WrittenFile:
    """One file, and what the format could not hold of its recording."""

    name: str
    content: bytes
    remarks: tuple[Remark, ...] = ()
