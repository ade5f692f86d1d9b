"""The training screen against a real trainer: a job is begun, followed and called off by keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Select, Static

from precordia.client import Addresses
from precordia.dataset import Snapshot, SplitCount, SplitRef
from precordia.errors import InvalidArgument
from precordia.manifest import Task
from precordia.operation import OperationEvent, OperationState
from precordia.rpc.server import serving
from precordia.training import Method
from precordia.training_progress import Phase, TrainingProgress
from services.ingest.__main__ import build as build_ingest
from services.ingest.settings import IngestSettings
from services.registry.__main__ import build as build_registry
from services.registry.settings import RegistrySettings
from services.trainer.__main__ import build as build_trainer
from services.trainer.job.environment import worker_environment
from services.trainer.local_engine import LocalEngine
from services.trainer.settings import TrainerSettings
from tests.holding import Hold
from tests.services.trainer.conftest import fill
from tests.services.trainer.synthetic import DURATION_S, RATE_HZ
from tests.tui.conftest import NO_SERVICES, NOWHERE
from tests.tui.test_app import until
from tui.app import PrecordiaApp
from tui.screens.confirm import ConfirmScreen
from tui.screens.new_training import NewTrainingScreen, wish_of
from tui.screens.training import TrainingScreen
from tui.training import paced

SIZE = (140, 44)
SNAPSHOT = Snapshot("snap-1", "study", "d", (SplitCount("train", 5, 5), SplitCount("test", 2, 2)))
SAID = {
    "dataset": "study",
    "train": "train",
    "test": "test",
    "group": "rhythm",
    "base": "InceptionTime",
    "method": "scratch",
    "name": "mine",
}


@dataclass
class Trainer:
    """A trainer with a labelled dataset beside it; `stop` ends the trainer alone, `start` brings it back."""

    settings: TrainerSettings
    addresses: Addresses
    hold: Hold
    stack: AsyncExitStack

    async def start(self) -> None:
        engine = LocalEngine(worker_environment(self.settings) | self.hold.variables)
        address = await self.stack.enter_async_context(serving(build_trainer(self.settings, engine=engine)))
        self.settings = self.settings.model_copy(update={"listen": address})
        self.addresses = Addresses(self.settings.ingest, NOWHERE, address, self.settings.registry)

    async def stop(self) -> None:
        await self.stack.aclose()


@pytest.fixture
async def trainer(tmp_path: Path) -> AsyncIterator[Trainer]:
    ingest_app = build_ingest(IngestSettings(home=tmp_path, listen="127.0.0.1:0", drain_s=0.2))
    registry_settings = RegistrySettings(home=tmp_path, listen="127.0.0.1:0", publish_shipped=False, drain_s=0.2)
    async with (
        serving(ingest_app) as ingest,
        serving(build_registry(registry_settings)) as registry,
        AsyncExitStack() as stack,
    ):
        await fill(ingest)
        settings = TrainerSettings(
            home=tmp_path,
            listen="127.0.0.1:0",
            ingest=ingest,
            registry=registry,
            rate_hz=RATE_HZ,
            duration_s=DURATION_S,
            threads=1,
            drain_s=60,
        )
        made = Trainer(settings, NO_SERVICES, Hold(tmp_path / "hold"), stack)
        await made.start()
        yield made


async def test_a_job_is_begun_followed_through_a_restart_and_called_off(trainer: Trainer) -> None:
    trainer.hold.after("epoch", 1)  # it does not come to its end
    app = PrecordiaApp(addresses=trainer.addresses, poll_s=0.2)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "trainer" in app.serving)
        await pilot.press("j")
        screen = app.screen
        assert isinstance(screen, TrainingScreen)
        await until(pilot, lambda: screen.status)
        assert screen.loss.plot.note == "No training yet. Press n to begin one."
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewTrainingScreen))
        said = {field: app.screen.query_one(f"#{field}", Select).value for field in SAID if field != "name"}
        assert said | {"name": "mine"} == SAID | {"dataset": "made", "group": "shape"}
        name = app.screen.query_one("#name", Input)
        assert name.value == "made-inceptiontime"

        name.value = "no/name"
        await pilot.press("ctrl+s")
        assert "A name begins with" in str(app.screen.query_one("#problem", Static).content)
        name.value = "shapes"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen is screen)
        await until(pilot, lambda: screen.heading.progress.epochs)
        assert screen.heading.facts is not None
        assert (screen.heading.facts.name, screen.heading.facts.dataset) == ("shapes", "made:train")
        assert [one.name for one in screen.loss.plot.series] == ["training", "validation"]
        assert "Records: " in str(screen.log_lines.content)

        seen = screen.known[screen.chosen]
        await trainer.stop()
        await until(pilot, lambda: screen.heading.problem)
        assert screen.known[screen.chosen].epochs[: len(seen.epochs)] == seen.epochs
        await trainer.start()
        await until(pilot, lambda: not screen.heading.problem)
        await until(pilot, lambda: screen.known[screen.chosen].attempt == 2)

        await pilot.press("c")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("n")
        assert not screen.heading.progress.state.finished
        await pilot.press("c", "y")
        await until(pilot, lambda: screen.heading.progress.state is OperationState.CANCELLED)
        await until(pilot, lambda: screen.listed[0].state is OperationState.CANCELLED)
        await pilot.press("escape")
        assert app.screen is app.main


async def test_without_a_trainer_the_screen_says_so_and_stays_usable() -> None:
    app = PrecordiaApp(addresses=NO_SERVICES, poll_s=5)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("j")
        screen = app.screen
        assert isinstance(screen, TrainingScreen)
        await until(pilot, lambda: "trainer" in screen.heading.problem)
        await pilot.press("n")
        await until(pilot, lambda: app._notifications)
        assert app.screen is screen
        await pilot.press("escape")
        assert app.screen is app.main


def test_a_form_becomes_a_request_on_one_snapshot() -> None:
    wish = wish_of(SAID, SNAPSHOT)
    assert wish.name == "mine"
    assert (wish.spec.train, wish.spec.test) == (
        SplitRef("study", "train", "snap-1"),
        SplitRef("study", "test", "snap-1"),
    )
    assert (wish.spec.base, wish.spec.method, wish.spec.label_group) == ("InceptionTime", Method.SCRATCH, "rhythm")
    assert wish_of(SAID | {"train": "", "test": ""}, None).spec.train == SplitRef("study")
    number = wish_of(SAID | {"group": "number:qtc_ms"}, SNAPSHOT).spec
    assert (number.task, number.labels, number.label_group) == (Task.REGRESSION, ("qtc_ms",), "")


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"name": ""}, ValueError, "name"),
        ({"name": "a/b"}, InvalidArgument, "letters"),
        ({"test": "train"}, ValueError, "two splits"),
        ({"train": ""}, ValueError, "All records"),
    ],
)
def test_a_form_that_makes_no_sense_is_said(changed: dict[str, str], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as said:
        wish_of(SAID | changed, SNAPSHOT)
    assert words in str(getattr(said.value, "message", said.value))


class ToldTime:
    """Stands for asyncio: time passes where somebody waits for something that does not come."""

    def __init__(self) -> None:
        self.now = 100.0
        self.passed = asyncio.Event()
        self.ensure_future, self.gather = asyncio.ensure_future, asyncio.gather

    def get_running_loop(self) -> ToldTime:
        return self

    def time(self) -> float:
        return self.now

    async def wait(self, awaited: set[asyncio.Future[Any]], timeout: float | None) -> tuple[set[Any], set[Any]]:
        if timeout is None:
            return await asyncio.wait(awaited)
        for _ in range(5):
            await asyncio.sleep(0)
        done = {one for one in awaited if one.done()}
        if not done:
            self.now += timeout
            self.passed.set()
        return done, awaited - done


async def test_many_events_become_few_snapshots_and_the_last_is_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    told = ToldTime()
    monkeypatch.setattr("tui.training.asyncio", told)

    async def events() -> AsyncIterator[OperationEvent]:
        for number in range(1, 501):
            yield OperationEvent(number, "epoch", {"epoch": number, "epochs": 500})
            if number == 250:
                await told.passed.wait()

    snapshots = [snapshot async for snapshot in paced(events(), TrainingProgress(), 0.1)]
    assert [snapshot.number for snapshot in snapshots] == [1, 250, 500]
    assert told.now == pytest.approx(100.1)
    assert (snapshots[-1].number, snapshots[-1].phase) == (500, Phase.TRAINING)


async def test_a_stream_that_breaks_is_an_error_and_leaves_no_task_behind() -> None:
    async def events() -> AsyncIterator[OperationEvent]:
        yield OperationEvent(1, "epoch", {"epoch": 1, "epochs": 2})
        raise InvalidArgument("Broken.")

    snapshots = aiter(paced(events(), TrainingProgress(), 0.0))
    assert (await anext(snapshots)).number == 1
    with pytest.raises(InvalidArgument):
        await anext(snapshots)
    assert len(asyncio.all_tasks()) == 1
