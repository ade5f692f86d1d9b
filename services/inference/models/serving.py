"""A model that serves, as all names of its digest share it, and the thresholds that a version has besides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from precordia.catalog import ModelVersion
from precordia.manifest import Manifest
from precordia.prediction import LoadedModel
from services.inference.engine.sessions import Session, TensorSpec
from services.inference.queueing.batching import Batcher
from services.inference.queueing.profile import Profile
from services.inference.scoring.running import Answer, Job
from services.inference.statistics import ServingStatistics


@dataclass(frozen=True, eq=False)
class ServingModel:
    """A loaded model: shared by all names and versions of the same digest.

    `memory_bytes` is what its session takes of the process's memory, or its file where that says more.
    """

    digest: str
    manifest: Manifest
    session: Session
    batcher: Batcher[Job, Answer]
    profile: Profile
    statistics: ServingStatistics
    memory_bytes: int = 0

    @cached_property
    def input_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of each input, without the batch."""
        shape = self.manifest.input
        shapes: dict[str, tuple[int, ...]] = {shape.name: (len(shape.leads), shape.samples)}
        if self.manifest.co_inputs is not None:
            shapes[self.manifest.co_inputs.name] = (len(self.manifest.co_inputs.columns),)
        return shapes

    @cached_property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """Outputs whose type has a name on the wire; that of the manifest first."""
        named = self.manifest.output_name
        offered = sorted((spec for spec in self.session.outputs if spec.datatype), key=lambda spec: spec.name != named)
        return {spec.name: spec for spec in offered}

    def describe(self, version: ModelVersion, aliases: Sequence[str]) -> LoadedModel:
        """What an operator sees of it, under one of its names."""
        policy, counts = self.batcher.policy, self.batcher.counts
        return LoadedModel(
            name=version.name,
            version=version.version,
            digest=self.digest,
            aliases=tuple(aliases),
            providers=self.session.providers,
            max_batch=policy.max_batch,
            sessions=policy.workers,
            max_delay_ms=1000 * policy.max_delay_s,
            queue_depth=self.batcher.depth,
            queue_capacity=policy.capacity,
            executed=counts.executed,
            dropped_expired=counts.dropped_expired,
            dropped_cancelled=counts.dropped_cancelled,
            measured_ms=dict(self.profile.milliseconds),
            measured_rate=dict(self.profile.rates),
            threads=self.profile.threads,
            memory_bytes=self.memory_bytes,
            refused=counts.refused,
        )

    def close(self) -> None:
        """Finishes what waits and ends the worker threads."""
        self.batcher.close()


@dataclass(frozen=True)
class OperatingPoints:
    """Thresholds by output and the calibration temperature, as the registry keeps them beside a model."""

    thresholds: dict[str, float]
    temperature: float = 1.0

    @staticmethod
    def of(version: ModelVersion) -> OperatingPoints:
        """Those of a model version; none where none are set."""
        if not version.operating_points_json:
            return OperatingPoints({})
        kept = json.loads(version.operating_points_json)
        thresholds = kept.get("thresholds", {})
        return OperatingPoints(
            {str(name): float(value) for name, value in thresholds.items()}, float(kept.get("temperature", 1.0))
        )
