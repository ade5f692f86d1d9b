"""What a cleaner hands over."""

from __future__ import annotations

from dataclasses import dataclass

from precordia.source import Source


@dataclass(frozen=True)
class Cleaned:
    """A source rewritten without what identifies, and names of what was taken out (never values)."""

    source: Source
    removed: tuple[str, ...]
