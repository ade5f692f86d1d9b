"""Recordings that come with one command go with it, also when the command is broken off."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.guests import Guests
from precordia.client import Connection
from precordia.record import Hints
from precordia.source import Source


class Ingest:
    """Keeps what it is sent; an import takes a moment and goes on when its caller has left."""

    def __init__(self, there: set[str]) -> None:
        self.kept = set(there)
        self.begun = asyncio.Event()

    async def import_source(self, source: Any, hints: Hints) -> Any:
        self.begun.set()
        await asyncio.sleep(0.02)
        created = source not in self.kept
        self.kept.add(source)
        return SimpleNamespace(created=created, recordings=[SimpleNamespace(recording_id=source)])

    async def delete_recording(self, recording_id: str) -> None:
        self.kept.remove(recording_id)


async def predict(ingest: Ingest, *sources: str) -> None:
    connection = cast(Connection, SimpleNamespace(ingest=ingest))
    async with Guests(connection, Hints()) as guests, asyncio.TaskGroup() as group:
        for source in sources:
            group.create_task(guests.bring(cast(Source, source)))


async def test_what_came_goes_and_what_was_there_stays() -> None:
    ingest = Ingest({"old"})
    await predict(ingest, "old", "new")
    assert ingest.kept == {"old"}


async def test_a_command_that_is_broken_off_leaves_nothing() -> None:
    ingest = Ingest({"old"})
    command = asyncio.create_task(predict(ingest, "old", "new", "newer"))
    await ingest.begun.wait()
    command.cancel()
    with pytest.raises(asyncio.CancelledError):
        await command
    assert ingest.kept == {"old"}
