"""The registry over the wire: decode, call, encode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from precordia.catalog import Artifact, ModelVersion
from precordia.errors import InvalidArgument
from precordia.manifest import Manifest
from precordia.rpc.chunks import iterate_in_worker
from precordia.rpc.convert.model import (
    lineage_from_proto,
    lineage_step_to_proto,
    model_event_to_proto,
    model_ref_from_proto,
    model_version_to_proto,
)
from precordia.rpc.workers import in_worker
from precordia.v1 import registry_pb2 as pb
from precordia.v1 import registry_pb2_grpc
from services.registry import pages
from services.registry.catalog import Catalog
from services.registry.orders import ImportOrder, PublishOrder
from services.registry.uploads import Importation, Publication

# ruff: noqa: N802 - method names are the RPCs' own

REGISTRY_SERVICE = pb.DESCRIPTOR.services_by_name["RegistryService"].full_name
"""Full name, for health and reflection."""

_EXAMINATIONS = 2
"""Model files examined at a time; each takes a process. More wait here, where waiting costs no thread."""

_Context = grpc.aio.ServicerContext[Any, Any]


class RegistryServicer(registry_pb2_grpc.RegistryServiceServicer):
    """Models for whoever asks."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._examinations = asyncio.Semaphore(_EXAMINATIONS)

    async def PublishModel(
        self, requests: AsyncIterator[pb.PublishModelRequest], context: _Context
    ) -> pb.PublishModelResponse:
        """A new version, whole or not at all."""
        with Publication(self._catalog) as publication:
            async for request in requests:
                await in_worker(publication.take, _publish_part(request))
            version, created = await self._examined(publication.finish)
        return pb.PublishModelResponse(model_version=model_version_to_proto(version), created=created)

    async def ImportModel(
        self, requests: AsyncIterator[pb.ImportModelRequest], context: _Context
    ) -> pb.ImportModelResponse:
        """An ONNX file as users bring it."""
        with Importation(self._catalog) as importation:
            async for request in requests:
                await in_worker(importation.take, _import_part(request))
            version, created = await self._examined(importation.finish)
        return pb.ImportModelResponse(model_version=model_version_to_proto(version), created=created)

    async def _examined(self, finish: Callable[[], tuple[ModelVersion, bool]]) -> tuple[ModelVersion, bool]:
        """The outcome of an upload. Who hangs up leaves at once; the place is free when the examination ends."""
        await self._examinations.acquire()
        working = asyncio.ensure_future(in_worker(finish))
        working.add_done_callback(self._free_place)
        return await asyncio.shield(working)

    def _free_place(self, done: asyncio.Future[tuple[ModelVersion, bool]]) -> None:
        self._examinations.release()
        if not done.cancelled():
            done.exception()  # seen: where nobody waits any more, nobody misses it

    async def GetModelVersion(
        self, request: pb.GetModelVersionRequest, context: _Context
    ) -> pb.GetModelVersionResponse:
        """One version, by number or alias."""
        version = await in_worker(self._catalog.get, model_ref_from_proto(request.model))
        return pb.GetModelVersionResponse(model_version=model_version_to_proto(version))

    async def ListModels(self, request: pb.ListModelsRequest, context: _Context) -> pb.ListModelsResponse:
        """The newest version of each model."""
        size, after = pages.checked_size(request.page_size), pages.name_of(request.page_token)
        found = await in_worker(self._catalog.models, limit=size + 1, after=after)
        page, token = pages.cut(found, size, lambda version: version.name, _weight)
        return pb.ListModelsResponse(models=map(model_version_to_proto, page), next_page_token=token)

    async def ListModelVersions(
        self, request: pb.ListModelVersionsRequest, context: _Context
    ) -> pb.ListModelVersionsResponse:
        """Versions of one model, newest first."""
        size, before = pages.checked_size(request.page_size), pages.number_of(request.page_token)
        found = await in_worker(self._catalog.versions, request.name, limit=size + 1, before=before)
        page, token = pages.cut(found, size, lambda version: str(version.version), _weight)
        return pb.ListModelVersionsResponse(model_versions=map(model_version_to_proto, page), next_page_token=token)

    async def FetchModel(
        self, request: pb.FetchModelRequest, context: _Context
    ) -> AsyncIterator[pb.FetchModelResponse]:
        """Files of one version: what they are, then their bytes."""
        version = await in_worker(self._catalog.get, model_ref_from_proto(request.model))
        files = self._catalog.files(version, request.artifacts)
        yield pb.FetchModelResponse(header=model_version_to_proto(version))
        for file in files:
            yield pb.FetchModelResponse(artifact=_artifact_header(file))
            async for chunk in iterate_in_worker(self._catalog.chunks(file)):
                yield pb.FetchModelResponse(chunk=chunk)

    async def DeleteModelVersion(
        self, request: pb.DeleteModelVersionRequest, context: _Context
    ) -> pb.DeleteModelVersionResponse:
        """Forget one version."""
        await in_worker(self._catalog.delete, request.name, request.version)
        return pb.DeleteModelVersionResponse()

    async def SetAlias(self, request: pb.SetAliasRequest, context: _Context) -> pb.SetAliasResponse:
        """Point an alias at a version."""
        version = await in_worker(self._catalog.set_alias, request.name, request.alias, request.version)
        return pb.SetAliasResponse(model_version=model_version_to_proto(version))

    async def DeleteAlias(self, request: pb.DeleteAliasRequest, context: _Context) -> pb.DeleteAliasResponse:
        """Remove an alias."""
        await in_worker(self._catalog.delete_alias, request.name, request.alias)
        return pb.DeleteAliasResponse()

    async def SetOperatingPoints(
        self, request: pb.SetOperatingPointsRequest, context: _Context
    ) -> pb.SetOperatingPointsResponse:
        """Keep thresholds and calibration under a new revision."""
        points = request.operating_points_json
        version = await in_worker(self._catalog.set_operating_points, request.name, request.version, points)
        return pb.SetOperatingPointsResponse(model_version=model_version_to_proto(version))

    async def GetLineage(self, request: pb.GetLineageRequest, context: _Context) -> pb.GetLineageResponse:
        """The ancestors of a version."""
        steps = await in_worker(self._catalog.lineage, model_ref_from_proto(request.model))
        return pb.GetLineageResponse(steps=map(lineage_step_to_proto, steps))

    async def WatchModels(
        self, request: pb.WatchModelsRequest, context: _Context
    ) -> AsyncIterator[pb.WatchModelsResponse]:
        """Every change after a number, and then as they happen."""
        async for event in self._catalog.changes.watch(request.after_number):
            yield model_event_to_proto(event)


def register_registry(server: grpc.aio.Server, catalog: Catalog) -> None:
    """Serve this catalog."""
    add: Any = registry_pb2_grpc.add_RegistryServiceServicer_to_server  # generated without types
    add(RegistryServicer(catalog), server)


def _publish_part(request: pb.PublishModelRequest) -> PublishOrder | Artifact | bytes:
    match request.WhichOneof("part"):
        case "header":
            return _publish_order(request.header)
        case "artifact":
            return _artifact(request.artifact)
        case "chunk":
            return request.chunk
        case _:
            raise InvalidArgument("A message of the stream is empty.", field="part")


def _publish_order(header: pb.PublishHeader) -> PublishOrder:
    return PublishOrder(
        name=header.name,
        manifest=Manifest.parse(header.manifest_json),
        lineage=lineage_from_proto(header.lineage),
        aliases=tuple(header.aliases),
        request_id=header.request_id,
        operating_points_json=header.operating_points_json,
    )


def _import_part(request: pb.ImportModelRequest) -> tuple[ImportOrder, Artifact] | bytes:
    match request.WhichOneof("part"):
        case "header":
            header = request.header
            manifest = Manifest.parse(header.manifest_json) if header.manifest_json else None
            return ImportOrder(header.name, manifest, header.request_id), _artifact(header.file)
        case "chunk":
            return request.chunk
        case _:
            raise InvalidArgument("A message of the stream is empty.", field="part")


def _weight(version: ModelVersion) -> int:
    return model_version_to_proto(version).ByteSize()


def _artifact(header: pb.ArtifactHeader) -> Artifact:
    return Artifact(header.name, header.sha256, header.size_bytes)


def _artifact_header(artifact: Artifact) -> pb.ArtifactHeader:
    return pb.ArtifactHeader(name=artifact.name, sha256=artifact.sha256, size_bytes=artifact.size_bytes)
