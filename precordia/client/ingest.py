"""The ingest service: recordings in, recordings out."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from precordia.client.datasets import DatasetCalls
from precordia.client.operations import OperationsClient
from precordia.client.peer import LONG_CALL_S, Peer, new_request_id
from precordia.client.uploads import Download, chunks, measure
from precordia.errors import InvalidInput, NotFound, PrecordiaError, UnreadableFile, by_reason
from precordia.operation import Operation
from precordia.record import Hints, Recording, Remark, Signal
from precordia.rpc.convert.native import ArrivingRecording
from precordia.rpc.convert.operation import operation_from_proto
from precordia.rpc.convert.recording import (
    hints_to_proto,
    preview_from_proto,
    profile_from_proto,
    stored_recording_from_proto,
    view_to_proto,
)
from precordia.rpc.convert.signal import remarks_from_proto, signal_from_proto
from precordia.source import Source
from precordia.stored import ImportPreview, ImportProfile, StoredRecording
from precordia.v1 import ingest_pb2 as pb
from precordia.v1 import types_pb2

NO_HINTS = Hints()


@dataclass(frozen=True)
class ImportAnswer:
    """What became of a source. `created` is False where the same recordings were there before."""

    recordings: tuple[StoredRecording, ...]
    created: bool


@dataclass(frozen=True)
class FileStart:
    """A file on its way whose bytes follow, in pieces."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, eq=False)
class ReadSource:
    """What became of a source, with the standard leads of each recording, or why there are none."""

    recordings: tuple[StoredRecording, ...]
    created: bool
    signals: tuple[Signal | PrecordiaError, ...]


@dataclass(frozen=True)
class Page:
    """A page of recordings; an empty token ends the list."""

    recordings: tuple[StoredRecording, ...]
    next_page_token: str


@dataclass(frozen=True)
class ExportedFile:
    """One file of an export; `remarks` say what it could not hold, or no longer holds."""

    name: str
    content: bytes
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class StagedSource:
    """A source made of uploads: the file's own, and its companions' by file name."""

    name: str
    upload_id: str
    companions: Mapping[str, str]


class IngestClient(DatasetCalls):
    """Recordings and datasets; `operations` is its long work."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer)
        self.operations = OperationsClient(peer)

    async def import_source(
        self,
        source: Source,
        hints: Hints = NO_HINTS,
        dataset: str = "",
        validate_only: bool = False,
        request_id: str = "",
        deidentify: bool = False,
    ) -> ImportAnswer:
        """Read one source and keep its recordings, all or none. The same again is the same.

        With `deidentify` nothing is kept that identifies the patient; the recordings' remarks say what went.

        Raises:
            InvalidInput: the source cannot be read; the error's class and field say why.
        """
        header = pb.ImportHeader(
            request_id=request_id or new_request_id(),
            hints=hints_to_proto(hints),
            dataset=dataset,
            validate_only=validate_only,
            deidentify=deidentify,
        )
        parts = _source_parts(pb.ImportRecordingRequest, header, source)
        answer = await self._peer.call(self._stub.ImportRecording, parts, timeout_s=LONG_CALL_S)
        return ImportAnswer(tuple(map(stored_recording_from_proto, answer.recordings)), answer.created)

    async def read_stream(
        self,
        files: AsyncIterable[FileStart | bytes],
        hints: Hints = NO_HINTS,
        *,
        profile: str = "",
        dataset: str = "",
        keep: bool = True,
        request_id: str = "",
    ) -> ReadSource:
        """Pass on one source as it comes, and have its signals answered; without `keep` nothing is stored.

        Args:
            files: each file's start and its bytes, in pieces of 1 MiB at most; the source itself first.
            hints: facts that the file does not say.
            profile: whose hints fill in the rest.
            dataset: also put the recordings there.
            keep: whether the recordings stay.
            request_id: a repeated one does not import again.

        Raises:
            InvalidInput: the source cannot be read; the error's class and field say why.
        """
        header = pb.ImportHeader(
            request_id=request_id or new_request_id(),
            hints=hints_to_proto(hints),
            profile=profile,
            dataset=dataset,
            validate_only=not keep,
            with_signals=True,
        )
        answer = await self._peer.call(self._stub.ImportRecording, _passed_on(header, files), timeout_s=LONG_CALL_S)
        return ReadSource(
            tuple(map(stored_recording_from_proto, answer.recordings)),
            answer.created,
            tuple(map(_signal_or_error, answer.signals)),
        )

    async def preview(self, source: Source, hints: Hints = NO_HINTS) -> ImportPreview:
        """Read one source and say how it would be mapped, and what is missing. Nothing is stored."""
        header = pb.ImportHeader(request_id=new_request_id(), hints=hints_to_proto(hints), validate_only=True)
        parts = _source_parts(pb.PreviewImportRequest, header, source)
        return preview_from_proto(await self._peer.call(self._stub.PreviewImport, parts, timeout_s=LONG_CALL_S))

    async def upload_source(self, name: str, content: bytes) -> str:
        """Stage one file for `start_import`; returns its upload id."""
        size, sha256 = await measure(content)

        async def parts() -> AsyncIterator[pb.UploadSourceRequest]:
            yield pb.UploadSourceRequest(header=pb.UploadHeader(file_name=name, size_bytes=size, sha256=sha256))
            async for chunk in chunks(content):
                yield pb.UploadSourceRequest(chunk=chunk)

        answer = await self._peer.call(self._stub.UploadSource, parts(), timeout_s=LONG_CALL_S)
        upload_id: str = answer.upload_id
        return upload_id

    async def stage(self, source: Source) -> StagedSource:
        """Stage a source with its companions. Bytes that are there already are not sent again."""
        contents = {source.name: source.content, **source.companions}
        known = await self._staged_already(contents)
        ids = {name: known[name] or await self.upload_source(name, content) for name, content in contents.items()}
        return StagedSource(source.name, ids.pop(source.name), ids)

    async def _staged_already(self, contents: Mapping[str, bytes]) -> dict[str, str]:
        """Upload id by file name; empty where the bytes have to be sent."""
        facts = [(name, *await measure(content)) for name, content in contents.items()]
        headers = [pb.UploadHeader(file_name=name, size_bytes=size, sha256=sha256) for name, size, sha256 in facts]
        answer = await self._peer.call(self._stub.StageKnownFiles, pb.StageKnownFilesRequest(files=headers))
        return dict(zip(contents, answer.upload_ids, strict=True))

    async def start_import(
        self,
        staged: Sequence[StagedSource],
        hints: Hints = NO_HINTS,
        dataset: str = "",
        request_id: str = "",
        deidentify: bool = False,
    ) -> Operation:
        """Import many staged sources as an operation, with a "verdict" event for each."""
        request = pb.StartImportRequest(
            request_id=request_id or new_request_id(),
            sources=[
                pb.StagedSource(file_name=one.name, upload_id=one.upload_id, companions=one.companions)
                for one in staged
            ],
            hints=hints_to_proto(hints),
            dataset=dataset,
            deidentify=deidentify,
        )
        return operation_from_proto((await self._peer.call(self._stub.StartImport, request)).operation)

    async def save_profile(self, name: str, hints: Hints) -> ImportProfile:
        """Keep hints under a name; a profile of this name is replaced."""
        request = pb.SaveProfileRequest(name=name, hints=hints_to_proto(hints))
        return profile_from_proto((await self._peer.call(self._stub.SaveProfile, request)).profile)

    async def profiles(self) -> list[ImportProfile]:
        """Every profile, by name."""
        answer = await self._peer.call(self._stub.ListProfiles, pb.ListProfilesRequest())
        return [profile_from_proto(profile) for profile in answer.profiles]

    async def profile(self, name: str) -> ImportProfile:
        """One profile.

        Raises:
            NotFound: there is none of this name.
        """
        for profile in await self.profiles():
            if profile.name == name:
                return profile
        raise NotFound("There is no profile of this name; save one with `import --save-profile`.", name=name)

    async def delete_profile(self, name: str) -> None:
        """Forget a profile; recordings that were read with it keep their hints."""
        await self._peer.call(self._stub.DeleteProfile, pb.DeleteProfileRequest(name=name))

    async def get_recording(self, recording_id: str) -> StoredRecording:
        """A recording's facts.

        Raises:
            RecordingNotFound: no recording has this id.
        """
        request = pb.GetRecordingRequest(recording_id=recording_id)
        return stored_recording_from_proto((await self._peer.call(self._stub.GetRecording, request)).recording)

    async def list_recordings(
        self, dataset: str = "", page_size: int = 100, page_token: str = "", source_sha256: Sequence[str] = ()
    ) -> Page:
        """A page of recordings, of one dataset or of all, narrowed to some sources where they are named."""
        request = pb.ListRecordingsRequest(
            dataset=dataset, page_size=page_size, page_token=page_token, source_sha256=source_sha256
        )
        answer = await self._peer.call(self._stub.ListRecordings, request)
        return Page(tuple(map(stored_recording_from_proto, answer.recordings)), answer.next_page_token)

    async def recordings(self, dataset: str = "", page_size: int = 500) -> AsyncIterator[StoredRecording]:
        """All recordings, of one dataset or of all, page by page."""
        token = ""
        while True:
            page = await self.list_recordings(dataset, page_size, token)
            for recording in page.recordings:
                yield recording
            token = page.next_page_token
            if not token:
                return

    async def delete_recording(self, recording_id: str) -> None:
        """Remove a recording; frozen snapshots keep their copy."""
        await self._peer.call(self._stub.DeleteRecording, pb.DeleteRecordingRequest(recording_id=recording_id))

    async def native_recording(self, recording_id: str) -> Recording:
        """The recording as its source has it: every channel, exact."""
        request = pb.StreamNativeSignalRequest(recording_id=recording_id)
        arriving: ArrivingRecording | None = None
        async for message in self._peer.stream(self._stub.StreamNativeSignal, request):
            if message.HasField("header"):
                arriving = ArrivingRecording(stored_recording_from_proto(message.header))
            elif arriving is not None:
                arriving.add(message.chunk)
        if arriving is None:
            raise UnreadableFile("The stream ended before its header came.", format="stream")
        return arriving.recording()

    async def signal(self, recording_id: str, leads: Sequence[str] = ()) -> tuple[Signal, StoredRecording]:
        """Standard leads on one time base at the native rate, and the recording's facts."""
        request = pb.GetSignalRequest(
            recording_id=recording_id, lead_names=leads, sample_type=types_pb2.SAMPLE_TYPE_INT16
        )
        answer = await self._peer.call(self._stub.GetSignal, request)
        return signal_from_proto(answer.signal), stored_recording_from_proto(answer.recording)

    async def source(self, recording_id: str) -> Source:
        """The source's bytes as they came, with its companions."""
        request = pb.StreamSourceRequest(recording_id=recording_id)
        files = [file async for file in self._files(self._stub.StreamSource, request)]
        if not files:
            raise UnreadableFile("The stream held no file.", format="stream")
        return Source(files[0].name, files[0].content, {file.name: file.content for file in files[1:]})

    async def export(
        self,
        recording_ids: Sequence[str],
        file_format: str,
        view: str = "raw",
        sample_rate_hz: float | None = None,
        deidentify: bool = False,
    ) -> AsyncIterator[ExportedFile]:
        """A view of recordings, file by file; with `deidentify` under other names and days.

        Raises:
            UnsupportedView: the format or view cannot be had of a recording.
        """
        request = pb.ExportRecordingsRequest(
            recording_ids=recording_ids,
            format=file_format,
            view=view_to_proto(view),
            sample_rate_hz=sample_rate_hz,
            deidentify=deidentify,
        )
        async for file in self._files(self._stub.ExportRecordings, request):
            yield file

    async def _files(self, method: Any, request: Any) -> AsyncIterator[ExportedFile]:
        current: Download | None = None
        warnings: list[types_pb2.Warning] = []
        async for message in self._peer.stream(method, request):
            part = message.WhichOneof("part")
            if part == "file":
                if current is not None:
                    yield ExportedFile(current.name, current.content(), remarks_from_proto(warnings))
                current, warnings = Download(message.file.file_name, message.file.sha256), []
            elif part == "warning":
                warnings.append(message.warning)
            elif current is not None:
                current.add(message.chunk)
        if current is not None:
            yield ExportedFile(current.name, current.content(), remarks_from_proto(warnings))


async def _source_parts(message: Any, header: pb.ImportHeader, source: Source) -> AsyncIterator[Any]:
    """The header, then each file with its chunks, the source itself first."""
    yield message(header=header)
    for name, content in [(source.name, source.content), *source.companions.items()]:
        size, sha256 = await measure(content)
        yield message(file=pb.UploadHeader(file_name=name, size_bytes=size, sha256=sha256))
        async for chunk in chunks(content):
            yield message(chunk=chunk)


async def _passed_on(header: pb.ImportHeader, files: AsyncIterable[FileStart | bytes]) -> AsyncIterator[Any]:
    """The header, then each part as it comes."""
    yield pb.ImportRecordingRequest(header=header)
    async for part in files:
        if isinstance(part, FileStart):
            start = pb.UploadHeader(file_name=part.name, size_bytes=part.size_bytes, sha256=part.sha256)
            yield pb.ImportRecordingRequest(file=start)
        else:
            yield pb.ImportRecordingRequest(chunk=part)


def _signal_or_error(message: pb.RecordingSignal) -> Signal | PrecordiaError:
    if message.WhichOneof("outcome") == "signal":
        return signal_from_proto(message.signal)
    kind = by_reason().get(message.error.reason, InvalidInput)
    return kind(message.error.message)
