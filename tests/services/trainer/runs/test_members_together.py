"""Several networks, and a range test, where processes train together or are killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch
from torch import distributed

from services.trainer.job.folder import FINISHED, LOG
from services.trainer.job.journal import read_journal
from services.trainer.learning.checkpoints import Checkpoints
from services.trainer.learning.loop import Loop
from services.trainer.learning.place import Place
from services.trainer.runs.members import member_folder
from tests.services.trainer import synthetic, tiny
from tests.services.trainer.learning.test_place import together
from tests.services.trainer.test_worker import RECORDS, ended, hold, prepared

FOUND = tiny.recipe(max_learning_rate=0, max_epochs=2, class_weights="balanced")
FOLDS = {"overrides": synthetic.SMALL | {"max_epochs": 2, "folds": 2}}


def finding_member(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    own = Path(folder) / str(rank)
    own.mkdir()
    loop = Loop(
        tiny.run(FOUND),
        place=Place(rank, 2),
        checkpoints=Checkpoints(own),
        report=lambda kind, payload: None,
        should_stop=lambda: False,
    )
    trained = loop.train()
    torch.save({"rate": trained.learning_rate, "state": dict(trained.network.state_dict())}, own / "result")
    distributed.destroy_process_group()


def test_two_processes_find_one_rate_and_validate_the_same_statistics(tmp_path: Path) -> None:
    together(finding_member, tmp_path)
    one, other = (torch.load(tmp_path / str(rank) / "result", weights_only=True) for rank in (0, 1))
    assert one["rate"] == other["rate"]
    assert any(name.endswith("running_mean") for name in one["state"])
    for name, value in one["state"].items():
        assert torch.equal(value, other["state"][name]), name


@pytest.mark.faults
async def test_a_kill_in_the_second_fold_costs_the_first_nothing(tmp_path: Path) -> None:
    plan = synthetic.plan(RECORDS, **FOLDS)
    whole, engine = await prepared(tmp_path / "whole", plan)
    ended(engine, engine.submit(whole.path, whole.begin_attempt()), within_s=240)
    outcome = whole.outcome()
    assert outcome is not None, (whole.path / LOG).read_text()
    assert outcome.error is None, outcome.error

    job, engine = await prepared(tmp_path / "job", plan)
    hold(job).after("epoch", 3)  # in the middle of the last epoch of the second
    handle = engine.submit(job.path, job.begin_attempt())
    until = time.monotonic() + 240
    while not any(entry.payload.get("member") == 2 for entry in read_journal(job.path)):
        assert time.monotonic() < until, (job.path / LOG).read_text()
        time.sleep(0.02)
    os.killpg(int(handle.key), signal.SIGKILL)
    hold(job).release()
    ended(engine, handle)
    first = member_folder(job.path, 1) / FINISHED
    before = first.stat().st_mtime_ns
    ended(engine, engine.submit(job.path, job.begin_attempt()), within_s=240)

    assert first.stat().st_mtime_ns == before
    said = [entry.payload for entry in read_journal(job.path) if entry.kind == "epoch"]
    assert [(row["member"], row["epoch"]) for row in said] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    for name in ("weights.safetensors", "model.onnx", "manifest.json"):
        assert (job.outputs / name).read_bytes() == (whole.outputs / name).read_bytes(), name
