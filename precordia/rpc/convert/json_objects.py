"""JSON objects inside messages: open-ended facts that have no schema of their own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from precordia.errors import InvalidArgument


def object_to_text(value: Mapping[str, Any]) -> str:
    """Compact JSON with sorted keys; empty for an empty object. NaN and infinities become null: not measurable."""
    if not value:
        return ""
    return json.dumps(_finite(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def object_from_text(text: str, *, field: str) -> dict[str, Any]:
    """The inverse of `object_to_text`.

    Raises:
        InvalidArgument: it is no JSON object; names `field`.
    """
    if not text:
        return {}
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair cannot be answered with, nor kept
    except (ValueError, RecursionError):
        raise InvalidArgument(f"'{field}' is no JSON.", field=field) from None
    if not isinstance(value, dict):
        raise InvalidArgument(f"'{field}' is no JSON object.", field=field)
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
