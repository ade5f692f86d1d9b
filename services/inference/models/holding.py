"""The models this service holds: resolved through the registry, kept by digest, swapped when an alias moves.

A move loads the new version first and then changes where the name points; requests in flight keep
the model they began with, and it is closed after the last of them. So a move fails no request.
Everything here runs on the event loop; only loading and closing go to threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Protocol

from precordia.catalog import LATEST, MODEL_ONNX, ModelEvent, ModelRef, ModelVersion
from precordia.errors import ArtifactNotFound, FailedPrecondition, ModelNotFound, NotFound, PrecordiaError
from precordia.prediction import LoadedModel
from services.inference.models.loading import ModelLoader
from services.inference.models.memory import give_back
from services.inference.models.serving import ServingModel

log = logging.getLogger(__name__)

_FIRST_RETRY_S, _LAST_RETRY_S = 0.2, 10.0


class Registry(Protocol):
    """What is needed of the registry; `precordia.client` has it."""

    async def get(self, ref: ModelRef) -> ModelVersion:
        """The version that a reference means now."""

    async def fetch(self, ref: ModelRef, artifacts: Sequence[str] = ()) -> tuple[ModelVersion, Mapping[str, bytes]]:
        """A version and files of it."""

    def watch(self, after: int = 0) -> AsyncIterator[ModelEvent]:
        """Changes after a number, then new ones as they happen."""


@dataclass(frozen=True, eq=False)
class ResolvedModel:
    """A reference as it stands now: the version asked for, and the loaded model that answers for it."""

    version: ModelVersion
    serving: ServingModel


class Models:
    """Loaded models by digest, and what references mean.

    Args:
        registry: where models come from.
        loader: makes them serve.
        max_loaded: models kept at most; the one unused for longest goes first.
        memory_bytes: that models may take together; 0 = no limit. Models in use are not interrupted for it:
            it holds again when they are not.
    """

    def __init__(self, registry: Registry, loader: ModelLoader, *, max_loaded: int = 8, memory_bytes: int = 0) -> None:
        self._registry = registry
        self._loader = loader
        self._max_loaded = max_loaded
        self._memory_bytes = memory_bytes
        self._apart: set[ServingModel] = set()
        self._meanings: dict[ModelRef, ModelVersion] = {}
        self._serving: OrderedDict[str, ServingModel] = OrderedDict()
        self._loading: dict[str, asyncio.Task[ServingModel]] = {}
        self._uses: Counter[str] = Counter()
        self._changes: Counter[str] = Counter()
        self._closing: set[asyncio.Task[None]] = set()
        self._unloaded: set[ModelRef] = set()

    @asynccontextmanager
    async def use(self, ref: ModelRef) -> AsyncIterator[ResolvedModel]:
        """The model for a reference, held for as long as the context lasts.

        Raises:
            ModelNotFound, AliasNotFound: the registry has no such model.
            InvalidModel: it does not load.
            ServiceUnavailable: the registry cannot be reached and the model is not loaded.
        """
        resolved = await self._acquire(plain(ref))
        try:
            yield resolved
        finally:
            self._release(resolved.serving)

    async def check(self, ref: ModelRef) -> None:
        """Makes sure that a reference means something, without loading it.

        Raises:
            ModelNotFound, AliasNotFound: it does not.
        """
        await self.version(ref)

    async def version(self, ref: ModelRef) -> ModelVersion:
        """What a reference means, without loading it.

        Raises:
            ModelNotFound, AliasNotFound: nothing.
        """
        return self._meanings.get(plain(ref)) or await self._registry.get(ref)

    def meaning(self, ref: ModelRef) -> ModelVersion | None:
        """What a reference means, where its model is loaded."""
        version = self._meanings.get(plain(ref))
        return version if version is not None and version.digest in self._serving else None

    def serving(self, ref: ModelRef) -> ServingModel | None:
        """What answers for a reference at this moment; None where that has to be loaded first."""
        version = self._meanings.get(plain(ref))
        return None if version is None else self._serving.get(version.digest)

    @asynccontextmanager
    async def copy(self, ref: ModelRef) -> AsyncIterator[ResolvedModel]:
        """A copy of a model that works in idle time alone and shares nothing with the model that serves.

        Raises:
            ModelNotFound, InvalidModel, ServiceUnavailable ...: see `use`.
        """
        version = await self.version(ref)
        serving = await self._made(version, quiet=True)
        self._apart.add(serving)
        try:
            self._make_room(keep="")
            yield ResolvedModel(version, serving)
        finally:
            self._apart.discard(serving)
            self._close(serving)

    async def load(self, ref: ModelRef) -> LoadedModel:
        """Loads and warms a model before it is needed."""
        async with self.use(ref) as resolved:
            return resolved.serving.describe(resolved.version, self._aliases(resolved.version))

    def unload(self, ref: ModelRef) -> None:
        """Lets go of a model; requests in flight are still answered, and the next one loads it again.

        Raises:
            ModelNotFound: it is not loaded.
        """
        version = self._meanings.get(plain(ref)) or next(
            (known for known in self._meanings.values() if known.ref == ref), None
        )
        if version is None or version.digest not in self._serving:
            raise ModelNotFound(f"Model {ref} is not loaded.", name=str(ref))
        self.keep_away(version)
        self._evict(version.digest)

    def keep_away(self, version: ModelVersion) -> None:
        """Counts a version as unloaded, until it is loaded or used again; it need not be loaded now."""
        self._unloaded.add(version.ref)

    def unloaded(self) -> frozenset[ModelRef]:
        """Versions that somebody unloaded, and nobody loaded or used since; not those that made room."""
        return frozenset(self._unloaded)

    def loaded(self) -> list[LoadedModel]:
        """Every loaded model, under each name and version it is held for."""
        return [model.serving.describe(model.version, self._aliases(model.version)) for model in self.held()]

    def held(self) -> list[ResolvedModel]:
        """The same as it is held, by name and version."""
        versions = {version.ref: version for version in self._meanings.values() if version.digest in self._serving}
        return [
            ResolvedModel(version, self._serving[version.digest])
            for _, version in sorted(versions.items(), key=lambda entry: (entry[0].name, entry[0].version))
        ]

    async def follow(self) -> None:
        """Keeps references true to the registry; runs until cancelled, through the registry's absences."""
        after, retry_s = 0, _FIRST_RETRY_S
        while True:
            try:
                async for event in self._registry.watch(after):
                    after, retry_s = event.number, _FIRST_RETRY_S
                    self._changes[event.name] += 1
                    await self._refresh(event.name)
            except PrecordiaError as error:
                log.info("the registry's changes cannot be followed now (%s); trying again", error.reason)
            except Exception:  # a fault of ours with one model: changes of the others must still be seen
                log.exception("a change in the registry could not be followed")
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, _LAST_RETRY_S)

    async def close(self) -> None:
        """Closes every model, after the work that waits."""
        for digest in list(self._serving):
            self._evict(digest, even_if_used=True)
        await asyncio.gather(*self._closing)

    async def _acquire(self, ref: ModelRef) -> ResolvedModel:
        while True:
            version = self._meanings.get(ref) or await self._resolve(ref)
            serving = await self._ensure(version)
            # Meanwhile another task may have unloaded it again, or the reference may have moved on.
            if self._serving.get(version.digest) is serving and self._meanings.get(ref, version) is version:
                self._meanings[ref] = version
                self._unloaded.discard(version.ref)
                self._uses[serving.digest] += 1
                self._serving.move_to_end(serving.digest)
                return ResolvedModel(version, serving)

    async def _resolve(self, ref: ModelRef) -> ModelVersion:
        """What a new reference means; from here on the registry's changes keep it true.

        A change that overtakes the registry's answer cannot be told from one that came before it:
        then the registry is asked again.
        """
        while True:
            changes = self._changes[ref.name]
            version = await self._registry.get(ref)
            if self._changes[ref.name] == changes:
                return self._meanings.setdefault(ref, version)

    async def _ensure(self, version: ModelVersion) -> ServingModel:
        """The loaded model of a version; loads it once, however many ask."""
        serving = self._serving.get(version.digest)
        if serving is not None:
            return serving
        task = self._loading.get(version.digest)
        if task is None:
            # In a context of its own: the deadline of whoever asks first is not that of the others who wait.
            task = asyncio.create_task(self._load(version), name=f"load {version.ref}", context=Context())
            self._loading[version.digest] = task
            task.add_done_callback(lambda done: self._loaded(version.digest, done))
        # Shielded: the caller that began the loading may go away while others wait for it.
        return await asyncio.shield(task)

    def _loaded(self, digest: str, task: asyncio.Task[ServingModel]) -> None:
        self._loading.pop(digest, None)
        if task.cancelled() or task.exception() is not None:
            # What was never in service is not to be kept true, or every change of its name would load it anew.
            self._meanings = {ref: version for ref, version in self._meanings.items() if version.digest != digest}
        if not task.cancelled() and task.exception() is not None:
            log.info("a model did not load (%s)", type(task.exception()).__name__)

    async def _load(self, version: ModelVersion) -> ServingModel:
        serving = await self._made(version)
        self._serving[version.digest] = serving
        self._make_room(keep=version.digest)
        return serving

    async def _made(self, version: ModelVersion, *, quiet: bool = False) -> ServingModel:
        """Fetched and loaded; refused where it alone is more than the budget, before loading if its file tells."""
        _check_trained(version)
        self._check_budget(version, sum(one.size_bytes for one in version.artifacts if one.name == MODEL_ONNX))
        _, artifacts = await self._registry.fetch(version.ref, (MODEL_ONNX,))
        if MODEL_ONNX not in artifacts:
            raise ArtifactNotFound(f"Model {version.ref} has no ONNX file, so it cannot be served.", name=MODEL_ONNX)
        serving = await asyncio.to_thread(self._loader.load, version, artifacts[MODEL_ONNX], quiet=quiet)
        try:
            self._check_budget(version, serving.memory_bytes)
        except PrecordiaError:
            self._close(serving)
            raise
        return serving

    def _check_budget(self, version: ModelVersion, memory_bytes: int) -> None:
        if 0 < self._memory_bytes < memory_bytes:
            raise FailedPrecondition(
                f"Model {version.ref} takes {_mib(memory_bytes)} MiB, and models may take {_mib(self._memory_bytes)} "
                "together. Raise PRECORDIA_INFERENCE_MEMORY_MIB, or serve a smaller model."
            )

    def _release(self, serving: ServingModel) -> None:
        self._uses[serving.digest] -= 1
        if self._uses[serving.digest] <= 0:
            del self._uses[serving.digest]
            if not self._means(serving.digest):
                self._evict(serving.digest)
            self._make_room(keep="")

    def _means(self, digest: str) -> bool:
        return any(version.digest == digest for version in self._meanings.values())

    def _make_room(self, *, keep: str) -> None:
        """Lets go of models unused for longest until number and memory are within their limits."""
        for digest in [digest for digest in self._serving if digest != keep and not self._uses[digest]]:
            taken = sum(model.memory_bytes for model in (*self._serving.values(), *self._apart))
            if len(self._serving) <= self._max_loaded and (not self._memory_bytes or taken <= self._memory_bytes):
                return
            log.info("model %.12s makes room: %d are loaded and take %d MiB", digest, len(self._serving), _mib(taken))
            self._evict(digest)

    def _evict(self, digest: str, *, even_if_used: bool = False) -> None:
        """Forgets what points at a model, and closes it unless requests hold it (then the last one does)."""
        self._meanings = {ref: version for ref, version in self._meanings.items() if version.digest != digest}
        if (self._uses[digest] and not even_if_used) or digest not in self._serving:
            return
        self._close(self._serving.pop(digest))

    def _close(self, serving: ServingModel) -> None:
        task = asyncio.create_task(_end(serving))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _refresh(self, name: str) -> None:
        for ref in [ref for ref in self._meanings if ref.name == name]:
            try:
                now = await self._registry.get(ref)
            except NotFound:
                self._forget(ref)
            except PrecordiaError as error:
                log.warning("what %s means now cannot be had (%s); %s", ref, error.reason, self._stays(ref))
            else:
                await self._move(ref, now)

    async def _move(self, ref: ModelRef, now: ModelVersion) -> None:
        """Points a reference at a version once that is loaded; where it does not load, the one before stays."""
        before = self._meanings.get(ref)
        try:
            await self._ensure(now)
        except PrecordiaError as error:
            log.warning("version %d of %s does not load (%s); %s", now.version, ref, error.reason, self._stays(ref))
            return
        self._meanings[ref] = now
        self._unloaded.discard(now.ref)
        if before is not None and before.digest != now.digest:
            log.info("%s is now version %d", ref, now.version)
            self._drop_if_orphaned(before.digest)

    def _stays(self, ref: ModelRef) -> str:
        served = self.meaning(ref)
        return f"version {served.version} stays in service" if served else "nothing is in service under this name"

    def _forget(self, ref: ModelRef) -> None:
        before = self._meanings.pop(ref, None)
        if before is not None:
            self._drop_if_orphaned(before.digest)

    def _drop_if_orphaned(self, digest: str) -> None:
        if not self._means(digest) and not self._uses[digest]:
            self._evict(digest)

    def _aliases(self, version: ModelVersion) -> tuple[str, ...]:
        pointing = {ref.alias for ref, meant in self._meanings.items() if ref.alias and meant.ref == version.ref}
        return tuple(sorted(pointing))


def _check_trained(version: ModelVersion) -> None:
    if version.manifest.origin.get("head") == "untrained":
        raise FailedPrecondition(
            f"Model {version.ref} is a base: its last layer is untrained, so it has no scores to give. "
            f"Fine-tune it: precordia train --base {version.name} --dataset ..."
        )


async def _end(serving: ServingModel) -> None:
    """Closes a model after the work that waits, and gives its memory back to the system."""
    await asyncio.to_thread(serving.close)
    del serving
    await asyncio.to_thread(give_back)


def _mib(size_bytes: int) -> int:
    return -(-size_bytes // 2**20)


def plain(ref: ModelRef) -> ModelRef:
    """One spelling for one meaning: no version and no alias is the alias `latest`."""
    return ref if ref.version or ref.alias else ModelRef(ref.name, alias=LATEST)
