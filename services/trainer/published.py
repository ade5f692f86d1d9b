"""Published weights to the files of a model version, outside any job.

`python -m services.trainer.published Net1D 12_lead_ECGFounder.pth --output FOLDER` writes
`model.onnx`, `weights.safetensors` and `manifest.json` there; `precordia models import` takes the
first. Other networks, and Net1D with other labels, need `--labels`, a text file with one a line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from precordia.catalog import MODEL_ONNX, WEIGHTS
from precordia.errors import InvalidModel, PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.models import ecgfounder
from precordia.models.networks import Network, network
from precordia.models.published import load_published, read_tensors
from services.trainer.export import check_parity, finished_network, to_onnx, weights_file
from services.trainer.plan import default_steps

_ACTIVATION = {Task.MULTILABEL: Activation.SIGMOID, Task.MULTICLASS: Activation.SOFTMAX}
_EXAMPLES = 2


def convert(kind: Network, checkpoint: Path, manifest: Manifest, output: Path) -> float:
    """Write the model's files. Returns the largest difference between torch and ONNX Runtime.

    Raises:
        InvalidModel: the checkpoint is not this network's, or the exported model differs from it.
    """
    leads, outputs = len(manifest.input.leads), len(manifest.outputs)
    built = kind.build(leads, outputs, 0.0)
    load_published(kind, built, read_tensors(checkpoint))
    finished = finished_network(built, outputs)
    model = to_onnx(finished, manifest)
    generator = np.random.default_rng(0)
    examples = generator.standard_normal((_EXAMPLES, leads, manifest.input.samples), dtype=np.float32)
    columns = len(manifest.co_inputs.columns) if manifest.co_inputs else 0
    beside = generator.random((_EXAMPLES, columns), dtype=np.float32) if columns else None
    parity = check_parity(finished, model, examples, beside)
    output.mkdir(parents=True, exist_ok=True)
    (output / MODEL_ONNX).write_bytes(model)
    facts: dict[str, str | int] = {"network": kind.info.name, "leads": leads, "outputs": outputs}
    (output / WEIGHTS).write_bytes(weights_file(finished, facts))
    (output / "manifest.json").write_text(json.dumps(manifest.to_json(), indent=2, sort_keys=True) + "\n")
    return parity


def contract(
    kind: Network,
    *,
    leads: Sequence[str],
    labels: Sequence[str],
    task: Task = Task.MULTILABEL,
    grid: tuple[float, float] | None = None,
) -> Manifest:
    """The manifest of published weights; `grid` is rate in hertz and length in seconds.

    Raises:
        InvalidModel: the labels are not known; the message says how to give them.
    """
    if not labels and kind.info.name == "Net1D":
        return ecgfounder.manifest(len(leads))
    if not labels:
        raise InvalidModel(f"What {kind.info.name}'s outputs mean is not known here; give their labels.")
    rate_hz, duration_s = grid or (kind.info.sample_rate_hz, kind.info.duration_s)
    spec = InputSpec("ecg", tuple(leads), rate_hz, duration_s)
    manifest = Manifest(spec, task, tuple(map(Output, labels)), (kind.conditioning or default_steps)(spec))
    origin = {"network": kind.info.name, "reference": kind.info.reference}
    return replace(manifest, activation=_ACTIVATION[task], co_inputs=kind.co_inputs, origin=origin)


def main(arguments: Sequence[str]) -> int:
    """Exit status 0: written; 1: refused, the reason is on stderr."""
    parser = argparse.ArgumentParser(prog="python -m services.trainer.published", description=__doc__)
    parser.add_argument("network")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--leads", default="", help="I,II,... ; all twelve where not given")
    parser.add_argument("--labels", type=Path, help="a text file, one label a line, in the order of the outputs")
    parser.add_argument("--task", choices=[task.value for task in _ACTIVATION], default=Task.MULTILABEL.value)
    given = parser.parse_args(arguments)
    try:
        kind = network(given.network)
        labels = [line for line in given.labels.read_text().splitlines() if line] if given.labels else []
        leads = given.leads.split(",") if given.leads else STANDARD_LEADS
        manifest = contract(kind, leads=leads, labels=labels, task=Task(given.task))
        parity = convert(kind, given.checkpoint, manifest, given.output)
    except PrecordiaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    written = {"network": kind.info.name, "outputs": len(manifest.outputs), "parity": parity}
    sys.stdout.write(json.dumps(written) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
