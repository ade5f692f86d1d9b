"""The ECG: all leads through one view, drawn as a whole and cached until view, size or traces change."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui import bindings, drawing, palette
from tui.palette import Palette
from tui.placement import Page
from tui.traces import Trace
from tui.view import View

_Key = tuple[View, Palette, int, int, int]


class Chart(Widget, can_focus=True):
    """Leads on ECG paper. Owns nothing but its cache: traces and view are given to it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings.bound(bindings.CHART)

    view: reactive[View] = reactive(View)
    traces: reactive[tuple[Trace, ...]] = reactive(())
    note: reactive[str] = reactive("")
    palette: reactive[Palette] = reactive(palette.NIGHT)

    class GainAsked(Message):
        """A key asked for more or less gain."""

        def __init__(self, steps: int) -> None:
            super().__init__()
            self.steps = steps

    class Laid(Message):
        """The page was laid out anew, and shows another span of time than before."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self._key: _Key | None = None
        self._strips: list[Strip] = []

    @property
    def page(self) -> Page:
        """The placement of the moment."""
        return drawing.page_of(self.traces, self.view, max(self.size.width, 1), max(self.size.height, 1))

    @property
    def visible_s(self) -> float:
        """Seconds on the page."""
        return self.page.visible_s(self.view)

    @property
    def duration_s(self) -> float:
        """Length of the longest trace."""
        return max((trace.duration_s for trace in self.traces), default=0.0)

    def action_gain(self, steps: int) -> None:
        """Pass the wish on: the view belongs to the screen."""
        self.post_message(self.GainAsked(steps))

    def on_resize(self) -> None:
        """Another size shows another span."""
        self.post_message(self.Laid())

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """All there is."""
        return container.width

    def render_line(self, y: int) -> Strip:
        """One line of the page, drawn as a whole when anything changed."""
        width, height = self.size
        key = (self.view, self.palette, id(self.traces), width, height)
        if key != self._key:
            self._strips = self._drawn(width, height)
            self._key = key
        return self._strips[y] if y < len(self._strips) else Strip.blank(width, self.palette.blank)

    def _drawn(self, width: int, height: int) -> list[Strip]:
        if not self.traces or width < 1 or height < 1:
            return self._empty(width, height)
        page = drawing.page_of(self.traces, self.view, width, height)
        return drawing.draw(self.traces, self.view, page, width, height).strips(self.palette.inks)

    def _empty(self, width: int, height: int) -> list[Strip]:
        return drawing.empty(self.note, width, height).strips(self.palette.inks)
