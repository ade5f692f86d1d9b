from __future__ import annotations

import io
import json
import zipfile

from cli.model_archive import model_zip
from precordia.catalog import Lineage, ModelVersion
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task

POINTS = {"temperature": 1.4, "thresholds": {"MI": 0.3}}
FILES = {"model.onnx": b"graph", "weights.safetensors": b"weights", "report.json": b"{}", "report.html": b"<html/>"}


def version(points: str = "") -> ModelVersion:
    outputs = (Output("MI"), Output("CD"))
    contract = Manifest(
        InputSpec("ecg", ("I", "II"), 100.0, 10.0), Task.MULTILABEL, outputs, activation=Activation.SIGMOID
    )
    return ModelVersion(
        "mine", 2, "d" * 64, contract, (), Lineage("trained"), operating_points_json=points, operating_points_revision=1
    )


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_zip_holds_everything_and_says_what_it_is() -> None:
    found = unpacked(model_zip(version(json.dumps(POINTS)), FILES))
    assert next(iter(found)) == "README.txt"
    assert found.keys() == {*FILES, "README.txt", "manifest.json", "operating_points.json"}
    assert {name: found[name] for name in FILES} == FILES
    assert Manifest.parse(found["manifest.json"]) == version().manifest
    assert json.loads(found["operating_points.json"]) == POINTS
    readme = found["README.txt"].decode()
    for said in ("mine, version 2", "d" * 64, "Not a medical device", "float32 (batch, 2, 1000)", "MI, CD", "sigmoid"):
        assert said in readme
    assert all(name in readme for name in found if name != "README.txt")
    assert max(map(len, readme.splitlines())) <= 120


def test_the_same_model_gives_the_same_bytes() -> None:
    assert model_zip(version(), FILES) == model_zip(version(), dict(reversed(FILES.items())))


def test_a_model_without_report_or_points_is_packed_all_the_same() -> None:
    found = unpacked(model_zip(version(), {"model.onnx": b"graph"}))
    assert json.loads(found["operating_points.json"]) == {}
    assert "report.html" not in found["README.txt"].decode()
