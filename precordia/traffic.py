"""A candidate version beside the one an alias means: who answers what share, and how the two differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from precordia.catalog import LATEST, ModelRef
from precordia.errors import InvalidArgument


@dataclass(frozen=True)
class TrafficRule:
    """What share of an alias's inputs a candidate sees.

    Attributes:
        model: NAME@ALIAS; requests for exactly this reference are meant.
        candidate_version: of the same model.
        canary_percent: inputs that the candidate answers, 0 to 100.
        shadow_percent: inputs that a copy of the candidate scores too, unseen, 0 to 100.

    Raises:
        InvalidArgument: a share is none, or a fixed version is named where only an alias can move.
    """

    model: ModelRef
    candidate_version: int
    canary_percent: float = 0.0
    shadow_percent: float = 0.0

    def __post_init__(self) -> None:
        if self.model.version:
            raise InvalidArgument("Traffic is divided for NAME or NAME@ALIAS, not for one version.", field="model")
        if not self.model.alias:
            object.__setattr__(self, "model", ModelRef(self.model.name, alias=LATEST))
        for name in ("canary_percent", "shadow_percent"):
            if not 0.0 <= getattr(self, name) <= 100.0:  # NaN neither
                raise InvalidArgument("A share of the traffic is 0 to 100 percent.", field=name)
        if not self.ends and self.candidate_version < 1:
            raise InvalidArgument("The candidate is a version number from 1.", field="candidate_version")

    @property
    def ends(self) -> bool:
        """Whether it asks for nothing: the rule is taken away."""
        return self.canary_percent == 0.0 and self.shadow_percent == 0.0

    @property
    def candidate(self) -> ModelRef:
        """The candidate by its version."""
        return ModelRef(self.model.name, self.candidate_version)


@dataclass(frozen=True)
class TrafficSide:
    """Inputs that one version answered, and the milliseconds it took; failed = no answer from it."""

    answered: int = 0
    failed: int = 0
    mean_ms: float = 0.0
    max_ms: float = 0.0


@dataclass(frozen=True)
class ScoreDifference:
    """One output's absolute differences; a disagreement is a decision that is not the same."""

    name: str
    mean_absolute: float
    max_absolute: float
    disagreements: int


@dataclass(frozen=True)
class Comparison:
    """Inputs that both versions were to score, and how the two differ.

    Attributes:
        current, candidate: times of the runs alone, of the inputs that both scored; failed = the version
            that was asked second gave no scores.
        skipped: inputs left out, because the comparison was behind or there were no scores to compare.
        compared: inputs with scores of both.
        disagreements: inputs with at least one decision that is not the same.
        outputs: by output that both versions have.
    """

    current: TrafficSide = field(default_factory=TrafficSide)
    candidate: TrafficSide = field(default_factory=TrafficSide)
    skipped: int = 0
    compared: int = 0
    disagreements: int = 0
    outputs: tuple[ScoreDifference, ...] = ()


@dataclass(frozen=True)
class Traffic:
    """A rule in force and what it has shown.

    What both versions scored comes from two sides, counted apart: what the candidate answered as canary, and
    a copy of the version in service scored afterwards (`by_canary`); and what the version in service
    answered, and a copy of the candidate scored afterwards as its shadow (all from `shadow` to `outputs`).

    Attributes:
        rule: the rule.
        since: counts are since then, over restarts of the service.
        current, canary: whole calls' times, by inputs.
        shadow, compared_current: times of the runs alone, of the inputs that both scored.
        skipped: inputs left out, because the shadow was behind or there were no scores to compare.
        compared: inputs with scores of both.
        disagreements: inputs with at least one decision that is not the same.
        outputs: by output that both versions have.
        by_canary: the same of what the canary answered.
    """

    rule: TrafficRule
    since: datetime | None = None
    current: TrafficSide = field(default_factory=TrafficSide)
    canary: TrafficSide = field(default_factory=TrafficSide)
    shadow: TrafficSide = field(default_factory=TrafficSide)
    compared_current: TrafficSide = field(default_factory=TrafficSide)
    skipped: int = 0
    compared: int = 0
    disagreements: int = 0
    outputs: tuple[ScoreDifference, ...] = ()
    by_canary: Comparison = field(default_factory=Comparison)
