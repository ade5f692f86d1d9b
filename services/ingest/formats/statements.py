"""Statements of a device or a reader about an ECG, as they are kept: findings, and nobody's name."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_STATEMENTS = 200
MAX_LENGTH = 512

_NAMES_SOMEONE = re.compile(
    r"\b(?:confirmed|reviewed|(?:over-?)?read|signed|interpreted|edited|referred|ordered|acquired|requested|verified"
    r"|approved)\s+(?:\w+\s+)?by\b"
    r"|\b(?:technician|operator|physician|doctor|reader|patient|name|dob|birth|mrn|md)\s*:|\bdr\b\.?\s|\bm\.?d\.?\s*$",
    re.IGNORECASE,
)


def kept_statements(said: Iterable[str]) -> tuple[str, ...]:
    """Statements in their order, each once, without those that say who read, confirmed or ordered the ECG."""
    found: dict[str, None] = {}
    for statement in said:
        plain = " ".join(statement.split())[:MAX_LENGTH]
        if plain and not _NAMES_SOMEONE.search(plain):
            found[plain] = None
        if len(found) >= MAX_STATEMENTS:
            break
    return tuple(found)
