"""Pages: which lead stands where, and what is written beside it."""

import numpy as np
import pytest

from precordia.leads import STANDARD_LEADS
from precordia.record import Channel, Provenance, Recording, Signal, Unit
from tests.tui.conftest import beats
from tui import drawing
from tui.canvas import Ink
from tui.palette import DAY, NIGHT, score_colour
from tui.placement import placed
from tui.traces import Trace, traces_of_recording, traces_of_signal
from tui.view import Layout, View


def _text(traces: tuple[Trace, ...], view: View, width: int, height: int) -> list[str]:
    page = drawing.page_of(traces, view, width, height)
    return ["".join(map(chr, row)) for row in drawing.draw(traces, view, page, width, height).codes]


def test_six_by_two_has_limb_leads_left_and_chest_leads_right(signal: Signal) -> None:
    page = placed(traces_of_signal(signal), Layout.SIX_BY_TWO, width=150, height=48, gutter=8, focus=0)
    places = {STANDARD_LEADS[panel.trace]: (panel.x, panel.y) for panel in page.panels}
    assert [places[lead] for lead in ("I", "II", "aVF")] == [(8, 0), (8, 8), (8, 40)]
    assert [places[lead] for lead in ("V1", "V6")] == [(79, 0), (79, 40)]
    assert {panel.ahead for panel in page.panels} == {0}
    assert page.columns == 70


def test_three_by_four_runs_on_from_column_to_column_above_a_rhythm_strip(signal: Signal) -> None:
    page = placed(traces_of_signal(signal), Layout.THREE_BY_FOUR, width=108, height=40, gutter=8, focus=0)
    ahead = {STANDARD_LEADS[panel.trace]: panel.ahead for panel in page.panels[:12]}
    assert [ahead[lead] for lead in ("I", "aVR", "V1", "V4")] == [0, 25, 50, 75]
    rhythm = page.panels[12]
    assert (STANDARD_LEADS[rhythm.trace], rhythm.ahead, rhythm.width, rhythm.y) == ("II", 0, 100, 30)


@pytest.mark.parametrize(("width", "height"), [(54, 22), (150, 20), (40, 60)])
def test_where_leads_would_be_too_small_one_is_shown(signal: Signal, width: int, height: int) -> None:
    page = placed(traces_of_signal(signal), Layout.SIX_BY_TWO, width=width, height=height, gutter=8, focus=6)
    assert [(STANDARD_LEADS[panel.trace], panel.height) for panel in page.panels] == [("V1", height)]
    assert page.title == "one lead"


def test_every_lead_is_named_and_derived_ones_are_marked() -> None:
    values = beats()[[0, 1, 6, 7, 8, 9, 10, 11]]
    channels = tuple(
        Channel(lead, row, 500.0, "mV")
        for lead, row in zip(("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), values, strict=True)
    )
    recording = Recording(channels, Provenance("a", "", "", "", ""))
    page = "\n".join(_text(traces_of_signal(recording.signal()), View(), 150, 48))
    assert " aVR* " in page
    assert " V6 " in page
    assert " II " in page


def test_a_lead_that_is_not_there_says_so(signal: Signal) -> None:
    values = signal.values.copy()
    values[7] = np.nan
    traces = traces_of_signal(Signal(values, STANDARD_LEADS, 500.0))
    page = "\n".join(_text(traces, View(), 150, 48))
    assert page.count("not recorded") == 1


def test_a_trace_that_leaves_its_panel_is_marked(signal: Signal) -> None:
    traces = traces_of_signal(signal)
    assert "▲" not in "".join(_text(traces, View(gain_mm_mv=2.5), 150, 48))
    loud = "".join(_text(traces, View(gain_mm_mv=40.0), 150, 48))
    assert "▲" in loud
    assert "▼" in loud


def test_panning_by_columns_moves_every_lead_by_as_many_cells(signal: Signal) -> None:
    traces = traces_of_signal(signal)
    width, height = 150, 48
    page = drawing.page_of(traces, View(), width, height)
    before = drawing.draw(traces, View(), page, width, height)
    after = drawing.draw(traces, View(start_s=10 * 0.04), page, width, height)
    for panel in page.panels:
        rows = np.s_[panel.y + 1 : panel.y + panel.height - 1]
        left, right = panel.x + 12, panel.x + panel.width - 2
        np.testing.assert_array_equal(after.codes[rows, left - 10 : right - 10], before.codes[rows, left:right])


def test_standardised_signals_have_no_calibration_mark(signal: Signal) -> None:
    plain = _inks(traces_of_signal(signal))
    standardised = Signal(signal.values, STANDARD_LEADS, 500.0, Unit.STANDARDISED)
    assert Ink.MARK in plain
    assert Ink.MARK not in _inks(traces_of_signal(standardised))


def _inks(traces: tuple[Trace, ...]) -> set[int]:
    page = drawing.page_of(traces, View(), 150, 48)
    return set(np.unique(drawing.draw(traces, View(), page, 150, 48).inks).tolist())


def test_channels_of_other_recordings_stand_one_below_the_other() -> None:
    channels = (
        Channel("MLII", np.arange(100, dtype=np.int16), 360.0, "mV", 200.0),
        Channel("ABP", np.linspace(60, 120, 50), 125.0, "mmHg"),
    )
    traces = traces_of_recording(Recording(channels, Provenance("a", "", "", "", "")))
    assert [(trace.label, trace.scaled) for trace in traces] == [("MLII", False), ("ABP (mmHg)", True)]
    assert traces[1].values.std() == pytest.approx(0.5, rel=0.01)
    page = placed(traces, Layout.SIX_BY_TWO, width=100, height=30, gutter=8, focus=0)
    assert [(panel.x, panel.y, panel.height) for panel in page.panels] == [(8, 0, 15), (8, 15, 15)]


def test_traces_are_centred_on_their_median(signal: Signal) -> None:
    traces = traces_of_signal(Signal(signal.values + 3.0, STANDARD_LEADS, 500.0))
    assert max(abs(float(np.median(trace.values))) for trace in traces) < 1e-6
    microvolts = traces_of_signal(Signal(signal.values * 1000, STANDARD_LEADS, 500.0, Unit.MICROVOLT))
    np.testing.assert_allclose(microvolts[1].values, traces[1].values, atol=1e-5)


@pytest.mark.parametrize("palette", [NIGHT, DAY])
def test_a_page_becomes_strips_of_its_width(signal: Signal, palette) -> None:
    traces = traces_of_signal(signal)
    page = drawing.page_of(traces, View(), 150, 48)
    strips = drawing.draw(traces, View(), page, 150, 48).strips(palette.inks)
    assert {strip.cell_length for strip in strips} == {150}
    assert {len(strip.text) for strip in strips} == {150}


def test_an_empty_page_carries_its_note() -> None:
    rows = ["".join(map(chr, row)) for row in drawing.empty("nothing here\nyet", 40, 9).codes]
    assert "nothing here" in rows[3]
    assert "yet" in rows[4]


def test_scores_go_from_slate_to_gold() -> None:
    assert score_colour(0.0) == score_colour(0.19)
    assert len({score_colour(score) for score in (0.1, 0.3, 0.5, 0.7, 0.9)}) == 5
    assert score_colour(1.0) == score_colour(37.0)
