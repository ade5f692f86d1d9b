"""Conditioning steps."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from precordia.errors import InvalidArgument
from precordia.rpc.convert.json_objects import object_from_text, object_to_text
from precordia.steps import Step
from precordia.v1 import types_pb2

MAX_STEPS = 64
"""Steps that one signal or contract may name; real ones have a handful."""


def step_to_proto(step: Step) -> types_pb2.Step:
    """A step with its complete parameters."""
    return types_pb2.Step(name=step.name, version=step.version, parameters_json=object_to_text(step.parameters))


def step_from_proto(message: types_pb2.Step) -> Step:
    """A step. Version 0 (unset) means 1.

    Raises:
        UnknownStep, InvalidManifest: it is not in the vocabulary, or its parameters do not fit.
    """
    parameters = object_from_text(message.parameters_json, field="applied.parameters_json")
    return Step(message.name, message.version or 1, parameters)


def steps_to_proto(steps: Iterable[Step]) -> list[types_pb2.Step]:
    """Steps in order."""
    return [step_to_proto(step) for step in steps]


def steps_from_proto(messages: Collection[types_pb2.Step]) -> tuple[Step, ...]:
    """Steps in order.

    Raises:
        InvalidArgument: there are more than 64.
        UnknownStep, InvalidManifest: see `step_from_proto`.
    """
    if len(messages) > MAX_STEPS:
        raise InvalidArgument(f"At most {MAX_STEPS} conditioning steps are taken.", field="applied")
    return tuple(step_from_proto(message) for message in messages)
