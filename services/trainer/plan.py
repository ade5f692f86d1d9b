"""The plan: a training request with every choice made and every split pinned to one snapshot.

A plan is what a worker process obeys. It is made once for a job and kept, so that a job that goes
on after a crash trains on the same records in the same way, whatever has become newer meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from precordia.dataset import Snapshot, SplitRef
from precordia.errors import InvalidTrainingSpec
from precordia.leads import STANDARD_LEADS, parse_leads
from precordia.manifest import CoInputs, InputSpec, Manifest, Output, Task
from precordia.models.networks import Network, network
from precordia.steps import Step
from precordia.training import Method, TrainingSpec
from services.trainer.recipe import Recipe, recipe

TRAIN, VALIDATION, TEST = "train", "validation", "test"


@dataclass(frozen=True)
class PinnedSplit:
    """A split of one snapshot, by the snapshot's digest."""

    dataset: str
    split: str
    snapshot_id: str
    digest: str

    @property
    def ref(self) -> SplitRef:
        """What to ask ingest for."""
        return SplitRef(self.dataset, self.split, self.snapshot_id)


@dataclass(frozen=True)
class Plan:
    """Everything a run depends on.

    Attributes:
        labels: to learn, in output order.
        auxiliary: other label groups, group -> labels, learnt beside where the recipe says so.
        task: None = decided from the labels once the records are there.
        splits: by role: "train" always, "validation" and "test" where given.
    """

    network: str
    recipe: Recipe
    labels: tuple[str, ...]
    label_group: str
    task: Task | None
    input: InputSpec
    steps: tuple[Step, ...]
    splits: Mapping[str, PinnedSplit]
    auxiliary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seed: int = 0
    threads: int = 2
    co_inputs: CoInputs | None = None

    def manifest(self, task: Task = Task.MULTILABEL, **more: Any) -> Manifest:
        """The model's contract; before the task is known, good for conditioning."""
        outputs = tuple(Output(label) for label in self.labels)
        group, beside = self.label_group, self.co_inputs
        return Manifest(self.input, task, outputs, self.steps, label_group=group, co_inputs=beside, **more)

    def digest(self) -> str:
        """Hex SHA-256 of the plan."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; the inverse of `from_json`."""
        contract = Manifest(self.input, Task.MULTILABEL, (Output("any"),), co_inputs=self.co_inputs).to_json()
        # a plan without co-inputs says nothing of them: its digest is that of plans from before there were any
        beside = {"co_inputs": contract["co_inputs"]} if self.co_inputs else {}
        return beside | {
            "network": self.network,
            "recipe": self.recipe.to_json(),
            "labels": list(self.labels),
            "label_group": self.label_group,
            "task": self.task.value if self.task else None,
            "input": contract["input"],
            "steps": [step.to_json() for step in self.steps],
            "splits": {role: asdict(split) for role, split in self.splits.items()},
            "auxiliary": {group: list(labels) for group, labels in self.auxiliary.items()},
            "seed": self.seed,
            "threads": self.threads,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Plan:
        """From a JSON object."""
        contract = Manifest.from_json(
            {"schema_version": 1, "task": "multilabel", "outputs": [{"name": "any"}]}
            | {part: value[part] for part in ("input", "co_inputs") if part in value}
        )
        return Plan(
            network=str(value["network"]),
            recipe=Recipe.from_json(value["recipe"]),
            labels=tuple(value["labels"]),
            label_group=str(value["label_group"]),
            task=Task(value["task"]) if value["task"] else None,
            input=contract.input,
            steps=tuple(Step.from_json(step) for step in value["steps"]),
            splits={role: PinnedSplit(**split) for role, split in value["splits"].items()},
            auxiliary={group: tuple(labels) for group, labels in value["auxiliary"].items()},
            seed=int(value["seed"]),
            threads=int(value["threads"]),
            co_inputs=contract.co_inputs,
        )


def make_plan(
    spec: TrainingSpec, snapshots: Mapping[str, Snapshot], *, rate_hz: float, duration_s: float, threads: int
) -> tuple[Plan, tuple[str, ...]]:
    """Fill in every choice that the request leaves open.

    `snapshots` are those of the request's splits, by role. `rate_hz`, `duration_s` and `threads` are this
    trainer's, where the request has none. Returns the plan, and what was chosen, in sentences for the user.

    Raises:
        InvalidTrainingSpec, NetworkNotFound: the request cannot be carried out.
    """
    told: list[str] = []
    chosen = check_spec(spec)
    group, labels = _labels(spec, snapshots[TRAIN], told)
    kind = network(spec.base)
    grid = _grid(kind, spec, rate_hz, duration_s, told)
    plan = Plan(
        network=kind.info.name,
        recipe=chosen,
        labels=labels,
        label_group=group,
        task=spec.task,
        input=grid,
        steps=spec.conditioning or (kind.conditioning or _default_steps)(grid),
        splits=_pinned(spec, snapshots),
        auxiliary=_auxiliary(chosen, spec, snapshots[TRAIN], group),
        seed=spec.seed,
        threads=spec.threads or threads,
        co_inputs=kind.co_inputs,
    )
    plan.manifest()  # refuses an impossible contract before anything is fetched
    return plan, tuple(told)


def check_spec(spec: TrainingSpec) -> Recipe:
    """The recipe that a request asks for, once everything that needs no data was checked.

    Raises:
        InvalidTrainingSpec, NetworkNotFound: the request cannot be carried out.
    """
    if spec.method is not Method.SCRATCH:
        raise InvalidTrainingSpec(
            "This trainer trains from scratch only; leave the method out, and name a network as the base.",
            field="method",
        )
    network(spec.base)
    if spec.sample_rate_hz is not None and not 10 <= spec.sample_rate_hz <= 10_000:
        raise InvalidTrainingSpec("The model's rate lies between 10 and 10000 Hz.", field="sample_rate_hz")
    if spec.duration_s is not None and not 0.5 <= spec.duration_s <= 600:
        raise InvalidTrainingSpec("The model's input lasts 0.5 to 600 s.", field="duration_s")
    if spec.threads is not None and not 1 <= spec.threads <= 1024:
        raise InvalidTrainingSpec("A run takes 1 to 1024 threads.", field="threads")
    if not 0 <= spec.seed < 1 << 32:
        raise InvalidTrainingSpec("A seed is a number from 0 to 4294967295.", field="seed")
    direct = {
        "max_epochs": spec.max_epochs,
        "batch_size": spec.batch_size,
        "max_learning_rate": spec.max_learning_rate,
        "validation_fraction": spec.validation_fraction,
    }
    return recipe(spec.recipe).changed(
        dict(spec.overrides) | {name: value for name, value in direct.items() if value is not None}
    )


def _grid(kind: Network, spec: TrainingSpec, rate_hz: float, duration_s: float, told: list[str]) -> InputSpec:
    """The input: as asked for, else as the network was published, else this trainer's."""
    if kind.grid and (spec.sample_rate_hz is None or spec.duration_s is None):
        rate_hz, duration_s = kind.grid.rate_hz, kind.grid.duration_s
        told.append(
            f"{kind.info.name} was published for {duration_s:g} s at {rate_hz:g} Hz; what was left open is that."
        )
    return InputSpec(
        "ecg",
        parse_leads(spec.leads or STANDARD_LEADS),
        float(spec.sample_rate_hz or rate_hz),
        float(spec.duration_s or duration_s),
    )


def _labels(spec: TrainingSpec, snapshot: Snapshot, told: list[str]) -> tuple[str, tuple[str, ...]]:
    if spec.task is Task.REGRESSION:
        if not spec.labels:
            raise InvalidTrainingSpec("Regression needs the names of the numeric columns to learn.", field="labels")
        return spec.label_group, spec.labels
    groups = {group.name: dict(group.labels) for group in snapshot.label_groups}
    if not groups:
        raise InvalidTrainingSpec("The dataset has no labels; give it a label table first.", field="label_group")
    name = spec.label_group
    if not name and "" not in groups:
        name = next(iter(groups))
        told.append(f"Learning the label group '{name}', the dataset's first of {len(groups)}.")
    if name not in groups:
        raise InvalidTrainingSpec(f"The dataset's label groups are {', '.join(groups)}.", field="label_group")
    unknown = [label for label in spec.labels if label not in groups[name]]
    if unknown:
        raise InvalidTrainingSpec(f"The label group '{name}' has no label '{unknown[0][:64]}'.", field="labels")
    labels = spec.labels or tuple(label for label, count in groups[name].items() if count)
    if not labels or len(set(labels)) != len(labels):
        raise InvalidTrainingSpec("Labels to learn need records, and stand once each.", field="labels")
    return name, labels


def _default_steps(grid: InputSpec) -> tuple[Step, ...]:
    high = min(40.0, 0.4 * grid.rate_hz)
    return (
        Step("band_pass", 1, {"low_hz": 0.5, "high_hz": high, "order": 4}),
        Step("resample", 1, {"rate_hz": grid.rate_hz}),
        Step("crop_or_pad", 1, {"duration_s": grid.duration_s}),
        Step("z_score", 1, {"by": "lead"}),
    )


def _pinned(spec: TrainingSpec, snapshots: Mapping[str, Snapshot]) -> dict[str, PinnedSplit]:
    asked = {TRAIN: spec.train, VALIDATION: spec.validation, TEST: spec.test}
    return {
        role: PinnedSplit(ref.dataset, ref.split, snapshots[role].snapshot_id, snapshots[role].digest)
        for role, ref in asked.items()
        if ref is not None
    }


def _auxiliary(chosen: Recipe, spec: TrainingSpec, snapshot: Snapshot, learnt: str) -> dict[str, tuple[str, ...]]:
    if not chosen.auxiliary or spec.task is Task.REGRESSION:
        return {}
    return {
        group.name: tuple(label for label, count in group.labels if count)
        for group in snapshot.label_groups
        if group.name != learnt and any(count for _, count in group.labels)
    }
