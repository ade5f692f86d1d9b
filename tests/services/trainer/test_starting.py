"""A trainer whose machine takes its time to load torch: nobody waits past a deadline, and the client asks again."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from pathlib import Path

import pytest

from precordia.client import Addresses, connect
from precordia.client import trainer as client
from precordia.dataset import SplitRef
from precordia.errors import DatasetNotFound, Overloaded
from precordia.rpc.server import serving
from precordia.training import TrainingSpec
from services.ingest.__main__ import build as build_ingest
from services.ingest.settings import IngestSettings
from services.trainer import capability, trainer
from services.trainer.__main__ import build
from services.trainer.capability import Capability, Probe
from services.trainer.settings import TrainerSettings

SPEC = TrainingSpec(train=SplitRef("nothing"), base="InceptionTime")


class Slow:
    """Says what the machine can do when it is let."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.asked = 0

    def __call__(self) -> Capability:
        self.asked += 1
        self.may_answer.wait()
        return Capability(devices=("CPU",))


class CountingProbe(Probe):
    """Knows how often it was asked."""

    questions = 0

    def capability(self, within_s: float | None = None) -> Capability:
        self.questions += 1
        return super().capability(within_s)


def test_who_asks_waits_no_longer_than_they_like() -> None:
    slow = Slow()
    probe = Probe(slow)
    with pytest.raises(Overloaded, match=r"still starting; try again in 5 s") as refused:
        probe.capability(0.05)
    assert (refused.value.retry_after_s, refused.value.details["starting"]) == (5.0, "trainer")
    slow.may_answer.set()
    assert probe.capability().can_train
    assert probe.capability(0.0).devices == ("CPU",)
    assert slow.asked == 1


def test_a_machine_that_was_too_slow_is_not_one_without_torch() -> None:
    answers = [subprocess.TimeoutExpired("probe", 1.0), Capability(devices=("CPU",))]

    def ask() -> Capability:
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    probe = Probe(ask)
    with pytest.raises(Overloaded):
        probe.capability()
    assert probe.capability().can_train


def test_a_child_that_breaks_means_that_torch_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capability.sys, "executable", "/bin/false")
    assert Probe().capability().missing == "torch"


async def test_the_client_asks_again_until_the_trainer_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capability, "_ASK_AGAIN_S", 0.1)
    monkeypatch.setattr(trainer, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(trainer, "_STATUS_PATIENCE_S", 0.05)
    slow = Slow()
    async with serving(build_ingest(IngestSettings(home=tmp_path, listen="127.0.0.1:0"))) as ingest:
        settings = TrainerSettings(home=tmp_path, listen="127.0.0.1:0", ingest=ingest)
        probe = CountingProbe(slow)
        app = build(settings, probe)
        async with serving(app) as address, connect(Addresses(ingest=ingest, trainer=address)) as precordia:
            status = await precordia.trainer.status()
            assert (status.can_train, status.devices) == (False, ())
            assert "still starting" in status.message
            before = probe.questions
            asking = asyncio.create_task(precordia.trainer.train("mine", SPEC))
            async with asyncio.timeout(60):
                while probe.questions < before + 4:  # refused several times by then
                    await asyncio.sleep(0.02)
            assert not asking.done()
            slow.may_answer.set()
            with pytest.raises(DatasetNotFound):  # the trainer looked for the data: it has started
                await asyncio.wait_for(asking, 60)
            assert (await precordia.trainer.status()).can_train
    assert slow.asked == 1


async def test_the_client_gives_up_in_the_end_and_at_once_where_the_queue_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "_STARTING_S", 0.35)
    now = 100.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(client.time, "monotonic", lambda: now)
    monkeypatch.setattr(client.asyncio, "sleep", sleep)
    calls: list[dict[str, str]] = []

    async def refuse(**details: str) -> None:
        calls.append(details)
        raise Overloaded("Come back.", retry_after_s=0.1, **details)

    with pytest.raises(Overloaded):
        await client._once_started(lambda: refuse(starting="trainer"))
    assert len(calls) == 4
    calls.clear()
    with pytest.raises(Overloaded):
        await client._once_started(refuse)
    assert len(calls) == 1
