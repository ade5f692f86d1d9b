"""Whole screens, as they look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from textual.pilot import Pilot

from precordia.client import ServiceHealth
from precordia.dataset import Dataset, LabelGroup, Snapshot, SplitCount
from precordia.manifest import Task
from precordia.operation import Operation, OperationEvent, OperationState
from precordia.prediction import Prediction, Score
from precordia.record import Signal
from precordia.stored import StoredRecording
from precordia.training import NetworkInfo, TrainerStatus
from precordia.training_progress import TrainingProgress
from tests.tui.conftest import NO_SERVICES
from tui.app import PrecordiaApp
from tui.messages import JobsListed, ShownRecording, TrainingChoices
from tui.screens.new_training import NewTrainingScreen
from tui.screens.training import TrainingScreen
from tui.traces import traces_of_signal
from tui.training import Training

SCORES = (Score("NORM", 0.93), Score("MI", 0.41), Score("STTC", 0.22), Score("CD", 0.07), Score("HYP", 0.65))


def _app() -> PrecordiaApp:
    return PrecordiaApp(addresses=NO_SERVICES, poll_s=3600)


async def _settled(pilot: Pilot[None]) -> None:
    """Drawing follows the layout, which follows the messages: until the screen looks the same for a while."""
    seen, same = "", 0
    while same < 3:
        await pilot.pause(0.05)
        shown = pilot.app.export_screenshot()
        seen, same = shown, same + 1 if shown == seen else 0


def _filled(signal: Signal, recording: StoredRecording, *keys: str) -> Any:
    async def run_before(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, PrecordiaApp)
        while not app.main.services.services:
            await pilot.pause(0.05)
        await pilot.pause()
        names = ("ingest", "registry", "inference", "trainer")
        app.main.services.services = tuple(ServiceHealth(name, "", "serving") for name in names)
        app.main.recordings.show((recording,), recording.recording_id)
        app.main.show(ShownRecording(recording, traces_of_signal(signal)))
        app.main.opinion.model = "precordia-superclasses · version 1"
        app.main.opinion.prediction = Prediction("precordia-superclasses", 1, "", Task.MULTILABEL, SCORES)
        await pilot.press(*keys)
        await _settled(pilot)

    return run_before


def test_twelve_leads_and_an_opinion(snap_compare: Any, signal: Signal, recording: StoredRecording) -> None:
    assert snap_compare(_app(), terminal_size=(130, 42), run_before=_filled(signal, recording))


def test_paper_by_day_three_by_four(snap_compare: Any, signal: Signal, recording: StoredRecording) -> None:
    assert snap_compare(_app(), terminal_size=(130, 42), run_before=_filled(signal, recording, "v", "t"))


def test_a_small_terminal_shows_one_lead(snap_compare: Any, signal: Signal, recording: StoredRecording) -> None:
    assert snap_compare(_app(), terminal_size=(80, 24), run_before=_filled(signal, recording))


def test_without_services_it_says_what_to_do(snap_compare: Any) -> None:
    async def seen(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, PrecordiaApp)
        while not app.main.services.services:
            await pilot.pause(0.05)
        await _settled(pilot)

    assert snap_compare(_app(), terminal_size=(100, 24), run_before=seen)


def test_help(snap_compare: Any, signal: Signal, recording: StoredRecording) -> None:
    assert snap_compare(_app(), terminal_size=(100, 50), run_before=_filled(signal, recording, "question_mark"))


NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def _job(name: str, base: str, state: OperationState, minute: int, done: int = 0) -> Operation:
    spec = {"train": {"dataset": "study", "split": "train"}, "base": base, "label_group": "super_class"}
    return Operation(
        operation_id=name,
        kind="train",
        state=state,
        request={"name": name, "spec": spec},
        created_at=NOON + timedelta(minutes=minute),
        done=done,
        total=30 if done else 0,
    )


JOBS = (
    _job("second-opinion", "XceptionTime", OperationState.PENDING, 3),
    _job("ward-7", "InceptionTime", OperationState.RUNNING, 2, done=14),
    _job("too-few", "InceptionTime", OperationState.FAILED, 1),
    _job("study-2025", "InceptionTime", OperationState.SUCCEEDED, 0),
)


def _half_way() -> TrainingProgress:
    """Fourteen epochs of thirty, learnt well until the eleventh."""
    events: list[tuple[str, dict[str, Any]]] = [
        ("state", {"state": "running", "attempt": 1}),
        ("log", {"message": "The task is multilabel, by the labels of the training records."}),
        ("log", {"message": "Records: 185 for test, 932 for train, 164 for validation."}),
        ("log", {"message": "Training InceptionTime on cpu with 2 threads."}),
    ]
    for number in range(1, 15):
        share = (number - 1) / 13
        figures = {
            "train_loss": 0.62 - 0.36 * share**0.5,
            "validation_loss": 0.6 - 0.28 * share**0.5 + max(0, number - 11) * 0.02,
            "auroc_macro": 0.71 + 0.22 * share**0.4,
            "f1_weighted": 0.38 + 0.36 * share**0.5,
        }
        events.append(("epoch", {"epoch": number, "epochs": 30, "seconds": 8.1, **figures}))
    progress = TrainingProgress()
    for number, (kind, payload) in enumerate(events, start=1):
        progress = progress.after(OperationEvent(number, kind, payload, NOON + timedelta(seconds=8 * number)))
    return progress


def _training(*keys: str, dialog: bool = False) -> Any:
    async def run_before(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, PrecordiaApp)
        while not app.main.services.services:
            await pilot.pause(0.05)
        clock = NOON + timedelta(seconds=150)
        screen = TrainingScreen(Training(lambda: app.remote.connection), poll_s=3600, clock=lambda: clock)
        await app.push_screen(screen)
        while not screen.heading.problem:
            await pilot.pause(0.05)
        screen.known["ward-7"] = _half_way()
        screen.on_jobs_listed(JobsListed(JOBS, TrainerStatus(True, "", "local")))
        names = ("ingest", "registry", "inference", "trainer")
        screen.services.services = tuple(ServiceHealth(name, "", "serving") for name in names)
        if dialog:
            await app.push_screen(NewTrainingScreen(CHOICES, lambda wish: None))
        await pilot.press(*keys)
        await _settled(pilot)

    return run_before


GROUPS = (LabelGroup("super_class", (("NORM", 530), ("MI", 212), ("STTC", 204), ("CD", 198), ("HYP", 96))),)
SPLITS = (SplitCount("train", 1096, 1010), SplitCount("test", 185, 172))
CHOICES = TrainingChoices(
    ((Dataset("study", 1281, 1281, 1182, GROUPS), Snapshot("snap-1", "study", "d", SPLITS, GROUPS)),),
    (NetworkInfo("InceptionTime", "six inception modules with residual connections", 457_605, ""),),
    (),
)


def test_a_training_under_way(snap_compare: Any) -> None:
    assert snap_compare(_app(), terminal_size=(140, 40), run_before=_training())


def test_a_training_in_a_small_terminal(snap_compare: Any) -> None:
    assert snap_compare(_app(), terminal_size=(80, 24), run_before=_training())


def test_a_new_training(snap_compare: Any) -> None:
    assert snap_compare(_app(), terminal_size=(130, 36), run_before=_training(dialog=True))


def test_a_new_training_that_is_refused_in_a_small_terminal(snap_compare: Any) -> None:
    async def refused(pilot: Pilot[None]) -> None:
        await _training(dialog=True)(pilot)
        dialog = pilot.app.screen
        assert isinstance(dialog, NewTrainingScreen)
        dialog.refuse("The label group 'super_class' has no label with two patients at least.")
        await _settled(pilot)

    assert snap_compare(_app(), terminal_size=(80, 24), run_before=refused)
