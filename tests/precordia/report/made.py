"""Reports made here: figures of random scores, in the very form that trainer and inference write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.metrics.classification import classification_document
from precordia.metrics.regression import regression_document
from precordia.metrics.subgroups import subgroup_tables
from precordia.metrics.weighted import Answers
from precordia.steps import parse_step
from services.trainer.learning.window_outputs import WindowOutputs
from services.trainer.publication.calibrating import before_and_after, fitted, threshold_table
from services.trainer.publication.model_card import model_card

LABELS = ("NORM", "MI", "STTC", "CD", "HYP")
_SHARES = (0.5, 0.12, 0.25, 0.24, 0.1)
_ROLES = {"validation": 168, "test": 185}


def scored(count: int, labels: Sequence[str], *, exclusive: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Overconfident logits and truth, (count, k)."""
    generator = np.random.default_rng(seed)
    shares = np.resize(_SHARES, len(labels))
    if exclusive:
        truth = np.arange(len(labels)) == generator.choice(len(labels), count, p=shares / shares.sum())[:, None]
    else:
        truth = generator.random((count, len(labels))) < shares
    return 2.2 * (generator.normal(size=truth.shape) + 2.2 * truth - 1.6), truth.astype(np.uint8)


def training_report(
    task: Task = Task.MULTILABEL, labels: Sequence[str] = LABELS, *, epochs: int = 12, draws: int = 60
) -> dict[str, Any]:
    """As `services.trainer.publication.report` writes it, without a network."""
    manifest = _manifest(task, labels)
    report = _facts(manifest, labels, epochs)
    report |= _values(labels, draws) if task is Task.REGRESSION else _classes(labels, draws, task is Task.MULTICLASS)
    read: dict[str, Any] = json.loads(json.dumps(report | {"card": model_card(report)}, allow_nan=False))
    return read


def _manifest(task: Task, labels: Sequence[str]) -> Manifest:
    steps = tuple(parse_step(one) for one in ("band-pass:0.5-40", "z-score"))
    unit = "ms" if task is Task.REGRESSION else ""
    activation = {Task.MULTICLASS: Activation.SOFTMAX, Task.MULTILABEL: Activation.SIGMOID}.get(task, Activation.NONE)
    outputs = tuple(Output(label, unit=unit) for label in labels)
    return Manifest(InputSpec("ecg", STANDARD_LEADS, 100.0, 10.0), task, outputs, steps, activation)


def _classes(labels: Sequence[str], draws: int, exclusive: bool) -> dict[str, Any]:
    drawn = {role: scored(n, labels, exclusive=exclusive, seed=n) for role, n in _ROLES.items()}
    both = {role: (WindowOutputs(logits, np.arange(len(truth))), truth) for role, (logits, truth) in drawn.items()}
    calibration = fitted(*both["validation"], labels, exclusive=exclusive)
    documents = {
        role: classification_document(
            truth,
            calibration.scores(said),
            labels,
            exclusive=exclusive,
            patients=[f"p{row // 2}" for row in range(len(truth))],
            thresholds=calibration.thresholds,
            draws=draws,
        )
        for role, (said, truth) in both.items()
    }
    parts = {
        role: {
            "records": len(y),
            "patients": 90,
            "windows": len(y),
            "labels": dict(zip(labels, y.sum(axis=0).tolist(), strict=True)),
        }
        for role, (_, y) in both.items()
    }
    train = {
        "records": 928,
        "patients": 911,
        "windows": 928,
        "labels": {label: 100 + 20 * i for i, label in enumerate(labels)},
    }
    return {
        "parts": {"train": train, **parts},
        "evaluations": documents,
        "calibration": before_and_after(calibration, both),
        "operating_points": calibration.operating_points(),
        "threshold_table": threshold_table(calibration, both, labels, "validation"),
    }


def _values(labels: Sequence[str], draws: int) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    documents, parts = {}, {}
    for role, count in _ROLES.items():
        truth = generator.normal(400, 30, (count, len(labels)))
        values = 400 + 0.9 * (truth - 400) + generator.normal(3, 12, truth.shape)
        documents[role] = regression_document(
            truth, values, labels, patients=[f"p{i // 2}" for i in range(count)], draws=draws
        )
        row = {
            "smallest": float(truth.min()),
            "mean": float(truth.mean()),
            "largest": float(truth.max()),
            "standard_deviation": float(truth.std()),
        }
        parts[role] = {"records": count, "patients": 90, "windows": count, "values": dict.fromkeys(labels, row)}
    train = {**parts["test"], "records": 928}
    return {"parts": {"train": train, **parts}, "evaluations": documents}


def _facts(manifest: Manifest, labels: Sequence[str], epochs: int) -> dict[str, Any]:
    split = {"dataset": "ptbxl-z", "split": "train", "snapshot_id": "s1", "digest": "3f" * 32}
    rates = np.geomspace(1e-5, 1.0, 60)
    history = [
        {
            "epoch": i + 1,
            "train_loss": 0.3 + 0.5 * 0.8**i,
            "validation_loss": 0.28 + 0.4 * 0.75**i + 0.004 * i,
            **(
                {"mae_macro": 0.9 * 0.9**i, "rmse_macro": 1.1 * 0.9**i}
                if manifest.task is Task.REGRESSION
                else {
                    "auroc_macro": 0.93 - 0.15 * 0.7**i,
                    "f1_macro": 0.70 - 0.3 * 0.8**i,
                    "f1_weighted": 0.78 - 0.25 * 0.8**i,
                }
            ),
        }
        for i in range(epochs)
    ]
    return {
        "schema_version": 2,
        "about": {"name": "chest-pain", "job": "7d1f0c", "finished_at": "2026-11-20 14:05 UTC"},
        "plan": {
            "network": "InceptionTime",
            "label_group": "super_class",
            "seed": 0,
            "splits": {"train": split, "test": split | {"split": "test"}},
            "recipe": {"name": "default", "optimizer": "adamw", "batch_size": 32, "mixup": 0.3},
        },
        "plan_digest": "ab" * 32,
        "manifest": manifest.to_json(),
        "method": "scratch",
        "base": "InceptionTime",
        "task": manifest.task.value,
        "labels": list(labels),
        "parameters": 457605,
        "learning_rate": 0.005,
        "range_test": {
            "rates": rates.tolist(),
            "losses": (0.7 - 0.3 * np.exp(-((np.log10(rates) + 1.4) ** 2)) + 3 * rates**2).tolist(),
            "rate": 0.004,
            "rule": "a tenth of the rate with the smallest loss",
        },
        "schedule": [{"epoch": i + 1, "learning_rate": 0.005 * 0.9**i} for i in range(epochs)],
        "epochs": epochs,
        "kept_epoch": max(1, epochs - 3),
        "history": history,
        "members": [],
        "validated_on": "validation",
        "made_with": {
            "python": "3.11.9",
            "versions": {"precordia": "0.1.0", "torch": "2.13.0"},
            "machine": "x86_64",
            "cpu_capability": "AVX512",
            "threads": 2,
            "device": "cpu",
        },
        "parity": 2.4e-6,
        "seconds": 251.3,
    }


def evaluation(model: str = "chest-pain", *, seed: int = 1, draws: int = 60) -> dict[str, Any]:
    """As inference's operation `evaluate` gives it."""
    logits, truth = scored(400, LABELS, exclusive=False, seed=seed)
    said = WindowOutputs(logits, np.arange(400))
    calibration = fitted(said, truth, LABELS, exclusive=False)
    scores, patients = calibration.scores(said), [f"p{row}" for row in range(400)]
    found = classification_document(
        truth, scores, LABELS, exclusive=False, patients=patients, thresholds=calibration.thresholds, draws=draws
    )
    given = Answers(truth.astype(np.bool_), scores, scores >= 0.5, False)
    groups = {
        "age": np.resize(["18-39", "40-59", "80+", "unknown"], 400).tolist(),
        "sex": np.resize(["female", "male"], 400).tolist(),
    }
    made: dict[str, Any] = {
        "model": model,
        "version": 3,
        "dataset": "study",
        "split": "test",
        "snapshot_id": "snap-1",
        "snapshot_digest": "cd" * 32,
        "task": "multilabel",
        "label_group": "super_class",
        "model_digest": "ef" * 32,
        "left_out": {"UNLABELLED": 4, "MISSING_LEAD": 2},
        "decided_by": {"thresholds": dict(calibration.thresholds), "temperature": calibration.temperature},
        **found,
        "subgroups": subgroup_tables(given, LABELS, patients, groups),
    }
    read: dict[str, Any] = json.loads(json.dumps(made, allow_nan=False))
    return read
