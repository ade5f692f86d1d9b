"""The default model beside what test_shipped_models holds of all: its contract, its records, raw ECGs at 500 Hz."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from safetensors import safe_open

from precordia.leads import STANDARD_LEADS
from precordia.manifest import Manifest
from precordia.record import Signal, Unit
from precordia.signal import condition
from precordia.steps import parse_step
from services.trainer.learning.metrics import classification

ROOT = Path(__file__).parents[3]
FILES = ROOT / "services" / "registry" / "shipped" / "precordia-superclasses"
CARD = ROOT / "docs" / "models" / "precordia-superclasses"
LABELS = ("NORM", "MI", "STTC", "CD", "HYP")
APPLIED = (parse_step("band-pass:0.5-40"), parse_step("z-score"))


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return Manifest.parse((FILES / "manifest.json").read_bytes())


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(FILES / "model.onnx", options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def report() -> dict[str, object]:
    return dict(json.loads((FILES / "report.json").read_text()))


def scores(session: onnxruntime.InferenceSession, x: NDArray[np.float32]) -> NDArray[np.float64]:
    logits = np.concatenate([session.run(None, {"ecg": x[start : start + 32]})[0] for start in range(0, len(x), 32)])
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def test_every_file_is_small_and_the_network_is_the_one_named() -> None:
    assert all(file.stat().st_size < 2_500_000 for file in FILES.iterdir())
    with safe_open(FILES / "weights.safetensors", framework="pt") as opened:
        architecture = json.loads(opened.metadata()["architecture"])
    assert architecture == {"network": "InceptionTime", "leads": 12, "outputs": 5}


def test_the_contract_takes_any_raw_ecg(manifest: Manifest) -> None:
    assert manifest.output_names == LABELS
    assert (manifest.label_group, manifest.input.unit) == ("super_class", Unit.MILLIVOLT)
    assert [step.name for step in manifest.steps] == ["band_pass", "resample", "crop_or_pad", "z_score"]
    assert dict(manifest.steps[0].parameters) == {"low_hz": 0.5, "high_hz": 40.0, "order": 4.0}


def test_the_card_lists_the_records_of_every_part() -> None:
    with (CARD / "records.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    parts = {name: sum(row["part"] == name for row in rows) for name in ("train", "validation", "test")}
    assert parts == {"train": 928, "validation": 168, "test": 185}
    assert {row["strat_fold"] for row in rows if row["part"] == "test"} == {"7"}
    assert {row["strat_fold"] for row in rows if row["part"] != "test"} == set("123456")


def test_it_scores_on_fold_7_what_its_card_says(
    testdata: Path, session: onnxruntime.InferenceSession, manifest: Manifest, report: dict[str, dict[str, float]]
) -> None:
    stored = dict(np.load(testdata / "ptbxl-z" / "signals_100hz.npz", allow_pickle=False))
    with (testdata / "ptbxl-z" / "labels.csv").open() as opened:
        rows = {int(row["ecg_id"]): row for row in csv.DictReader(opened) if row["strat_fold"] == "7"}
    chosen = [index for index, ecg_id in enumerate(stored["ecg_id"]) if int(ecg_id) in rows]
    truth = np.array(
        [[int(rows[int(stored["ecg_id"][index])][f"super_class:{label}"]) for label in LABELS] for index in chosen]
    )
    values = [(stored["x"][index].T / 1000.0).astype(np.float32) for index in chosen]
    signals = [Signal(np.ascontiguousarray(one), STANDARD_LEADS, 100.0, Unit.STANDARDISED, APPLIED) for one in values]
    x = np.concatenate([condition(signal, manifest).x for signal in signals])
    np.testing.assert_array_equal(x, np.stack(values))  # conditioned records pass untouched

    found = classification(truth.astype(np.uint8), scores(session, x), LABELS, exclusive=False)
    assert found["n"] == 185
    assert found["auroc_macro"] >= 0.92
    assert found["auroc_macro"] == pytest.approx(report["test"]["auroc_macro"], abs=2e-4)


def test_the_same_ecgs_at_500_hz_score_alike(
    testdata: Path, session: onnxruntime.InferenceSession, manifest: Manifest
) -> None:
    stored = dict(np.load(testdata / "ptbxl-z" / "signals_100hz.npz", allow_pickle=False))
    ids = stored["ecg_id"].tolist()
    files = sorted((testdata / "ptbxl-z" / "original_500hz").glob("*.npy"))
    fast = [np.ascontiguousarray(np.load(file, allow_pickle=False).T) for file in files]
    slow = np.stack([(stored["x"][ids.index(int(file.stem))].T / 1000.0).astype(np.float32) for file in files])
    signals = [Signal(values, STANDARD_LEADS, 500.0, Unit.STANDARDISED, APPLIED) for values in fast]
    x = np.concatenate([condition(signal, manifest).x for signal in signals])
    assert np.abs(scores(session, x) - scores(session, slow)).max() < 0.05
