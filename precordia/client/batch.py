"""Many files into ingest as staged imports: uploads run ahead while the service reads, a verdict for each file.

Files travel in lots, each an operation of the service. Bytes that the service has are not sent again,
so that an import that was broken off and is run again goes on where it was. What is in memory at any
time is a few files, however many there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from precordia.client.files import SourceFile
from precordia.client.ingest import NO_HINTS, IngestClient, StagedSource
from precordia.errors import (
    Overloaded,
    PrecordiaError,
    RecordingNotFound,
    ServiceUnavailable,
    Unauthenticated,
    Unavailable,
    by_reason,
)
from precordia.operation import Operation, OperationState, error_of
from precordia.record import Hints
from precordia.stored import StoredRecording

LOT = 200
"""Files of one operation."""

_AT_ONCE = 6  # files read and uploaded at the same time
_LOTS_AHEAD = 1  # staged while another one is read
_TOLD_AT_ONCE = 25  # verdicts whose recordings are asked for together
_SOURCES_A_LIST = 500
_RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0, 10.0)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class FileVerdict:
    """What became of one file: recordings, or the error that it was refused with."""

    index: int
    source: str
    recordings: tuple[StoredRecording, ...] = ()
    created: bool = False
    error: PrecordiaError | None = None


@dataclass(frozen=True)
class _Lot:
    """Files that were staged together: their indices, in the order of the operation's sources."""

    indices: tuple[int, ...]
    refused: tuple[FileVerdict, ...]
    operation: Operation | None


class BatchImport:
    """One import of many files.

    Args:
        ingest: the service.
        hints: facts that the files do not say.
        dataset: also put the recordings there.
        deidentify: keep nothing that identifies patients.
    """

    def __init__(
        self, ingest: IngestClient, hints: Hints = NO_HINTS, dataset: str = "", *, deidentify: bool = False
    ) -> None:
        self._ingest = ingest
        self._hints = hints
        self._dataset = dataset
        self._deidentify = deidentify
        self._open: set[str] = set()

    async def run(self, files: Sequence[SourceFile]) -> AsyncGenerator[FileVerdict, None]:
        """The verdict of each file, lot after lot. Leaving the loop early calls off what the service still has.

        Raises:
            Unavailable, Unauthenticated: no further file can succeed. What was imported stays.
        """
        lots: asyncio.Queue[_Lot | BaseException | None] = asyncio.Queue(_LOTS_AHEAD)
        stager = asyncio.create_task(self._stage_all(files, lots))
        try:
            while (lot := await lots.get()) is not None:
                if isinstance(lot, BaseException):
                    raise lot
                for verdict in lot.refused:
                    yield verdict
                if lot.operation is not None:
                    async for verdict in self._verdicts(files, lot.indices, lot.operation):
                        yield verdict
        finally:
            stager.cancel()
            with suppress(asyncio.CancelledError):
                await stager
            await self._call_off()

    async def _stage_all(self, files: Sequence[SourceFile], lots: asyncio.Queue[_Lot | BaseException | None]) -> None:
        try:
            for start in range(0, len(files), LOT):
                await lots.put(await self._stage(files, range(start, min(start + LOT, len(files)))))
        except PrecordiaError as error:
            await lots.put(error)
        except Exception as error:  # raised where the verdicts are waited for
            await lots.put(error)
        else:
            await lots.put(None)

    async def _stage(self, files: Sequence[SourceFile], indices: range) -> _Lot:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(index: int) -> StagedSource | FileVerdict:
            async with gate:
                try:
                    source = await asyncio.to_thread(files[index].read)
                    return await _patiently(lambda: self._ingest.stage(source))
                except (Unavailable, Unauthenticated):
                    raise
                except PrecordiaError as error:
                    return FileVerdict(index, str(files[index].path), error=error)

        answers = await _together([one(index) for index in indices])
        staged = {index: one for index, one in zip(indices, answers, strict=True) if isinstance(one, StagedSource)}
        refused = tuple(one for one in answers if isinstance(one, FileVerdict))
        operation = None
        if staged:
            operation = await _patiently(lambda: self._start(list(staged.values())))
            self._open.add(operation.operation_id)
        return _Lot(tuple(staged), refused, operation)

    async def _start(self, staged: Sequence[StagedSource]) -> Operation:
        return await self._ingest.start_import(staged, self._hints, self._dataset, deidentify=self._deidentify)

    async def _verdicts(
        self, files: Sequence[SourceFile], indices: Sequence[int], operation: Operation
    ) -> AsyncIterator[FileVerdict]:
        waiting: list[Mapping[str, Any]] = []
        async for event in self._ingest.operations.watch(operation.operation_id):
            if event.kind == "verdict":
                waiting.append(event.payload)
            if len(waiting) >= _TOLD_AT_ONCE:
                for verdict in await self._told(files, indices, waiting):
                    yield verdict
                waiting = []
        for verdict in await self._told(files, indices, waiting):
            yield verdict
        self._open.discard(operation.operation_id)
        done = await self._ingest.operations.get(operation.operation_id)
        if done.state is not OperationState.SUCCEEDED:
            raise error_of(done, f"The import was {done.state.value}; run it again to go on.")

    async def _told(
        self, files: Sequence[SourceFile], indices: Sequence[int], payloads: Sequence[Mapping[str, Any]]
    ) -> list[FileVerdict]:
        facts = await self._facts(payloads)
        told = []
        for payload in payloads:
            index = indices[int(payload["index"])]
            recordings = tuple(facts[name] for name in payload["recordings"] if name in facts)
            error = _error(payload) if payload["status"] == "refused" else None
            created = payload["status"] == "imported"
            told.append(FileVerdict(index, str(files[index].path), recordings, created, error))
        return told

    async def _facts(self, payloads: Sequence[Mapping[str, Any]]) -> dict[str, StoredRecording]:
        """The recordings that verdicts name, by id. One that was deleted meanwhile is not among them."""
        wanted = {name for payload in payloads for name in payload["recordings"]}
        sources = {str(payload.get("sha256") or "") for payload in payloads} - {""}
        found: dict[str, StoredRecording] = {}
        token, narrowed = "", sorted(sources)[:_SOURCES_A_LIST]
        while narrowed:
            page = await self._ingest.list_recordings(page_size=500, page_token=token, source_sha256=narrowed)
            found.update((one.recording_id, one) for one in page.recordings if one.recording_id in wanted)
            token = page.next_page_token
            if not token:
                break
        for name in wanted - found.keys():
            with suppress(RecordingNotFound):
                found[name] = await self._ingest.get_recording(name)
        return found

    async def _call_off(self) -> None:
        for name in self._open:
            with suppress(PrecordiaError):
                await self._ingest.operations.cancel(name)


async def _together(calls: Sequence[Awaitable[Answer]]) -> list[Answer]:
    """All answers in order; the first error as it is, with the other calls ended."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _patiently(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """A call that is tried again while the service is away or busy: repeating it does no harm."""
    for pause_s in _RETRY_S:
        try:
            return await call()
        except (ServiceUnavailable, Overloaded):
            await asyncio.sleep(pause_s)
    return await call()


def _error(payload: Mapping[str, Any]) -> PrecordiaError:
    kind = by_reason().get(str(payload["reason"]), PrecordiaError)
    return kind(str(payload["message"]), **payload.get("details", {}))
