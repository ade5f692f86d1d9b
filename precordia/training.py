"""What a training run is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from precordia.dataset import SplitRef
from precordia.manifest import Task
from precordia.steps import Step


class Method(Enum):
    """Which parameters learn."""

    SCRATCH = "scratch"
    HEAD = "head"
    """Only the head; everything else, BatchNorm statistics too, stays."""
    ALL = "all"


@dataclass(frozen=True)
class TrainingSpec:
    """Everything that makes a run repeatable. None and empty take the recipe's default.

    Attributes:
        train, validation, test: splits; without a validation split one is drawn from the training
            records, stratified, by patient.
        label_group, labels: what to learn; empty group = the dataset's first, empty labels = all.
        optional_leads: those of the input's leads that an ECG may lack; empty = the base's.
        base: a network's name for scratch, else a model reference.
        recipe: "default", "published", ...
        overrides: settings of the recipe that differ from its defaults.
    """

    train: SplitRef
    base: str
    method: Method = Method.SCRATCH
    validation: SplitRef | None = None
    test: SplitRef | None = None
    label_group: str = ""
    labels: tuple[str, ...] = ()
    task: Task | None = None
    sample_rate_hz: float | None = None
    duration_s: float | None = None
    leads: tuple[str, ...] = ()
    conditioning: tuple[Step, ...] = ()
    recipe: str = ""
    seed: int = 0
    max_epochs: int | None = None
    batch_size: int | None = None
    max_learning_rate: float | None = None
    validation_fraction: float | None = None
    threads: int | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    optional_leads: tuple[str, ...] = ()


@dataclass(frozen=True)
class WeightsContract:
    """What weights answer and what they must be given; what is empty is as the network was published.

    Attributes:
        network: that the weights belong to.
        labels: what the outputs mean, in their order.
        task: None = multilabel.
    """

    network: str
    labels: tuple[str, ...] = ()
    task: Task | None = None
    leads: tuple[str, ...] = ()
    sample_rate_hz: float | None = None
    duration_s: float | None = None
    conditioning: tuple[Step, ...] = ()


@dataclass(frozen=True)
class NetworkInfo:
    """A network that can be trained from scratch, with its size at 12 leads and 5 outputs.

    Attributes:
        flops: multiplications with addition for one ECG of `duration_s` at `sample_rate_hz`, as
            papers count them; 0 = not known.
    """

    name: str
    summary: str
    parameters: int
    reference: str
    flops: int = 0
    sample_rate_hz: float = 0.0
    duration_s: float = 0.0


@dataclass(frozen=True)
class TrainerStatus:
    """What a trainer can do now. `queue`: ids of the jobs that wait, the next one first."""

    can_train: bool
    message: str
    engine: str
    devices: tuple[str, ...] = ()
    running: int = 0
    waiting: int = 0
    queue: tuple[str, ...] = ()
