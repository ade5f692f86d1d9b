"""How a candidate's scores of the same ECGs differ from those of the version in service, and how long each took.

Counted on the event loop alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from precordia.catalog import ModelVersion
from precordia.manifest import Manifest, Task
from precordia.traffic import Comparison, ScoreDifference, TrafficSide
from services.inference.models.serving import OperatingPoints
from services.inference.scoring.running import Answer
from services.inference.scoring.scores import Scored, Scores, activate

DEFAULT_THRESHOLD = 0.5


@dataclass
class SideCount:
    """Inputs that one version answered."""

    answered: int = 0
    failed: int = 0
    total_ms: float = 0.0
    max_ms: float = 0.0

    def add(self, milliseconds: float, count: int = 1) -> None:
        """Some more, answered together."""
        self.answered += count
        self.total_ms += count * milliseconds
        self.max_ms = max(self.max_ms, milliseconds)

    def told(self) -> TrafficSide:
        """As it stands."""
        mean_ms = self.total_ms / self.answered if self.answered else 0.0
        return TrafficSide(self.answered, self.failed, mean_ms, self.max_ms)

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> SideCount:
        """From what `dataclasses.asdict` made."""
        return SideCount(int(kept["answered"]), int(kept["failed"]), float(kept["total_ms"]), float(kept["max_ms"]))


@dataclass(frozen=True)
class Judge:
    """What a version's scores mean: its outputs by name, and how it decides."""

    manifest: Manifest
    thresholds: Mapping[str, float]
    temperature: float = 1.0

    @staticmethod
    def of(version: ModelVersion) -> Judge:
        """A version's own, as the registry keeps it."""
        points = OperatingPoints.of(version)
        return Judge(version.manifest, points.thresholds, points.temperature)

    def scores(self, answer: Answer) -> Scores | None:
        """In the order of the outputs, from an ECG's answer or a tensor's.

        None where they were not asked for, or where one is no finite number.
        """
        if isinstance(answer, Scored):
            return answer.values
        raw = answer.tensors.get(self.manifest.output_name)
        if raw is None or not np.isfinite(raw).all():
            return None
        activated = activate(raw.reshape(1, -1).astype(np.float64) / self.temperature, self.manifest.activation)
        row: Scores = activated[0]
        return row

    def decides(self, scores: Mapping[str, float]) -> dict[str, bool]:
        """By output: whether it is called. A value of a regression is no decision."""
        if self.manifest.task is Task.REGRESSION:
            return {}
        if self.manifest.task is Task.MULTICLASS:
            highest = max(scores, key=lambda name: scores[name])
            return {name: name == highest for name in scores}
        return {name: value >= self.thresholds.get(name, DEFAULT_THRESHOLD) for name, value in scores.items()}


@dataclass
class _OutputCount:
    total: float = 0.0
    largest: float = 0.0
    disagreements: int = 0


@dataclass
class Differences:
    """Differences of two versions, by the outputs that both have."""

    compared: int = 0
    disagreements: int = 0
    by_output: dict[str, _OutputCount] = field(default_factory=dict)

    def add(self, current: Judge, ours: Scores, candidate: Judge, theirs: Scores) -> None:
        """One input more."""
        before = dict(zip(current.manifest.output_names, ours.tolist(), strict=True))
        after = dict(zip(candidate.manifest.output_names, theirs.tolist(), strict=True))
        called, called_after = current.decides(before), candidate.decides(after)
        differ = False
        for name in [name for name in before if name in after]:
            count = self.by_output.setdefault(name, _OutputCount())
            apart = abs(after[name] - before[name])
            count.total += apart
            count.largest = max(count.largest, apart)
            if called.get(name) != called_after.get(name):
                count.disagreements += 1
                differ = True
        self.compared += 1
        self.disagreements += differ

    def told(self) -> tuple[ScoreDifference, ...]:
        """As they stand, by output."""
        return tuple(
            ScoreDifference(name, count.total / self.compared, count.largest, count.disagreements)
            for name, count in self.by_output.items()
        )

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> Differences:
        """From what `dataclasses.asdict` made."""
        outputs = {
            str(name): _OutputCount(float(one["total"]), float(one["largest"]), int(one["disagreements"]))
            for name, one in kept["by_output"].items()
        }
        return Differences(int(kept["compared"]), int(kept["disagreements"]), outputs)


@dataclass
class ComparisonCount:
    """What became of the inputs of one kind, canary or shadow, that were meant to be scored by both versions.

    `current` and `candidate` are their runs alone; `skipped` were left out.
    """

    current: SideCount = field(default_factory=SideCount)
    candidate: SideCount = field(default_factory=SideCount)
    differences: Differences = field(default_factory=Differences)
    skipped: int = 0

    def told(self) -> Comparison:
        """As it stands."""
        return Comparison(
            current=self.current.told(),
            candidate=self.candidate.told(),
            skipped=self.skipped,
            compared=self.differences.compared,
            disagreements=self.differences.disagreements,
            outputs=self.differences.told(),
        )

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> ComparisonCount:
        """From what `dataclasses.asdict` made."""
        return ComparisonCount(
            SideCount.from_json(kept["current"]),
            SideCount.from_json(kept["candidate"]),
            Differences.from_json(kept["differences"]),
            int(kept["skipped"]),
        )


@dataclass
class TrafficCounts:
    """All that a rule has shown since a time: whole calls of both versions, and what was scored by both."""

    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    current: SideCount = field(default_factory=SideCount)
    canary: SideCount = field(default_factory=SideCount)
    by_canary: ComparisonCount = field(default_factory=ComparisonCount)
    by_shadow: ComparisonCount = field(default_factory=ComparisonCount)

    def to_json(self) -> dict[str, Any]:
        """For the file that keeps it over restarts."""
        return asdict(self) | {"since": self.since.isoformat()}

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> TrafficCounts:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is something else.
        """
        return TrafficCounts(
            datetime.fromisoformat(kept["since"]),
            SideCount.from_json(kept["current"]),
            SideCount.from_json(kept["canary"]),
            ComparisonCount.from_json(kept["by_canary"]),
            ComparisonCount.from_json(kept["by_shadow"]),
        )
