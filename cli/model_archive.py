"""A model as one zip: graph, weights, contract, report, card, operating points, and a file that says what is what."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping

from precordia.catalog import (
    BASE_GRAPH,
    MODEL_CARD,
    MODEL_ONNX,
    OPERATING_POINTS,
    REPORT,
    REPORT_HTML,
    WEIGHTS,
    ModelVersion,
)
from precordia.manifest import Task

MANIFEST = "manifest.json"
README = "README.txt"
_MOST_NAMED = 20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same model gives the same bytes
_WHAT = {
    MODEL_ONNX: "the graph, for ONNX Runtime and any other ONNX engine; the contract is in its metadata too",
    WEIGHTS: "the weights, to train on from here (safetensors)",
    BASE_GRAPH: "the graph that the weights belong to, as it was imported",
    MANIFEST: "the contract: leads, rate, conditioning, outputs",
    OPERATING_POINTS: "calibration temperature and thresholds in force when this was exported",
    REPORT: "every figure of the training run",
    REPORT_HTML: "the same as a page, for any browser, without a network",
    MODEL_CARD: "what the model is for, how good it is, where it fails",
}


def model_zip(version: ModelVersion, files: Mapping[str, bytes]) -> bytes:
    """The archive of a version, from its files by name."""
    contents = {
        **files,
        MANIFEST: (json.dumps(version.manifest.to_json(), indent=2, sort_keys=True) + "\n").encode(),
        OPERATING_POINTS: _operating_points(version),
    }
    contents[README] = _readme(version, contents).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents, key=lambda name: (name != README, name)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, contents[name])
    return packed.getvalue()


def _operating_points(version: ModelVersion) -> bytes:
    kept = json.loads(version.operating_points_json or "{}")
    return (json.dumps(kept, indent=2, sort_keys=True) + "\n").encode()


def _readme(version: ModelVersion, contents: Mapping[str, bytes]) -> str:
    spec, outputs = version.manifest.input, version.manifest.output_names
    meaning = {
        Task.MULTICLASS: "probabilities of classes, of which one is true",
        Task.MULTILABEL: "a probability for each label",
        Task.REGRESSION: "values",
    }[version.manifest.task]
    names = f"{', '.join(outputs[:_MOST_NAMED])}{' ...' if len(outputs) > _MOST_NAMED else ''}"
    files = [f"  {name:<22} {_WHAT.get(name, '')}".rstrip() for name in sorted(contents)]
    return "\n".join(
        [
            f"{version.name}, version {version.version}",
            f"digest {version.digest}",
            "",
            "Not a medical device. It has not been validated clinically, and no decision about a patient may",
            "rest on it alone.",
            "",
            "Files",
            *files,
            "",
            "Input and output",
            f"  '{spec.name}', float32 (batch, {len(spec.leads)}, {spec.samples}): {', '.join(spec.leads)}",
            *([f"  zeros for what is missing of {', '.join(spec.optional_leads)}"] if spec.optional_leads else []),
            f"  at {spec.rate_hz:g} Hz, conditioned as {MANIFEST} says, step by step.",
            f"  '{version.manifest.output_name}': {meaning}: {names}",
            f"  What the graph gives is divided by the temperature of {OPERATING_POINTS} (revision",
            f"  {version.operating_points_revision}), where it has one; then the activation applies: "
            f"{version.manifest.activation.value}.",
            "",
            "Use",
            f"  precordia models import {MODEL_ONNX} --name {version.name}      into another registry",
            f"  precordia predict ecg.dcm --model {version.name}               scores of an ECG",
            "",
        ]
    )
