"""Settings of a recipe, as they are typed: flags of their own, and `--set KEY=VALUE` for all others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer


def parse_settings(texts: Sequence[str], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides of a recipe: the flags that were given (not None), and each KEY=VALUE.

    A value that reads as a number, true, false or a JSON value is that, everything else is text.

    Raises:
        typer.BadParameter: a text is not KEY=VALUE, or a key was given twice.
    """
    overrides = {name: value for name, value in flags.items() if value is not None}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise typer.BadParameter("A setting is KEY=VALUE: mixup=0, keep=best_loss.", param_hint="--set")
        if name in overrides:
            raise typer.BadParameter(f"'{name}' is given twice.", param_hint="--set")
        overrides[name] = _value(value.strip())
    return overrides


def _value(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refused)
    except ValueError:
        return text
    return text if value is None else value


def _refused(name: str) -> Any:
    raise typer.BadParameter(f"{name} is no number that a recipe takes.", param_hint="--set")
