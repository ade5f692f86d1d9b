"""From a model version's bytes to a model that serves: session, warm-up, measurement, batcher."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

import numpy as np

from precordia.catalog import ModelVersion
from precordia.errors import PrecordiaError
from precordia.manifest import Manifest
from precordia.record import Signal, Unit
from precordia.signal import condition
from precordia.signal.warming import compile_kernels_apart
from services.inference.engine.sessions import Engine, Session
from services.inference.models.memory import charged, give_back, is_plausible, resident_bytes, trim_heaps
from services.inference.models.serving import ServingModel
from services.inference.queueing.batching import Batcher, BatchPolicy
from services.inference.queueing.profile import Profile, ServingLimits, measure, policy_for
from services.inference.queueing.profile_cache import ProfileCache
from services.inference.scoring.running import Answer, Job, Runner
from services.inference.scoring.scorer import Scorer
from services.inference.scoring.tensors import TensorRunner
from services.inference.statistics import ServingStatistics

log = logging.getLogger(__name__)

_CLEARLY_FASTER = 1.25
"""Rate of other threads inside a run over that of the first, from which they are taken."""

_QUIET = 19
"""Niceness of threads that work in idle time alone."""

_BEHIND = 5
"""Niceness of measuring: a third of the share of threads that answer requests."""


class ModelLoader:
    """Loads, warms and measures models on one engine, one at a time. Blocking: call it from a worker thread."""

    def __init__(self, engine: Engine, limits: ServingLimits, profiles: ProfileCache) -> None:
        self._engine = engine
        self._limits = limits
        self._profiles = profiles
        self._one_at_a_time = threading.Lock()

    def load(self, version: ModelVersion, graph: bytes, *, quiet: bool = False) -> ServingModel:
        """A serving model.

        Args:
            version: whose contract holds.
            graph: its ONNX file.
            quiet: one worker, which runs when nothing else wants the processor.

        Raises:
            InvalidModel: the graph does not load, does not run, or does not fit its manifest.
            MissingDependency, FailedPrecondition: the device that was asked for is not there.
        """
        with self._one_at_a_time:  # two that are measured at once would measure each other
            warm_conditioning(version.manifest)
            scorer, memory_bytes = self._weighed(version, graph)
            scorer, profile = self._ready(version, graph, scorer)
            session = scorer.session
            policy = policy_for(profile, self._limits)
            if quiet:
                policy = replace(policy, workers=1, nice=_QUIET)
            scorer.max_rows = policy.max_batch
            # What lives now lives long: the collector need not walk it again while requests wait.
            gc.collect()
            gc.freeze()
            give_back()
        log.info("loaded %s", _described(version, session, policy, profile, memory_bytes))
        statistics = ServingStatistics()
        runner = Runner(scorer, TensorRunner(session), statistics)
        batcher: Batcher[Job, Answer] = Batcher(runner, policy, name=f"{version.name}-{version.version}")
        return ServingModel(version.digest, version.manifest, session, batcher, profile, statistics, memory_bytes)

    def _weighed(self, version: ModelVersion, graph: bytes) -> tuple[Scorer, int]:
        """A warm session, and what it takes in memory with its first run, in bytes.

        Where more is seen than weights explain, it is made once more: other work that comes in this moment, or what
        the runtime loads for its first session, is rarely there twice.
        """
        scorer, grown = self._grown(version, graph)
        if not is_plausible(grown, len(graph)):
            del scorer
            scorer, again = self._grown(version, graph)
            grown = min(grown, again)
        return scorer, charged(grown, len(graph))

    def _grown(self, version: ModelVersion, graph: bytes) -> tuple[Scorer, int]:
        """A warm session, and by how many bytes the process grew. The file is here before and after."""
        trim_heaps()  # else the session is made in memory that was there before, and seems to take none
        before = resident_bytes()
        scorer = self._warm(version, graph, self._engine.thread_counts[0])
        trim_heaps()
        return scorer, resident_bytes() - before

    def _ready(self, version: ModelVersion, graph: bytes, scorer: Scorer) -> tuple[Scorer, Profile]:
        """The session with the threads that suit the model, and its profile: a kept one, or measured now.

        Args:
            version: whose contract holds.
            graph: its ONNX file.
            scorer: warm, with the first count of threads.
        """
        counts = self._engine.thread_counts
        sha256 = hashlib.sha256(graph).hexdigest()
        most = self._limits
        limits = f"max_batch={most.max_batch}|workers={most.workers}|sessions={most.sessions}|threads={counts}"
        device = f"{self._engine.device}|{scorer.session.providers[0]}|{limits}"
        profile = self._profiles.get(sha256, device)
        if profile is None:
            profile = self._measured(scorer, counts[0])
            for threads in counts[1:]:
                other = self._measured(self._warm(version, graph, threads), threads)
                profile = other if other.best_rate > _CLEARLY_FASTER * profile.best_rate else profile
            self._profiles.put(sha256, device, profile)
        return scorer if profile.threads == counts[0] else self._warm(version, graph, profile.threads), profile

    def _warm(self, version: ModelVersion, graph: bytes, threads: int) -> Scorer:
        scorer = Scorer(self._engine.load(graph, threads=threads), version.manifest)
        scorer.rehearse(1)
        return scorer

    def _measured(self, scorer: Scorer, threads: int) -> Profile:
        workers = self._limits.sessions or max(1, self._limits.workers // threads)
        session = scorer.session

        def work() -> Profile:
            return measure(scorer.rehearse, max_batch=self._limits.max_batch, workers=workers, clock=session.clock)

        measured = _behind_requests(work)
        # The larger batches that were tried leave buffers behind that serving will not need.
        session.release()
        return replace(measured, threads=threads)


def _behind_requests(work: Callable[[], Profile]) -> Profile:
    """The result of measuring in a thread that gives way to those that answer requests of other models."""
    found: Future[Profile] = Future()

    def run() -> None:
        if hasattr(os, "PRIO_PROCESS"):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _BEHIND)
        try:
            found.set_result(work())
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, name="measure a model").start()
    return found.result()


def _described(
    version: ModelVersion, session: Session, policy: BatchPolicy, profile: Profile, memory_bytes: int
) -> str:
    """How a model is served, in one line of the log."""
    waiting = f"waits up to {1000 * policy.max_delay_s:.2g} ms" if policy.max_delay_s else "waits for no company"
    return (
        f"{version.ref} on {session.providers[0]}: {policy.max_batch} ECG a run at most, {policy.workers} runs at once "
        f"with {profile.threads} threads each, {waiting}; measured {1000 * policy.item_s:.3g} ms an ECG, "
        f"{profile.best_rate:.4g} ECGs a second; {memory_bytes / 2**20:.0f} MiB"
    )


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
    except Exception:  # an ECG that it fails on as well is answered with that; others may be fine
        log.exception("the model's conditioning failed on the ECG that it is warmed with")
