"""Several processes that train one model: torch elastic, gloo, this host's CPU."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from services.trainer.job.folder import CHECKPOINT, LOG, WORKER, JobFolder
from services.trainer.job.journal import read_journal
from services.trainer.local_engine import LocalEngine
from services.trainer.planning.plan import Plan
from services.trainer.ranks import shared_by
from tests.services.trainer import synthetic
from tests.services.trainer.test_worker import ENDLESS, RECORDS, ended, epochs, hold, prepared, wait_for_epoch

PLAN = {"overrides": synthetic.SMALL | {"max_epochs": 4}}
LONG = {"overrides": synthetic.SMALL | {"max_epochs": ENDLESS}}
LISTENING = "0A"


async def job_for_two(folder: Path, plan: Plan) -> tuple[JobFolder, LocalEngine]:
    return await prepared(folder, plan, processes=2)


def ranks(job: JobFolder) -> list[int]:
    """Process ids of those that train, the one that leads first."""
    parent = json.loads((job.path / WORKER).read_text())["pid"]
    return sorted(pid for pid in children(parent) if b"multiprocessing.spawn" in command(pid))


def children(parent: int) -> list[int]:
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if parent_of(pid) == parent]


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def wait_until_gone(pids: list[int]) -> None:
    until = time.monotonic() + 120
    while any(command(pid) for pid in pids):
        assert time.monotonic() < until, "a process outlives its parent"
        time.sleep(0.1)


def listening_beyond_loopback(pids: list[int]) -> list[str]:
    """Addresses, as the kernel writes them, on which these processes wait for connections from elsewhere."""
    sockets = {os.readlink(link) for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pids[0]}/net/{table}").read_text().splitlines()[1:]:
            local, state, inode = (line.split()[index] for index in (1, 3, 9))
            here = local.startswith(("0100007F", "00000000000000000000000001000000"))
            if state == LISTENING and not here and f"socket:[{inode}]" in sockets:
                found.append(local)
    return found


def test_processes_have_equal_shares_of_a_batch() -> None:
    assert [shared_by(32, wanted) for wanted in (0, 1, 2, 3, 8, 16, 32)] == [1, 1, 2, 2, 8, 16, 16]
    assert shared_by(6, 8) == 3
    assert shared_by(7, 2) == 1


@pytest.fixture(scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> JobFolder:
    """A job that nothing disturbed."""
    plan = synthetic.plan(RECORDS, **PLAN)
    job, engine = await job_for_two(tmp_path_factory.mktemp("together") / "job", plan)
    ended(engine, engine.submit(job.path, job.begin_attempt()))
    return job


def test_two_processes_leave_one_model_and_one_account(whole: JobFolder) -> None:
    outcome = whole.outcome()
    assert outcome is not None, (whole.path / LOG).read_text()
    assert outcome.error is None, outcome.error
    assert epochs(whole) == [1, 2, 3, 4]
    messages = [entry.payload.get("message", "") for entry in read_journal(whole.path)]
    assert messages.count("2 processes train together.") == 1
    assert messages.count("Evaluating and exporting.") == 1
    assert {"model.onnx", "weights.safetensors", "report.json"} <= {path.name for path in whole.outputs.iterdir()}
    assert outcome.facts["report"]["validation"]["auroc_macro"] > 0.8
    assert not list(whole.path.glob("meeting-*"))


@pytest.mark.faults
async def test_one_that_is_killed_takes_the_others_back_to_the_checkpoint(tmp_path: Path, whole: JobFolder) -> None:
    job, engine = await job_for_two(tmp_path / "job", synthetic.plan(RECORDS, **PLAN))
    hold(job).after("epoch", 2)
    handle = engine.submit(job.path, job.begin_attempt())
    wait_for_epoch(job, 2)
    together = ranks(job)
    assert len(together) == 2
    assert listening_beyond_loopback([*together, int(handle.key)]) == []
    os.kill(together[1], signal.SIGKILL)
    hold(job).release()
    ended(engine, handle)

    assert job.outcome() is not None, (job.path / LOG).read_text()
    assert epochs(job) == [1, 2, 3, 4]
    messages = [entry.payload.get("message", "") for entry in read_journal(job.path)]
    assert any("Going on from the checkpoint" in message for message in messages)
    for name in ("weights.safetensors", "model.onnx"):
        assert (job.outputs / name).read_bytes() == (whole.outputs / name).read_bytes(), name


@pytest.mark.faults
async def test_they_end_with_their_parent_and_when_asked(tmp_path: Path) -> None:
    job, engine = await job_for_two(tmp_path / "job", synthetic.plan(RECORDS, **LONG))
    handle = engine.submit(job.path, job.begin_attempt())
    wait_for_epoch(job, 1)
    orphans = ranks(job)
    os.kill(int(handle.key), signal.SIGKILL)
    wait_until_gone(orphans)
    ended(engine, handle)
    seen = epochs(job)[-1]

    handle = engine.submit(job.path, job.begin_attempt())
    wait_for_epoch(job, seen + 1)
    together = ranks(job)
    engine.cancel(handle, 120)
    assert not engine.running(handle)
    wait_until_gone(together)
    assert job.outcome() is None
    assert (job.path / CHECKPOINT).exists()
    assert epochs(job) == list(range(1, epochs(job)[-1] + 1))
