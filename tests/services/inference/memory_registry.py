"""A registry in memory, with the client's interface: versions, aliases, numbered changes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence

from precordia.catalog import (
    LATEST,
    MODEL_ONNX,
    Artifact,
    Lineage,
    ModelChange,
    ModelEvent,
    ModelRef,
    ModelVersion,
)
from precordia.errors import AliasNotFound, ModelNotFound, ServiceUnavailable
from precordia.manifest import Manifest
from precordia.record import Remark


class Gate:
    """Open, unless a test shuts it."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self.arrived = 0

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def passed(self) -> None:
        self.arrived += 1
        await self._open.wait()


class MemoryRegistry:
    """What `Models` needs, and the writes that tests make."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, int], tuple[ModelVersion, bytes]] = {}
        self.aliases: dict[tuple[str, str], int] = {}
        self.events: list[ModelEvent] = []
        self.fetched = 0
        self.fetching = Gate()
        self.getting = Gate()
        self.away = False
        self._changed = asyncio.Condition()

    async def publish(
        self,
        name: str,
        manifest: Manifest,
        graph: bytes,
        *,
        alias: str = "",
        points: str = "",
        remarks: tuple[Remark, ...] = (),
    ) -> ModelVersion:
        number = 1 + max((version for known, version in self.versions if known == name), default=0)
        sha256 = hashlib.sha256(graph).hexdigest()
        digest = hashlib.sha256((manifest.digest() + sha256).encode()).hexdigest()
        version = ModelVersion(
            name,
            number,
            digest,
            manifest,
            (Artifact(MODEL_ONNX, sha256, len(graph)),),
            Lineage("imported"),
            operating_points_json=points,
            remarks=remarks,
        )
        self.versions[name, number] = version, graph
        await self._tell(ModelChange.VERSION_PUBLISHED, name, number)
        if alias:
            await self.set_alias(name, alias, number)
        return version

    async def set_alias(self, name: str, alias: str, version: int) -> None:
        self.aliases[name, alias] = version
        await self._tell(ModelChange.ALIAS_SET, name, version, alias)

    async def delete_alias(self, name: str, alias: str) -> None:
        del self.aliases[name, alias]
        await self._tell(ModelChange.ALIAS_DELETED, name, alias=alias)

    async def get(self, ref: ModelRef) -> ModelVersion:
        if self.away:
            raise ServiceUnavailable("away", service="registry")
        version = self._found(ref)[0]
        await self.getting.passed()
        return version

    async def fetch(self, ref: ModelRef, artifacts: Sequence[str] = ()) -> tuple[ModelVersion, Mapping[str, bytes]]:
        if self.away:
            raise ServiceUnavailable("away", service="registry")
        self.fetched += 1
        await self.fetching.passed()
        version, graph = self._found(ref)
        return version, {MODEL_ONNX: graph}

    async def watch(self, after: int = 0) -> AsyncIterator[ModelEvent]:
        while True:
            if self.away:
                raise ServiceUnavailable("away", service="registry")
            while after < len(self.events):
                after += 1
                yield self.events[after - 1]
            async with self._changed:
                await self._changed.wait()

    async def leave(self) -> None:
        self.away = True
        async with self._changed:
            self._changed.notify_all()

    def _found(self, ref: ModelRef) -> tuple[ModelVersion, bytes]:
        numbers = [version for name, version in self.versions if name == ref.name]
        if not numbers:
            raise ModelNotFound(f"No model {ref.name}.", name=ref.name)
        number = ref.version
        if not number:
            alias = ref.alias or LATEST
            number = max(numbers) if alias == LATEST else self.aliases.get((ref.name, alias), 0)
            if not number:
                raise AliasNotFound(f"No alias {alias}.", name=alias)
        if (ref.name, number) not in self.versions:
            raise ModelNotFound(f"No version {number}.", name=ref.name)
        return self.versions[ref.name, number]

    async def _tell(self, change: ModelChange, name: str, version: int = 0, alias: str = "") -> None:
        self.events.append(ModelEvent(len(self.events) + 1, change, name, version, alias))
        async with self._changed:
            self._changed.notify_all()
