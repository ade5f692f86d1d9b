"""Scores and what they rest on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from precordia.manifest import Task
from precordia.record import Remark, Sex, Signal


class Priority(Enum):
    """Who waits for the answer. Lower values go first."""

    STAT = 1
    """A clinician waits."""
    ROUTINE = 2
    BACKGROUND = 3


@dataclass(frozen=True, eq=False)
class PredictInput:
    """A stored recording, or a signal sent along with what is known of the patient."""

    recording_id: str = ""
    signal: Signal | None = None
    age_years: float | None = None
    sex: Sex | None = None
    tag: str = ""


@dataclass(frozen=True)
class Score:
    """One output: a probability, or a value in `unit` for regression."""

    name: str
    value: float
    code: str = ""
    unit: str = ""
    threshold: float | None = None


@dataclass(frozen=True)
class Prediction:
    """The scores of one ECG and their provenance; or, where it could not be scored, the error."""

    model: str
    version: int
    model_digest: str
    task: Task | None
    scores: tuple[Score, ...] = ()
    recording_id: str = ""
    tag: str = ""
    remarks: tuple[Remark, ...] = ()
    input_sha256: str = ""
    predicted_at: datetime | None = None
    windows: int = 1
    error_reason: str = ""
    error_message: str = ""

    def score(self, name: str) -> float:
        """The value of one output.

        Raises:
            KeyError: the model has no such output.
        """
        for score in self.scores:
            if score.name == name:
                return score.value
        raise KeyError(name)


@dataclass(frozen=True)
class LoadedModel:
    """A model as inference holds it: what it runs on and how it is batched."""

    name: str
    version: int
    digest: str
    aliases: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    max_batch: int = 1
    sessions: int = 1
    max_delay_ms: float = 0.0
    queue_depth: int = 0
    queue_capacity: int = 0
    executed: int = 0
    dropped_expired: int = 0
    dropped_cancelled: int = 0
    measured_ms: dict[int, float] = field(default_factory=dict)
