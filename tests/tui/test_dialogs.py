"""Forms, words and keys, without a screen."""

import pytest

from precordia.errors import PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.record import Unit
from precordia.steps import parse_step
from precordia.stored import StoredRecording
from tui import bindings, wording
from tui.app import PrecordiaApp
from tui.screens.import_files import wish_of
from tui.screens.main import MainScreen
from tui.screens.training import TrainingScreen
from tui.view import View
from tui.widgets.chart import Chart
from tui.widgets.opinion import bar

EMPTY = {"paths": "", "rate": "", "unit": "", "leads": "", "applied": ""}


def test_an_import_form_becomes_paths_and_hints() -> None:
    wish = wish_of(
        {
            "paths": "a.npy b/*.csv",
            "rate": "500",
            "unit": "uV",
            "leads": "i, ii,AVR",
            "applied": "band-pass:0.5-40,z-score",
        }
    )
    assert wish.paths == ("a.npy", "b/*.csv")
    assert (wish.hints.sample_rate_hz, wish.hints.unit) == (500.0, Unit.MICROVOLT)
    assert wish.hints.lead_names == ("I", "II", "aVR")
    assert wish.hints.applied == (parse_step("band-pass:0.5-40"), parse_step("z-score"))


def test_what_is_left_empty_is_no_hint() -> None:
    assert wish_of(EMPTY | {"paths": "a.dcm"}).hints.to_json() == {}


@pytest.mark.parametrize(
    "said", [{}, {"paths": "a", "rate": "fast"}, {"paths": "a", "unit": "V"}, {"paths": "a", "leads": "I,X9"}]
)
def test_an_answer_that_makes_no_sense_is_asked_for_again(said: dict[str, str]) -> None:
    with pytest.raises((ValueError, PrecordiaError)):
        wish_of(EMPTY | said)


def test_every_key_leads_to_an_action_that_exists() -> None:
    owners = {"app": PrecordiaApp, "screen": MainScreen, "": MainScreen}
    for group in (bindings.VIEW, bindings.GENERAL, bindings.CHART, bindings.RECORDINGS):
        for key in group:
            owner, _, action = key.action.partition("(")[0].rpartition(".")
            place = Chart if group is bindings.CHART and not owner else owners[owner]
            assert not action or hasattr(place, f"action_{action}"), key
    for key in bindings.TRAINING:
        owner, _, action = key.action.rpartition(".")
        assert not action or hasattr(PrecordiaApp if owner else TrainingScreen, f"action_{action}"), key


def test_no_key_of_the_main_screen_stands_twice() -> None:
    keys = [name for key in bindings.VIEW + bindings.GENERAL for name in key.keys.split(",")]
    assert len(keys) == len(set(keys))


def test_the_scale_is_said_in_papers_terms_and_in_cells() -> None:
    assert wording.scale(View()) == "25 mm/s · 10 mm/mV"
    assert wording.cell(View()) == "1 column = 1 mm = 40 ms, 1 row = 2 mm = 0.2 mV"
    assert wording.window(View(start_s=1.0), 3.0, 3.5) == "1.0 to 3.5 of 3.5 s"


def test_a_recording_in_words(recording: StoredRecording) -> None:
    assert wording.summary(recording) == "NPY · 12 leads · 500 Hz · 10 s"
    assert wording.patient(recording) == "61 y · female"
    assert len(recording.leads) == len(STANDARD_LEADS)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "    "), (1.0, "████"), (0.5, "██  "), (0.53, "██▏ "), (-1, "    ")]
)
def test_a_bar_is_as_long_as_its_score(value: float, shown: str) -> None:
    assert bar(value, 4) == shown
