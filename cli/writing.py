"""Files that a command writes: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer


def written(path: Path, content: bytes) -> dict[str, Any]:
    """Write a file and its folders; its entry in a document.

    Raises:
        typer.BadParameter: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise typer.BadParameter(f"It cannot be written: {error.strerror}.", param_hint="--output") from None
    return {"path": str(path), "bytes": len(content)}
