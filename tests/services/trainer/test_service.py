"""The trainer as its callers see it: over the wire, beside real ingest and registry."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from precordia.catalog import ModelRef
from precordia.client import Addresses, Connection, connect
from precordia.dataset import SplitRef
from precordia.errors import (
    DatasetNotFound,
    InvalidArgument,
    InvalidTrainingSpec,
    MissingDependency,
    NetworkNotFound,
    Overloaded,
    RequestReused,
    ServiceUnavailable,
    StorageFull,
)
from precordia.manifest import Activation, Task
from precordia.models.networks import AGE_AND_SEX, networks
from precordia.operation import Operation, OperationState
from precordia.rpc.server import serving
from precordia.training import TrainingSpec
from services.registry.__main__ import build as build_registry
from services.registry.settings import RegistrySettings
from services.trainer.__main__ import build
from services.trainer.capability import Probe
from services.trainer.job.environment import worker_environment
from services.trainer.job.journal import read_journal
from services.trainer.local_engine import LocalEngine
from services.trainer.settings import TrainerSettings
from tests.holding import Hold
from tests.ports import free_port
from tests.services.trainer.conftest import Neighbours
from tests.services.trainer.synthetic import DURATION_S, RATE_HZ, SMALL

PROBE = Probe()  # asked once for all tests
REQUEST = "0d9a2f57-56a1-4f5f-9df3-60c4a5f0b4c1"


def spec(**changes: Any) -> TrainingSpec:
    wanted = TrainingSpec(
        train=SplitRef("made", "train"),
        test=SplitRef("made", "test"),
        base="InceptionTime",
        sample_rate_hz=RATE_HZ,
        duration_s=DURATION_S,
        seed=3,
        threads=1,
        overrides=SMALL,
    )
    return replace(wanted, **changes)


LONG = spec(overrides=SMALL | {"max_epochs": 10_000})


def held(home: Path) -> Hold:
    return Hold(home / "hold")


def settings(home: Path, neighbours: Neighbours) -> TrainerSettings:
    return TrainerSettings(
        home=home, listen="127.0.0.1:0", ingest=neighbours.ingest, registry=neighbours.registry, drain_s=60
    )


@contextlib.asynccontextmanager
async def training(home: Path, neighbours: Neighbours) -> AsyncIterator[Connection]:
    chosen = settings(home, neighbours)
    engine = LocalEngine(worker_environment(chosen) | held(home).variables)
    async with (
        serving(build(chosen, PROBE, engine)) as address,
        connect(Addresses(neighbours.ingest, "", address, neighbours.registry)) as precordia,
    ):
        yield precordia


async def finished(precordia: Connection, operation: Operation) -> Operation:
    async with asyncio.timeout(240):
        return await precordia.trainer.operations.wait(operation.operation_id)


async def first_epoch(precordia: Connection, operation: Operation) -> int:
    """Waits for it; the number of its event."""
    async with asyncio.timeout(240):
        async for event in precordia.trainer.operations.watch(operation.operation_id):
            if event.kind == "epoch":
                return event.number
    raise AssertionError("the job ended before its first epoch")


async def test_a_dataset_becomes_a_published_model(tmp_path: Path, neighbours: Neighbours) -> None:
    async with training(tmp_path, neighbours) as precordia:
        operation = await precordia.trainer.train("shapes", spec(), aliases=["best"], request_id=REQUEST)
        again = await precordia.trainer.train("shapes", spec(), aliases=["best"], request_id=REQUEST)
        with pytest.raises(RequestReused):
            await precordia.trainer.train("shapes", spec(seed=4), aliases=["best"], request_id=REQUEST)
        done = await finished(precordia, operation)
        events = [event async for event in precordia.trainer.operations.watch(operation.operation_id)]
        version, files = await precordia.registry.fetch(ModelRef("shapes", alias="best"))
        status = await precordia.trainer.status()

    assert again.operation_id == operation.operation_id
    assert done.state is OperationState.SUCCEEDED, done.error_message
    assert (done.result["model"], done.result["version"], done.result["digest"]) == ("shapes", 1, version.digest)
    assert (done.done, done.total) == (4, 4)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    rows = [event.payload for event in events if event.kind == "epoch"]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert {"validation_loss", "auroc_macro", "f1_macro"} <= rows[0].keys()
    assert version.manifest.task is Task.MULTILABEL
    assert version.manifest.label_group == "shape"
    assert version.lineage.training_job == operation.operation_id
    assert set(files) == {"model.onnx", "weights.safetensors", "report.json", "report.html", "model_card.md"}
    report = json.loads(files["report.json"])
    assert report["about"]["name"] == "shapes"
    assert "shapes" in files["report.html"].decode()
    assert json.loads(version.operating_points_json or "{}") == report["operating_points"]
    assert set(report["operating_points"]["thresholds"]) <= {"FAST", "WIDE"}
    assert version.operating_points_revision == 1
    assert report["parts"]["test"]["records"] == 12
    assert done.result["report"]["test"]["auroc_macro"] == report["test"]["auroc_macro"]
    assert status.can_train
    assert (status.running, status.waiting) == (0, 0)


@pytest.mark.parametrize(
    ("wanted", "name", "error"),
    [
        (spec(base="ResNet"), "m", NetworkNotFound),
        (spec(train=SplitRef("elsewhere")), "m", DatasetNotFound),
        (spec(label_group="colour"), "m", InvalidTrainingSpec),
        (spec(recipe="magic"), "m", InvalidTrainingSpec),
        (spec(), "no/name", InvalidArgument),
    ],
)
async def test_what_cannot_be_trained_is_refused_at_once(
    tmp_path: Path, neighbours: Neighbours, wanted: TrainingSpec, name: str, error: type[Exception]
) -> None:
    async with training(tmp_path, neighbours) as precordia:
        with pytest.raises(error):
            await precordia.trainer.train(name, wanted)
        assert await precordia.trainer.operations.list() == []


async def test_a_job_is_cancelled_and_its_process_ends(tmp_path: Path, neighbours: Neighbours) -> None:
    async with training(tmp_path, neighbours) as precordia:
        operation = await precordia.trainer.train("shapes", LONG)
        await first_epoch(precordia, operation)
        worker = worker_pid(tmp_path, operation)
        await precordia.trainer.operations.cancel(operation.operation_id)
        done = await finished(precordia, operation)
        assert done.state is OperationState.CANCELLED
        assert not alive(worker)
        assert await precordia.registry.models() == []


async def test_a_service_that_stops_takes_its_worker_along_and_goes_on_later(
    tmp_path: Path, neighbours: Neighbours
) -> None:
    async with training(tmp_path, neighbours) as precordia:
        held(tmp_path).after("epoch", 1)
        operation = await precordia.trainer.train("shapes", spec())
        seen = await first_epoch(precordia, operation)
        worker = worker_pid(tmp_path, operation)
    assert not alive(worker)
    held(tmp_path).release()
    async with training(tmp_path, neighbours) as precordia:
        done = await finished(precordia, operation)
        events = [event async for event in precordia.trainer.operations.watch(operation.operation_id, after=seen)]
    assert done.state is OperationState.SUCCEEDED, done.error_message
    assert done.attempt == 2
    assert [event.payload["epoch"] for event in events if event.kind == "epoch"] == [2, 3, 4]


@pytest.mark.faults
async def test_a_killed_service_finds_its_job_again_and_publishes_once(tmp_path: Path, neighbours: Neighbours) -> None:
    held(tmp_path).after("epoch", 1)
    service, address = started(tmp_path, neighbours, **held(tmp_path).variables)
    async with connect(Addresses(neighbours.ingest, "", address, neighbours.registry)) as precordia:
        operation = await precordia.trainer.train("shapes", spec())
        await first_epoch(precordia, operation)
    service.kill()
    service.wait()
    assert alive(worker_pid(tmp_path, operation))
    held(tmp_path).after("epoch", 2)
    async with asyncio.timeout(240):  # it goes on while nobody watches
        while epochs_said(tmp_path, operation) < 2:
            await asyncio.sleep(0.02)
    assert alive(worker_pid(tmp_path, operation))

    service, address = started(tmp_path, neighbours)
    held(tmp_path).release()
    try:
        async with connect(Addresses(neighbours.ingest, "", address, neighbours.registry)) as precordia:
            done = await finished(precordia, operation)
            events = [event async for event in precordia.trainer.operations.watch(operation.operation_id)]
            versions = await precordia.registry.versions("shapes")
    finally:
        service.terminate()
        service.wait(120)
    assert done.state is OperationState.SUCCEEDED, done.error_message
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert [event.payload["epoch"] for event in events if event.kind == "epoch"] == [1, 2, 3, 4]
    assert [event.kind for event in events].count("published") == 1
    assert [version.version for version in versions] == [1]


async def test_exclusive_labels_make_a_multiclass_model_and_a_registry_that_is_away_is_waited_for(
    tmp_path: Path, neighbours: Neighbours
) -> None:
    later = f"127.0.0.1:{free_port()}"
    async with training(tmp_path, replace(neighbours, registry=later)) as precordia:
        operation = await precordia.trainer.train("speed", spec(label_group="speed", max_epochs=1, test=None))
        async with asyncio.timeout(240):
            async for event in precordia.trainer.operations.watch(operation.operation_id):
                if str(event.payload.get("message", "")).startswith("Waiting"):
                    break
        home = tmp_path / "later"
        async with serving(build_registry(RegistrySettings(home=home, listen=later, publish_shipped=False))):
            done = await finished(precordia, operation)
            versions = await precordia.registry.versions("speed")
    assert done.state is OperationState.SUCCEEDED, done.error_message
    assert [version.version for version in versions] == [1]
    manifest = versions[0].manifest
    assert (manifest.task, manifest.activation) == (Task.MULTICLASS, Activation.SOFTMAX)
    assert manifest.output_names == ("QUICK", "SLOW")


async def test_networks_are_listed_with_their_size(tmp_path: Path, neighbours: Neighbours) -> None:
    async with training(tmp_path, neighbours) as precordia:
        networks = {network.name: network.parameters for network in await precordia.trainer.networks()}
    assert networks["InceptionTime"] == 457_605


async def test_ingest_that_is_away_is_said(tmp_path: Path, neighbours: Neighbours) -> None:
    away = Neighbours("127.0.0.1:9", neighbours.registry)
    async with training(tmp_path, away) as precordia:
        with pytest.raises(ServiceUnavailable):
            await precordia.trainer.train("shapes", spec())


async def test_without_torch_the_trainer_starts_and_says_what_to_install(
    tmp_path: Path, neighbours: Neighbours
) -> None:
    blocked = tmp_path / "blocked"
    (blocked / "torch").mkdir(parents=True)
    (blocked / "torch" / "__init__.py").write_text("raise ImportError('torch is not installed')")
    service, address = started(tmp_path, neighbours, PYTHONPATH=str(blocked))
    try:
        async with connect(Addresses(neighbours.ingest, "", address, neighbours.registry)) as precordia:
            status = await precordia.trainer.status()
            with pytest.raises(MissingDependency, match=r"pip install 'precordia\[train\]'"):
                await precordia.trainer.train("shapes", spec())
            assert [network.name for network in await precordia.trainer.networks()] == list(networks())
    finally:
        service.terminate()
        service.wait(120)
    assert not status.can_train
    assert "pip install 'precordia[train]'" in status.message


def started(home: Path, neighbours: Neighbours, **environment: str) -> tuple[subprocess.Popen[str], str]:
    """The service as a process of its own, and its address."""
    variables = {
        "PRECORDIA_HOME": str(home),
        "PRECORDIA_TRAINER_LISTEN": "127.0.0.1:0",
        "PRECORDIA_TRAINER_INGEST": neighbours.ingest,
        "PRECORDIA_TRAINER_REGISTRY": neighbours.registry,
        **environment,
    }
    service = subprocess.Popen(
        [sys.executable, "-m", "services.trainer"], env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    )
    assert service.stdout is not None
    with service.stdout:
        return service, json.loads(service.stdout.readline())["address"]


def epochs_said(home: Path, operation: Operation) -> int:
    """By the worker, whoever hears it."""
    return sum(entry.kind == "epoch" for entry in read_journal(home / "trainer" / "jobs" / operation.operation_id))


def worker_pid(home: Path, operation: Operation) -> int:
    return int(json.loads((home / "trainer" / "jobs" / operation.operation_id / "worker.json").read_text())["pid"])


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def test_a_network_that_takes_age_and_sex_is_trained_and_published(
    tmp_path: Path, neighbours: Neighbours
) -> None:
    async with training(tmp_path, neighbours) as precordia:
        listed = {network.name: network for network in await precordia.trainer.networks()}
        operation = await precordia.trainer.train("people", spec(base="DSAIL-SNU", max_epochs=1))
        done = await finished(precordia, operation)
        assert done.state is OperationState.SUCCEEDED, done.error_message
        version = await precordia.registry.get(ModelRef("people"))

    assert version.manifest.co_inputs == AGE_AND_SEX
    assert [step.name for step in version.manifest.steps] == ["resample", "crop_or_pad", "median_baseline", "min_max"]
    assert listed["ECG-FM"].flops == 14_616_084_224
    assert (listed["Net1D"].sample_rate_hz, listed["Net1D"].duration_s) == (500.0, 10.0)


async def test_jobs_wait_in_order_and_one_too_many_is_refused(tmp_path: Path, neighbours: Neighbours) -> None:
    few = settings(tmp_path, neighbours).model_copy(update={"waiting": 2})
    async with (
        serving(build(few, PROBE)) as address,
        connect(Addresses(neighbours.ingest, "", address, neighbours.registry)) as precordia,
    ):
        first, second, third = [await precordia.trainer.train(f"m{number}", LONG) for number in range(3)]
        with pytest.raises(Overloaded, match="2 wait already") as refused:
            await precordia.trainer.train("m3", LONG)
        status = await precordia.trainer.status()
        await precordia.trainer.operations.cancel(second.operation_id)
        after = await precordia.trainer.status()
        events = []
        async with asyncio.timeout(120):
            async for event in precordia.trainer.operations.watch(third.operation_id):
                events.append(event)
                if event.kind == "queue" and event.payload["position"] == 1:
                    break
        for operation in (third, first):
            await precordia.trainer.operations.cancel(operation.operation_id)
            assert (await finished(precordia, operation)).state is OperationState.CANCELLED
    assert refused.value.retry_after_s > 0
    assert (status.running + status.waiting, len(status.queue)) == (3, status.waiting)
    assert status.queue[-2:] == (second.operation_id, third.operation_id)
    assert after.queue[-1:] == (third.operation_id,)


async def test_data_that_cannot_fit_the_disk_is_refused_at_once(
    tmp_path: Path, neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 100_000, 100_000))
    async with training(tmp_path, neighbours) as precordia:
        with pytest.raises(StorageFull, match=r"needs 0\.4 MiB, and 0\.1 MiB are free") as refused:
            await precordia.trainer.train("shapes", spec())
        assert await precordia.trainer.operations.list() == []
    assert int(refused.value.details["needed_bytes"]) == 48 * 12 * 200 * 4
