"""Rules that divide an alias's requests between versions, and what they have shown."""

from __future__ import annotations

from collections.abc import Iterable

from precordia.rpc.convert.model import model_ref_from_proto, model_ref_to_proto
from precordia.rpc.convert.timestamps import time_from_proto, time_to_proto
from precordia.traffic import Comparison, ScoreDifference, Traffic, TrafficRule, TrafficSide
from precordia.v1 import inference_pb2


def traffic_rule_to_proto(rule: TrafficRule) -> inference_pb2.TrafficRule:
    """Shares of a candidate."""
    return inference_pb2.TrafficRule(
        model=model_ref_to_proto(rule.model),
        candidate_version=rule.candidate_version,
        canary_percent=rule.canary_percent,
        shadow_percent=rule.shadow_percent,
    )


def traffic_rule_from_proto(message: inference_pb2.TrafficRule) -> TrafficRule:
    """Shares of a candidate.

    Raises:
        InvalidArgument: see `TrafficRule`.
    """
    return TrafficRule(
        model_ref_from_proto(message.model),
        message.candidate_version,
        message.canary_percent,
        message.shadow_percent,
    )


def traffic_to_proto(traffic: Traffic) -> inference_pb2.Traffic:
    """A rule and its counts."""
    return inference_pb2.Traffic(
        rule=traffic_rule_to_proto(traffic.rule),
        since=time_to_proto(traffic.since),
        current=_side_to_proto(traffic.current),
        canary=_side_to_proto(traffic.canary),
        shadow=_side_to_proto(traffic.shadow),
        compared_current=_side_to_proto(traffic.compared_current),
        skipped=traffic.skipped,
        compared=traffic.compared,
        disagreements=traffic.disagreements,
        outputs=_outputs_to_proto(traffic.outputs),
        by_canary=_comparison_to_proto(traffic.by_canary),
    )


def traffic_from_proto(message: inference_pb2.Traffic) -> Traffic:
    """A rule and its counts."""
    return Traffic(
        rule=traffic_rule_from_proto(message.rule),
        since=time_from_proto(message, "since"),
        current=_side_from_proto(message.current),
        canary=_side_from_proto(message.canary),
        shadow=_side_from_proto(message.shadow),
        compared_current=_side_from_proto(message.compared_current),
        skipped=message.skipped,
        compared=message.compared,
        disagreements=message.disagreements,
        outputs=_outputs_from_proto(message.outputs),
        by_canary=_comparison_from_proto(message.by_canary),
    )


def _comparison_to_proto(comparison: Comparison) -> inference_pb2.TrafficComparison:
    return inference_pb2.TrafficComparison(
        current=_side_to_proto(comparison.current),
        candidate=_side_to_proto(comparison.candidate),
        skipped=comparison.skipped,
        compared=comparison.compared,
        disagreements=comparison.disagreements,
        outputs=_outputs_to_proto(comparison.outputs),
    )


def _comparison_from_proto(message: inference_pb2.TrafficComparison) -> Comparison:
    return Comparison(
        current=_side_from_proto(message.current),
        candidate=_side_from_proto(message.candidate),
        skipped=message.skipped,
        compared=message.compared,
        disagreements=message.disagreements,
        outputs=_outputs_from_proto(message.outputs),
    )


def _outputs_to_proto(outputs: Iterable[ScoreDifference]) -> list[inference_pb2.ScoreDifference]:
    return [inference_pb2.ScoreDifference(**vars(output)) for output in outputs]


def _outputs_from_proto(messages: Iterable[inference_pb2.ScoreDifference]) -> tuple[ScoreDifference, ...]:
    return tuple(
        ScoreDifference(output.name, output.mean_absolute, output.max_absolute, output.disagreements)
        for output in messages
    )


def _side_to_proto(side: TrafficSide) -> inference_pb2.TrafficSide:
    return inference_pb2.TrafficSide(**vars(side))


def _side_from_proto(message: inference_pb2.TrafficSide) -> TrafficSide:
    return TrafficSide(message.answered, message.failed, message.mean_ms, message.max_ms)
