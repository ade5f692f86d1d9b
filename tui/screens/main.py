"""The main screen: recordings, the ECG, a model's opinion. It owns what is shown; widgets only show it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer

from tui import bindings, palette
from tui.messages import ShownRecording
from tui.view import View
from tui.widgets.chart import Chart
from tui.widgets.heading import Heading
from tui.widgets.opinion import Opinion
from tui.widgets.recordings import Recordings
from tui.widgets.services import Services


class MainScreen(Screen[None]):
    """Three panes and a line of services."""

    BINDINGS: ClassVar[list[BindingType]] = bindings.bound(bindings.VIEW, bindings.GENERAL)
    AUTO_FOCUS = "#recordings"

    def __init__(self) -> None:
        super().__init__()
        self.view = View()
        self.recordings = Recordings(id="recordings")
        self.opinion = Opinion(id="opinion")
        self.heading = Heading(id="heading")
        self.chart = Chart(id="chart")
        self.services = Services(id="services")
        self._side = Vertical(id="side")
        self._frame = VerticalScroll(id="opinion-frame", can_focus=False)
        self._frame.border_title, self._frame.border_subtitle = "Opinion", "research use only"

    def compose(self) -> ComposeResult:
        """At the side what can be chosen and what a model makes of it; the rest is the ECG's."""
        with Horizontal(id="panes"):
            with self._side:
                yield self.recordings
                with self._frame:
                    yield self.opinion
            with Vertical(id="ecg"):
                yield self.heading
                yield self.chart
        yield self.services
        yield Footer(show_command_palette=False, compact=True)

    def show(self, shown: ShownRecording) -> None:
        """Show a recording from its beginning, at the scale in use."""
        chart = self.chart
        chart.traces = shown.traces
        chart.note = shown.note
        heading = self.heading
        heading.recording = shown.recording
        derived = ("* computed from other limb leads",) if any(trace.derived for trace in shown.traces) else ()
        scaled = (
            ("not millivolts: a deviation is drawn as 0.5 mV",) if any(trace.scaled for trace in shown.traces) else ()
        )
        heading.notes = derived + scaled + ((shown.note,) if shown.note else ())
        self._look(self.view.moved_to(0.0, visible_s=chart.visible_s, duration_s=chart.duration_s))

    def say(self, note: str) -> None:
        """Clear the chart and say why it is empty."""
        chart = self.chart
        chart.traces, chart.note = (), note
        self.heading.recording = None

    def _look(self, view: View) -> None:
        """The one place where the view changes: all leads follow."""
        self.view = view
        chart, heading = self.chart, self.heading
        chart.view = view
        page = chart.page
        heading.view, heading.placement = view, page.title
        heading.visible_s, heading.duration_s = page.visible_s(view), chart.duration_s

    def _moved(self, start_s: float) -> View:
        return self.view.moved_to(start_s, visible_s=self.chart.visible_s, duration_s=self.chart.duration_s)

    def action_pan(self, columns: int) -> None:
        """Move by columns."""
        self._look(self._moved(self.view.start_s + columns * self.view.column_s))

    def action_page(self, pages: int) -> None:
        """Move by what is visible, less a large box so that nothing is cut in two."""
        step_s = self.chart.visible_s - 5 * self.view.column_s
        self._look(self._moved(self.view.start_s + pages * step_s))

    def action_edge(self, end: int) -> None:
        """To the beginning, or the end."""
        self._look(self._moved(self.chart.duration_s if end else 0.0))

    def action_zoom(self, steps: int) -> None:
        """Change the paper speed."""
        self._look(self.view.zoomed(steps, visible_s=self.chart.visible_s, duration_s=self.chart.duration_s))
        self.action_pan(0)

    def action_paper_scale(self) -> None:
        """25 mm/s, 10 mm/mV."""
        self._look(self.view.at_paper_scale())
        self.action_pan(0)

    def action_next_layout(self) -> None:
        """Place the leads in another way."""
        self._look(self.view.next_layout())
        self.action_pan(0)

    def action_focus_lead(self) -> None:
        """One lead, or all."""
        self._look(self.view.with_focus())
        self.action_pan(0)

    def action_next_lead(self, step: int) -> None:
        """Another lead in focus."""
        self._look(self.view.focused(step, len(self.chart.traces)))

    def on_chart_gain_asked(self, message: Chart.GainAsked) -> None:
        """Change the gain of all leads."""
        self._look(self.view.gained(message.steps))

    def on_chart_laid(self) -> None:
        """Another size: keep within the recording, and say the new span."""
        self.action_pan(0)

    def action_theme(self) -> None:
        """Paper by day or by night."""
        chart = self.chart
        chart.palette = palette.DAY if chart.palette is palette.NIGHT else palette.NIGHT

    def action_focus_recordings(self) -> None:
        """Back to the list."""
        self._side.display = True
        self.recordings.focus()

    def action_toggle_recordings(self) -> None:
        """Make room for the ECG, or give it back."""
        side = self._side
        side.display = not side.display
        if not side.display:
            self.chart.focus()
