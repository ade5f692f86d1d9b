"""JSON of requests, results and events: one spelling for the same content, and never NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def to_json(content: Mapping[str, Any]) -> str:
    """Compact JSON with sorted keys. A number that is not finite becomes null: JSON has none."""
    return json.dumps(_plain(content), sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> dict[str, Any]:
    """The mapping that to_json wrote."""
    content: dict[str, Any] = json.loads(text)
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):  # a NumPy scalar
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
