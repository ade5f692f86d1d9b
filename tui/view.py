"""What part of an ECG is shown, and how large: one immutable value that all leads share.

A column of the terminal stands for one millimetre of ECG paper and a row for two, which is close to
the shape of a character cell. So 25 mm/s is 40 ms a column, and 10 mm/mV is 0.2 mV a row; proportions
are those of paper, and the scale line says what a cell is worth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

SPEEDS_MM_S = (6.25, 12.5, 25.0, 50.0, 100.0, 200.0)
GAINS_MM_MV = (1.25, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
MM_PER_ROW = 2.0
BIG_BOX_MM = 5


class Layout(Enum):
    """How leads are placed."""

    SIX_BY_TWO = "6 x 2"
    THREE_BY_FOUR = "3 x 4 + rhythm"
    ONE_LEAD = "one lead"


_CYCLE = (Layout.SIX_BY_TWO, Layout.THREE_BY_FOUR, Layout.ONE_LEAD)


@dataclass(frozen=True)
class View:
    """The window that every lead is seen through.

    Attributes:
        start_s: time at the left edge.
        speed_mm_s: paper speed.
        gain_mm_mv: height of a millivolt.
        layout: as chosen; a small terminal shows one lead all the same.
        focus: index of the lead that the layout of one lead shows.
    """

    start_s: float = 0.0
    speed_mm_s: float = 25.0
    gain_mm_mv: float = 10.0
    layout: Layout = Layout.SIX_BY_TWO
    focus: int = 1

    @property
    def column_s(self) -> float:
        """Seconds that a column stands for."""
        return 1.0 / self.speed_mm_s

    @property
    def row_mv(self) -> float:
        """Millivolts that a row stands for."""
        return MM_PER_ROW / self.gain_mm_mv

    def moved_to(self, start_s: float, *, visible_s: float, duration_s: float) -> View:
        """Moved to a time, on the grid of columns, not beyond the ends of the recording."""
        latest = max(0.0, duration_s - visible_s)
        columns = round(min(max(0.0, start_s), latest) / self.column_s)
        return replace(self, start_s=columns * self.column_s)

    def zoomed(self, steps: int, *, visible_s: float, duration_s: float) -> View:
        """At another speed, with the middle of what is visible kept in place."""
        speed = _step(SPEEDS_MM_S, self.speed_mm_s, steps)
        ratio = self.speed_mm_s / speed
        middle = self.start_s + visible_s / 2
        zoomed = replace(self, speed_mm_s=speed)
        return zoomed.moved_to(middle - visible_s * ratio / 2, visible_s=visible_s * ratio, duration_s=duration_s)

    def gained(self, steps: int) -> View:
        """At another gain."""
        return replace(self, gain_mm_mv=_step(GAINS_MM_MV, self.gain_mm_mv, steps))

    def at_paper_scale(self) -> View:
        """At 25 mm/s and 10 mm/mV."""
        return replace(self, speed_mm_s=25.0, gain_mm_mv=10.0)

    def next_layout(self) -> View:
        """The layout after this one, in a circle."""
        return replace(self, layout=_CYCLE[(_CYCLE.index(self.layout) + 1) % len(_CYCLE)])

    def focused(self, step: int, traces: int) -> View:
        """Another lead in focus, in a circle."""
        return replace(self, focus=(self.focus + step) % max(traces, 1))

    def with_focus(self) -> View:
        """One lead, or all of them again."""
        wanted = Layout.SIX_BY_TWO if self.layout is Layout.ONE_LEAD else Layout.ONE_LEAD
        return replace(self, layout=wanted)


def _step(choices: tuple[float, ...], value: float, steps: int) -> float:
    return choices[min(max(choices.index(value) + steps, 0), len(choices) - 1)]
