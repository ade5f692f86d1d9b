"""JSON as FHIR resources use it: bounded, with numbers as they are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

from precordia.errors import TooLarge, UnreadableFile
from services.ingest.formats.limits import MIB

MAX_BYTES = 64 * MIB
MAX_VALUES = 500_000


def read_json(content: bytes) -> dict[str, Any]:
    """The object that the bytes hold; numbers with a fraction are decimals.

    Raises:
        TooLarge: it is larger, or holds more values, than any ECG.
        UnreadableFile: it is no JSON object.
    """
    values = content.count(b",") + content.count(b"[") + content.count(b"{")
    if len(content) > MAX_BYTES or values > MAX_VALUES:
        raise TooLarge(f"The JSON file has more than {MAX_BYTES} bytes or {MAX_VALUES} values.", limit=MAX_VALUES)
    try:
        root = json.loads(content.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile("The file is no JSON, or is cut short.", format="fhir") from error
    if not isinstance(root, dict):
        raise UnreadableFile("The JSON file holds no resource.", format="fhir")
    return root


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def entries(node: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects in a list; empty where there is no list."""
    found = node.get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def plain_text(value: object) -> str:
    """A text, stripped; empty where it is none."""
    return value.strip() if isinstance(value, str) else ""


def real_number(value: object, absent: float) -> float:
    """A number, `absent` where there is none.

    Raises:
        UnreadableFile: there is something else.
    """
    if value is None:
        return float(absent)
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and -(10**15) < value < 10**15:
        return float(value)
    raise UnreadableFile("The FHIR file has something else where a number belongs.", format="fhir")
