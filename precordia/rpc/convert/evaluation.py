"""What an evaluation is asked for."""

from __future__ import annotations

from precordia.errors import InvalidArgument
from precordia.evaluation import DRAWS, EvaluationWish, LabelAnswer, ThresholdChoice, ThresholdRule
from precordia.rpc.convert.dataset import split_ref_from_proto, split_ref_to_proto
from precordia.rpc.convert.model import model_ref_from_proto, model_ref_to_proto
from precordia.v1 import inference_pb2 as pb

_RULES: dict[ThresholdRule, pb.ThresholdRule] = {
    ThresholdRule.F_MAX: pb.THRESHOLD_RULE_F_MAX,
    ThresholdRule.YOUDEN: pb.THRESHOLD_RULE_YOUDEN,
    ThresholdRule.SENSITIVITY: pb.THRESHOLD_RULE_SENSITIVITY,
    ThresholdRule.SPECIFICITY: pb.THRESHOLD_RULE_SPECIFICITY,
}
_RULES_BACK = {number: rule for rule, number in _RULES.items()}


def evaluation_to_proto(wish: EvaluationWish, request_id: str = "") -> pb.EvaluateModelRequest:
    """The wish, under the id of its request."""
    return pb.EvaluateModelRequest(
        request_id=request_id,
        model=model_ref_to_proto(wish.models[0]),
        split=split_ref_to_proto(wish.splits[0]),
        label_group=wish.label_group,
        further_models=map(model_ref_to_proto, wish.models[1:]),
        further_splits=map(split_ref_to_proto, wish.splits[1:]),
        thresholds=_choice_to_proto(wish.thresholds),
        answers=[pb.LabelAnswer(label=answer.label, outputs=answer.outputs) for answer in wish.answers],
        draws=wish.draws,
    )


def evaluation_from_proto(message: pb.EvaluateModelRequest) -> EvaluationWish:
    """The wish.

    Raises:
        InvalidArgument: it cannot be met; the message says why.
    """
    return EvaluationWish(
        models=tuple(map(model_ref_from_proto, (message.model, *message.further_models))),
        splits=tuple(map(split_ref_from_proto, (message.split, *message.further_splits))),
        label_group=message.label_group,
        thresholds=_choice_from_proto(message.thresholds) if message.HasField("thresholds") else None,
        answers=tuple(LabelAnswer(answer.label, tuple(answer.outputs)) for answer in message.answers),
        draws=message.draws if message.HasField("draws") else DRAWS,
    )


def _choice_to_proto(choice: ThresholdChoice | None) -> pb.ThresholdChoice | None:
    if choice is None:
        return None
    return pb.ThresholdChoice(
        split=split_ref_to_proto(choice.split), rule=_RULES[choice.rule], target=choice.target, store=choice.store
    )


def _choice_from_proto(message: pb.ThresholdChoice) -> ThresholdChoice:
    rule = _RULES_BACK.get(message.rule)
    if rule is None:
        raise InvalidArgument("Say by which rule thresholds are chosen.", field="thresholds.rule")
    split = split_ref_from_proto(message.split)
    if not message.HasField("target"):
        return ThresholdChoice(split, rule, store=message.store)
    return ThresholdChoice(split, rule, message.target, message.store)
