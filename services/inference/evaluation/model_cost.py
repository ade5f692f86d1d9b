"""What a model costs: parameters, multiply-adds, time of one ECG. Its graph is taken apart in another process."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from precordia.catalog import MODEL_ONNX, ModelRef
from precordia.operations import OperationContext
from services.inference.bridge import LoopBridge
from services.inference.models.holding import Models, Registry

log = logging.getLogger(__name__)

_PATIENCE_S = 120.0


class ModelCosts:
    """Costs of loadable models.

    Args:
        models: loads them, and knows what was measured then.
        registry: has their graphs.
        bridge: to the event loop.
    """

    def __init__(self, models: Models, registry: Registry, bridge: LoopBridge) -> None:
        self._models = models
        self._registry = registry
        self._bridge = bridge

    def of(self, context: OperationContext, ref: ModelRef) -> dict[str, Any]:
        """{"parameters", "multiply_adds", "latency_ms", "provider"}; null where one could not be measured.

        `latency_ms` is one run of one ECG, as measured when the model was loaded here.
        """
        loaded = self._bridge.call(context, lambda: self._models.load(ref))
        version, files = self._bridge.call(context, lambda: self._registry.fetch(ref, (MODEL_ONNX,)))
        manifest = version.manifest
        shape = (len(manifest.input.leads), manifest.input.samples)
        inputs: dict[str, tuple[int, ...]] = {manifest.input.name: shape}
        if manifest.co_inputs is not None:
            inputs[manifest.co_inputs.name] = (len(manifest.co_inputs.columns),)
        return {
            "parameters": None,
            "multiply_adds": None,
            "latency_ms": loaded.measured_ms.get(1),
            "provider": next(iter(loaded.providers), ""),
            **_taken_apart(files[MODEL_ONNX], inputs),
        }


def _taken_apart(graph: bytes, inputs: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    command = [sys.executable, "-m", "services.inference.evaluation.graph_cost", json.dumps(inputs)]
    try:
        done = subprocess.run(command, input=graph, capture_output=True, check=True, timeout=_PATIENCE_S)
        found: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        log.warning("the cost of a model's graph could not be worked out (%s)", type(error).__name__)
        return {}
    return found
