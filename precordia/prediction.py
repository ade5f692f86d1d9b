"""Scores and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from precordia.dataset import SplitRef
from precordia.manifest import Task
from precordia.record import Remark, Sex, Signal
from precordia.stored import StoredRecording


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
    """The scores of one ECG and their provenance; or, where it could not be scored, the error.

    Attributes:
        input_sha256: of what the graph was given: the conditioned windows, and the row of co-inputs behind
            them where the model has some.
        operating_points_revision: of the thresholds and the calibration that the registry keeps beside the
            version; 0 = it had none. None where nobody noted it.
    """

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
    operating_points_revision: int | None = None

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
class KeptPrediction:
    """One answer that was given for a stored recording; numbers rise with time.

    `operation_id` is set where it was made for a dataset.
    """

    number: int
    prediction: Prediction
    operation_id: str = ""


@dataclass(frozen=True)
class KeptQuery:
    """Which kept predictions are asked for; what is empty or None does not narrow the list.

    Attributes:
        model: a model's name.
        since: made at or after.
        until: made before.
        label: an output that the prediction has.
        at_least: the least score of that output.
    """

    recording_id: str = ""
    model: str = ""
    version: int = 0
    model_digest: str = ""
    since: datetime | None = None
    until: datetime | None = None
    label: str = ""
    at_least: float | None = None
    operation_id: str = ""


@dataclass(frozen=True)
class RecordTruth:
    """What a dataset says of one record: labels, or values by output for regression, and the pseudonymous patient."""

    labelled: bool
    labels: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    patient: str = ""


@dataclass(frozen=True)
class ScoredRecord:
    """A prediction that an operation made; of an evaluation, with the split and what the dataset says there."""

    prediction: Prediction
    split: SplitRef | None = None
    truth: RecordTruth | None = None


@dataclass(frozen=True)
class FilePrediction:
    """A file's recordings as ingest read them, and their scores in the same order.

    `created` is False where the recordings were there before, and where nothing is kept.
    """

    recordings: tuple[StoredRecording, ...]
    created: bool
    predictions: tuple[Prediction, ...]


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
    measured_rate: dict[int, float] = field(default_factory=dict)
    threads: int = 1
    memory_bytes: int = 0
    refused: int = 0
