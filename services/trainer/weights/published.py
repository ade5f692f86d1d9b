"""Published weights to the files of a model version, outside any job.

`python -m services.trainer.weights.published Net1D 12_lead_ECGFounder.pth --output FOLDER` writes
`model.onnx`, `weights.safetensors` and `manifest.json` there; `precordia models import` takes the
first. Other networks, and Net1D with other labels, need `--labels`, a text file with one a line;
networks without a published conditioning need `--conditioning`. An encoder without a last layer, as
ECG-FM's pretrained one, has no labels: it gets a fresh last layer whose one output says so.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from precordia.catalog import MODEL_ONNX, WEIGHTS
from precordia.errors import InvalidModel, PrecordiaError
from precordia.leads import STANDARD_LEADS, parse_leads
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.models import ecgfounder
from precordia.models.networks import Grid, Network, network
from precordia.models.published import holds_head, load_published, read_tensors
from precordia.models.untrained_head import UNTRAINED_HEAD
from precordia.steps import Step, parse_step
from services.trainer.planning.targets import unit_of
from services.trainer.publication.export import check_parity, finished_network, to_onnx, weights_file

_ACTIVATION = {
    Task.MULTILABEL: Activation.SIGMOID,
    Task.MULTICLASS: Activation.SOFTMAX,
    Task.REGRESSION: Activation.NONE,
}
_EXAMPLES = 2
_SEED = 0
"""Of a fresh last layer: the same encoder gives the same model."""


def convert(kind: Network, tensors: Mapping[str, Tensor], manifest: Manifest, output: Path) -> float:
    """Write the model's files. Returns the largest difference between torch and ONNX Runtime.

    Raises:
        InvalidModel: the tensors are not this network's, or the exported model differs from it.
    """
    leads, outputs = len(manifest.input.leads), len(manifest.outputs)
    built = _loaded(kind, tensors, manifest)
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


def _loaded(kind: Network, tensors: Mapping[str, Tensor], manifest: Manifest) -> nn.Module:
    """The network with these weights; where they lack the last layer it is a fresh one, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        built = kind.build(len(manifest.input.leads), len(manifest.outputs), 0.0)
    has_head = holds_head(kind, tensors)
    load_published(kind, built, tensors, head=has_head)
    if not has_head and manifest.outputs != (UNTRAINED_HEAD,):
        raise InvalidModel(
            "These weights are an encoder without its last layer, so no output means anything yet. Leave the labels "
            "out: it becomes a base, and fine-tuning gives it outputs.",
            field="labels",
        )
    return built


def contract(
    kind: Network,
    *,
    leads: Sequence[str],
    labels: Sequence[str],
    task: Task = Task.MULTILABEL,
    grid: Grid | None = None,
    steps: Sequence[Step] = (),
    head: bool = True,
) -> Manifest:
    """The manifest of published weights. What is not given is as the network was published.

    `head` = False is for an encoder without its last layer: without labels it has the output
    `UNTRAINED_HEAD` alone, whatever the task.

    Raises:
        InvalidModel: labels or conditioning are not known here; the message says how to give them.
        UnknownLead, InvalidManifest: what was given makes no contract.
    """
    names = parse_leads(tuple(leads))
    if head and not labels and kind.info.name == "Net1D":
        known = ecgfounder.manifest(len(names))
        if known.input.leads != names:
            raise InvalidModel("ECGFounder was published for the 12 standard leads, and for lead I alone.")
        return known
    grid = grid or Grid(kind.info.sample_rate_hz, kind.info.duration_s)
    spec = InputSpec("ecg", names, grid.rate_hz, grid.duration_s)
    is_base = not head and not labels
    task = Task.MULTILABEL if is_base else task
    origin = {"network": kind.info.name, "reference": kind.info.reference}
    return Manifest(
        spec,
        task,
        (UNTRAINED_HEAD,) if is_base else _outputs(kind, labels, task),
        _conditioning(kind, spec, steps),
        activation=_ACTIVATION[task],
        co_inputs=kind.co_inputs,
        origin=origin | ({"head": "untrained"} if is_base else {}),
    )


def _outputs(kind: Network, labels: Sequence[str], task: Task) -> tuple[Output, ...]:
    if not labels:
        raise InvalidModel(
            f"What {kind.info.name}'s outputs mean is not known here; give their labels: a file with one a line, in "
            "the order of the outputs (--labels FILE)."
        )
    return tuple(Output(label, unit=unit_of(label) if task is Task.REGRESSION else "") for label in labels)


def _conditioning(kind: Network, spec: InputSpec, steps: Sequence[Step]) -> tuple[Step, ...]:
    if steps:
        return tuple(steps)
    if kind.conditioning is None:
        raise InvalidModel(
            f"How ECGs were conditioned for these weights of {kind.info.name} is not known here; give the steps "
            "that they had in training (for example --conditioning band-pass:0.5-40,z-score)."
        )
    return kind.conditioning(spec)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.trainer.weights.published", description="Published weights to the files of a model."
    )
    parser.add_argument("network", help="Net1D, ECG-FM, ...")
    parser.add_argument("checkpoint", type=Path, help=".pth, .pt or .safetensors")
    parser.add_argument("--output", type=Path, required=True, help="folder for the files")
    parser.add_argument("--leads", default=",".join(STANDARD_LEADS), help="I,II,... (all twelve)")
    parser.add_argument("--labels", type=Path, help="a text file, one label a line, in the order of the outputs")
    parser.add_argument("--task", choices=[task.value for task in _ACTIVATION], default=Task.MULTILABEL.value)
    parser.add_argument("--rate", type=float, help="hertz of the input, where it is not the published one")
    parser.add_argument("--duration", type=float, help="seconds of the input, where it is not the published one")
    parser.add_argument("--conditioning", default="", help="steps as band-pass:0.5-40,z-score, in order")
    return parser


def _asked(given: argparse.Namespace, kind: Network, *, head: bool) -> Manifest:
    rate_hz, duration_s = given.rate or kind.info.sample_rate_hz, given.duration or kind.info.duration_s
    return contract(
        kind,
        leads=given.leads.split(","),
        labels=[line for line in given.labels.read_text().splitlines() if line] if given.labels else [],
        task=Task(given.task),
        grid=Grid(rate_hz, duration_s),
        steps=[parse_step(step) for step in given.conditioning.split(",") if step],
        head=head,
    )


def main(arguments: Sequence[str]) -> int:
    """Exit status 0: written; 1: refused, the reason is on stderr."""
    given = _parser().parse_args(arguments)
    try:
        kind = network(given.network)
        tensors = read_tensors(given.checkpoint)
        manifest = _asked(given, kind, head=holds_head(kind, tensors))
        parity = convert(kind, tensors, manifest, given.output)
    except OSError as error:
        sys.stderr.write(f"A file cannot be read or written: {error.strerror}.\n")
        return 1
    except PrecordiaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    written = {"network": kind.info.name, "outputs": len(manifest.outputs), "parity": parity}
    sys.stdout.write(json.dumps(written) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
