"""A training request as JSON, as operations keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from precordia.dataset import SplitRef
from precordia.manifest import Task
from precordia.steps import Step
from precordia.training import Method, TrainingSpec


@dataclass(frozen=True)
class TrainingRequest:
    """What to train, and under which name and aliases to publish it."""

    name: str
    spec: TrainingSpec
    aliases: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; the inverse of `from_json`."""
        return {"name": self.name, "aliases": list(self.aliases), "spec": spec_to_json(self.spec)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> TrainingRequest:
        """From a JSON object."""
        return TrainingRequest(str(value["name"]), spec_from_json(value["spec"]), tuple(value["aliases"]))


def spec_to_json(spec: TrainingSpec) -> dict[str, Any]:
    """As a JSON object; what is not set stays out."""
    said: dict[str, Any] = {name: getattr(spec, name) for name in spec.__dataclass_fields__}
    for role in ("train", "validation", "test"):
        said[role] = asdict(said[role]) if said[role] else None
    said["method"] = spec.method.value
    said["task"] = spec.task.value if spec.task else None
    said["conditioning"] = [step.to_json() for step in spec.conditioning]
    for names in ("labels", "leads", "optional_leads"):
        said[names] = list(said[names])
    said["overrides"] = dict(spec.overrides)
    return {name: value for name, value in said.items() if value not in (None, "", [], {})}


def spec_from_json(value: Mapping[str, Any]) -> TrainingSpec:
    """The inverse of `spec_to_json`."""
    said = dict(value)
    for role in ("train", "validation", "test"):
        if role in said:
            said[role] = SplitRef(**said[role])
    if "method" in said:
        said["method"] = Method(said["method"])
    if "task" in said:
        said["task"] = Task(said["task"])
    said["conditioning"] = tuple(Step.from_json(step) for step in said.get("conditioning", ()))
    for names in ("labels", "leads", "optional_leads"):
        said[names] = tuple(said.get(names, ()))
    return TrainingSpec(**said)
