"""Groups of commands that also take a bare name: `datasets NAME`, `models NAME`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

_BARE = "show"


class NamedGroup(TyperGroup):
    """What is none of its commands goes to its command `show`; so does nothing at all."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `show` in front where no command is named."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = [_BARE, *args]
        return super().parse_args(ctx, args)
