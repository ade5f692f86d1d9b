"""Plots as inline SVG: colours come from the page's style, so that they follow light, dark and print.

Each line has a colour and a dash of its own; neither alone tells lines apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from precordia.report.axes import Axis, bounds, tick_text
from precordia.report.markup import Child, Element, tag

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 72, 12, 12, 44
COLOURS = 8
"""Lines that have a colour of their own; further ones are grey."""
MOST_LINES = 24
"""Further ones are not drawn."""


@dataclass(frozen=True)
class Line:
    """One line of a plot; a y of None is a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]


@dataclass(frozen=True)
class Frame:
    """What a plot stands in. Ranges that are not given follow from the data."""

    title: str
    x_title: str
    y_title: str
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    log_x: bool = False
    log_y: bool = False
    diagonal: bool = False
    mark_x: float | None = None
    mark_name: str = ""
    whole_x: bool = False


def line_plot(lines: Sequence[Line], frame: Frame, note: str = "") -> Element:
    """Lines over a common x."""
    x, y = _axes(frame, [v for line in lines for v in line.x], [v for line in lines for v in line.y if v is not None])
    drawn: list[Child] = [_diagonal(x, y)] if frame.diagonal else []
    if frame.mark_x is not None:
        at = x.place(frame.mark_x)
        drawn.append(tag("line", class_="mark", x1=at, x2=at, y1=y.end, y2=y.start))
    # the first line is drawn last, and lies on top
    for number, line in reversed(list(enumerate(lines[:MOST_LINES]))):
        for run in _runs(line):
            drawn.append(_polyline(run, x, y, f"line {_style(number)}"))
    return _figure(frame, x, y, drawn, _legend(lines, frame), note)


def dot_plot(
    points: Sequence[tuple[float, float]], frame: Frame, rules: Mapping[str, float], note: str = ""
) -> Element:
    """Single points, with named horizontal rules."""
    x, y = _axes(frame, [a for a, _ in points], [b for _, b in points] + list(rules.values()))
    drawn: list[Child] = [_diagonal(x, y)] if frame.diagonal else []
    drawn += [tag("circle", class_="dot", cx=x.place(a), cy=y.place(b), r=2.2) for a, b in points]
    for name, value in rules.items():
        at = y.place(value)
        drawn.append(tag("line", class_="mark", x1=x.start, x2=x.end, y1=at, y2=at))
        drawn.append(
            tag(
                "text",
                f"{name} {tick_text(float(f'{value:.3g}'))}",
                class_="tick rule",
                x=x.end - 4,
                y=at - 4,
                text_anchor="end",
            )
        )
    return _figure(frame, x, y, drawn, None, note)


def reliability_plot(bars: Sequence[Mapping[str, Any]], frame: Frame, note: str = "") -> Element:
    """Share that is true over mean score, with its interval; below, how many records each bin holds."""
    x, y = _axes(frame, [], [])
    most = max((bar["n"] for bar in bars), default=1)
    drawn: list[Child] = [_diagonal(x, y)]
    for bar in bars:
        left, right = x.place(bar["low"]), x.place(bar["high"])
        tall = 46 * bar["n"] / most
        drawn.append(tag("rect", class_="count", x=left + 1, width=right - left - 2, y=y.start - tall, height=tall))
    for bar in bars:
        at = x.place(bar["score"])
        drawn.append(
            tag("line", class_="whisker", x1=at, x2=at, y1=y.place(bar["share_low"]), y2=y.place(bar["share_high"]))
        )
        drawn.append(tag("circle", class_="bead", cx=at, cy=y.place(bar["share"]), r=3.5))
    drawn.append(_polyline([(bar["score"], bar["share"]) for bar in bars], x, y, "line s0 thin"))
    return _figure(frame, x, y, drawn, None, note)


def bar_plot(groups: Sequence[str], series: Mapping[str, Sequence[float]], frame: Frame, note: str = "") -> Element:
    """Horizontal bars, one of each series in each group."""
    thick = 13 if len(groups) < 30 else 7
    step = thick * len(series) + 9
    left = 16 + min(150, 7 * max((len(name) for name in groups), default=1))
    height = TOP + step * len(groups) + BOTTOM
    top = max((value for values in series.values() for value in values), default=1.0)
    x = Axis(0.0, (frame.x_range or (0, top * 1.04 or 1.0))[1], left, WIDTH - RIGHT)
    y = Axis(0.0, 1.0, height - BOTTOM, TOP)
    drawn: list[Child] = []
    for row, group in enumerate(groups):
        base = TOP + row * step + 5
        middle = base + thick * len(series) / 2
        drawn.append(tag("text", _clipped(group), class_="label", x=left - 6, y=middle + 4, text_anchor="end"))
        for number, values in enumerate(series.values()):
            long = x.place(values[row]) - left
            drawn.append(
                tag("rect", class_=f"bar b{number}", x=left, y=base + number * thick, width=long, height=thick - 2)
            )
    legend = (
        tag("ul", *(_key(name, f"b{i}") for i, name in enumerate(series)), class_="legend") if len(series) > 1 else None
    )
    body = [_grid(x, y, horizontal=False), *drawn, _x_title(frame, x, height)]
    return _wrapped(frame, body, height, legend, note)


def _axes(frame: Frame, xs: Sequence[float], ys: Sequence[float]) -> tuple[Axis, Axis]:
    x_low, x_high = frame.x_range or bounds(xs, margin=0.0 if frame.log_x else 0.02)
    y_low, y_high = frame.y_range or bounds(ys)
    if frame.log_y and not frame.y_range:
        known = [value for value in ys if value > 0] or [0.1, 1.0]
        y_low, y_high = min(known) / 1.3, max(known) * 1.3
    x = Axis(x_low, x_high, LEFT, WIDTH - RIGHT, frame.log_x, frame.whole_x)
    return x, Axis(y_low, y_high, HEIGHT - BOTTOM, TOP, frame.log_y)


def _figure(frame: Frame, x: Axis, y: Axis, drawn: Sequence[Child], legend: Element | None, note: str) -> Element:
    middle = (y.start + y.end) / 2
    title = tag(
        "text",
        frame.y_title,
        class_="title",
        x=14,
        y=middle,
        transform=f"rotate(-90 14 {middle:g})",
        text_anchor="middle",
    )
    return _wrapped(frame, [_grid(x, y), *drawn, _x_title(frame, x, HEIGHT), title], HEIGHT, legend, note)


def _wrapped(frame: Frame, body: Sequence[Child], height: float, legend: Element | None, note: str) -> Element:
    drawing = tag(
        "svg",
        *body,
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_label=f"{frame.title}: {frame.y_title} by {frame.x_title}",
    )
    said = tag("p", note, class_="note") if note else None
    return tag("figure", tag("figcaption", frame.title), drawing, legend, said)


def _grid(x: Axis, y: Axis, *, horizontal: bool = True) -> Element:
    parts: list[Child] = []
    for value in x.ticks:
        at = x.place(value)
        parts.append(tag("line", class_="grid", x1=at, x2=at, y1=y.start, y2=y.end))
        parts.append(tag("text", tick_text(value), class_="tick", x=at, y=y.start + 16, text_anchor="middle"))
    for value in y.ticks if horizontal else []:
        at = y.place(value)
        parts.append(tag("line", class_="grid", x1=x.start, x2=x.end, y1=at, y2=at))
        parts.append(tag("text", tick_text(value), class_="tick", x=x.start - 7, y=at + 4, text_anchor="end"))
    parts.append(tag("line", class_="axis", x1=x.start, x2=x.end, y1=y.start, y2=y.start))
    parts.append(tag("line", class_="axis", x1=x.start, x2=x.start, y1=y.start, y2=y.end))
    return tag("g", *parts)


def _x_title(frame: Frame, x: Axis, height: float) -> Element:
    return tag("text", frame.x_title, class_="title", x=(x.start + x.end) / 2, y=height - 8, text_anchor="middle")


def _diagonal(x: Axis, y: Axis) -> Element:
    low, high = max(x.low, y.low), min(x.high, y.high)
    return tag("line", class_="even", x1=x.place(low), y1=y.place(low), x2=x.place(high), y2=y.place(high))


def _runs(line: Line) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for a, b in zip(line.x, line.y, strict=True):
        if b is None or not math.isfinite(b):
            runs.append([])
        else:
            runs[-1].append((a, b))
    return [run for run in runs if run]


def _polyline(points: Sequence[tuple[float, float]], x: Axis, y: Axis, style: str) -> Element:
    if len(points) == 1:
        return tag(
            "circle", class_=style.replace("line", "point"), cx=x.place(points[0][0]), cy=y.place(points[0][1]), r=3.0
        )
    places = " ".join(f"{x.place(a):.1f},{y.place(b):.1f}" for a, b in points)
    return tag("polyline", class_=style, points=places)


def _style(number: int) -> str:
    return f"s{number}" if number < COLOURS else "rest"


def _legend(lines: Sequence[Line], frame: Frame) -> Element | None:
    keys = [_key(line.name, _style(number)) for number, line in enumerate(lines[:COLOURS]) if line.name]
    if len(lines) > COLOURS:
        keys.append(_key(f"{min(len(lines), MOST_LINES) - COLOURS} more of {len(lines)}", "rest"))
    if frame.mark_x is not None and frame.mark_name:
        keys.append(_key(frame.mark_name, "marked"))
    return tag("ul", *keys, class_="legend") if keys else None


def _key(name: str, style: str) -> Element:
    swatch = (
        tag("rect", class_=f"bar {style}", x=2, y=2, width=20, height=8)
        if style.startswith("b")
        else tag("line", class_="mark" if style == "marked" else f"line {style}", x1=1, x2=25, y1=6, y2=6)
    )
    return tag("li", tag("svg", swatch, viewBox="0 0 26 12", class_="swatch", aria_hidden="true"), name)


def _clipped(name: str) -> str:
    return name if len(name) <= 22 else name[:21] + "\N{HORIZONTAL ELLIPSIS}"
