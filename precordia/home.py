"""The one folder in which everything is kept when nothing else is said."""

from __future__ import annotations

import os
from pathlib import Path


def home_folder() -> Path:
    """The data folder: PRECORDIA_HOME, else `precordia` where the user's applications keep data."""
    said = os.environ.get("PRECORDIA_HOME")
    if said:
        return Path(said).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "precordia"
