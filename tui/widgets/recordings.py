"""The list of recordings."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from precordia.stored import StoredRecording
from tui import bindings, wording


class Recordings(OptionList):
    """Recordings by name, with a line of facts. Choosing one shows it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings.bound(bindings.RECORDINGS)

    class Chosen(Message):
        """A recording is to be shown; `entered` = its chart is to have the focus."""

        def __init__(self, recording_id: str, *, entered: bool) -> None:
            super().__init__()
            self.recording_id = recording_id
            self.entered = entered

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id, compact=True)
        self.border_title = "Recordings"
        self._shown: tuple[StoredRecording, ...] = ()

    def show(self, recordings: tuple[StoredRecording, ...], chosen: str) -> None:
        """List recordings, and keep the chosen one highlighted."""
        if recordings == self._shown:
            return
        known = len(self._shown)
        if known and recordings[:known] == self._shown:
            self.add_options([_option(recording) for recording in recordings[known:]])
        else:
            self.clear_options()
            self.add_options([_option(recording) for recording in recordings])
        self._shown = recordings
        self.border_subtitle = f"{len(recordings)}" if recordings else ""
        self.highlight(chosen)

    def highlight(self, recording_id: str) -> None:
        """Highlight a recording, if it is listed."""
        for index, recording in enumerate(self._shown):
            if recording.recording_id == recording_id:
                with self.prevent(OptionList.OptionHighlighted):
                    self.highlighted = index

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Moving on the list shows at once."""
        event.stop()
        if event.option_id:
            self.post_message(self.Chosen(event.option_id, entered=False))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter goes on to the chart."""
        event.stop()
        if event.option_id:
            self.post_message(self.Chosen(event.option_id, entered=True))


def _option(recording: StoredRecording) -> Option:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(wording.name(recording), style="bold")
    text.append(f"\n{wording.file_format(recording)} · {wording.leads(recording)} · {wording.rate(recording)}", "dim")
    return Option(text, id=recording.recording_id)
