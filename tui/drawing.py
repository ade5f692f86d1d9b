"""From traces and a view to a page of characters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tui import braille
from tui.canvas import Canvas, Ink
from tui.placement import Page, Panel, placed
from tui.traces import Trace
from tui.view import BIG_BOX_MM, View

_BOX_DOTS = BIG_BOX_MM * braille.DOTS_X
_WIDEST_GUTTER = 14


def gutter(view: View) -> int:
    """Columns at the left for the calibration mark; beyond 50 mm/s it would take too much room."""
    width = round(0.2 / view.column_s) + 3
    return width if width <= _WIDEST_GUTTER else 1


def page_of(traces: Sequence[Trace], view: View, width: int, height: int) -> Page:
    """The placement of these traces for this view."""
    return placed(traces, view.layout, width=width, height=height, gutter=gutter(view), focus=view.focus)


def draw(traces: Sequence[Trace], view: View, page: Page, width: int, height: int) -> Canvas:
    """The whole page: paper, traces, labels, calibration marks."""
    canvas = Canvas(width, height)
    left = min((panel.x for panel in page.panels), default=0)
    for panel in page.panels:
        _draw_panel(canvas, traces[panel.trace], view, panel)
        if panel.x == left and gutter(view) > 1:
            _draw_calibration(canvas, view, panel, traces[panel.trace].scaled)
    return canvas


def _draw_panel(canvas: Canvas, trace: Trace, view: View, panel: Panel) -> None:
    start_s = view.start_s + panel.ahead * view.column_s
    phase = round(start_s / view.column_s * braille.DOTS_X) % _BOX_DOTS
    canvas.paper(panel.x, panel.y, braille.paper(panel.height, panel.width, phase, _BOX_DOTS))
    if not trace.empty:
        low, high = braille.spans(
            trace.values,
            sample_rate_hz=trace.sample_rate_hz,
            start_s=start_s,
            dot_s=view.column_s / braille.DOTS_X,
            dots=panel.width * braille.DOTS_X,
        )
        cells = braille.drawn(low, high, rows=panel.height, row_mv=view.row_mv)
        canvas.draw(panel.x, panel.y, cells, Ink.TRACE)
        _mark_off_scale(canvas, panel, low, high, view.row_mv)
    _label(canvas, trace, panel)


def _label(canvas: Canvas, trace: Trace, panel: Panel) -> None:
    name = f" {trace.label}{'*' if trace.derived else ''} "
    canvas.text(panel.x, panel.y, name, Ink.LABEL)
    if trace.empty:
        canvas.text(panel.x + 2, panel.y + panel.height // 2, " not recorded ", Ink.NOTE)


def _mark_off_scale(
    canvas: Canvas, panel: Panel, low: NDArray[np.float64], high: NDArray[np.float64], row_mv: float
) -> None:
    """Arrows where the trace leaves its panel: there is more of it than is shown."""
    dot_mv = row_mv / braille.DOTS_Y
    above = (braille.zero_dot(panel.height) + 0.5) * dot_mv
    below = (panel.height * braille.DOTS_Y - braille.zero_dot(panel.height) - 0.5) * dot_mv
    for row, beyond, arrow in ((0, high > above, "▲"), (panel.height - 1, low < -below, "▼")):
        for column in np.unique(np.flatnonzero(beyond) // braille.DOTS_X):
            canvas.text(panel.x + int(column), panel.y + row, arrow, Ink.ALERT)


def _draw_calibration(canvas: Canvas, view: View, panel: Panel, scaled: bool) -> None:
    cells = braille.calibration(panel.height, column_s=view.column_s, row_mv=view.row_mv)
    if not scaled:
        canvas.draw(0, panel.y, cells, Ink.MARK)


def empty(note: str, width: int, height: int) -> Canvas:
    """Bare paper with a note in its middle."""
    canvas = Canvas(max(width, 0), max(height, 0))
    canvas.paper(0, 0, braille.paper(max(height, 0), max(width, 0), 0, _BOX_DOTS))
    lines = note.splitlines()
    for index, line in enumerate(lines):
        text = f"  {line}  "[:width]
        canvas.text((width - len(text)) // 2, (height - len(lines)) // 2 + index, text, Ink.NOTE)
    return canvas
