"""From a plan to the files of a model version: fetch, train, evaluate, export."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from precordia.catalog import MODEL_ONNX, REPORT, WEIGHTS
from precordia.client import connect
from precordia.errors import Unavailable
from precordia.manifest import Activation, Manifest, Task
from precordia.models.networks import network
from services.trainer import metrics
from services.trainer.checkpoints import Checkpoints
from services.trainer.data import (
    Split,
    clear_cache,
    complete_groups,
    conditioned_split,
    decided_task,
    examples,
)
from services.trainer.examples import Examples, draw_validation, label_counts
from services.trainer.export import check_parity, finished_network, to_onnx, weights_file
from services.trainer.loop import Loop, Report, Run, Trained, predict_logits, scores_of
from services.trainer.place import Place
from services.trainer.plan import TEST, TRAIN, VALIDATION, Plan
from services.trainer.worker_environment import DataCache

MANIFEST = "manifest.json"
_ACTIVATION = {
    Task.MULTICLASS: Activation.SOFTMAX,
    Task.MULTILABEL: Activation.SIGMOID,
    Task.REGRESSION: Activation.NONE,
}
_FETCH_TRIES = 60


@dataclass(frozen=True)
class Workplace:
    """Where a plan is carried out, and who is told.

    Attributes:
        folder: of checkpoints.
        outputs: where the finished files go.
        cache: for conditioned data.
        catch_up: told the epochs of the checkpoint that the run goes on from.
    """

    folder: Path
    outputs: Path
    cache: DataCache
    report: Report
    should_stop: Callable[[], bool]
    catch_up: Callable[[Sequence[Mapping[str, Any]]], None]

    def tell(self, message: str) -> None:
        """One sentence for the user."""
        self.report("log", {"message": message})


@dataclass(frozen=True, eq=False)
class Materials:
    """Examples by role, and what was decided from them.

    `scale` and `offset` undo what regression targets went through; empty for classification.
    """

    task: Task
    parts: Mapping[str, Examples]
    auxiliary: Mapping[str, tuple[str, ...]]
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()


async def produce(plan: Plan, place: Workplace) -> dict[str, Any]:
    """Carry out a plan. Returns the facts that the service publishes with the model.

    Raises:
        Stopped: the job was asked to stop.
        PrecordiaError: it cannot be carried out.
    """
    prepare_torch(plan)
    started = time.monotonic()
    materials = await gather(plan, place)
    trained = train(plan, place, materials)
    place.tell("Evaluating and exporting.")
    finished = finished_network(trained.network, len(plan.labels), scale=materials.scale, offset=materials.offset)
    manifest = contract(plan, materials.task)
    model = to_onnx(finished, manifest)
    sample = materials.parts[VALIDATION]
    beside = None if sample.beside is None else sample.beside[sample.record[:64]]
    parity = check_parity(finished, model, np.ascontiguousarray(sample.x[:64]), beside)
    report = run_report(plan, materials, trained, finished) | {
        "parity": parity,
        "seconds": round(time.monotonic() - started, 1),
    }
    place.outputs.mkdir(exist_ok=True)
    (place.outputs / MODEL_ONNX).write_bytes(model)
    (place.outputs / WEIGHTS).write_bytes(weights_file(finished, _architecture(plan)))
    (place.outputs / MANIFEST).write_text(json.dumps(manifest.to_json(), indent=2, sort_keys=True) + "\n")
    (place.outputs / REPORT).write_text(json.dumps(report, indent=2, sort_keys=True, allow_nan=False) + "\n")
    return {"report": {name: report[name] for name in ("validation", "test", "epochs", "kept_epoch") if name in report}}


def prepare_torch(plan: Plan) -> None:
    """The same plan on the same machine gives the same weights: fixed threads, deterministic kernels."""
    torch.set_num_threads(plan.threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


async def gather(plan: Plan, place: Workplace) -> Materials:
    """Fetch and condition every split, decide the task, draw the validation part."""
    manifest = plan.manifest()
    splits = {role: await _split(plan, role, manifest, place) for role in plan.splits}
    clear_cache(place.cache.folder, place.cache.keep_bytes)
    training = splits[TRAIN]
    task = plan.task or decided_task(training, plan.label_group, plan.labels)
    if plan.task is None:
        place.tell(f"The task is {task.value}, by the labels of the training records.")
    auxiliary = complete_groups(training, plan.auxiliary, place.tell)
    parts = {
        role: examples(
            split,
            task=task,
            group=plan.label_group,
            labels=plan.labels,
            auxiliary=auxiliary if role == TRAIN else {},
            tell=place.tell,
            role=role,
            co_inputs=plan.co_inputs,
        )
        for role, split in splits.items()
    }
    return _standardised(task, _with_validation(plan, parts, place), auxiliary)


async def _split(plan: Plan, role: str, manifest: Manifest, place: Workplace) -> Split:
    """One split; an ingest that is away for a while is waited for."""
    place.tell(f"Fetching and conditioning the {role} part.")

    def progress(done: int, total: int) -> None:
        place.report("preparing", {"part": role, "done": done, "total": total})

    for patience in range(_FETCH_TRIES, -1, -1):
        try:
            async with connect() as precordia:
                return await conditioned_split(
                    precordia.ingest, plan.splits[role], manifest, place.cache.folder, progress
                )
        except Unavailable:
            if not patience:
                raise
            time.sleep(5)
    raise AssertionError("unreachable: the last try returns or raises")


def _with_validation(plan: Plan, parts: dict[str, Examples], place: Workplace) -> dict[str, Examples]:
    if VALIDATION not in parts:
        whole = parts[TRAIN]
        training, validation = draw_validation(
            whole.y, whole.patients, fraction=plan.recipe.validation_fraction, seed=plan.seed
        )
        parts |= {TRAIN: whole.only(training), VALIDATION: whole.only(validation)}
    sizes = ", ".join(f"{len(part)} for {role}" for role, part in parts.items())
    place.tell(f"Records: {sizes}.")
    return parts


def _standardised(task: Task, parts: Mapping[str, Examples], auxiliary: Mapping[str, tuple[str, ...]]) -> Materials:
    """Regression targets as deviations from the training records' mean; classes as they are."""
    if task is not Task.REGRESSION:
        return Materials(task, parts, auxiliary)
    y = parts[TRAIN].y
    offset, scale = y.mean(axis=0), np.where(y.std(axis=0) > 0, y.std(axis=0), 1.0).astype(np.float32)
    changed = {role: replace(part, y=(part.y - offset) / scale) for role, part in parts.items()}
    return Materials(task, changed, auxiliary, tuple(map(float, scale)), tuple(map(float, offset)))


def train(plan: Plan, place: Workplace, materials: Materials) -> Trained:
    """Run the loop on the materials, from the last checkpoint where there is one."""
    further = sum(len(labels) for labels in materials.auxiliary.values())
    outputs = len(plan.labels) + further
    kind = network(plan.network)
    run = Run(
        build=lambda: kind.build(len(plan.input.leads), outputs, plan.recipe.dropout),
        recipe=plan.recipe,
        task=materials.task,
        labels=plan.labels,
        train=materials.parts[TRAIN],
        validation=materials.parts[VALIDATION],
        rate_hz=plan.input.rate_hz,
        seed=plan.seed,
        digest=plan.digest(),
        device="cuda" if torch.cuda.is_available() else "cpu",
    )
    checkpoints = Checkpoints(place.folder)
    found = checkpoints.load(run.digest)
    if found is not None:
        place.catch_up(found.facts["history"])
    place.tell(f"Training {plan.network} on {run.device} with {plan.threads} threads.")
    loop = Loop(run, place=Place(), checkpoints=checkpoints, report=place.report, should_stop=place.should_stop)
    return loop.train()


def contract(plan: Plan, task: Task) -> Manifest:
    """The model's manifest, with what made it."""
    origin = {
        "made_by": f"precordia {version('precordia')}",
        "network": plan.network,
        "recipe": plan.recipe.to_json(),
        "seed": plan.seed,
        "threads": plan.threads,
        "data": {
            role: {"dataset": split.dataset, "split": split.split, "snapshot": split.digest}
            for role, split in plan.splits.items()
        },
    }
    return plan.manifest(task, activation=_ACTIVATION[task], origin=origin)


def _architecture(plan: Plan) -> dict[str, str | int]:
    return {"network": plan.network, "leads": len(plan.input.leads), "outputs": len(plan.labels)}


def run_report(plan: Plan, materials: Materials, trained: Trained, finished: torch.nn.Module) -> dict[str, Any]:
    """Everything that a reader of the model needs to judge it."""
    report: dict[str, Any] = {
        "plan": plan.to_json(),
        "plan_digest": plan.digest(),
        "task": materials.task.value,
        "labels": list(plan.labels),
        "auxiliary_labels": {group: list(labels) for group, labels in materials.auxiliary.items()},
        "parameters": sum(parameter.numel() for parameter in finished.parameters()),
        "learning_rate": trained.learning_rate,
        "epochs": len(trained.history),
        "kept_epoch": trained.kept_epoch,
        "history": [dict(row) for row in trained.history],
        "parts": {role: _part_facts(part, plan, materials.task) for role, part in materials.parts.items()},
        "made_with": made_with(plan),
    }
    for role in (VALIDATION, TEST):
        if role in materials.parts:
            report[role] = figures(finished, materials, role, plan.labels)
    return report


def _part_facts(part: Examples, plan: Plan, task: Task) -> dict[str, Any]:
    facts: dict[str, Any] = {"records": len(part), "patients": len(set(part.patients)), "windows": len(part.x)}
    if task is not Task.REGRESSION:
        facts["labels"] = dict(label_counts(part.y, plan.labels))
    return facts


def made_with(plan: Plan) -> dict[str, Any]:
    """Versions and machine: with the plan, what equal results need."""
    names = ("precordia", "torch", "numpy", "scipy", "numba", "onnx", "onnxscript", "onnxruntime")
    return {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": plan.threads,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }


def figures(finished: torch.nn.Module, materials: Materials, role: str, labels: tuple[str, ...]) -> dict[str, Any]:
    """Figures of the finished network on one part, with intervals by patient."""
    part = materials.parts[role]
    logits = predict_logits(finished, part, len(labels))
    if materials.task is Task.REGRESSION:
        truth = part.y.astype(np.float64) * np.array(materials.scale) + np.array(materials.offset)
        return metrics.regression(truth, logits, labels)
    scores = scores_of(materials.task, logits)
    found = metrics.classification(part.y.astype(np.uint8), scores, labels, exclusive=materials.task is Task.MULTICLASS)
    return found | {"auroc_macro_interval": _interval(part, scores)}


def _interval(part: Examples, scores: NDArray[np.float64]) -> list[float] | None:
    found = metrics.bootstrap_interval(metrics.macro_auroc, part.y.astype(np.uint8), scores, part.patients)
    return list(found) if found else None
