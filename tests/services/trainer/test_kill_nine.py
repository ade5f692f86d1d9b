"""`kill -9` of the service, the job, or both, at random moments: the model is that of a run that nobody disturbed.

The moments follow from a seed, which the assertion of a failure shows; PRECORDIA_KILL_SEED sets it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from precordia.catalog import ModelRef
from precordia.client import Addresses, Connection, connect
from precordia.errors import Unavailable
from precordia.operation import Operation, OperationState
from tests.services.trainer.conftest import Neighbours
from tests.services.trainer.synthetic import SMALL
from tests.services.trainer.test_service import spec, started, worker_pid

SEED = int(os.environ.get("PRECORDIA_KILL_SEED") or random.SystemRandom().randrange(10_000))
SPEC = spec(test=None, overrides=SMALL | {"max_epochs": 8, "keep": "best_loss"})
COMPARED = ("model.onnx", "weights.safetensors")
PATIENCE_S = 240


class Site:
    """The trainer as a process of its own, and what is killed there."""

    def __init__(self, home: Path, neighbours: Neighbours) -> None:
        self.home, self.neighbours = home, neighbours
        self.service, self.address = started(home, neighbours)

    @contextlib.asynccontextmanager
    async def connection(self):
        addresses = Addresses(self.neighbours.ingest, "", self.address, self.neighbours.registry)
        async with connect(addresses) as precordia:
            yield precordia

    def kill(self, what: str, operation: Operation) -> None:
        if what in ("service", "both"):
            self.service.kill()
        if what in ("job", "both"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has not begun, or is done
                os.killpg(worker_pid(self.home, operation), signal.SIGKILL)
        if what in ("service", "both"):
            self.service.wait()
            self.service, self.address = started(self.home, self.neighbours)

    def forget_data(self) -> None:
        shutil.rmtree(self.home / "trainer" / "cache", ignore_errors=True)

    def close(self) -> None:
        self.service.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.service.wait(30)


@contextlib.contextmanager
def site(home: Path, neighbours: Neighbours):
    opened = Site(home, neighbours)
    try:
        yield opened
    finally:
        opened.close()


async def done(there: Site, operation: Operation) -> Operation:
    """The operation's end, through whatever becomes of the service."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with there.connection() as precordia:
                    return await precordia.trainer.operations.wait(operation.operation_id)
            except Unavailable:
                await asyncio.sleep(0.2)


async def begun(there: Site, name: str) -> Operation:
    async with there.connection() as precordia:
        return await precordia.trainer.train(name, SPEC)


async def model(precordia: Connection, name: str) -> dict[str, bytes]:
    versions = await precordia.registry.versions(name)
    assert [version.version for version in versions] == [1], "published twice"
    _, files = await precordia.registry.fetch(ModelRef(name))
    return {file: files[file] for file in COMPARED}


async def undisturbed(there: Site) -> tuple[dict[str, bytes], float]:
    """Its files, and how many seconds it took."""
    since = time.monotonic()
    ended = await done(there, await begun(there, "undisturbed"))
    assert ended.state is OperationState.SUCCEEDED, ended.error_message
    async with there.connection() as precordia:
        return await model(precordia, "undisturbed"), time.monotonic() - since


async def epoch(there: Site, operation: Operation, number: int) -> None:
    async with asyncio.timeout(PATIENCE_S), there.connection() as precordia:
        async for event in precordia.trainer.operations.watch(operation.operation_id):
            if event.kind == "epoch" and event.payload["epoch"] >= number:
                return


@pytest.mark.faults
async def test_two_kills_leave_no_trace_in_the_model(tmp_path: Path, neighbours: Neighbours) -> None:
    chance = random.Random(SEED)
    with site(tmp_path, neighbours) as there:
        wanted, _ = await undisturbed(there)
        operation = await begun(there, "disturbed")
        for number, what in ((1, "both"), (4, "job")):
            await epoch(there, operation, number)
            await asyncio.sleep(chance.uniform(0, 0.3))
            there.kill(what, operation)
        ended = await done(there, operation)
        assert ended.state is OperationState.SUCCEEDED, (SEED, ended.error_message)
        async with there.connection() as precordia:
            assert await model(precordia, "disturbed") == wanted, SEED


@pytest.mark.soak
@pytest.mark.faults
@pytest.mark.timeout(3000)
async def test_ten_kills_at_any_moment_leave_no_trace_in_the_models(
    tmp_path: Path, neighbours: Neighbours, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(SEED)
    moments = []
    with site(tmp_path, neighbours) as there:
        wanted, seconds = await undisturbed(there)
        for number in range(10):
            if chance.random() < 0.4:
                there.forget_data()
            what, moment_s = chance.choice(("service", "job", "both")), chance.uniform(0, seconds)
            operation = await begun(there, f"disturbed-{number}")
            await asyncio.sleep(moment_s)
            there.kill(what, operation)
            ended = await done(there, operation)
            moments.append((what, round(moment_s, 2), ended.attempt))
            assert ended.state is OperationState.SUCCEEDED, (SEED, moments, ended.error_message)
            async with there.connection() as precordia:
                assert await model(precordia, f"disturbed-{number}") == wanted, (SEED, moments)
    record_property("kills", f"undisturbed {seconds:.1f} s; (what, after s, attempts): {moments}; seed {SEED}")
