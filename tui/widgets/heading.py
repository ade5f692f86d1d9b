"""Above the chart: which recording, and at what scale."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widgets import Static

from precordia.stored import StoredRecording
from tui import wording
from tui.view import View


class Heading(Static):
    """Two lines: the recording's facts; scale, window and layout."""

    recording: reactive[StoredRecording | None] = reactive(None)
    view: reactive[View] = reactive(View)
    placement: reactive[str] = reactive("")
    visible_s: reactive[float] = reactive(0.0)
    duration_s: reactive[float] = reactive(0.0)
    notes: reactive[tuple[str, ...]] = reactive(())

    def render(self) -> Text:
        """The two lines."""
        if self.recording is None:
            return Text("Precordia", style="bold")
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(wording.name(self.recording), style="bold")
        facts = [wording.summary(self.recording), wording.patient(self.recording)]
        text.append("   " + "   ".join(fact for fact in facts if fact), style="dim")
        text.append("\n")
        if not self.duration_s:
            return text
        text.append(wording.scale(self.view), style="bold")
        text.append(f"   {wording.window(self.view, self.visible_s, self.duration_s)}   {self.placement}")
        for note in (*self.notes, wording.cell(self.view)):
            text.append(f"   {note}", style="dim")
        return text
