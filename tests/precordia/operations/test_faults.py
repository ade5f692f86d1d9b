"""kill -9 in the middle of long work: the next process goes on from the saved state."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from precordia.operation import OperationState
from precordia.operations import Operations
from precordia.storage.database import open_database
from tests.precordia.operations import counting

pytestmark = pytest.mark.faults


async def test_killed_work_resumes_from_its_saved_state_in_a_new_process(database_url: str) -> None:
    engine = open_database(database_url, "precordia.operations.migrations")
    operation_id = Operations(engine, counting.HANDLERS).submit("count", {"to": 40})[0].operation_id
    for stay_at in (8, 9, 24):
        child = subprocess.Popen([sys.executable, "-m", counting.__name__, database_url, str(stay_at)])
        try:
            watching = Operations(engine, counting.HANDLERS)  # not started: it only looks
            async with asyncio.timeout(120):
                await said(watching, operation_id, stay_at)
        finally:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
    resuming = Operations(engine, counting.HANDLERS)
    resuming.start()
    async with asyncio.timeout(120):
        events = [event async for event in resuming.watch(operation_id)]
    await resuming.close(60)
    operation = resuming.get(operation_id)
    engine.dispose()
    assert (operation.state, operation.result["counted"]) == (OperationState.SUCCEEDED, 40)
    assert operation.attempt == 4
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    reached = [event.payload["reached"] for event in events if event.kind == "count"]
    assert sorted(reached) == sorted([*range(1, 41), 8, 9, 24])  # only what was in hand at a kill is done twice


async def said(operations: Operations, operation_id: str, number: int) -> None:
    """Until it is said, seen from outside by looking again and again."""
    while True:
        page = await asyncio.to_thread(operations._store.events, operation_id, after=0, limit=500)
        if any(event.payload.get("reached") == number for event in page.events):
            return
        await asyncio.sleep(0.02)
