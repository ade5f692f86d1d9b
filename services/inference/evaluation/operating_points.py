"""Thresholds that an evaluation chose, made a model's operating points."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from precordia.catalog import ModelRef, ModelVersion
from precordia.operations import OperationContext
from services.inference.bridge import LoopBridge


class PointsRegistry(Protocol):
    """What is needed of the registry; `precordia.client` has it."""

    async def get(self, ref: ModelRef) -> ModelVersion:
        """The version that a reference means now."""

    async def set_operating_points(self, name: str, version: int, operating_points_json: str) -> ModelVersion:
        """Thresholds and calibration of a version, under a revision of their own."""


class OperatingPointsWriter:
    """Writes thresholds to the registry, once."""

    def __init__(self, registry: PointsRegistry, bridge: LoopBridge) -> None:
        self._registry = registry
        self._bridge = bridge

    def store(self, context: OperationContext, ref: ModelRef, thresholds: Mapping[str, float]) -> int:
        """Puts thresholds of outputs in place of the old ones; the temperature stays.

        What the registry has already, as after a crash, is not written again.

        Returns:
            The revision of the operating points.
        """
        version = self._bridge.call(context, lambda: self._registry.get(ref))
        known = json.loads(version.operating_points_json or "{}")
        outputs = set(version.manifest.output_names)
        wanted = {name: value for name, value in thresholds.items() if name in outputs}
        points = known | {"thresholds": known.get("thresholds", {}) | wanted}
        if points == known or not wanted:
            return version.operating_points_revision
        text = json.dumps(points)
        changed = self._bridge.call(
            context, lambda: self._registry.set_operating_points(version.name, version.version, text)
        )
        return changed.operating_points_revision
