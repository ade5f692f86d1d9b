"""What a command says: its product on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 200  # columns where nobody watches: wide enough that nothing is cut short

Step = Callable[[int, int], None]
"""Progress so far: done, total (0 = not known)."""


def _console(stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=stderr)


class Output:
    """One command's voice. With `as_json` stdout holds one JSON document and nothing else."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._out = _console(stderr=False)
        self._err = _console(stderr=True)

    @property
    def watched(self) -> bool:
        """Whether stderr is a terminal, where a view that changes can be shown."""
        return self._err.is_terminal

    def say(self, text: str, style: str = "dim") -> None:
        """One line of narration."""
        self._err.print(Text(text, style=style))

    def refuse(self, text: str) -> None:
        """One line about something that was refused."""
        self.say(text, style="red")

    def document(self, document: Mapping[str, Any]) -> None:
        """The product as JSON. Numbers that are none (NaN) become null."""
        if self.as_json:
            sys.stdout.write(json.dumps(_finite(document), ensure_ascii=False) + "\n")
            sys.stdout.flush()

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """The product for people; columns that begin with '#' hold numbers."""
        if self.as_json:
            return
        if not rows:
            self._out.print(Text(f"No {title}.", style="dim"))
            return
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(column.lstrip("#"), justify="right" if column.startswith("#") else "left", overflow="fold")
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
        self._out.print(table)

    def line(self, text: str = "", style: str = "") -> None:
        """A line of the product for people."""
        if not self.as_json:
            self._out.print(Text(text, style=style), soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: int = 0) -> Iterator[Step]:
        """A bar on stderr, where that is a terminal; call what it gives with done and total."""
        if not self._err.is_terminal:
            yield lambda done, total: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._err, transient=True) as progress:
            task = progress.add_task(what, total=total or None)
            yield lambda done, total: progress.update(task, completed=done, total=total or None)

    @contextmanager
    def live(self, view: Callable[[], RenderableType]) -> Iterator[None]:
        """A view on stderr that is drawn anew four times a second; its last state stays. Narration goes above it."""
        with Live(console=self._err, get_renderable=view, refresh_per_second=4):
            yield


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
