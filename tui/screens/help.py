"""All keys, from the registry of bindings."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.bindings import SECTIONS, Key

_NAMES = {"question_mark": "?", "plus": "+", "minus": "-", "equals_sign": "=", "escape": "esc"}


class HelpScreen(ModalScreen[None]):
    """A page of keys."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,question_mark,f1,enter", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        """One table with a section for each group."""
        with VerticalScroll(classes="dialog") as dialog:
            dialog.border_title = "Keys"
            dialog.border_subtitle = "esc closes"
            yield Static(key_table())


def key_table() -> Table:
    """Keys and what they do."""
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(style="bold", no_wrap=True, width=21)
    table.add_column()
    for index, (title, keys) in enumerate(SECTIONS):
        table.add_row("", Text("\n" * bool(index) + title, style="dim"))
        for key in keys:
            table.add_row(_said(key), key.said)
    return table


def _said(key: Key) -> str:
    return ", ".join(_NAMES.get(name, name) for name in key.keys.split(","))
