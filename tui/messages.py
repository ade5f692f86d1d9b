"""Everything that workers tell the screen. Values only: a worker never touches a widget."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from precordia.catalog import ModelVersion
from precordia.client import ServiceHealth
from precordia.dataset import Dataset, Snapshot
from precordia.operation import Operation
from precordia.prediction import Prediction
from precordia.stored import StoredRecording
from precordia.training import NetworkInfo, TrainerStatus
from precordia.training_progress import TrainingProgress
from tui.traces import Trace


class Replaceable(Message):
    """A message that makes an older one of its kind pointless while both wait."""

    def can_replace(self, message: Message) -> bool:
        """Whether the older message may be dropped."""
        return type(message) is type(self)


class ServicesSeen(Replaceable):
    """How the services answer."""

    def __init__(self, services: tuple[ServiceHealth, ...]) -> None:
        super().__init__()
        self.services = services


class RecordingsListed(Replaceable):
    """All recordings, as ingest lists them."""

    def __init__(self, recordings: tuple[StoredRecording, ...]) -> None:
        super().__init__()
        self.recordings = recordings


class ModelsListed(Replaceable):
    """The newest version of each model."""

    def __init__(self, models: tuple[ModelVersion, ...]) -> None:
        super().__init__()
        self.models = models


@dataclass(frozen=True)
class ShownRecording:
    """A recording and its traces; without traces, why there are none."""

    recording: StoredRecording
    traces: tuple[Trace, ...]
    note: str = ""


class RecordingLoaded(Replaceable):
    """A recording to show."""

    def __init__(self, shown: ShownRecording) -> None:
        super().__init__()
        self.shown = shown


class PredictionMade(Replaceable):
    """A model's opinion on a recording, or why there is none."""

    def __init__(self, recording_id: str, model: str, prediction: Prediction | None, problem: str = "") -> None:
        super().__init__()
        self.recording_id = recording_id
        self.model = model
        self.prediction = prediction
        self.problem = problem


class Failed(Message):
    """Something that was asked for cannot be had. `again` = it is asked for again once the services are back."""

    def __init__(self, what: str, message: str, *, again: bool) -> None:
        super().__init__()
        self.what = what
        self.message = message
        self.again = again


@dataclass(frozen=True)
class ImportVerdict:
    """What became of one file."""

    name: str
    imported: int
    problem: str = ""


class ImportFinished(Message):
    """All files of an import have their verdict."""

    def __init__(self, verdicts: tuple[ImportVerdict, ...], first_recording: str) -> None:
        super().__init__()
        self.verdicts = verdicts
        self.first_recording = first_recording


class JobsListed(Replaceable):
    """All training jobs, newest first, and what the trainer can do; without a trainer, what is wrong."""

    def __init__(self, jobs: tuple[Operation, ...], status: TrainerStatus | None, problem: str = "") -> None:
        super().__init__()
        self.jobs = jobs
        self.status = status
        self.problem = problem


class JobSeen(Replaceable):
    """How far a training job is."""

    def __init__(self, job: str, progress: TrainingProgress) -> None:
        super().__init__()
        self.job = job
        self.progress = progress


@dataclass(frozen=True)
class TrainingChoices:
    """What a training can be made of: datasets with labels, each with its newest snapshot, networks, models."""

    datasets: tuple[tuple[Dataset, Snapshot | None], ...]
    networks: tuple[NetworkInfo, ...]
    models: tuple[ModelVersion, ...]


class ChoicesKnown(Message):
    """What a new training can be made of, or why that is not known."""

    def __init__(self, choices: TrainingChoices | None, problem: str = "") -> None:
        super().__init__()
        self.choices = choices
        self.problem = problem


class TrainingAnswered(Message):
    """The trainer took a job, or said why not."""

    def __init__(self, job: str, problem: str = "") -> None:
        super().__init__()
        self.job = job
        self.problem = problem
