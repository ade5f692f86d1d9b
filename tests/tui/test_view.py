"""One view: pan, zoom and gain stay within the recording and on the grid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.view import GAINS_MM_MV, SPEEDS_MM_S, Layout, View

SPAN = {"visible_s": 3.0, "duration_s": 10.0}


def test_paper_scale_is_40_ms_a_column_and_a_fifth_of_a_millivolt_a_row() -> None:
    view = View(speed_mm_s=100.0, gain_mm_mv=40.0).at_paper_scale()
    assert (view.column_s, view.row_mv) == (0.04, 0.2)


def test_a_page_begins_on_a_column_and_stops_at_both_ends() -> None:
    assert View().moved_to(0.21, **SPAN).start_s == pytest.approx(0.2)
    assert View().moved_to(-5.0, **SPAN).start_s == 0.0
    assert View().moved_to(400.0, **SPAN).start_s == pytest.approx(7.0)
    assert View().moved_to(0.2, visible_s=12.0, duration_s=10.0).start_s == 0.0


def test_zooming_keeps_the_middle_in_place() -> None:
    view = View(start_s=4.0).zoomed(1, **SPAN)
    assert view.speed_mm_s == 50.0
    assert view.start_s + 1.5 / 2 == pytest.approx(5.5, abs=0.02)
    back = view.zoomed(-1, visible_s=1.5, duration_s=10.0)
    assert back.start_s == pytest.approx(4.0, abs=0.04)


def test_zoom_and_gain_stop_at_their_last_steps() -> None:
    view = View()
    for _ in range(20):
        view = view.zoomed(1, **SPAN).gained(1)
    assert (view.speed_mm_s, view.gain_mm_mv) == (SPEEDS_MM_S[-1], GAINS_MM_MV[-1])
    for _ in range(20):
        view = view.zoomed(-1, **SPAN).gained(-1)
    assert (view.speed_mm_s, view.gain_mm_mv) == (SPEEDS_MM_S[0], GAINS_MM_MV[0])


def test_layouts_follow_in_a_circle_and_focus_goes_there_and_back() -> None:
    view = View()
    seen = [view.layout]
    for _ in range(3):
        view = view.next_layout()
        seen.append(view.layout)
    assert seen == [Layout.SIX_BY_TWO, Layout.THREE_BY_FOUR, Layout.ONE_LEAD, Layout.SIX_BY_TWO]
    assert view.with_focus().layout is Layout.ONE_LEAD
    assert view.with_focus().with_focus().layout is Layout.SIX_BY_TWO
    assert view.focused(-2, 12).focus == 11


steps = st.lists(st.tuples(st.sampled_from(["pan", "zoom", "gain"]), st.integers(-200, 200)), max_size=30)


@given(steps=steps, columns=st.integers(1, 200), duration_s=st.floats(0.1, 3600))
def test_whatever_is_pressed_the_page_begins_inside_the_recording(
    steps: list[tuple[str, int]], columns: int, duration_s: float
) -> None:
    view = View()
    for what, amount in steps:
        span = {"visible_s": columns * view.column_s, "duration_s": duration_s}
        if what == "pan":
            view = view.moved_to(view.start_s + amount * view.column_s, **span)
        elif what == "zoom":
            view = view.zoomed(max(-1, min(amount, 1)), **span)
        else:
            view = view.gained(amount)
        assert 0 <= view.start_s <= max(0.0, duration_s - columns * view.column_s) + view.column_s
