"""Which services answer."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widgets import Static

from precordia.client import ServiceHealth

_MARKS = {"serving": ("●", "#8fbf7f"), "not_serving": ("◐", "#e3b765"), "unreachable": ("○", "#f26d5b")}

_NEEDED = ("ingest", "registry", "inference")
"""What this screen cannot do without. A trainer that is away is no fault here."""


class Services(Static):
    """One mark for each service; in words where one that is needed is away."""

    services: reactive[tuple[ServiceHealth, ...]] = reactive(())

    def render(self) -> Text:
        """One line."""
        text = Text(no_wrap=True, overflow="ellipsis")
        if not self.services:
            return text.append("connecting ...", style="dim")
        for service in self.services:
            mark, colour = _MARKS[service.state]
            text.append(f"{mark} ", style=colour)
            text.append(f"{service.service}  ", style="" if service.serving else colour)
        away = [service.service for service in self.services if not service.serving and service.service in _NEEDED]
        if away:
            text.append(f" disconnected from {', '.join(away)}: trying again", style="bold #f26d5b")
        return text
