"""A page of characters and ink, turned into Strips once it is complete."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from itertools import pairwise

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.braille import BLANK, Cells


class Ink(IntEnum):
    """What a cell shows, and so its colour."""

    PAPER = 0
    TRACE = 1
    LABEL = 2
    NOTE = 3
    MARK = 4
    ALERT = 5
    SECOND = 6


class Canvas:
    """Characters (height, width) and their inks."""

    def __init__(self, width: int, height: int) -> None:
        self.codes = np.full((height, width), ord(" "), np.uint32)
        self.inks = np.zeros((height, width), np.uint8)

    def paper(self, x: int, y: int, cells: Cells) -> None:
        """Lay paper; blank cells stay blank."""
        area = np.s_[y : y + cells.shape[0], x : x + cells.shape[1]]
        self.codes[area] = np.where(cells > 0, cells.astype(np.uint32) + BLANK, ord(" "))
        self.inks[area] = Ink.PAPER

    def draw(self, x: int, y: int, cells: Cells, ink: Ink) -> None:
        """Draw over what is there; a cell that is drawn on shows nothing else."""
        area = np.s_[y : y + cells.shape[0], x : x + cells.shape[1]]
        on = cells > 0
        self.codes[area] = np.where(on, cells.astype(np.uint32) + BLANK, self.codes[area])
        self.inks[area] = np.where(on, np.uint8(ink), self.inks[area])

    def text(self, x: int, y: int, text: str, ink: Ink) -> None:
        """Write one line, cut off at the right edge."""
        height, width = self.codes.shape
        if not 0 <= y < height or x >= width:
            return
        shown = np.array([ord(character) for character in text[: width - x]], np.uint32)
        self.codes[y, x : x + shown.size] = shown
        self.inks[y, x : x + shown.size] = ink

    def strips(self, styles: Mapping[Ink, Style]) -> list[Strip]:
        """One Strip a row."""
        by_ink = [styles[ink] for ink in Ink]
        return [self._strip(row, by_ink) for row in range(self.codes.shape[0])]

    def _strip(self, row: int, styles: list[Style]) -> Strip:
        inks = self.inks[row]
        line = self.codes[row].astype("<u4").tobytes().decode("utf-32-le")
        starts = [0, *(np.flatnonzero(np.diff(inks)) + 1).tolist(), inks.size]
        segments = [Segment(line[first:stop], styles[inks[first]]) for first, stop in pairwise(starts)]
        return Strip(segments, inks.size)
