"""What an evaluation is asked for: models, labelled splits, thresholds, and which outputs answer which label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from precordia.catalog import ModelRef
from precordia.dataset import SplitRef
from precordia.errors import InvalidArgument

DRAWS = 1000
MOST_DRAWS = 10_000
MOST_PARTS = 64
"""Models times splits of one evaluation."""

_TARGET = 0.9


class ThresholdRule(Enum):
    """How a threshold is chosen; each is defined in `precordia.metrics.thresholds`."""

    F_MAX = "fmax"
    YOUDEN = "youden"
    SENSITIVITY = "sensitivity"
    SPECIFICITY = "specificity"

    @property
    def has_target(self) -> bool:
        """Whether it aims at a share."""
        return self in (ThresholdRule.SENSITIVITY, ThresholdRule.SPECIFICITY)


@dataclass(frozen=True)
class ThresholdChoice:
    """Thresholds chosen on a split, to decide on others.

    Attributes:
        target: what SENSITIVITY and SPECIFICITY reach at least.
        store: make them the models' operating points.

    Raises:
        InvalidArgument: the target is no share.
    """

    split: SplitRef
    rule: ThresholdRule = ThresholdRule.F_MAX
    target: float = _TARGET
    store: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.target <= 1:  # NaN neither
            raise InvalidArgument("A target sensitivity or specificity is above 0 and at most 1.", field="target")

    @staticmethod
    def parse_rule(text: str) -> tuple[ThresholdRule, float]:
        """From `fmax`, `youden`, `sensitivity=0.9` or `specificity=0.9`; without a number the target is 0.9.

        Raises:
            InvalidArgument: it is none of these.
        """
        name, equals, number = text.partition("=")
        wrong = InvalidArgument("A rule is fmax, youden, sensitivity=0.9 or specificity=0.9.", field="rule")
        try:
            rule, target = ThresholdRule(name), float(number) if equals else _TARGET
        except ValueError:
            raise wrong from None
        if equals and not rule.has_target:
            raise wrong
        return rule, target


@dataclass(frozen=True)
class LabelAnswer:
    """A label of the dataset that is answered by outputs of other names, or by several together.

    Probabilities of classes that exclude each other are added, of others the highest counts. A record
    that has a label of one of the outputs' names has `label`, too.

    Raises:
        InvalidArgument: the label or the outputs have no name.
    """

    label: str
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.label or not self.outputs or not all(self.outputs):
            raise InvalidArgument("Write LABEL=OUTPUT, or LABEL=OUTPUT+OUTPUT: RBBB=CRBBB+IRBBB.", field="answers")

    @staticmethod
    def parse(text: str) -> LabelAnswer:
        """From `LABEL=OUTPUT+OUTPUT`.

        Raises:
            InvalidArgument: it is not written so.
        """
        label, _, outputs = text.partition("=")
        return LabelAnswer(label.strip(), tuple(part.strip() for part in outputs.split("+")))


@dataclass(frozen=True)
class EvaluationWish:
    """Everything that one evaluation is asked for.

    Attributes:
        label_group: to hold the scores against; empty = the one that the outputs name.
        thresholds: None = each model's own, or 0.5.
        draws: of the bootstrap; 0 = no intervals.

    Raises:
        InvalidArgument: nothing is named, something is named twice, or it is too much for one evaluation.
    """

    models: tuple[ModelRef, ...]
    splits: tuple[SplitRef, ...]
    label_group: str = ""
    thresholds: ThresholdChoice | None = None
    answers: tuple[LabelAnswer, ...] = ()
    draws: int = DRAWS

    def __post_init__(self) -> None:
        if not self.models or not self.splits:
            raise InvalidArgument("Name a model and labelled data.", field="model" if not self.models else "split")
        _once(self.models, "further_models")
        _once(self.splits, "further_splits")
        _once([answer.label for answer in self.answers], "answers")
        if len(self.models) * len(self.splits) > MOST_PARTS:
            raise InvalidArgument(f"Models times splits are at most {MOST_PARTS} in one evaluation.", field="models")
        if not 0 <= self.draws <= MOST_DRAWS:
            raise InvalidArgument(f"Draws are 0 to {MOST_DRAWS}.", field="draws")
        if self.thresholds is not None and self.thresholds.split in self.splits:
            raise InvalidArgument(
                "Thresholds that are chosen on the split that they are reported on look better than they are; "
                "choose them on another one.",
                field="thresholds.split",
            )

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; what is not asked for is left out."""
        first, split = self.models[0], self.splits[0]
        said: dict[str, Any] = {"model": str(first), **_split_json(split), "label_group": self.label_group}
        if self.models[1:]:
            said["further_models"] = [str(ref) for ref in self.models[1:]]
        if self.splits[1:]:
            said["further_splits"] = [_split_json(one) for one in self.splits[1:]]
        if self.thresholds is not None:
            choice = self.thresholds
            said["thresholds"] = _split_json(choice.split) | {
                "rule": choice.rule.value,
                "target": choice.target,
                "store": choice.store,
            }
        if self.answers:
            said["answers"] = [[answer.label, list(answer.outputs)] for answer in self.answers]
        return said | ({"draws": self.draws} if self.draws != DRAWS else {})

    @staticmethod
    def from_json(said: Mapping[str, Any]) -> EvaluationWish:
        """The inverse of `to_json`."""
        choice = said.get("thresholds")
        return EvaluationWish(
            models=tuple(map(ModelRef.parse, (said["model"], *said.get("further_models", ())))),
            splits=tuple(map(_split, (said, *said.get("further_splits", ())))),
            label_group=said.get("label_group", ""),
            thresholds=None
            if choice is None
            else ThresholdChoice(_split(choice), ThresholdRule(choice["rule"]), choice["target"], choice["store"]),
            answers=tuple(LabelAnswer(label, tuple(names)) for label, names in said.get("answers", ())),
            draws=said.get("draws", DRAWS),
        )


def evaluations_of(result: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The evaluations in an operation's result: one of one model on one split is the result itself."""
    return tuple(result["evaluations"]) if "evaluations" in result else (result,)


def _once(named: Sequence[object], field: str) -> None:
    if len(set(map(str, named))) != len(named):
        raise InvalidArgument("Name each only once.", field=field)


def _split_json(split: SplitRef) -> dict[str, str]:
    return {"dataset": split.dataset, "split": split.split, "snapshot_id": split.snapshot_id}


def _split(said: Mapping[str, Any]) -> SplitRef:
    return SplitRef(said["dataset"], said.get("split", ""), said.get("snapshot_id", ""))
