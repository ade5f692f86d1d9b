"""The real application, driven by keys, against real services in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from precordia.client import Addresses, connect
from tests.ports import free_port
from tests.tui.conftest import NO_SERVICES, NOWHERE, ServeIngest, beats, source
from tui.app import PrecordiaApp
from tui.screens.help import HelpScreen
from tui.screens.models import ModelsScreen
from tui.view import Layout

SIZE = (160, 48)


async def until(pilot: Pilot[None], holds: Callable[[], object], seconds: float = 240.0) -> None:
    """Wait for something to become true on the screen."""
    end = asyncio.get_running_loop().time() + seconds
    while not holds():
        assert asyncio.get_running_loop().time() < end, "it did not come true in time"
        await pilot.pause(0.05)


async def stored(address: str, *names: str) -> list[str]:
    """Import an ECG a name; the ids."""
    ids = []
    async with connect(Addresses(ingest=address)) as precordia:
        for number, name in enumerate(names, start=1):
            answer = await precordia.ingest.import_source(*source(name, 1 + number / 10))
            ids.append(answer.recordings[0].recording_id)
    return ids


async def test_the_newest_recording_is_shown_with_the_shipped_models_opinion(services: Addresses) -> None:
    _, newest = await stored(services.ingest, "first.npy", "second.npy")
    app = PrecordiaApp(addresses=services, poll_s=0.2)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.main.opinion.prediction)
        assert app.loaded == newest
        assert [trace.label for trace in app.main.chart.traces][:3] == ["I", "II", "III"]
        expected = beats(scale=1.2)[1]
        np.testing.assert_allclose(app.main.chart.traces[1].values, expected - np.median(expected), atol=2e-3)
        scores = {score.name: score.value for score in app.main.opinion.prediction.scores}
        assert set(scores) == {"NORM", "MI", "STTC", "CD", "HYP"}
        await pilot.press("m")
        assert isinstance(app.screen, ModelsScreen)
        await pilot.press("enter")
        await until(pilot, lambda: app.main.opinion.prediction)
        assert {score.name: score.value for score in app.main.opinion.prediction.scores} == pytest.approx(scores)


async def test_a_named_recording_is_shown_first_and_the_list_leads_to_others(serve_ingest: ServeIngest) -> None:
    address = await serve_ingest()
    first, second = await stored(address, "first.npy", "second.npy")
    app = PrecordiaApp(first, _only(address), poll_s=0.2)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.loaded == first)
        await until(pilot, lambda: app.main.recordings.option_count == 2)
        await pilot.press("down")
        await until(pilot, lambda: app.loaded == second)
        assert app.main.recordings.has_focus
        await pilot.press("enter")
        await until(pilot, lambda: app.main.chart.has_focus)


async def test_what_is_imported_elsewhere_appears_by_itself(serve_ingest: ServeIngest) -> None:
    address = await serve_ingest()
    app = PrecordiaApp(addresses=_only(address), poll_s=0.1)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "No recordings yet" in app.main.chart.note)
        (first,) = await stored(address, "first.npy")
        await until(pilot, lambda: app.loaded == first)
        await stored(address, "first.npy", "second.npy")
        await until(pilot, lambda: app.main.recordings.option_count == 2)
        assert app.loaded == first


async def test_services_that_come_later_are_found_without_help(serve_ingest: ServeIngest) -> None:
    address = f"127.0.0.1:{free_port()}"
    app = PrecordiaApp(addresses=_only(address), poll_s=0.1)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.main.services.services)
        assert "disconnected from ingest" in app.main.services.render().plain
        assert "precordia up" in app.main.chart.note
        await serve_ingest(address)
        await until(pilot, lambda: "No recordings yet" in app.main.chart.note)
        (first,) = await stored(address, "first.npy")
        await until(pilot, lambda: app.loaded == first)
        assert "disconnected from ingest" not in app.main.services.render().plain


async def test_an_unknown_recording_is_said_to_be_unknown(serve_ingest: ServeIngest) -> None:
    app = PrecordiaApp("rec-unknown", _only(await serve_ingest()), poll_s=0.1)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "no recording of this id" in app.main.chart.note)


async def test_keys_move_zoom_and_scale_all_leads_together(serve_ingest: ServeIngest) -> None:
    address = await serve_ingest()
    await stored(address, "first.npy")
    app = PrecordiaApp(addresses=_only(address), poll_s=5)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.loaded)
        await pilot.press("right", "right")
        assert app.main.view.start_s == pytest.approx(0.4)
        app.main.chart.focus()
        await pilot.press("end")
        assert app.main.view.start_s + app.main.chart.visible_s == pytest.approx(10.0, abs=0.05)
        await pilot.press("home")
        assert app.main.view.start_s == 0.0
        await pilot.press("plus")
        assert app.main.view.speed_mm_s == 50.0
        await pilot.press("down", "down")
        assert app.main.view.gain_mm_mv == 2.5
        await pilot.press("0")
        assert (app.main.view.speed_mm_s, app.main.view.gain_mm_mv) == (25.0, 10.0)
        await pilot.press("v")
        assert app.main.view.layout is Layout.THREE_BY_FOUR
        await pilot.press("f", "n")
        assert (app.main.view.layout, app.main.view.focus) == (Layout.ONE_LEAD, 2)
        assert app.main.chart.view == app.main.view == app.main.heading.view
        await pilot.press("escape")
        assert app.main.recordings.has_focus


async def test_files_are_imported_from_the_dialog(serve_ingest: ServeIngest, tmp_path: Path) -> None:
    address = await serve_ingest()
    np.save(tmp_path / "from_dialog.npy", beats().T)
    (tmp_path / "broken.npy").write_bytes(b"no ecg")
    app = PrecordiaApp(addresses=_only(address), poll_s=0.2)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "No recordings yet" in app.main.chart.note)
        await pilot.press("i")
        await pilot.press("enter")
        assert "at least one file" in str(app.screen.query_one("#problem", Static).content)
        said = {
            "paths": f"{tmp_path / 'from_dialog.npy'} {tmp_path / 'broken.npy'}",
            "rate": "500",
            "unit": "mV",
            "leads": "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6",
        }
        for name, value in said.items():
            app.screen.query_one(f"#{name}", Input).value = value
        await pilot.press("enter")
        await until(pilot, lambda: app.loaded)
        assert app.main.heading.recording.source_name == "from_dialog.npy"
        assert any("broken.npy" in notice.message for notice in app._notifications)


async def test_help_lists_every_key(serve_ingest: ServeIngest) -> None:
    app = PrecordiaApp(addresses=NO_SERVICES, poll_s=5)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        assert app.screen is app.main


def _only(ingest: str) -> Addresses:
    return Addresses(ingest=ingest, inference=NOWHERE, trainer=NOWHERE, registry=NOWHERE)
