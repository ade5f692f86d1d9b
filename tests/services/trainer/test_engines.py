"""What the service may rely on, whichever engine runs its workers: one body of tests for all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from precordia.catalog import ModelRef
from precordia.client import Addresses, connect
from precordia.errors import InvalidTrainingSpec
from precordia.operation import OperationState
from precordia.rpc.server import serving
from services.trainer.__main__ import build
from services.trainer.engine import Engine
from services.trainer.job.environment import worker_environment
from services.trainer.job.folder import CHECKPOINT, LOG
from services.trainer.job.journal import read_journal
from services.trainer.local_engine import LocalEngine
from services.trainer.settings import TrainerSettings
from tests.services.trainer import synthetic
from tests.services.trainer.conftest import Neighbours
from tests.services.trainer.test_service import LONG, PROBE, finished, first_epoch, settings, spec
from tests.services.trainer.test_worker import ENDLESS, RECORDS, ended, epochs, prepared, wait_for_epoch
from tests.services.trainer.thread_engine import ThreadEngine

ENGINES = {"processes": LocalEngine, "threads": ThreadEngine}
SHORT = {"overrides": synthetic.SMALL | {"max_epochs": 2}}
FOR_EVER = {"overrides": synthetic.SMALL | {"max_epochs": ENDLESS}}


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a worker sets for its own process, this one may not keep."""
    for name in worker_environment(TrainerSettings()):
        monkeypatch.setenv(name, "")  # and so it is put back afterwards
    monkeypatch.setattr(os, "nice", lambda more: 0)  # a thread's niceness would stay with this process
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("kind", ENGINES)
class TestAnyEngine:
    async def test_a_worker_runs_to_its_outcome(self, kind: str, tmp_path: Path) -> None:
        job, _ = await prepared(tmp_path / "job", synthetic.plan(RECORDS, **SHORT))
        engine: Engine = ENGINES[kind](worker_environment(TrainerSettings(home=tmp_path)))
        handle = engine.submit(job.path, job.begin_attempt())
        ended(engine, handle)
        outcome = job.outcome()
        assert outcome is not None, (job.path / LOG).read_text()
        assert outcome.error is None, outcome.error
        assert epochs(job) == [1, 2]
        assert (job.outputs / "model.onnx").exists()
        assert engine.reattach(job.path) is None

    async def test_one_that_runs_is_found_and_ends_when_asked_and_another_goes_on(
        self, kind: str, tmp_path: Path
    ) -> None:
        job, _ = await prepared(tmp_path / "job", synthetic.plan(RECORDS, **FOR_EVER))
        engine: Engine = ENGINES[kind](worker_environment(TrainerSettings(home=tmp_path)))
        handle = engine.submit(job.path, job.begin_attempt())
        wait_for_epoch(job, 1)
        assert engine.running(handle)
        found = engine.reattach(job.path)
        assert found == handle
        engine.cancel(found, 120)
        assert not engine.running(handle)
        assert not job.is_worked_on
        assert job.outcome() is None
        assert (job.path / CHECKPOINT).exists()

        before = epochs(job)[-1]
        again = engine.submit(job.path, job.begin_attempt())
        wait_for_epoch(job, before + 1)
        engine.cancel(again, 120)
        assert epochs(job) == list(range(1, epochs(job)[-1] + 1))
        attempts = [entry.attempt for entry in read_journal(job.path)]
        assert set(attempts) == {1, 2}

    async def test_work_that_cannot_be_done_leaves_its_error(self, kind: str, tmp_path: Path) -> None:
        plan = synthetic.plan(RECORDS, overrides=synthetic.SMALL | {"max_learning_rate": 1e9, "averaging": 0})
        job, _ = await prepared(tmp_path / "job", plan)
        engine: Engine = ENGINES[kind](worker_environment(TrainerSettings(home=tmp_path)))
        ended(engine, engine.submit(job.path, job.begin_attempt()))
        outcome = job.outcome()
        assert outcome is not None
        assert isinstance(outcome.error, InvalidTrainingSpec)

    async def test_the_service_trains_publishes_and_cancels_with_it(
        self, kind: str, tmp_path: Path, neighbours: Neighbours
    ) -> None:
        chosen = settings(tmp_path, neighbours)
        engine: Engine = ENGINES[kind](worker_environment(chosen))
        async with (
            serving(build(chosen, PROBE, engine)) as address,
            connect(Addresses(neighbours.ingest, "", address, neighbours.registry)) as precordia,
        ):
            assert (await precordia.trainer.status()).engine == engine.name
            done = await finished(precordia, await precordia.trainer.train("shapes", spec()))
            _, files = await precordia.registry.fetch(ModelRef("shapes"))
            endless = await precordia.trainer.train("endless", LONG)
            await first_epoch(precordia, endless)
            await precordia.trainer.operations.cancel(endless.operation_id)
            stopped = await finished(precordia, endless)
        assert done.state is OperationState.SUCCEEDED, done.error_message
        assert {"model.onnx", "weights.safetensors"} <= set(files)
        assert stopped.state is OperationState.CANCELLED
