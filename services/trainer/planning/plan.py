"""The plan: a training request with every choice made and every split pinned to one snapshot.

A plan is what a worker process obeys. It is made once for a job and kept, so that a job that goes
on after a crash trains on the same records in the same way, whatever has become newer meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from precordia.dataset import Snapshot, SplitRef
from precordia.errors import InvalidTrainingSpec
from precordia.leads import STANDARD_LEADS, parse_leads
from precordia.manifest import CoInputs, InputSpec, Manifest, Output, Task, WindowPolicy
from precordia.models.networks import Network, network
from precordia.record import Unit
from precordia.steps import Step
from precordia.training import Method, TrainingSpec
from services.trainer.planning.bases import AUTO, PinnedBase, check_base, is_auto
from services.trainer.planning.data_checks import check_data
from services.trainer.planning.inheritance import inherited
from services.trainer.planning.optional_leads import with_optional_leads
from services.trainer.planning.recipe import FINE_TUNE, Recipe, recipe
from services.trainer.planning.targets import TEST as TEST
from services.trainer.planning.targets import TRAIN as TRAIN
from services.trainer.planning.targets import VALIDATION as VALIDATION
from services.trainer.planning.targets import Learnt, learnt, unit_of


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
        network: to build; empty for a base that is a graph of another make, "auto" for a search.
        labels: to learn, in output order.
        auxiliary: all other labels, group -> labels, learnt beside where the recipe says so.
        task: None = decided from the labels once the records are there.
        splits: by role: "train" always, "validation" and "test" where given.
        candidates: of a search, the plan of each network that is tried; empty where the network is named.
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
    method: Method = Method.SCRATCH
    base: PinnedBase | None = None
    candidates: tuple[Plan, ...] = ()

    @property
    def trainable(self) -> tuple[str, ...]:
        """Prefixes of the parameters that learn; empty = all do."""
        return ("head.",) if self.method is Method.HEAD else ()

    @property
    def starts_from(self) -> str:
        """The base, in a word."""
        return str(self.base.ref) if self.base else self.network

    def manifest(self, task: Task = Task.MULTILABEL, **more: Any) -> Manifest:
        """The model's contract; before the task is known, good for conditioning."""
        windows = self.base.contract.windows if self.base else WindowPolicy()
        return Manifest(
            self.input,
            task,
            tuple(self._output(label, task) for label in self.labels),
            self.steps,
            label_group=self.label_group,
            co_inputs=self.co_inputs,
            windows=windows,
            **more,
        )

    def _output(self, label: str, task: Task) -> Output:
        """An output, with the code and the unit that the base has for it."""
        for known in self.base.contract.outputs if self.base else ():
            if known.name == label:
                return known
        return Output(label, unit=unit_of(label) if task is Task.REGRESSION else "")

    def digest(self) -> str:
        """Hex SHA-256 of the plan."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; the inverse of `from_json`."""
        contract = Manifest(self.input, Task.MULTILABEL, (Output("any"),), co_inputs=self.co_inputs).to_json()
        # what a plan has not, it does not say: its digest is that of plans from before there was such a thing
        beside: dict[str, Any] = {"co_inputs": contract["co_inputs"]} if self.co_inputs else {}
        if self.base is not None:
            beside |= {"method": self.method.value, "base": self.base.to_json()}
        if self.candidates:
            beside |= {"candidates": [candidate.to_json() for candidate in self.candidates]}
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
            method=Method(value.get("method", Method.SCRATCH.value)),
            base=PinnedBase.from_json(value["base"]) if "base" in value else None,
            candidates=tuple(map(Plan.from_json, value.get("candidates", ()))),
        )


def make_plan(
    spec: TrainingSpec,
    snapshots: Mapping[str, Snapshot],
    *,
    rate_hz: float,
    duration_s: float,
    threads: int,
    base: PinnedBase | None = None,
) -> tuple[Plan, tuple[str, ...]]:
    """Fill in every choice that the request leaves open.

    `snapshots` are those of the request's splits, by role. `rate_hz`, `duration_s` and `threads` are this
    trainer's, where the request has none. `base` is the model version that the request starts from, if it
    names one. Returns the plan, and what was chosen, in sentences for the user.

    Raises:
        InvalidTrainingSpec, NetworkNotFound: the request cannot be carried out.
    """
    told: list[str] = []
    chosen = check_spec(spec)
    check_base(spec, base)
    target = learnt(spec, snapshots, base, told)
    start = _start(spec, chosen, base, rate_hz, duration_s, told)
    chosen = _suited(chosen, start, told)
    plan = Plan(
        network=start.network,
        recipe=chosen,
        labels=target.labels,
        label_group=target.group,
        task=target.task,
        input=with_optional_leads(start.input, spec, chosen, base, told),
        steps=start.steps,
        splits=_pinned(spec, snapshots),
        auxiliary=_auxiliary(chosen, target, snapshots[TRAIN]),
        seed=spec.seed,
        threads=spec.threads or threads,
        co_inputs=start.co_inputs,
        method=start.method,
        base=base if start.method is not Method.SCRATCH else None,
    )
    plan.manifest()  # refuses an impossible contract before anything is fetched
    told += check_data(plan, snapshots)
    if plan.network == AUTO:
        grid = plan.input  # one for all, so that they are compared on the same
        each = replace(spec, sample_rate_hz=grid.rate_hz, duration_s=grid.duration_s, leads=grid.leads)
        made = [
            make_plan(
                replace(each, base=name.strip()), snapshots, rate_hz=rate_hz, duration_s=duration_s, threads=threads
            )
            for name in chosen.networks.split(",")
        ]
        plan = replace(plan, candidates=tuple(candidate for candidate, _ in made))
    return plan, tuple(told)


@dataclass(frozen=True)
class _Start:
    """What is trained, and what it takes."""

    network: str
    method: Method
    input: InputSpec
    steps: tuple[Step, ...]
    co_inputs: CoInputs | None


def _start(
    spec: TrainingSpec, chosen: Recipe, base: PinnedBase | None, rate_hz: float, duration_s: float, told: list[str]
) -> _Start:
    if base is None and is_auto(spec):
        return _searched(spec, chosen, rate_hz, duration_s)
    if base is not None and spec.method is not Method.SCRATCH:
        grid, steps = inherited(spec, base, told)
        return _Start(base.network, spec.method, grid, steps, base.contract.co_inputs)
    if base is not None:
        told.append(f"{base.network} as in {base.ref}, with fresh weights.")
        spec = _as_in(spec, base)
    kind = network(base.network if base else spec.base)
    if spec.method is not Method.SCRATCH and base is None:
        told.append(f"{kind.info.name} is a network without trained weights: all of it is trained from scratch.")
    grid = _grid(kind, spec, rate_hz, duration_s, told)
    steps = spec.conditioning or (kind.conditioning or _default_steps)(grid)
    return _Start(kind.info.name, Method.SCRATCH, grid, steps, kind.co_inputs)


def _searched(spec: TrainingSpec, chosen: Recipe, rate_hz: float, duration_s: float) -> _Start:
    """For a search over networks: one input for all, so that they are compared on the same."""
    for name in chosen.networks.split(","):
        network(name.strip())
    grid = _input(spec, rate_hz, duration_s)
    return _Start(AUTO, Method.SCRATCH, grid, spec.conditioning or _default_steps(grid), None)


def _suited(chosen: Recipe, start: _Start, told: list[str]) -> Recipe:
    """The recipe as what is trained can take it: whole signals for a fixed graph, amplitudes in the signal's unit."""
    if not start.network and chosen.crop_s:
        chosen = replace(chosen, crop_s=0.0)
        told.append("The base's graph takes whole signals only; it is not trained on excerpts.")
    if start.input.unit is Unit.MICROVOLT and not any(step.kind.removes_unit for step in start.steps):
        chosen = replace(chosen, noise=1000 * chosen.noise, wander=1000 * chosen.wander)
        told.append("The base takes microvolts; noise and wander are in microvolts too.")
    return chosen


def _as_in(spec: TrainingSpec, base: PinnedBase) -> TrainingSpec:
    """A request from scratch with a model's input where it leaves it open."""
    like = base.contract.input
    return replace(
        spec,
        sample_rate_hz=spec.sample_rate_hz or like.rate_hz,
        duration_s=spec.duration_s or like.duration_s,
        leads=spec.leads or like.leads,
    )


def check_spec(spec: TrainingSpec) -> Recipe:
    """The recipe that a request asks for, once everything that needs no data was checked.

    Raises:
        InvalidTrainingSpec: the request cannot be carried out.
    """
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
    usual = "" if spec.method is Method.SCRATCH else FINE_TUNE.name
    return recipe(spec.recipe or usual).changed(
        dict(spec.overrides) | {name: value for name, value in direct.items() if value is not None}
    )


def _grid(kind: Network, spec: TrainingSpec, rate_hz: float, duration_s: float, told: list[str]) -> InputSpec:
    """The input: as asked for, else as the network was published, else this trainer's."""
    if kind.grid and (spec.sample_rate_hz is None or spec.duration_s is None):
        rate_hz, duration_s = kind.grid.rate_hz, kind.grid.duration_s
        told.append(
            f"{kind.info.name} was published for {duration_s:g} s at {rate_hz:g} Hz; what was left open is that."
        )
    return _input(spec, rate_hz, duration_s)


def _input(spec: TrainingSpec, rate_hz: float, duration_s: float) -> InputSpec:
    return InputSpec(
        "ecg",
        parse_leads(spec.leads or STANDARD_LEADS),
        float(spec.sample_rate_hz or rate_hz),
        float(spec.duration_s or duration_s),
    )


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


def _auxiliary(chosen: Recipe, target: Learnt, snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Everything else that the records' labels say, the learnt group's other labels too."""
    if not chosen.auxiliary or target.task is Task.REGRESSION:
        return {}
    learnt = {(target.group, label) for label in target.labels}
    beside = {
        group.name: tuple(label for label, count in group.labels if count and (group.name, label) not in learnt)
        for group in snapshot.label_groups
    }
    return {group: labels for group, labels in beside.items() if labels}
