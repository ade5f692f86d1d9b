"""From a model version's bytes to a model that serves: session, warm-up, measurement, batcher."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from precordia.catalog import ModelVersion
from precordia.errors import PrecordiaError
from precordia.manifest import Manifest
from precordia.prediction import LoadedModel
from precordia.record import Signal, Unit
from precordia.signal import condition
from precordia.signal.warming import compile_kernels_apart
from services.inference.batching import Batcher
from services.inference.engine import Engine, Session, TensorSpec
from services.inference.memory import give_back
from services.inference.profile import Profile, ProfileCache, measure, policy_for
from services.inference.running import Answer, Job, Runner
from services.inference.scoring import Scorer
from services.inference.statistics import ServingStatistics
from services.inference.tensors import TensorRunner

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServingLimits:
    """What the operator allows each model."""

    workers: int = 1
    max_batch: int = 64
    max_delay_s: float = 0.005
    queue_capacity: int = 1024


@dataclass(frozen=True, eq=False)
class ServingModel:
    """A loaded model: shared by all names and versions of the same digest."""

    digest: str
    manifest: Manifest
    session: Session
    batcher: Batcher[Job, Answer]
    profile: Profile
    statistics: ServingStatistics

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
        )

    def close(self) -> None:
        """Finishes what waits and ends the worker threads."""
        self.batcher.close()


class ModelLoader:
    """Loads, warms and measures models on one engine. Blocking: call it from a worker thread."""

    def __init__(self, engine: Engine, limits: ServingLimits, profiles: ProfileCache) -> None:
        self._engine = engine
        self._limits = limits
        self._profiles = profiles

    def load(self, version: ModelVersion, graph: bytes) -> ServingModel:
        """A serving model.

        Raises:
            InvalidModel: the graph does not load, does not run, or does not fit its manifest.
            MissingDependency, FailedPrecondition: the device that was asked for is not there.
        """
        session = self._engine.load(graph)
        scorer = Scorer(session, version.manifest)
        scorer.rehearse(1)
        warm_conditioning(version.manifest)
        profile = self._profile(hashlib.sha256(graph).hexdigest(), session, scorer)
        policy = policy_for(
            profile,
            workers=self._limits.workers,
            capacity=self._limits.queue_capacity,
            max_delay_s=self._limits.max_delay_s,
        )
        scorer.max_rows = policy.max_batch
        log.info(
            "loaded %s on %s: batches of %d, %d workers, %.2f ms an ECG",
            version.ref,
            session.providers[0],
            policy.max_batch,
            policy.workers,
            1000 * policy.item_s,
        )
        # What lives now lives long: the collector need not walk it again while requests wait.
        gc.collect()
        gc.freeze()
        give_back()
        statistics = ServingStatistics()
        runner = Runner(scorer, TensorRunner(session), statistics)
        batcher: Batcher[Job, Answer] = Batcher(runner, policy, name=f"{version.name}-{version.version}")
        return ServingModel(version.digest, version.manifest, session, batcher, profile, statistics)

    def _profile(self, graph_sha256: str, session: Session, scorer: Scorer) -> Profile:
        device = f"{self._engine.device}|{session.providers[0]}|max_batch={self._limits.max_batch}"
        kept = self._profiles.get(graph_sha256, device)
        if kept is not None:
            return kept
        profile = measure(scorer.rehearse, max_batch=self._limits.max_batch)
        # The larger batches that were tried leave buffers behind that serving will not need.
        session.release()
        self._profiles.put(graph_sha256, device, profile)
        return profile


def warm_conditioning(manifest: Manifest) -> None:
    """Compiles and designs what conditioning needs, on the commonest input: 10 s at 500 Hz in mV."""
    time_s = np.arange(5000) / 500
    wave = np.sin(2 * np.pi * 1.3 * time_s).astype(np.float32)
    leads = manifest.input.leads
    if not compile_kernels_apart():
        log.warning("the conditioning kernels were not compiled ahead; this process compiles them itself")
    signal = Signal(np.tile(wave, (len(leads), 1)), leads, 500.0, Unit.MILLIVOLT)
    try:
        condition(signal, manifest)
    except PrecordiaError:
        # A model that takes only standardised signals refuses this one, and will refuse callers in the same words.
        log.debug("the model does not take a raw ECG in mV")


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
