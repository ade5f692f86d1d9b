"""The registry: models in, models out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from precordia.catalog import Lineage, LineageStep, ModelEvent, ModelRef, ModelVersion
from precordia.client.peer import LONG_CALL_S, Peer, following, new_request_id
from precordia.client.uploads import Content, Download, FileDownload, chunks, measure
from precordia.errors import InternalError
from precordia.manifest import Manifest
from precordia.rpc.convert import model as convert
from precordia.v1 import registry_pb2 as pb
from precordia.v1 import registry_pb2_grpc

_PAGE = 200


class RegistryClient:
    """Models, versions, aliases."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @property
    def _stub(self) -> Any:
        return self._peer.stub(registry_pb2_grpc.RegistryServiceStub)

    async def publish(
        self,
        name: str,
        manifest: Manifest,
        artifacts: Mapping[str, Content],
        lineage: Lineage,
        aliases: Sequence[str] = (),
        request_id: str = "",
        operating_points_json: str = "",
    ) -> tuple[ModelVersion, bool]:
        """A new version, visible as a whole; False where the same content was there before.

        Its aliases and operating points are there with it. Content that was there before keeps the
        operating points that it has.

        Raises:
            InvalidModel, InvalidManifest: the files cannot run here, or the contract is malformed.
            InvalidArgument: the operating points are malformed, or do not fit the contract.
        """
        header = pb.PublishHeader(
            request_id=request_id or new_request_id(),
            name=name,
            manifest_json=manifest.canonical(),
            lineage=convert.lineage_to_proto(lineage),
            aliases=aliases,
            operating_points_json=operating_points_json,
        )

        async def parts() -> AsyncIterator[pb.PublishModelRequest]:
            yield pb.PublishModelRequest(header=header)
            for file, content in artifacts.items():
                yield pb.PublishModelRequest(artifact=await _artifact_header(file, content))
                async for chunk in chunks(content):
                    yield pb.PublishModelRequest(chunk=chunk)

        answer = await self._peer.call(self._stub.PublishModel, parts(), timeout_s=LONG_CALL_S)
        return convert.model_version_from_proto(answer.model_version), answer.created

    async def import_model(
        self, name: str, content: Content, manifest: Manifest | None = None, file_name: str = "model.onnx"
    ) -> tuple[ModelVersion, bool]:
        """Publish an ONNX file as users bring it; its metadata, or `manifest`, is its contract.

        Raises:
            InvalidModel: it is broken or cannot run here; the message says why.
        """
        header = pb.ImportModelHeader(
            request_id=new_request_id(),
            name=name,
            manifest_json=manifest.canonical() if manifest else "",
            file=await _artifact_header(file_name, content),
        )

        async def parts() -> AsyncIterator[pb.ImportModelRequest]:
            yield pb.ImportModelRequest(header=header)
            async for chunk in chunks(content):
                yield pb.ImportModelRequest(chunk=chunk)

        answer = await self._peer.call(self._stub.ImportModel, parts(), timeout_s=LONG_CALL_S)
        return convert.model_version_from_proto(answer.model_version), answer.created

    async def get(self, ref: ModelRef) -> ModelVersion:
        """A version, by number, alias, or the latest.

        Raises:
            ModelNotFound, AliasNotFound: there is none.
        """
        request = pb.GetModelVersionRequest(model=convert.model_ref_to_proto(ref))
        answer = await self._peer.call(self._stub.GetModelVersion, request)
        return convert.model_version_from_proto(answer.model_version)

    async def models(self) -> list[ModelVersion]:
        """The newest version of each model, by name."""
        found: list[ModelVersion] = []
        token = ""
        while True:
            request = pb.ListModelsRequest(page_size=_PAGE, page_token=token)
            answer = await self._peer.call(self._stub.ListModels, request)
            found += [convert.model_version_from_proto(version) for version in answer.models]
            token = answer.next_page_token
            if not token:
                return found

    async def versions(self, name: str) -> list[ModelVersion]:
        """A model's versions, newest first."""
        found: list[ModelVersion] = []
        token = ""
        while True:
            request = pb.ListModelVersionsRequest(name=name, page_size=_PAGE, page_token=token)
            answer = await self._peer.call(self._stub.ListModelVersions, request)
            found += [convert.model_version_from_proto(version) for version in answer.model_versions]
            token = answer.next_page_token
            if not token:
                return found

    async def fetch(self, ref: ModelRef, artifacts: Sequence[str] = ()) -> tuple[ModelVersion, dict[str, bytes]]:
        """Files of a version (empty = all) by name, each checked against its SHA-256.

        Raises:
            ArtifactNotFound: the version has no such file.
            ChecksumMismatch: a file arrived damaged.
        """
        request = pb.FetchModelRequest(model=convert.model_ref_to_proto(ref), artifacts=artifacts)
        version: ModelVersion | None = None
        files: list[Download] = []
        async for message in self._peer.stream(self._stub.FetchModel, request):
            part = message.WhichOneof("part")
            if part == "header":
                version = convert.model_version_from_proto(message.header)
            elif part == "artifact":
                files.append(Download(message.artifact.name, message.artifact.sha256))
            elif part == "chunk" and files:
                files[-1].add(message.chunk)
        if version is None:
            raise InternalError("The registry sent files without saying whose they are.")
        return version, {file.name: file.content() for file in files}

    async def beginning(self, ref: ModelRef, artifact: str, size_bytes: int) -> bytes:
        """The first bytes of one file of a version, for a look at its header; unchecked, and fewer where it ends.

        Raises:
            ArtifactNotFound: the version has no such file.
        """
        request, begun = pb.FetchModelRequest(model=convert.model_ref_to_proto(ref), artifacts=[artifact]), b""
        messages: Any = self._peer.stream(self._stub.FetchModel, request)
        async with aclosing(messages):  # the call ends when enough has come
            async for message in messages:
                begun += message.chunk
                if len(begun) >= size_bytes:
                    break
        return begun[:size_bytes]

    async def download(self, ref: ModelRef, artifact: str, folder: Path) -> Path:
        """One file of a version on disk, under its own name, there once it is whole.

        Raises:
            ArtifactNotFound: the version has no such file.
            ChecksumMismatch: it arrived damaged.
        """
        request = pb.FetchModelRequest(model=convert.model_ref_to_proto(ref), artifacts=[artifact])
        file: FileDownload | None = None
        try:
            async for message in self._peer.stream(self._stub.FetchModel, request):
                part = message.WhichOneof("part")
                if part == "artifact":
                    file = FileDownload(folder, message.artifact.name, message.artifact.sha256)
                elif part == "chunk" and file is not None:
                    await asyncio.to_thread(file.add, message.chunk)
            if file is None:
                raise InternalError("The registry sent no file.")
            return file.finish()
        finally:
            if file is not None:
                file.abandon()

    async def delete_version(self, name: str, version: int) -> None:
        """Remove a version.

        Raises:
            InUse: an alias points at it.
        """
        await self._peer.call(self._stub.DeleteModelVersion, pb.DeleteModelVersionRequest(name=name, version=version))

    async def set_alias(self, name: str, alias: str, version: int) -> ModelVersion:
        """Point an alias at a version."""
        request = pb.SetAliasRequest(name=name, alias=alias, version=version)
        return await self._changed(self._stub.SetAlias, request)

    async def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""
        await self._peer.call(self._stub.DeleteAlias, pb.DeleteAliasRequest(name=name, alias=alias))

    async def set_operating_points(self, name: str, version: int, operating_points_json: str) -> ModelVersion:
        """Thresholds and calibration of a version, under a revision of their own."""
        request = pb.SetOperatingPointsRequest(name=name, version=version, operating_points_json=operating_points_json)
        return await self._changed(self._stub.SetOperatingPoints, request)

    async def _changed(self, method: Any, request: Any) -> ModelVersion:
        return convert.model_version_from_proto((await self._peer.call(method, request)).model_version)

    async def lineage(self, ref: ModelRef) -> tuple[LineageStep, ...]:
        """The ancestors of a version, nearest first."""
        request = pb.GetLineageRequest(model=convert.model_ref_to_proto(ref))
        answer = await self._peer.call(self._stub.GetLineage, request)
        return tuple(convert.lineage_step_from_proto(step) for step in answer.steps)

    async def watch(self, after: int = 0) -> AsyncIterator[ModelEvent]:
        """Every change after a number, then new ones as they happen, without end.

        A registry that goes away and comes back is taken up again where it was left.
        """

        async def opened(number: int) -> AsyncIterator[ModelEvent]:
            request = pb.WatchModelsRequest(after_number=number)
            async for message in self._peer.stream(self._stub.WatchModels, request, timeout_s=None):
                yield convert.model_event_from_proto(message)

        while True:
            async for event in following(opened, after, patience_s=None):
                after = event.number
                yield event


async def _artifact_header(name: str, content: Content) -> pb.ArtifactHeader:
    size, sha256 = await measure(content)
    return pb.ArtifactHeader(name=name, size_bytes=size, sha256=sha256)
