import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load_file

from precordia.errors import InvalidTrainingSpec
from precordia.manifest import Activation, Manifest, Task
from services.trainer.engine import Handle
from services.trainer.job.environment import worker_environment
from services.trainer.job.folder import CHECKPOINT, LOG, PLAN, JobFolder
from services.trainer.job.journal import read_journal
from services.trainer.local_engine import LocalEngine
from services.trainer.planning.plan import Plan
from services.trainer.records.data import conditioned_split
from services.trainer.settings import TrainerSettings
from tests.holding import Hold
from tests.services.trainer import synthetic

RECORDS = synthetic.records(48)
CHANGES = {"overrides": synthetic.SMALL | {"max_epochs": 5}}


ENDLESS = 10_000
"""More epochs than there is time for."""
PATIENCE_S = 240


async def prepared(folder: Path, plan: Plan, **changes: Any) -> tuple[JobFolder, LocalEngine]:
    """A job's folder with its plan, data where the worker looks first, and an engine whose workers can be held."""
    settings = TrainerSettings(home=folder.parent, **changes)
    shards = synthetic.ShardsInMemory(RECORDS)
    await conditioned_split(shards, plan.splits["train"], plan.manifest(), settings.cache, lambda done, total: None)
    folder.mkdir()
    job = JobFolder(folder)
    job.write(PLAN, plan.to_json())
    return job, LocalEngine(worker_environment(settings) | hold(job).variables)


def hold(job: JobFolder) -> Hold:
    return Hold(job.path.parent / "hold")


def ended(engine: LocalEngine, handle: Handle, *, within_s: float = PATIENCE_S) -> None:
    until = time.monotonic() + within_s
    while engine.running(handle):
        assert time.monotonic() < until, "the worker does not end"
        time.sleep(0.05)


def wait_for_epoch(job: JobFolder, epoch: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while not any(entry.payload.get("epoch", 0) >= epoch for entry in read_journal(job.path)):
        assert time.monotonic() < until, (job.path / LOG).read_text()
        time.sleep(0.02)


def epochs(job: JobFolder) -> list[int]:
    return [entry.payload["epoch"] for entry in read_journal(job.path) if entry.kind == "epoch"]


@pytest.fixture(scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> JobFolder:
    """A job that nothing disturbed."""
    job, engine = await prepared(tmp_path_factory.mktemp("whole") / "job", synthetic.plan(RECORDS, **CHANGES))
    ended(engine, engine.submit(job.path, job.begin_attempt()))
    return job


def test_a_worker_leaves_the_files_of_a_model_version(whole: JobFolder) -> None:
    job = whole
    outcome = job.outcome()
    assert outcome is not None, (job.path / LOG).read_text()
    assert outcome.error is None, outcome.error
    assert epochs(job) == [1, 2, 3, 4, 5]

    manifest = Manifest.parse((job.outputs / "manifest.json").read_bytes())
    assert (manifest.task, manifest.activation) == (Task.MULTILABEL, Activation.SIGMOID)
    assert manifest.output_names == ("FAST", "WIDE")
    assert manifest.origin["network"] == "InceptionTime"
    report = json.loads((job.outputs / "report.json").read_text())
    assert report["parity"] <= 1e-5
    assert report["parts"]["train"]["records"] + report["parts"]["validation"]["records"] == 48
    assert report["validation"]["auroc_macro"] > 0.8
    assert "head.weight" in load_file(job.outputs / "weights.safetensors")
    session = onnxruntime.InferenceSession(job.outputs / "model.onnx", providers=["CPUExecutionProvider"])
    assert session.run(None, {"ecg": np.zeros((2, 12, 200), np.float32)})[0].shape == (2, 2)


@pytest.mark.faults
async def test_a_killed_worker_goes_on_from_its_checkpoint_and_ends_as_if_it_had_lived(
    tmp_path: Path, whole: JobFolder
) -> None:
    job, engine = await prepared(tmp_path / "job", synthetic.plan(RECORDS, **CHANGES))
    hold(job).after("epoch", 2)
    handle = engine.submit(job.path, job.begin_attempt())
    wait_for_epoch(job, 2)
    os.killpg(int(handle.key), signal.SIGKILL)
    hold(job).release()
    ended(engine, handle)
    assert job.outcome() is None
    ended(engine, engine.submit(job.path, job.begin_attempt()))

    assert epochs(job) == [1, 2, 3, 4, 5]
    messages = [entry.payload.get("message", "") for entry in read_journal(job.path)]
    assert any("Going on from the checkpoint" in message for message in messages)
    for name in ("weights.safetensors", "model.onnx", "manifest.json"):
        assert (job.outputs / name).read_bytes() == (whole.outputs / name).read_bytes(), name


async def test_a_worker_stops_between_two_steps_when_asked(tmp_path: Path) -> None:
    plan = synthetic.plan(RECORDS, overrides=synthetic.SMALL | {"max_epochs": ENDLESS})
    job, engine = await prepared(tmp_path / "job", plan)
    handle = engine.submit(job.path, job.begin_attempt())
    wait_for_epoch(job, 1)
    engine.cancel(handle, 120)
    assert not engine.running(handle)
    assert job.outcome() is None
    assert (job.path / CHECKPOINT).exists()


@pytest.mark.faults
async def test_a_second_engine_finds_the_worker_of_one_that_is_gone(tmp_path: Path) -> None:
    plan = synthetic.plan(RECORDS, overrides=synthetic.SMALL | {"max_epochs": ENDLESS})
    job, engine = await prepared(tmp_path / "job", plan)
    handle = engine.submit(job.path, job.begin_attempt())
    wait_for_epoch(job, 1)
    successor = LocalEngine()
    found = successor.reattach(job.path)
    assert found == handle
    assert successor.running(found)
    os.killpg(int(handle.key), signal.SIGSTOP)  # it can no longer hear the wish to stop
    successor.cancel(found, 0.1)
    assert not successor.running(found)
    assert successor.reattach(job.path) is None
    ended(engine, handle)


async def test_a_newer_attempt_silences_an_older_worker(tmp_path: Path) -> None:
    plan = synthetic.plan(RECORDS, overrides=synthetic.SMALL | {"max_epochs": ENDLESS})
    job, engine = await prepared(tmp_path / "job", plan)
    handle = engine.submit(job.path, job.begin_attempt())
    wait_for_epoch(job, 1)
    job.begin_attempt()
    ended(engine, handle)
    assert job.outcome() is None


async def test_work_that_cannot_be_done_leaves_its_error(tmp_path: Path) -> None:
    plan = synthetic.plan(RECORDS, overrides=synthetic.SMALL | {"max_learning_rate": 1e9, "averaging": 0})
    job, engine = await prepared(tmp_path / "job", plan)
    ended(engine, engine.submit(job.path, job.begin_attempt()))
    outcome = job.outcome()
    assert outcome is not None
    assert isinstance(outcome.error, InvalidTrainingSpec)
    assert outcome.error.field == "max_learning_rate"


def test_the_service_process_never_imports_torch() -> None:
    code = "import sys, services.trainer.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
