"""A candidate version beside the one in service: a share of the inputs (canary), or a look from the side (shadow).

Which inputs a share takes follows from a hash of the input, so that a repeat goes the same way. A canary
never costs an answer: while the candidate is not loaded, and for what it fails, the version in service
answers. A shadow never costs time: a copy of the candidate works on what was answered already, in threads
that run when nothing else wants the processor; what it cannot keep up with is left out and counted. What a
canary answered is scored by a copy of the version in service in the same way. So both are compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from precordia.catalog import ModelRef, ModelVersion
from precordia.errors import Cancelled, DeadlineExceeded, InvalidArgument, PrecordiaError
from precordia.traffic import Traffic, TrafficRule
from services.inference.models.holding import Models, ResolvedModel, plain
from services.inference.scoring.running import Answer, Job
from services.inference.scoring.scores import EcgJob
from services.inference.traffic.comparing import RETRY_S, Comparer
from services.inference.traffic.files import KeptRule, TrafficFiles, counts_text

log = logging.getLogger(__name__)

T = TypeVar("T")

_SAMPLED = 7
"""Every seventh byte of an input decides its way: enough to tell ECGs apart, and quick."""

_KEEP_EVERY_S = 60.0


class Lane:
    """One rule in force: splits inputs, and counts what becomes of them.

    Args:
        kept: the rule, and what was counted for it before.
        models: where versions are.
    """

    def __init__(self, kept: KeptRule, models: Models) -> None:
        self._kept = kept
        self._models = models
        self._counts = kept.counts
        self._shadow = Comparer(kept.rule.candidate, models, kept.counts.by_shadow, candidate_answered=False)
        self._after_canary = Comparer(kept.rule.model, models, kept.counts.by_canary, candidate_answered=True)
        self._loading: asyncio.Task[object] | None = None
        self._retry_at = 0.0
        self._closed = False

    @property
    def rule(self) -> TrafficRule:
        """The shares in force."""
        return self._kept.rule

    @property
    def kept(self) -> KeptRule:
        """What a file keeps of it."""
        return self._kept

    async def split(
        self, keys: Sequence[bytes], answer: Callable[[ModelRef, list[int]], Awaitable[list[T]]]
    ) -> list[T]:
        """An answer for each key: from the candidate for its share, else, and where that fails, from the current one.

        Args:
            keys: of the inputs, see `key_of`.
            answer: of a version, for the inputs with these indices; raises or gives one each.

        Raises:
            PrecordiaError: as `answer` does for the version in service.
        """
        chosen = [index for index, key in enumerate(keys) if share(b"canary", key) < self.rule.canary_percent]
        answered: dict[int, T] = {}
        if chosen and self._ready():
            answered = await self._by_candidate(chosen, answer)
        left = [index for index in range(len(keys)) if index not in answered]
        if left:
            began = time.perf_counter()
            try:
                answered |= zip(left, await answer(self.rule.model, left), strict=True)
            except PrecordiaError:
                self._counts.current.failed += len(left)
                raise
            self._counts.current.add(1000 * (time.perf_counter() - began), len(left))
        return [answered[index] for index in range(len(keys))]

    def seen(self, model: ResolvedModel, jobs: Sequence[Job], answers: Sequence[Answer | PrecordiaError]) -> None:
        """What a version has answered: all of the canary's, and the shadow's share of the rest, is compared later."""
        comparer, percent = self._shadow, self.rule.shadow_percent
        if model.version.version == self.rule.candidate_version:
            by_canary = self.rule.canary_percent > 0.0 and not self._promoted()
            comparer, percent = self._after_canary, 100.0 if by_canary else 0.0
        if percent == 0.0 or self._closed:
            return
        for job, answer in zip(jobs, answers, strict=True):
            if not isinstance(answer, PrecordiaError) and (percent == 100.0 or share(b"shadow", key_of(job)) < percent):
                comparer.offer(model.version, job, answer)

    def told(self) -> Traffic:
        """The rule and its counts."""
        counts, shadow = self._counts, self._counts.by_shadow.told()
        return Traffic(
            rule=self.rule,
            since=counts.since,
            current=counts.current.told(),
            canary=counts.canary.told(),
            shadow=shadow.candidate,
            compared_current=shadow.current,
            skipped=shadow.skipped,
            compared=shadow.compared,
            disagreements=shadow.disagreements,
            outputs=shadow.outputs,
            by_canary=counts.by_canary.told(),
        )

    async def adopt(self, rule: TrafficRule) -> None:
        """Other shares for the same candidate: what was counted stays; a copy that has no share goes."""
        self._kept = replace(self._kept, rule=rule)
        if rule.shadow_percent == 0.0:
            await self._shadow.close()
        if rule.canary_percent == 0.0:
            await self._after_canary.close()

    async def close(self) -> None:
        """Ends comparing; what waits for it is left out."""
        self._closed = True
        if self._loading is not None:
            self._loading.cancel()
        await asyncio.gather(self._shadow.close(), self._after_canary.close())

    def _promoted(self) -> bool:
        """Whether the alias means the candidate already."""
        current = self._models.meaning(self.rule.model)
        return current is not None and current.version == self.rule.candidate_version

    def _ready(self) -> bool:
        """Whether the candidate is loaded beside another version in service; loads what is not."""
        if self._promoted():
            return False
        meanings = [self._models.meaning(ref) for ref in (self.rule.model, self.rule.candidate)]
        if None not in meanings:
            return True
        if (self._loading is None or self._loading.done()) and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + RETRY_S
            self._loading = asyncio.create_task(self._load(), context=Context())
        return False

    async def _load(self) -> None:
        try:
            await self._models.load(self.rule.model)
            await self._models.load(self.rule.candidate)
            self._retry_at = 0.0
        except PrecordiaError as error:
            log.warning(
                "candidate %s does not load (%s); %s answers all", self.rule.candidate, error.reason, self.rule.model
            )

    async def _by_candidate(
        self, chosen: list[int], answer: Callable[[ModelRef, list[int]], Awaitable[list[T]]]
    ) -> dict[int, T]:
        began = time.perf_counter()
        try:
            answers = await answer(self.rule.candidate, chosen)
        except (Cancelled, DeadlineExceeded):
            self._counts.canary.failed += len(chosen)
            raise
        except PrecordiaError as error:
            log.info("candidate %s answers %s; %s answers instead", self.rule.candidate, error.reason, self.rule.model)
            self._counts.canary.failed += len(chosen)
            return {}
        good = {index: one for index, one in zip(chosen, answers, strict=True) if not getattr(one, "error_reason", "")}
        self._counts.canary.failed += len(chosen) - len(good)
        if good:
            self._counts.canary.add(1000 * (time.perf_counter() - began), len(good))
        return good


class Routing:
    """The rules in force and their counts, kept in files over restarts.

    Args:
        models: where versions are.
        file: that keeps the rules; counts lie beside it.
        keep_every_s: between two writings of the counts; a service that is killed loses so much at most.
    """

    def __init__(self, models: Models, file: Path, *, keep_every_s: float = _KEEP_EVERY_S) -> None:
        self._models = models
        self._files = TrafficFiles(file)
        self._lanes = {kept.rule.model: Lane(kept, models) for kept in self._files.read()}
        self._keep_every_s = keep_every_s
        self._keeping: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    def lane(self, ref: ModelRef) -> Lane | None:
        """The rule for a reference, where there is one; called on the event loop."""
        found = self._lanes.get(plain(ref)) if self._lanes else None
        if found is not None and self._keeping is None:
            self._keeping = asyncio.create_task(self._keep(), name="keep counts of traffic", context=Context())
        return found

    async def set(self, rule: TrafficRule) -> Traffic:
        """Puts a rule in force instead of the one for the same alias; one that asks for nothing ends it.

        Raises:
            ModelNotFound, AliasNotFound: there is no such model or candidate.
            InvalidArgument: candidate and current version have no output in common, or not the same task.
        """
        before = self._lanes.get(rule.model)
        if rule.ends:
            self._lanes.pop(rule.model, None)
            self._write_rules()
            told = before.told() if before else Traffic(rule)
            if before is not None:
                await before.close()
            return replace(told, rule=rule)
        _check_comparable(await self._models.version(rule.model), await self._models.version(rule.candidate))
        await self._models.load(rule.model)
        if rule.canary_percent:
            await self._models.load(rule.candidate)
        if before is not None and before.rule.candidate_version == rule.candidate_version:
            await before.adopt(rule)
        else:
            self._lanes[rule.model] = Lane(KeptRule(rule, datetime.now(UTC)), self._models)
            if before is not None:
                await before.close()
        self._write_rules()
        log.info(
            "%s: version %d answers %g %% and is compared on %g %%",
            rule.model,
            rule.candidate_version,
            rule.canary_percent,
            rule.shadow_percent,
        )
        return self._lanes[rule.model].told()

    def told(self) -> list[Traffic]:
        """The rules and their counts, by name and alias."""
        return [self._lanes[ref].told() for ref in sorted(self._lanes, key=str)]

    async def close(self) -> None:
        """Ends what runs along; rules and counts stay in their files."""
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))
        self._ending.set()
        if self._keeping is not None:
            await self._keeping

    def _write_rules(self) -> None:
        self._files.write_rules([lane.kept for lane in self._lanes.values()])

    async def _keep(self) -> None:
        """Writes the counts now and then, where they have changed, and at the end."""
        written = ""
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), self._keep_every_s)
            counts = counts_text([lane.kept for lane in self._lanes.values()])
            if counts != written:
                await asyncio.to_thread(self._files.write_counts, counts)
                written = counts


def key_of(job: Job) -> bytes:
    """What decides an input's way: the samples as they came."""
    if isinstance(job, EcgJob):
        return sampled(job.signal.values)
    return b"".join(sampled(tensor) for tensor in job.tensors.values())


def sampled(values: NDArray[np.float32]) -> bytes:
    """Some of the bytes of an array, from everywhere in it."""
    return bytes(np.ascontiguousarray(values).reshape(-1).view(np.uint8)[::_SAMPLED])


def share(salt: bytes, key: bytes) -> float:
    """Where an input stands between 0 and 100; the same for ever, and independent for different salts."""
    digest = hashlib.blake2b(key, digest_size=8, salt=salt).digest()
    return 100.0 * int.from_bytes(digest) / 2**64


def _check_comparable(current: ModelVersion, candidate: ModelVersion) -> None:
    if current.manifest.task is not candidate.manifest.task:
        raise InvalidArgument(
            f"Version {candidate.version} has the task {candidate.manifest.task.value}, and the version in service "
            f"{current.manifest.task.value}. A candidate does the same task.",
            field="candidate_version",
        )
    if not set(current.manifest.output_names) & set(candidate.manifest.output_names):
        raise InvalidArgument(
            f"Version {candidate.version} has no output that the version in service has.", field="candidate_version"
        )
