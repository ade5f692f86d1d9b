"""Long work in other processes that a test holds at a certain point, and lets go."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "held"


class Hold:
    """Where work waits. Processes that have its `variables` in their environment obey it; see `held`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def variables(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH", ""))))
        return {"PRECORDIA_TEST_HOLD": str(self._folder), "PYTHONPATH": path}

    def after(self, kind: str, count: int) -> None:
        """Whoever has reported so many events of this kind waits; of "progress", who has come so far."""
        temporary = self._folder / f".{kind}"
        temporary.write_text(str(count))
        temporary.replace(self._folder / kind)

    @property
    def publication_waits(self) -> bool:
        """Whether the registry holds a publication."""
        return (self._folder / ".publication-waits").exists()

    def release(self, *kinds: str) -> None:
        """Work of these kinds goes on; without any, all does."""
        for kind in kinds or [path.name for path in self._folder.iterdir()]:
            (self._folder / kind).unlink(missing_ok=True)
