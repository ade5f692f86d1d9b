"""Recordings that come with one command and go with it."""

from __future__ import annotations

import asyncio
from types import TracebackType

from precordia.client import Connection, ImportAnswer
from precordia.record import Hints
from precordia.source import Source


class Guests:
    """Imports sources, and deletes what that made when the command ends, also when it is broken off.

    What was there before stays. Use it as an asynchronous context manager.
    """

    def __init__(self, precordia: Connection, hints: Hints) -> None:
        self._precordia = precordia
        self._hints = hints
        self._recording_ids: list[str] = []

    async def __aenter__(self) -> Guests:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._recording_ids:
            await self._precordia.ingest.delete_recording(self._recording_ids.pop())

    async def bring(self, source: Source) -> ImportAnswer:
        """Import one source. An import under way is awaited even when the command is broken off: it may leave some."""
        coming = asyncio.ensure_future(self._bring(source))
        try:
            return await asyncio.shield(coming)
        except asyncio.CancelledError:
            await asyncio.wait([coming])
            raise

    async def _bring(self, source: Source) -> ImportAnswer:
        answer = await self._precordia.ingest.import_source(source, self._hints)
        if answer.created:
            self._recording_ids += [recording.recording_id for recording in answer.recordings]
        return answer
