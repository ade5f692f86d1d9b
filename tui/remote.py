"""The services, as the screens need them: asked over one connection that is made anew when they move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing

from precordia.catalog import ModelRef, ModelVersion
from precordia.client import (
    Addresses,
    BatchImport,
    Connection,
    FileVerdict,
    ServiceHealth,
    SourceFile,
    connect,
    sources_from_paths,
)
from precordia.errors import PrecordiaError, ServiceUnavailable, Unauthenticated, UnsupportedView
from precordia.prediction import PredictInput, Prediction, Priority
from precordia.record import Hints
from precordia.stored import StoredRecording
from tui.messages import ImportVerdict, ShownRecording
from tui.traces import traces_of_recording, traces_of_signal

SERVICES = ("ingest", "registry", "inference", "trainer")
_PAGE = 200
_FEW_FILES = 8
"""Files up to which each is imported by a call of its own; more are staged."""
_FEWEST_LEADS = 3
"""With fewer standard leads a page of twelve is mostly empty; the channels are shown instead."""


class Remote:
    """Asks the services. One task at a time may call `follow_addresses`; the rest may overlap."""

    def __init__(self, addresses: Addresses) -> None:
        self._said = addresses
        self._stack = AsyncExitStack()
        self._connection: Connection | None = None
        self._current: tuple[str, ...] = ()
        self._pages: list[tuple[str, tuple[StoredRecording, ...]]] = []

    async def follow_addresses(self) -> None:
        """Connect, or connect anew where a service that came back has another address."""
        wanted = tuple(self._said.of(service) for service in SERVICES)
        if self._connection is not None and wanted == self._current:
            return
        await self._stack.aclose()
        addresses = Addresses(**dict(zip(SERVICES, wanted, strict=True)))
        self._connection = await self._stack.enter_async_context(connect(addresses))
        self._current = wanted

    async def close(self) -> None:
        """Close the connection."""
        self._connection = None
        await self._stack.aclose()

    @property
    def connection(self) -> Connection:
        """The connection of the moment."""
        assert self._connection is not None, "follow_addresses comes first"
        return self._connection

    async def health(self) -> tuple[ServiceHealth, ...]:
        """How each service answers now."""
        connection = self.connection
        return tuple(await asyncio.gather(*(connection.health(service) for service in SERVICES)))

    async def recordings(self, *, anew: bool = False) -> tuple[StoredRecording, ...]:
        """All recordings. Pages but the last are kept, and asked for again only `anew`: what comes, comes last."""
        if anew:
            self._pages = []
        token = self._pages.pop()[0] if self._pages else ""
        while True:
            page = await self.connection.ingest.list_recordings("", _PAGE, token)
            self._pages.append((token, page.recordings))
            token = page.next_page_token
            if not token:
                return tuple(recording for _, recordings in self._pages for recording in recordings)

    async def models(self) -> tuple[ModelVersion, ...]:
        """The newest version of each model."""
        return tuple(await self.connection.registry.models())

    async def shown(self, recording_id: str) -> ShownRecording:
        """A recording's leads, or its channels where it is no ECG of standard leads on one time base."""
        ingest = self.connection.ingest
        try:
            signal, recording = await ingest.signal(recording_id)
        except UnsupportedView as error:
            return await self._channels(recording_id, error.message)
        if len(recording.leads) < _FEWEST_LEADS:
            return await self._channels(recording_id, "")
        return ShownRecording(recording, await asyncio.to_thread(traces_of_signal, signal))

    async def _channels(self, recording_id: str, note: str) -> ShownRecording:
        native = await self.connection.ingest.native_recording(recording_id)
        facts = await self.connection.ingest.get_recording(recording_id)
        return ShownRecording(facts, await asyncio.to_thread(traces_of_recording, native), note)

    async def predicted(self, model: ModelRef, recording_id: str) -> Prediction:
        """A model's opinion; someone is waiting for it at a screen."""
        answers = await self.connection.inference.predict(
            model, [PredictInput(recording_id=recording_id)], Priority.STAT
        )
        return answers[0]

    async def imported(self, paths: Sequence[str], hints: Hints) -> tuple[tuple[ImportVerdict, ...], str]:
        """Import files: a verdict each, in their order, and the id of the first recording that is kept."""
        files = await asyncio.to_thread(sources_from_paths, paths)
        verdicts: dict[int, ImportVerdict] = {}
        kept: dict[int, str] = {}
        async with aclosing(self._verdicts_on(files, hints)) as answers:
            async for answer in answers:
                problem = answer.error.message if answer.error else ""
                name = files[answer.index].path.name
                verdicts[answer.index] = ImportVerdict(name, len(answer.recordings), problem)
                if answer.recordings:
                    kept[answer.index] = answer.recordings[0].recording_id
        return tuple(verdicts[index] for index in sorted(verdicts)), kept[min(kept)] if kept else ""

    def _verdicts_on(self, files: Sequence[SourceFile], hints: Hints) -> AsyncGenerator[FileVerdict, None]:
        """A few files by a call each, many as staged imports."""
        if len(files) <= _FEW_FILES:
            return self._one_by_one(files, hints)
        return BatchImport(self.connection.ingest, hints).run(files)

    async def _one_by_one(self, files: Sequence[SourceFile], hints: Hints) -> AsyncGenerator[FileVerdict, None]:
        for index, file in enumerate(files):
            try:
                answer = await self.connection.ingest.import_source(await asyncio.to_thread(file.read), hints)
                yield FileVerdict(index, str(file.path), answer.recordings, answer.created)
            except (ServiceUnavailable, Unauthenticated):
                raise  # no further file can succeed
            except PrecordiaError as error:
                yield FileVerdict(index, str(file.path), error=error)
