"""Operating points: thresholds by output, and a temperature for calibration, as validated JSON.

    {"thresholds": {"MI": 0.31, "CD": 0.5}, "temperature": 1.7}

Both parts are optional. A score at or above its threshold counts as found. The temperature divides
the graph's output before its activation.
"""

from __future__ import annotations

import json
import math
from typing import Any

from precordia.errors import InvalidArgument
from precordia.manifest import Manifest, Task

_FIELD = "operating_points_json"
_LONGEST = 1 << 20
_COLDEST, _HOTTEST = 0.01, 100.0  # beyond, every score is 0 or 1, or all are equal


def checked_operating_points(text: str, manifest: Manifest) -> str:
    """The canonical JSON text of operating points that fit this model.

    Raises:
        InvalidArgument: they are no such object, or name an output that the model does not have.
    """
    points = _object(text)
    unknown = set(points) - {"thresholds", "temperature"}
    if unknown:
        raise InvalidArgument("Operating points hold 'thresholds' and 'temperature' only.", field=_FIELD)
    if "thresholds" in points:
        _check_thresholds(points["thresholds"], manifest)
    if "temperature" in points and not _is_temperature(points["temperature"]):
        raise InvalidArgument(
            f"'temperature' is a number from {_COLDEST:g} to {_HOTTEST:g}; 1 changes nothing.", field=_FIELD
        )
    return json.dumps(points, sort_keys=True, separators=(",", ":"))


def _object(text: str) -> dict[str, Any]:
    if len(text) > _LONGEST:
        raise InvalidArgument(f"Operating points have at most {_LONGEST} characters.", field=_FIELD)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidArgument("Operating points are a JSON object.", field=_FIELD) from None
    if not isinstance(value, dict):
        raise InvalidArgument("Operating points are a JSON object.", field=_FIELD)
    return value


def _check_thresholds(thresholds: object, manifest: Manifest) -> None:
    if not isinstance(thresholds, dict) or not all(_is_number(value) for value in thresholds.values()):
        raise InvalidArgument("'thresholds' maps outputs to numbers.", field=_FIELD)
    if set(thresholds) - set(manifest.output_names):
        names = ", ".join(manifest.output_names[:20])
        raise InvalidArgument(
            f"A threshold names an output that the model does not have; it has {names}.", field=_FIELD
        )
    if manifest.task is not Task.REGRESSION and not all(0 <= value <= 1 for value in thresholds.values()):
        raise InvalidArgument("A threshold for a score lies between 0 and 1.", field=_FIELD)


def _is_temperature(value: object) -> bool:
    return isinstance(value, int | float) and _is_number(value) and _COLDEST <= value <= _HOTTEST


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # JSON's integers have no end
        return False
