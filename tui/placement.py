"""Where each lead stands on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui.traces import Trace
from tui.view import Layout, View

LEAST_ROWS = 4
"""Fewer rows than this show no ECG; one lead is shown instead."""

LEAST_COLUMNS = 24
_RHYTHM = "II"
_STANDARD = 12


@dataclass(frozen=True)
class Panel:
    """A trace's place on the page, in cells, and how far its time is ahead of the page's start."""

    trace: int
    x: int
    y: int
    width: int
    height: int
    ahead: int = 0
    """Columns."""


@dataclass(frozen=True)
class Page:
    """All panels.

    Attributes:
        title: what the placement that fitted is called.
        columns: columns of consecutive time on the page.
    """

    panels: tuple[Panel, ...]
    title: str
    columns: int

    def visible_s(self, view: View) -> float:
        """Seconds on the page."""
        return self.columns * view.column_s


def placed(traces: Sequence[Trace], layout: Layout, *, width: int, height: int, gutter: int, focus: int) -> Page:
    """Panels for a page of `width` by `height` cells, `gutter` columns of it left free at the left.

    Twelve leads stand six by two, or as three by four with a rhythm strip; other recordings have
    their channels one below the other. Where that leaves too little room for a lead, one is shown.
    """
    inner = width - gutter
    if not traces:
        return Page((), "", max(inner, 1))
    wanted = {Layout.SIX_BY_TWO: _columns_of_leads, Layout.THREE_BY_FOUR: _three_by_four}.get(layout)
    if wanted is not None:
        page = wanted(traces, gutter, inner, height)
        if page is not None:
            return page
    return Page((Panel(focus % len(traces), gutter, 0, max(inner, 1), height),), Layout.ONE_LEAD.value, max(inner, 1))


def _rows(height: int, count: int) -> list[tuple[int, int]] | None:
    """First row and height of `count` panels; the rows left over go to the first ones."""
    each, rest = divmod(height, count)
    if each < LEAST_ROWS:
        return None
    starts, at = [], 0
    for index in range(count):
        size = each + (1 if index < rest else 0)
        starts.append((at, size))
        at += size
    return starts


def _columns_of_leads(traces: Sequence[Trace], x: int, width: int, height: int) -> Page | None:
    columns = 2 if len(traces) == _STANDARD else 1
    rows = _rows(height, -(-len(traces) // columns))
    each = (width - (columns - 1)) // columns
    if rows is None or each < LEAST_COLUMNS:
        return None
    panels = [
        Panel(index, x + (index // len(rows)) * (each + 1), *_placed_row(rows[index % len(rows)], each))
        for index in range(len(traces))
    ]
    return Page(tuple(panels), Layout.SIX_BY_TWO.value if columns == 2 else "all channels", each)


def _three_by_four(traces: Sequence[Trace], x: int, width: int, height: int) -> Page | None:
    rows = _rows(height, 4)
    each = width // 4
    labels = [trace.label for trace in traces]
    if len(traces) != _STANDARD or rows is None or each < LEAST_COLUMNS // 2:
        return None
    panels = [
        Panel(index, x + (index // 3) * each, *_placed_row(rows[index % 3], each), ahead=(index // 3) * each)
        for index in range(_STANDARD)
    ]
    rhythm = labels.index(_RHYTHM) if _RHYTHM in labels else 0
    panels.append(Panel(rhythm, x, *_placed_row(rows[3], 4 * each)))
    return Page(tuple(panels), Layout.THREE_BY_FOUR.value, 4 * each)


def _placed_row(row: tuple[int, int], width: int) -> tuple[int, int, int]:
    """y, width and height of a panel."""
    return row[0], width, row[1]
