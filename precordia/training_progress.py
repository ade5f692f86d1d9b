"""How far a training job is: its numbered events, folded into one value that a screen can show."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from precordia.operation import Operation, OperationEvent, OperationState

KIND = "train"
"""The kind of operation that training jobs are."""

_SENTENCES_KEPT = 200
_EPOCHS_TIMED = 8
"""Epochs whose median says how long the next ones take: the first ones are slower than the rest."""


class Phase(Enum):
    """What a job is doing."""

    WAITING = "waiting"
    PREPARING = "preparing"
    RANGE_TEST = "range_test"
    TRAINING = "training"
    EXPORTING = "exporting"
    PUBLISHED = "published"


PHASES: tuple[tuple[Phase, str], ...] = (
    (Phase.WAITING, "queue"),
    (Phase.PREPARING, "fetch and condition"),
    (Phase.RANGE_TEST, "learning rate"),
    (Phase.TRAINING, "train"),
    (Phase.EXPORTING, "evaluate and export"),
    (Phase.PUBLISHED, "published"),
)
"""Phases in their order, in words."""


class Standing(Enum):
    """Where a phase stands."""

    OVER = "over"
    NOW = "now"
    STOPPED = "stopped"
    """The job ended in it, without a model."""
    AHEAD = "ahead"


@dataclass(frozen=True)
class Figure:
    """A figure that epochs report: its name in the event, its name on a screen, which way is better."""

    name: str
    words: str
    less_is_better: bool = False
    is_loss: bool = False


FIGURES: tuple[Figure, ...] = (
    Figure("train_loss", "training loss", less_is_better=True, is_loss=True),
    Figure("validation_loss", "validation loss", less_is_better=True, is_loss=True),
    Figure("auroc_macro", "AUROC"),
    Figure("f1_weighted", "weighted F1"),
    Figure("f1_macro", "macro F1"),
    Figure("accuracy", "accuracy"),
    Figure("mae_macro", "mean absolute error", less_is_better=True),
    Figure("rmse_macro", "root mean squared error", less_is_better=True),
)
"""What is shown of an epoch, in this order."""


@dataclass(frozen=True)
class Epoch:
    """One finished epoch.

    Attributes:
        number: from 1.
        planned: epochs that the run has at most.
        member: which of several networks or folds, from 1; 0 where there is one only.
        members: how many.
        network: of this member; empty where the event does not say.
        figures: by name, numbers only.
    """

    number: int
    planned: int
    member: int = 0
    members: int = 0
    network: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def of(payload: Mapping[str, Any]) -> Epoch:
        """From an epoch event."""
        figures = {
            name: float(value)
            for name, value in payload.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and name not in _PLACES
        }
        places = {name: int(payload.get(name) or 0) for name in _PLACES}
        return Epoch(
            number=places["epoch"],
            planned=places["epochs"],
            member=places["member"],
            members=places["members"],
            network=str(payload.get("network") or ""),
            figures=figures,
        )


_PLACES = ("epoch", "epochs", "member", "members")


@dataclass(frozen=True)
class TrainingProgress:
    """Everything that a screen shows of a job, after the event `number`.

    Attributes:
        position: place in the queue, from 1; 0 = not known.
        part: of the data that is being fetched ("train", "test"), with `done` of `total` records.
        epochs: all, in the order of their events.
        sentences: what the trainer said, the newest last.
        published: model, version and digest.
        began_at, changed_at: times of the first event of the run, and of the newest event.
    """

    state: OperationState = OperationState.PENDING
    phase: Phase = Phase.WAITING
    position: int = 0
    part: str = ""
    done: int = 0
    total: int = 0
    epochs: tuple[Epoch, ...] = ()
    sentences: tuple[str, ...] = ()
    published: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 0
    number: int = 0
    began_at: datetime | None = None
    changed_at: datetime | None = None

    def after(self, event: OperationEvent) -> TrainingProgress:
        """The progress once this event is known. An event of an unknown kind changes nothing but the number."""
        change = _CHANGES.get(event.kind)
        changed = change(self, event) if change else self
        return replace(changed, number=event.number, changed_at=event.at or self.changed_at)

    @property
    def epoch(self) -> Epoch | None:
        """The newest."""
        return self.epochs[-1] if self.epochs else None

    @property
    def of_member(self) -> tuple[Epoch, ...]:
        """The epochs of the member that is training, or trained last."""
        if not self.epochs:
            return ()
        member = self.epochs[-1].member
        return tuple(epoch for epoch in self.epochs if epoch.member == member)

    @property
    def best(self) -> Epoch | None:
        """The epoch of the member with the smallest validation loss; the first of equal ones."""
        measured = [epoch for epoch in self.of_member if "validation_loss" in epoch.figures]
        return min(measured, key=lambda epoch: epoch.figures["validation_loss"], default=None)

    def curve(self, name: str) -> tuple[float | None, ...]:
        """A figure of the member by epoch; None where an epoch does not have it."""
        return tuple(epoch.figures.get(name) for epoch in self.of_member)

    def figures(self) -> tuple[Figure, ...]:
        """Those of `FIGURES` that the member's epochs have."""
        present = {name for epoch in self.of_member for name in epoch.figures}
        return tuple(figure for figure in FIGURES if figure.name in present)

    @property
    def epoch_s(self) -> float | None:
        """Seconds that an epoch takes; None before the first."""
        timed = [epoch.figures["seconds"] for epoch in self.of_member if "seconds" in epoch.figures]
        return statistics.median(timed[-_EPOCHS_TIMED:]) if timed else None

    @property
    def share(self) -> float | None:
        """How much of all planned epochs is over, 0 to 1; None before the first epoch."""
        newest = self.epoch
        if self.phase in (Phase.EXPORTING, Phase.PUBLISHED):
            return 1.0
        if newest is None or not newest.planned:
            return None
        members = max(newest.members, 1)
        return min(1.0, (max(newest.member, 1) - 1 + newest.number / newest.planned) / members)

    def left_s(self, now: datetime | None = None) -> float | None:
        """Seconds until the last planned epoch is over, at most; None where that cannot be said yet.

        An epoch under way counts as far as it is by the clock.
        """
        newest, epoch_s = self.epoch, self.epoch_s
        if newest is None or epoch_s is None or self.phase is not Phase.TRAINING:
            return None
        further = (max(newest.members, 1) - max(newest.member, 1)) * newest.planned
        epochs = newest.planned - newest.number + further
        under_way = (now - self.changed_at).total_seconds() if now and self.changed_at else 0.0
        return max(0.0, epochs * epoch_s - min(max(under_way, 0.0), epoch_s))


def standings(progress: TrainingProgress) -> tuple[tuple[str, Standing], ...]:
    """Each phase in words, and where it stands; the search for a learning rate only while it runs, as few have it."""
    order = [phase for phase, _ in PHASES]
    at = order.index(progress.phase)
    ended = progress.state.finished and progress.state is not OperationState.SUCCEEDED
    here = Standing.STOPPED if ended else Standing.NOW
    found = []
    for index, (phase, words) in enumerate(PHASES):
        standing = Standing.OVER if index < at else here if index == at else Standing.AHEAD
        if progress.state is OperationState.SUCCEEDED:
            standing = Standing.OVER
        if phase is not Phase.RANGE_TEST or phase is progress.phase:
            found.append((words, standing))
    return tuple(found)


def _state(progress: TrainingProgress, event: OperationEvent) -> TrainingProgress:
    state = OperationState(event.payload["state"])
    if state is OperationState.PENDING:
        return replace(progress, state=state)
    attempt = int(event.payload.get("attempt") or progress.attempt)
    again = state is OperationState.RUNNING and attempt > 1
    said = (f"Attempt {attempt} goes on from what was kept.",) if again else ()
    phase = progress.phase
    if state is OperationState.RUNNING and phase is Phase.WAITING:
        phase = Phase.PREPARING
    return replace(
        progress,
        state=state,
        phase=phase,
        position=0,
        attempt=attempt,
        began_at=progress.began_at or event.at,
        sentences=_kept(progress.sentences + said),
    )


def _log(progress: TrainingProgress, event: OperationEvent) -> TrainingProgress:
    return replace(progress, sentences=_kept((*progress.sentences, str(event.payload.get("message", "")))))


def _preparing(progress: TrainingProgress, event: OperationEvent) -> TrainingProgress:
    part, done, total = str(event.payload.get("part") or ""), _number(event, "done"), _number(event, "total")
    return replace(progress, phase=Phase.PREPARING, part=part, done=done, total=total)


def _phase(progress: TrainingProgress, event: OperationEvent) -> TrainingProgress:
    known = {phase.value: phase for phase in Phase}
    return replace(progress, phase=known.get(str(event.payload.get("phase")), progress.phase))


def _epoch(progress: TrainingProgress, event: OperationEvent) -> TrainingProgress:
    """The newest epoch; one that an attempt trained again takes the place of the first."""
    epoch = Epoch.of(event.payload)
    place, before = (epoch.member, epoch.number), progress.epochs
    if before and place <= (before[-1].member, before[-1].number):
        before = tuple(one for one in before if (one.member, one.number) != place)
    return replace(progress, phase=Phase.TRAINING, epochs=(*before, epoch))


def _published(progress: TrainingProgress, event: OperationEvent) -> TrainingProgress:
    return replace(progress, phase=Phase.PUBLISHED, published=dict(event.payload))


def _queue(progress: TrainingProgress, event: OperationEvent) -> TrainingProgress:
    return replace(progress, position=_number(event, "position"))


_CHANGES = {
    "state": _state,
    "log": _log,
    "preparing": _preparing,
    "phase": _phase,
    "epoch": _epoch,
    "published": _published,
    "queue": _queue,
}


def _number(event: OperationEvent, name: str) -> int:
    return int(event.payload.get(name) or 0)


def _kept(sentences: tuple[str, ...]) -> tuple[str, ...]:
    return sentences[-_SENTENCES_KEPT:]


@dataclass(frozen=True)
class TrainingFacts:
    """What a training job was asked for, as its operation keeps it."""

    name: str
    base: str
    method: str
    dataset: str
    recipe: str
    label_group: str = ""

    @staticmethod
    def of(operation: Operation) -> TrainingFacts:
        """From an operation of kind `KIND`; what it does not say is empty."""
        spec = operation.request.get("spec") or {}
        train = spec.get("train") or {}
        split = f":{train['split']}" if train.get("split") else ""
        return TrainingFacts(
            name=str(operation.request.get("name", "")),
            base=str(spec.get("base", "")),
            method=str(spec.get("method", "scratch")),
            dataset=f"{train.get('dataset', '')}{split}",
            recipe=str(spec.get("recipe", "") or "default"),
            label_group=str(spec.get("label_group", "")),
        )


def places_in_queue(operations: tuple[Operation, ...]) -> dict[str, int]:
    """The waiting jobs' places by id, from 1: they are taken in the order in which they were asked for."""
    waiting = [one for one in operations if one.state is OperationState.PENDING and one.created_at is not None]
    waiting.sort(key=lambda one: (one.created_at is None, one.created_at))
    return {one.operation_id: place for place, one in enumerate(waiting, start=1)}


def with_place(progress: TrainingProgress, place: int) -> TrainingProgress:
    """The progress with a place in the queue, while the job still waits."""
    return replace(progress, position=place) if progress.state is OperationState.PENDING else progress


_ENDS = {
    OperationState.SUCCEEDED: "finished",
    OperationState.FAILED: "failed",
    OperationState.CANCELLED: "called off",
}


def step_words(progress: TrainingProgress) -> str:
    """What is done at the moment, in words."""
    newest = progress.epoch
    if progress.state.finished:
        return _end_words(progress)
    if progress.phase is Phase.WAITING:
        return waiting_words(progress.position)
    if progress.phase is Phase.PREPARING:
        return f"{progress.part or 'data'}: {progress.done} of {progress.total} records" if progress.total else "data"
    if progress.phase is Phase.TRAINING and newest is not None:
        return f"{member_words(progress)}epoch {newest.number}/{newest.planned}"
    return {
        Phase.RANGE_TEST: "looking for a learning rate on training data",
        Phase.TRAINING: "first epoch",
        Phase.EXPORTING: "evaluating and exporting",
    }.get(progress.phase, "published")


def waiting_words(position: int) -> str:
    """The place in the queue, as far as it is known."""
    return f"waiting, place {position} in the queue" if position else "waiting"


def member_words(progress: TrainingProgress) -> str:
    """Which network of several, where there are several."""
    newest = progress.epoch
    if newest is None or newest.members < 2:
        return ""
    network = f" ({newest.network})" if newest.network else ""
    return f"network {newest.member} of {newest.members}{network}, "


def _end_words(progress: TrainingProgress) -> str:
    words = _ENDS[progress.state]
    if progress.published:
        words += f": {progress.published.get('model', '')} version {progress.published.get('version', '')} is published"
    elif progress.epoch is not None:
        words += f" after epoch {progress.epoch.number}"
    return words


def duration_words(seconds: float) -> str:
    """A length of time, as exact as a person needs it."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
