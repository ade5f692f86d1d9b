"""`kill -9` of services in the middle of their work, as a client sees it who stays connected all the while.

The work is held where it is to be cut off, so that it is under way for certain.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.embedded import service_environment
from precordia.catalog import Lineage, ModelRef
from precordia.client import Addresses, Connection, connect
from precordia.client.ingest import StagedSource
from precordia.dataset import LabelScheme, SplitRef
from precordia.errors import PrecordiaError, Unavailable
from precordia.operation import Operation, OperationEvent, OperationState
from precordia.prediction import PredictInput
from precordia.training import TrainingSpec
from tests.holding import Hold
from tests.ports import free_port
from tests.services.inference import ecg_study
from tests.services.inference.graphs import bias_graph, contract, levels
from tests.services.ingest.ecg_files import wfdb
from tests.services.trainer.conftest import fill
from tests.services.trainer.synthetic import DURATION_S, RATE_HZ, SMALL

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

SERVICES = ("registry", "ingest", "inference", "trainer")
IMPORTED = Lineage("imported")
PATIENCE_S = 240
FILES = 60
RECORDS = 200
EPOCHS = 5
FILLING = bytes(range(256)) * (1 << 15)
"""8 MiB beside a graph, so that a publication takes a while."""


class Town:
    """The four services as processes of this test. Each keeps its port, so that others find it again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.hold = Hold(home / "hold")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports = {service: free_port() for service in SERVICES}

    @property
    def addresses(self) -> Addresses:
        return Addresses(**{service: f"127.0.0.1:{port}" for service, port in self._ports.items()})

    def start(self, *services: str) -> None:
        """Start them together, and return when all of them serve."""
        peers = {service: self.addresses.of(service) for service in SERVICES}
        for service in services:
            environment = service_environment(service, self.home, self._ports[service], peers)
            environment |= {"PRECORDIA_REGISTRY_PUBLISH_SHIPPED": "false", "PRECORDIA_INFERENCE_SESSIONS": "1"}
            environment |= self.hold.variables
            with (self.home / f"{service}.log").open("ab") as log:
                self.processes[service] = subprocess.Popen(
                    [sys.executable, "-m", f"services.{service}"], env=environment, stdout=subprocess.PIPE, stderr=log
                )
        for service in services:
            ready = self.processes[service].stdout
            assert ready is not None
            assert json.loads(ready.readline())["address"] == peers[service]

    def kill(self, *services: str) -> None:
        """All at the same moment."""
        for service in services:
            self.processes[service].send_signal(signal.SIGKILL)
        for service in services:
            self.processes[service].communicate(timeout=60)

    def kill_worker(self, operation: Operation) -> None:
        """The process of a training job, with all that it started."""
        file = self.home / "trainer" / "jobs" / operation.operation_id / "worker.json"
        os.killpg(int(json.loads(file.read_text())["pid"]), signal.SIGKILL)

    def close(self) -> None:
        for service in reversed(SERVICES):
            self.processes[service].terminate()
        for service in reversed(SERVICES):
            self.processes[service].communicate(timeout=120)


@pytest.fixture(scope="module")
def the_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    town = Town(tmp_path_factory.mktemp("kills"))
    try:
        town.start(*SERVICES)
        asyncio.run(fill(town.addresses.ingest))
        asyncio.run(_study(town.addresses))
        yield town
    finally:
        town.hold.release()
        town.close()


@pytest.fixture
def town(the_town: Town) -> Iterator[Town]:
    """Nothing is held at first, and nothing is left held."""
    yield the_town
    the_town.hold.release()


async def _study(addresses: Addresses) -> None:
    """A labelled dataset, and a model "slow" that scores it."""
    graph, manifest = ecg_study.slow_model(64)
    async with connect(addresses) as precordia:
        await precordia.registry.publish("slow", manifest, {"model.onnx": graph}, IMPORTED)
        await precordia.ingest.import_source(ecg_study.study(RECORDS), ecg_study.HINTS, "study")
        labels = ecg_study.labels(RECORDS)
        await precordia.ingest.import_labels("study", "labels.csv", labels, LabelScheme.TABLE)
        await precordia.ingest.create_snapshot("study")


class Follower:
    """Watches an operation from its first event on, through whatever happens to its service."""

    def __init__(self, events: AsyncIterator[OperationEvent]) -> None:
        self.events: list[OperationEvent] = []
        self._news = asyncio.Event()
        self._watching = asyncio.create_task(self._watch(events))

    async def _watch(self, events: AsyncIterator[OperationEvent]) -> None:
        async for event in events:
            self.events.append(event)
            self._news.set()

    async def until(self, enough: Callable[[list[OperationEvent]], bool]) -> None:
        """Until these events are enough."""
        async with asyncio.timeout(PATIENCE_S):
            while not enough(self.events):
                assert not self._watching.done(), "the work was over before it could be disturbed"
                self._news.clear()
                await self._news.wait()

    async def end(self) -> list[OperationEvent]:
        """All events, once the work is finished; none of them twice, and none missing."""
        async with asyncio.timeout(PATIENCE_S):
            await self._watching
        assert [event.number for event in self.events] == list(range(1, len(self.events) + 1))
        return self.events

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [dict(event.payload) for event in self.events if event.kind == kind]


def _has(kind: str, count: int) -> Callable[[list[OperationEvent]], bool]:
    return lambda events: sum(event.kind == kind for event in events) >= count


async def _staged(precordia: Connection, name: str) -> list[StagedSource]:
    return [await precordia.ingest.stage(wfdb(f"{name}{seed}", seed, samples=1000)) for seed in range(FILES)]


def _spec(epochs: int = EPOCHS) -> TrainingSpec:
    return TrainingSpec(
        train=SplitRef("made", "train"),
        base="InceptionTime",
        sample_rate_hz=RATE_HZ,
        duration_s=DURATION_S,
        seed=3,
        threads=1,
        overrides=SMALL | {"max_epochs": epochs},
    )


async def _assert_imported(precordia: Connection, name: str, follower: Follower, operation: Operation) -> None:
    await follower.end()
    done = await precordia.ingest.operations.get(operation.operation_id)
    assert (done.state, done.attempt) == (OperationState.SUCCEEDED, 2), done.error_message
    listed = {stored.source_name: stored.recording_id async for stored in precordia.ingest.recordings(name)}
    assert set(listed) == {f"{name}{seed}.hea" for seed in range(FILES)}
    told = {recording for payload in follower.of("verdict") for recording in payload.get("recordings", [])}
    assert told == set(listed.values())


async def test_an_import_goes_on_before_the_eyes_of_its_watcher_when_ingest_dies(town: Town) -> None:
    async with connect(town.addresses) as precordia:
        town.hold.after("verdict", 3)
        operation = await precordia.ingest.start_import(await _staged(precordia, "ward"), dataset="ward")
        follower = Follower(precordia.ingest.operations.watch(operation.operation_id))
        await follower.until(_has("verdict", 3))
        town.kill("ingest")
        town.hold.release()
        town.start("ingest")
        await _assert_imported(precordia, "ward", follower, operation)


async def test_a_publication_cut_off_by_the_registry_s_death_is_not_there_and_can_be_sent_again(town: Town) -> None:
    async with connect(town.addresses) as precordia:
        files = {"model.onnx": bias_graph(0.25), "report.json": FILLING}
        await precordia.registry.publish("net", contract("A"), {"model.onnx": bias_graph(0.5)}, IMPORTED, ["best"])
        assert await _score(precordia) == 0.5
        town.hold.after("publication", 0)
        sending = asyncio.create_task(
            precordia.registry.publish("net", contract("A"), files, IMPORTED, ["best"], request_id="the second")
        )
        async with asyncio.timeout(PATIENCE_S):
            while not town.hold.publication_waits:
                await asyncio.sleep(0.02)
        town.kill("registry")
        town.hold.release()
        with pytest.raises(Unavailable):
            await sending
        assert await _score(precordia) == 0.5  # inference goes on with what it has
        town.start("registry")
        assert [version.version for version in await precordia.registry.versions("net")] == [1]
        version, created = await precordia.registry.publish(
            "net", contract("A"), files, IMPORTED, ["best"], request_id="the second"
        )
        assert (version.version, created) == (2, True)
        async with asyncio.timeout(PATIENCE_S):  # inference watches the registry again, and follows the alias
            while await _score(precordia) != 0.25:
                await asyncio.sleep(0.1)


async def _score(precordia: Connection) -> float:
    (prediction,) = await precordia.inference.predict(
        ModelRef("net", alias="best"), [PredictInput(signal=levels(1.0))], timeout_s=PATIENCE_S
    )
    return prediction.scores[0].value


async def test_a_training_whose_worker_dies_goes_on_and_waits_for_a_registry_that_is_away(town: Town) -> None:
    async with connect(town.addresses) as precordia:
        town.hold.after("epoch", 2)
        operation = await precordia.trainer.train("shapes", _spec())
        follower = Follower(precordia.trainer.operations.watch(operation.operation_id))
        await follower.until(_has("epoch", 2))
        town.kill("registry")
        town.kill_worker(operation)
        town.hold.release()
        # until it has what it wants to publish, and nobody to publish it to
        await follower.until(lambda events: any(_waits(event) for event in events))
        town.start("registry")
        await follower.end()
        done = await precordia.trainer.operations.get(operation.operation_id)
        assert (done.state, done.attempt) == (OperationState.SUCCEEDED, 1), done.error_message
        await _assert_trained_once(precordia, "shapes", follower)


def _waits(event: OperationEvent) -> bool:
    return str(event.payload.get("message", "")).startswith("Waiting")


async def _assert_trained_once(precordia: Connection, name: str, follower: Follower) -> None:
    assert [payload["epoch"] for payload in follower.of("epoch")] == list(range(1, EPOCHS + 1))
    assert any("Going on from the checkpoint" in payload.get("message", "") for payload in follower.of("log"))
    (published,) = follower.of("published")
    (version,) = await precordia.registry.versions(name)
    assert (version.version, version.digest) == (published["version"], published["digest"])


async def test_after_a_power_cut_all_work_goes_on_and_nothing_is_half_there(town: Town) -> None:
    async with connect(town.addresses) as precordia:
        staged = await _staged(precordia, "night")
        for kind, count in (("epoch", 2), ("progress", 1), ("verdict", 1)):
            town.hold.after(kind, count)
        training = await precordia.trainer.train("after", _spec(), aliases=["best"])
        trained = Follower(precordia.trainer.operations.watch(training.operation_id))
        await trained.until(_has("epoch", 2))
        scoring = await precordia.inference.predict_dataset(ModelRef("slow"), SplitRef("study"))
        scored = Follower(precordia.inference.operations.watch(scoring.operation_id))
        await scored.until(lambda events: any(event.payload.get("done") for event in events))
        before = [one async for one in precordia.inference.predictions(scoring.operation_id)]
        files = {"model.onnx": bias_graph(0.75), "report.json": FILLING}
        publishing = asyncio.create_task(precordia.registry.publish("cut", contract("A"), files, IMPORTED))
        importing = await precordia.ingest.start_import(staged, dataset="night")
        imported = Follower(precordia.ingest.operations.watch(importing.operation_id))
        await imported.until(_has("verdict", 1))

        town.kill(*SERVICES)
        town.kill_worker(training)
        town.hold.release()
        with contextlib.suppress(PrecordiaError):
            await publishing
        assert 0 < len(before) < RECORDS
        town.start(*SERVICES)

        await _assert_imported(precordia, "night", imported, importing)
        await scored.end()
        after = [one async for one in precordia.inference.predictions(scoring.operation_id)]
        assert after[: len(before)] == before
        assert len({one.recording_id for one in after}) == len(after) == RECORDS
        await trained.end()
        done = await precordia.trainer.operations.get(training.operation_id)
        assert (done.state, done.attempt) == (OperationState.SUCCEEDED, 2), done.error_message
        await _assert_trained_once(precordia, "after", trained)
        if "cut" in {version.name for version in await precordia.registry.models()}:
            assert (await precordia.registry.fetch(ModelRef("cut")))[1] == files
