"""The shipped models that the trainer reported on: files that agree, and figures that hold."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file

from precordia.manifest import Manifest
from precordia.metrics import auroc
from precordia.models.networks import network
from precordia.onnx_metadata import manifest_from_metadata
from services.trainer.networks.ensemble import Ensemble

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "services" / "registry" / "shipped"
FOLDERS = sorted(folder for folder in SHIPPED.iterdir() if (folder / "report.json").exists())
FILES = {
    "manifest.json",
    "model.onnx",
    "weights.safetensors",
    "operating_points.json",
    "model_card.md",
    "report.json",
    "report.html",
}
LARGEST = 6_000_000


@pytest.fixture(params=FOLDERS, ids=lambda folder: str(folder.name))
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def manifest_of(folder: Path) -> Manifest:
    return Manifest.parse((folder / "manifest.json").read_bytes())


def session_of(folder: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])


def report_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "report.json").read_text()))


def test_every_file_is_there_and_small(folder: Path) -> None:
    assert {file.name for file in folder.iterdir()} == FILES
    assert all(file.stat().st_size < LARGEST for file in folder.iterdir())
    assert (ROOT / "docs" / "models" / folder.name / "README.md").is_file()


def test_the_copy_of_the_contract_in_the_file_is_the_same(folder: Path) -> None:
    manifest = manifest_of(folder)
    found, _ = manifest_from_metadata(
        session_of(folder).get_modelmeta().custom_metadata_map,
        input_name="ecg",
        input_shape=(None, len(manifest.input.leads), manifest.input.samples),
        output_name="scores",
        output_count=len(manifest.outputs),
    )
    assert found == manifest


def test_weights_and_graph_compute_the_same(folder: Path) -> None:
    with safe_open(folder / "weights.safetensors", framework="pt") as opened:
        architecture = json.loads(opened.metadata()["architecture"])
    leads, outputs, count = architecture["leads"], architecture["outputs"], architecture.get("members", 1)
    members = [network(architecture["network"]).build(leads, outputs, 0.0) for _ in range(count)]
    built = Ensemble(members) if count > 1 else members[0]
    built.load_state_dict(load_file(folder / "weights.safetensors"))
    x = np.random.default_rng(0).standard_normal((3, 12, 1000)).astype(np.float32)
    with torch.no_grad():
        wanted = built.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(session_of(folder).run(None, {"ecg": x})[0], wanted, atol=1e-5)


def test_operating_points_are_those_of_the_report(folder: Path) -> None:
    points = json.loads((folder / "operating_points.json").read_text())
    assert points == report_of(folder)["operating_points"]
    assert set(points["thresholds"]) == set(manifest_of(folder).output_names)


def test_it_scores_on_fold_7_what_its_card_says(testdata: Path, folder: Path) -> None:
    manifest, report = manifest_of(folder), report_of(folder)
    rows, x = fold_7(testdata)
    logits = np.concatenate(
        [session_of(folder).run(None, {"ecg": x[start : start + 32]})[0] for start in range(0, len(x), 32)]
    ).astype(np.float64)
    for column, label in enumerate(manifest.output_names):
        truth = np.array([row[f"{manifest.label_group}:{label}"] == "1" for row in rows])
        found = auroc(truth, logits[:, column])
        assert found == pytest.approx(report["test"]["per_class"][label]["auroc"], abs=5e-4)
        assert truth.sum() == report["test"]["per_class"][label]["positives"]
    assert report["test"]["auroc_macro"] > 0.9


def fold_7(testdata: Path) -> tuple[list[dict[str, str]], NDArray[np.float32]]:
    """Label rows and conditioned ECGs, (n, 12, 1000), in the order of the archive."""
    stored = dict(np.load(testdata / "ptbxl-z" / "signals_100hz.npz", allow_pickle=False))
    with (testdata / "ptbxl-z" / "labels.csv").open() as opened:
        rows = {int(row["ecg_id"]): row for row in csv.DictReader(opened) if row["strat_fold"] == "7"}
    chosen = [index for index, ecg_id in enumerate(stored["ecg_id"]) if int(ecg_id) in rows]
    x = (stored["x"][chosen].transpose(0, 2, 1) / 1000.0).astype(np.float32)
    return [rows[int(stored["ecg_id"][index])] for index in chosen], x
