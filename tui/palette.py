"""Colours: ECG paper by night, and by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rich.style import Style

from tui.canvas import Ink


@dataclass(frozen=True)
class Palette:
    """Colours of the chart."""

    name: str
    inks: Mapping[Ink, Style]
    blank: Style


def _palette(name: str, background: str, **colours: str) -> Palette:
    inks = {Ink[ink.upper()]: Style(color=colour, bgcolor=background) for ink, colour in colours.items()}
    inks[Ink.LABEL] = Style(color=colours["label"], bgcolor=background, bold=True)
    return Palette(name, MappingProxyType(inks), Style(bgcolor=background))


NIGHT = _palette(
    "night",
    "#17110f",
    paper="#6b3338",
    trace="#f3ece2",
    label="#f0a58f",
    note="#a08580",
    mark="#b98a7f",
    alert="#ffb454",
    second="#7fb2e5",
)
DAY = _palette(
    "day",
    "#fdf3ef",
    paper="#efb3ab",
    trace="#22181a",
    label="#a8322d",
    note="#8a6f6a",
    mark="#7a4a44",
    alert="#b35c00",
    second="#1f5f9e",
)

_SCORE_COLOURS = ((0.2, "#6b7d88"), (0.4, "#86a3a6"), (0.6, "#b9b58a"), (0.8, "#e0b866"), (float("inf"), "#f7c948"))


def score_colour(score: float) -> str:
    """From slate for the unlikely to gold for the likely. No red: a score is no alarm."""
    return next(colour for limit, colour in _SCORE_COLOURS if score < limit)
