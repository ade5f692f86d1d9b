"""The examples of docs/integration.md, run as they are written there, against real services."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from precordia.catalog import Lineage
from precordia.client import Connection
from precordia.dataset import LabelScheme
from precordia.manifest import Activation, Task
from precordia.steps import Step
from tests.services.inference import ecg_study, grpcurl
from tests.services.inference.graphs import CROP, contract, linear_graph

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"```(python|sh)\n(.*?)```", (ROOT / "docs" / "integration.md").read_text(), re.DOTALL)
ADDRESS = "127.0.0.1:50052"


@pytest.fixture
async def place(precordia: Connection, dicom_ecg: Path, tmp_path: Path) -> Path:
    """A folder with the file, commands, a model and a labelled dataset that the guide speaks of."""
    weights = np.zeros((12, 3))
    weights[1] = (6.0, -6.0, 1.0)
    manifest = contract(
        *("UP", "DOWN", "MI"),
        task=Task.MULTILABEL,
        activation=Activation.SIGMOID,
        steps=(Step("resample", 1, {"rate_hz": 100.0}), CROP),
    )
    graph = {"model.onnx": linear_graph(weights, np.zeros(3))}
    await precordia.registry.publish("precordia-superclasses", manifest, graph, Lineage("imported"))
    await precordia.ingest.import_source(ecg_study.study(8), ecg_study.HINTS, "study")
    await precordia.ingest.import_labels("study", "labels.csv", ecg_study.labels(8), LabelScheme.TABLE)
    await precordia.ingest.create_snapshot("study")
    folder = tmp_path / "guide"
    folder.mkdir()
    shutil.copy(dicom_ecg, folder / "ecg.dcm")
    for name, module in (("grpcurl", grpcurl.__name__), ("precordia", "cli")):
        command = folder / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        command.chmod(0o755)
    return folder


async def run(precordia: Connection, place: Path, kind: str, text: str) -> str:
    """One example; its output."""
    environment = os.environ | {"PATH": f"{place}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for service in ("ingest", "inference", "registry"):
        environment[f"PRECORDIA_{service.upper()}"] = getattr(precordia, service)._peer.address
    words = [sys.executable, "-c", text] if kind == "python" else ["bash", "-euo", "pipefail", "-c", text]
    process = await asyncio.create_subprocess_exec(
        *words, cwd=place, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, err.decode()
    return out.decode()


def documents(output: str) -> list[dict[str, Any]]:
    return list(grpcurl.objects(output))  # type: ignore[arg-type]  # the examples print objects


async def test_every_example_of_the_guide_runs(precordia: Connection, place: Path) -> None:
    recording, operation, outputs = "", "", []
    for kind, text in BLOCKS:
        text = text.replace(ADDRESS, precordia.inference._peer.address)
        text = text.replace('"REC"', f'"{recording}"').replace('"OPERATION"', f'"{operation}"')
        outputs.append(await run(precordia, place, kind, text))
        if "PredictFile" in text:
            recording = documents(outputs[-1])[0]["recordings"][0]["recordingId"]
        if "EvaluateModel" in text:
            operation = documents(outputs[-1])[0]["operation"]["operationId"]
    file_python, file_curl, _, by_id, kept_python, kept_curl, kept_command, figures, _, watched = outputs

    assert recording in file_python
    (answer,) = documents(file_curl)
    scores = {score["name"]: score["value"] for score in answer["predictions"][0]["scores"]}
    (again,) = documents(by_id)
    assert {score["name"]: score["value"] for score in again["predictions"][0]["scores"]} == scores
    for name, value in scores.items():
        assert f"{name:8} {value:.3f}" in file_python
    said = documents(kept_curl)[0]["predictions"]
    assert len(said) == len(kept_python.splitlines()) >= 4
    assert said[0]["prediction"]["recordingId"] == recording
    assert len((place / "mi.csv").read_text().splitlines()) == len(said) + 1
    assert "mi.csv" in kept_command or kept_command == ""
    assert figures.startswith("8 1.0")
    events = documents(watched)
    assert json.loads(events[-1]["event"]["payloadJson"])["state"] == "succeeded"
