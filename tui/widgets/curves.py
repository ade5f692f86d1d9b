"""A plot of figures by epoch."""

from __future__ import annotations

from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui import palette
from tui.palette import Palette
from tui.plot import Plot, drawn_plot

_Key = tuple[Plot, Palette, int, int]


class Curves(Widget):
    """Owns nothing but its cache: the plot is given to it."""

    plot: reactive[Plot] = reactive(Plot)
    palette: reactive[Palette] = reactive(palette.NIGHT)

    def __init__(self, title: str, *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self.border_title = title
        self._key: _Key | None = None
        self._strips: list[Strip] = []

    def render_line(self, y: int) -> Strip:
        """One line of the plot, drawn as a whole when anything changed."""
        width, height = self.size
        key = (self.plot, self.palette, width, height)
        if key != self._key:
            self._strips = drawn_plot(self.plot, width, height).strips(self.palette.inks)
            self._key = key
        return self._strips[y] if y < len(self._strips) else Strip.blank(width, self.palette.blank)
