"""Curves by epoch on a page of characters: legend above, values at the left, epochs below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui import braille
from tui.canvas import Canvas, Ink

_GUTTER = 7
_LEAST_ROWS = 2


@dataclass(frozen=True)
class Series:
    """A figure by epoch; None where an epoch does not have it."""

    name: str
    values: tuple[float | None, ...]
    ink: Ink

    @property
    def last(self) -> float | None:
        """The newest value."""
        return self.values[-1] if self.values else None


@dataclass(frozen=True)
class Plot:
    """What is drawn.

    Attributes:
        series: later ones lie above earlier ones.
        planned: epochs on the axis; more where there are more.
        marked: the epoch, from 1, that gets a star on the last series; 0 = none.
        note: what is written where there are no values yet.
    """

    series: tuple[Series, ...] = ()
    planned: int = 0
    marked: int = 0
    note: str = ""

    @property
    def epochs(self) -> int:
        """Epochs on the axis."""
        return max([self.planned, 1, *(len(one.values) for one in self.series)])

    @property
    def limits(self) -> tuple[float, float] | None:
        """The smallest and the largest value, a little apart; None without values."""
        known = [value for one in self.series for value in one.values if value is not None]
        if not known:
            return None
        low, high = min(known), max(known)
        return (low, high) if high > low else (low - 0.5 * abs(low or 1.0), high + 0.5 * abs(high or 1.0))


def drawn_plot(plot: Plot, width: int, height: int) -> Canvas:
    """The plot on a canvas of this size."""
    canvas = Canvas(max(width, 0), max(height, 0))
    rows, columns = height - 2, width - _GUTTER
    limits = plot.limits
    if limits is None or rows < _LEAST_ROWS or columns < 2:
        canvas.text(1, height // 2, plot.note[: max(width - 2, 0)], Ink.NOTE)
        return canvas
    _draw_legend(canvas, plot)
    _draw_axes(canvas, plot, limits, rows, columns)
    for one in plot.series:
        canvas.draw(_GUTTER, 1, _cells(one, plot.epochs, limits, rows, columns), one.ink)
    _draw_mark(canvas, plot, limits, rows, columns)
    return canvas


def _draw_legend(canvas: Canvas, plot: Plot) -> None:
    """Names with their newest values; names alone, from the very left, where that is too long."""
    long = [f"{one.name} {number(one.last)}".rstrip() for one in plot.series]
    fits = _GUTTER + sum(len(said) + 5 for said in long) - 2 <= canvas.codes.shape[1]
    x, line = (_GUTTER, "━━ ") if fits else (0, "━ ")
    for one, said in zip(plot.series, long if fits else [one.name for one in plot.series], strict=True):
        canvas.text(x, 0, line, one.ink)
        canvas.text(x + len(line), 0, said, Ink.NOTE)
        x += len(line) + len(said) + (2 if fits else 1)


def _draw_axes(canvas: Canvas, plot: Plot, limits: tuple[float, float], rows: int, columns: int) -> None:
    """Levels as dotted lines with their values; the first and the last epoch below."""
    low, high = limits
    levels = sorted({0, rows // 2, rows - 1})
    on = np.zeros((rows * braille.DOTS_Y, columns * braille.DOTS_X), np.bool_)
    for row in levels:
        dot = _level_dot(row, rows)
        on[dot, ::4] = True
        value = high - dot / (rows * braille.DOTS_Y - 1) * (high - low)
        canvas.text(0, 1 + row, f"{number(value):>{_GUTTER - 1}}"[: _GUTTER - 1], Ink.NOTE)
    canvas.paper(_GUTTER, 1, braille.packed(on))
    last = f"epoch {plot.epochs}"
    canvas.text(_GUTTER, 1 + rows, "1", Ink.NOTE)
    canvas.text(max(_GUTTER + columns - len(last), _GUTTER + 2), 1 + rows, last, Ink.NOTE)
    star = f"★ least loss, epoch {plot.marked}"
    if plot.marked and columns > len(star) + len(last) + 8:
        canvas.text(_GUTTER + (columns - len(star)) // 2, 1 + rows, star, Ink.NOTE)
        canvas.text(_GUTTER + (columns - len(star)) // 2, 1 + rows, "★", Ink.ALERT)


def _level_dot(row: int, rows: int) -> int:
    """The row of dots that a level's line is on: the outer ones at the very edge."""
    if row in (0, rows - 1):
        return 0 if row == 0 else rows * braille.DOTS_Y - 1
    return row * braille.DOTS_Y + 2


def _cells(series: Series, epochs: int, limits: tuple[float, float], rows: int, columns: int) -> braille.Cells:
    values = np.array([np.nan if value is None else value for value in series.values], np.float64)
    if not values.size:
        return np.zeros((rows, columns), np.uint8)
    dots = _dots(values, limits, rows)
    padded = np.concatenate([dots[:1], dots, dots[-1:]])  # an epoch reaches half an epoch to both sides
    low, high = braille.spans(
        padded.astype(np.float32),
        sample_rate_hz=1.0,
        start_s=0.5,
        dot_s=epochs / (columns * braille.DOTS_X),
        dots=columns * braille.DOTS_X,
    )
    return braille.drawn(low, high, rows=rows, row_mv=float(braille.DOTS_Y))  # already in dots


def _dots(values: NDArray[np.float64], limits: tuple[float, float], rows: int) -> NDArray[np.float64]:
    """Values as heights above the line that `braille.drawn` calls zero, in dots."""
    low, high = limits
    from_top = (high - values) / (high - low) * (rows * braille.DOTS_Y - 1)
    return braille.zero_dot(rows) - from_top


def _draw_mark(canvas: Canvas, plot: Plot, limits: tuple[float, float], rows: int, columns: int) -> None:
    values = plot.series[-1].values if plot.series else ()
    if not 0 < plot.marked <= len(values) or values[plot.marked - 1] is None:
        return
    low, high = limits
    value = float(values[plot.marked - 1] or 0.0)
    row = round((high - value) / (high - low) * (rows * braille.DOTS_Y - 1)) // braille.DOTS_Y
    column = int((plot.marked - 0.5) / plot.epochs * columns)
    canvas.text(_GUTTER + min(column, columns - 1), 1 + row, "★", Ink.ALERT)


def number(value: float | None) -> str:
    """A figure in at most six characters; empty where there is none."""
    if value is None:
        return ""
    size = abs(value)
    return f"{value:.3f}" if size < 10 else f"{value:.1f}" if size < 1000 else f"{value:.3g}"
