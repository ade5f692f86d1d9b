"""Where a plan is carried out, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.trainer.job.environment import DataCache

Report = Callable[[str, Mapping[str, Any]], None]


class Stopped(Exception):
    """The run was asked to stop and did, between two steps."""


@dataclass(frozen=True)
class Workplace:
    """Where a plan is carried out, and who is told.

    Attributes:
        folder: of checkpoints.
        outputs: where the finished files go.
        cache: for conditioned data.
        catch_up: told the epochs of the checkpoint that the run goes on from.
    """

    folder: Path
    outputs: Path
    cache: DataCache
    report: Report
    should_stop: Callable[[], bool]
    catch_up: Callable[[Sequence[Mapping[str, Any]]], None]

    def tell(self, message: str) -> None:
        """One sentence for the user."""
        self.report("log", {"message": message})

    def enter(self, phase: str) -> None:
        """What begins now: a name of `precordia.training_progress.Phase`, for those who watch."""
        self.report("phase", {"phase": phase})
