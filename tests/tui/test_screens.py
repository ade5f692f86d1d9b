"""Whole screens, as they look."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from precordia.client import ServiceHealth
from precordia.manifest import Task
from precordia.prediction import Prediction, Score
from precordia.record import Signal
from precordia.stored import StoredRecording
from tests.tui.conftest import NO_SERVICES
from tui.app import PrecordiaApp
from tui.messages import ShownRecording
from tui.traces import traces_of_signal

SCORES = (Score("NORM", 0.93), Score("MI", 0.41), Score("STTC", 0.22), Score("CD", 0.07), Score("HYP", 0.65))


def _app() -> PrecordiaApp:
    return PrecordiaApp(addresses=NO_SERVICES, poll_s=3600)


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
        await pilot.pause()

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
        await pilot.pause()

    assert snap_compare(_app(), terminal_size=(100, 24), run_before=seen)


def test_help(snap_compare: Any, signal: Signal, recording: StoredRecording) -> None:
    assert snap_compare(_app(), terminal_size=(100, 50), run_before=_filled(signal, recording, "question_mark"))
