"""A source: the bytes of one file as it came, with the companion files that it needs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """One file and its companions (`.dat` beside `.hea`), by plain file name, no folders."""

    name: str
    content: bytes
    companions: Mapping[str, bytes] = field(default_factory=dict)

    def sha256(self) -> str:
        """Hex SHA-256 of the bytes; with companions, of the list of names and hashes.

        A file without companions has the hash that `sha256sum` prints. The file's own name is no
        part of it: the same bytes under another name are the same source. Companion names are,
        because the header refers to them by name.
        """
        own = hashlib.sha256(self.content).hexdigest()
        if not self.companions:
            return own
        lines = [own] + [
            f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in sorted(self.companions.items())
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
