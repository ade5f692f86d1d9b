"""The report of a run: everything that a reader of the model needs to judge it, as one JSON object.

`validation` and `test` are the figures in short; `evaluations` has them whole, by part, in the form
of `precordia.metrics.classification` or `.regression`. Scores are calibrated, as they are served.
`precordia.report` makes a page of it, and `card` becomes the model card.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from precordia.manifest import Manifest, Task
from precordia.metrics.classification import classification_document
from precordia.metrics.regression import regression_document
from services.trainer.learning.loop import Trained
from services.trainer.learning.schedules import rate_at
from services.trainer.learning.scoring import predict_logits
from services.trainer.learning.window_outputs import WindowOutputs
from services.trainer.planning.plan import TEST, VALIDATION, Plan
from services.trainer.publication.calibrating import before_and_after, fitted, threshold_table
from services.trainer.publication.model_card import model_card
from services.trainer.records.examples import Examples, label_counts, owners
from services.trainer.records.materials import Materials

SCHEMA_VERSION = 2
MEASURED = (VALIDATION, TEST)
OUT_OF_FOLD = "out_of_fold"
_STEPS = 1000  # of an epoch: the rate at its start does not depend on their number, but for rounding

Values = NDArray[np.float64]


def run_report(
    plan: Plan, materials: Materials, trained: Trained, finished: torch.nn.Module, manifest: Manifest
) -> dict[str, Any]:
    """Everything that a reader of the model needs to judge it."""
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "plan": plan.to_json(),
        "plan_digest": plan.digest(),
        "manifest": manifest.to_json(),
        "method": plan.method.value,
        "base": plan.starts_from,
        "task": materials.task.value,
        "labels": list(plan.labels),
        "auxiliary_labels": {group: list(labels) for group, labels in materials.auxiliary.items()},
        "parameters": sum(parameter.numel() for parameter in finished.parameters()),
        "learning_rate": trained.learning_rate,
        "range_test": trained.range_test,
        "schedule": _schedule(plan, trained),
        "epochs": len(trained.history),
        "kept_epoch": trained.kept_epoch,
        "history": [dict(row) for row in trained.history],
        "members": [dict(row) for row in trained.members],
        "validated_on": OUT_OF_FOLD if _validation_is_out_of_fold(materials, trained) else VALIDATION,
        "parts": {role: _part_facts(part, plan, materials) for role, part in materials.parts.items()},
        "made_with": made_with(plan),
    }
    report |= _measured(plan, materials, _parts(plan, materials, trained, finished, manifest))
    return report | {"card": model_card(report)}


def short(report: Mapping[str, Any]) -> dict[str, Any]:
    """What a job's result says of its report: the figures without curves."""
    return {name: report[name] for name in (*MEASURED, "epochs", "kept_epoch") if name in report}


def _part_facts(part: Examples, plan: Plan, materials: Materials) -> dict[str, Any]:
    people = int(owners(part.patients).max()) + 1 if len(part) else 0
    facts: dict[str, Any] = {"records": len(part), "patients": people, "windows": len(part.x)}
    if materials.task is not Task.REGRESSION:
        return facts | {"labels": dict(label_counts(part.y, plan.labels))}
    values = _in_units(part, materials)
    names = ("smallest", "mean", "largest", "standard_deviation")
    each = np.stack([values.min(axis=0), values.mean(axis=0), values.max(axis=0), values.std(axis=0)], axis=1)
    rows = [dict(zip(names, row, strict=True)) for row in each.tolist()]
    return facts | {"values": dict(zip(plan.labels, rows, strict=True))}


def _schedule(plan: Plan, trained: Trained) -> list[dict[str, float]]:
    """Learning rate at the start of each epoch that was run."""
    return [
        {"epoch": epoch + 1, "learning_rate": rate_at(plan.recipe, trained.learning_rate, epoch * _STEPS, _STEPS)}
        for epoch in range(len(trained.history))
    ]


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


def _validation_is_out_of_fold(materials: Materials, trained: Trained) -> bool:
    return trained.out_of_fold is not None and VALIDATION not in materials.parts


def _parts(
    plan: Plan, materials: Materials, trained: Trained, finished: torch.nn.Module, manifest: Manifest
) -> dict[str, tuple[Examples, WindowOutputs]]:
    """Records that the network did not learn from, and what it says of them.

    Where there are folds, the training records stand for a validation part that is not there, each
    with what the one network says that never saw it.
    """
    outputs, aggregation = len(plan.labels), manifest.windows.aggregation

    def said_of(part: Examples, raw: Values) -> tuple[Examples, WindowOutputs]:
        return part, WindowOutputs(raw, part.record, aggregation)

    found = {
        role: said_of(materials.parts[role], predict_logits(finished, materials.parts[role], outputs))
        for role in MEASURED
        if role in materials.parts
    }
    if trained.out_of_fold is not None and VALIDATION not in found:
        said = trained.out_of_fold.logits[:, :outputs]
        if materials.task is Task.REGRESSION:
            said = said * np.array(materials.scale) + np.array(materials.offset)
        found = {VALIDATION: said_of(trained.out_of_fold.part, said)} | found
    return found


def _measured(plan: Plan, materials: Materials, parts: Mapping[str, tuple[Examples, WindowOutputs]]) -> dict[str, Any]:
    """Figures of the finished network on the parts that it did not learn from."""
    if materials.task is Task.REGRESSION:
        documents = {
            role: regression_document(
                _in_units(part, materials), said.values(), plan.labels, patients=owners(part.patients)
            )
            for role, (part, said) in parts.items()
        }
        return {"evaluations": documents, **{role: _short_values(each) for role, each in documents.items()}}
    return _classified(plan, parts, exclusive=materials.task is Task.MULTICLASS)


def _in_units(part: Examples, materials: Materials) -> Values:
    values: Values = part.y.astype(np.float64) * np.array(materials.scale) + np.array(materials.offset)
    return values


def _classified(plan: Plan, parts: Mapping[str, tuple[Examples, WindowOutputs]], *, exclusive: bool) -> dict[str, Any]:
    both = {role: (said, part.y.astype(np.uint8)) for role, (part, said) in parts.items()}
    calibration = fitted(*both[VALIDATION], plan.labels, exclusive=exclusive)
    documents = {
        role: classification_document(
            both[role][1],
            calibration.scores(said),
            plan.labels,
            exclusive=exclusive,
            patients=owners(part.patients),
            thresholds=calibration.thresholds,
        )
        for role, (part, said) in parts.items()
    }
    return {
        "evaluations": documents,
        "calibration": before_and_after(calibration, both),
        "operating_points": calibration.operating_points(),
        "threshold_table": threshold_table(calibration, both, plan.labels, VALIDATION),
        **{role: _short_classes(each) for role, each in documents.items()},
    }


def _short_classes(document: Mapping[str, Any]) -> dict[str, Any]:
    ends = document["intervals"]["metrics"].get("auroc_macro")
    head = {"n": document["n"], "patients": document["patients"], **document["metrics"]}
    return head | {"auroc_macro_interval": ends, "per_class": document["per_class"]}


def _short_values(document: Mapping[str, Any]) -> dict[str, Any]:
    means = {f"{name}_macro": value for name, value in document["metrics"].items()}
    return {"n": document["n"], "patients": document["patients"], **means, "per_output": document["per_class"]}
