"""The examination of one ONNX file, as it runs in a process of its own.

A model file is a program. Checking it may crash a parser, loop without end or ask for all memory;
so the registry starts `python -m services.registry.onnx_examination` for each file, with limits on
time and memory, writes the question to its stdin and reads the verdict from its stdout
(`onnx_check` is the other side).

Question and verdict: one line of JSON, then the file's bytes.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from typing import Any

import onnx
from onnx import ModelProto

from precordia.errors import InvalidModel, PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Manifest
from precordia.onnx_metadata import MANIFEST_KEY, input_grid, manifest_from_metadata, metadata_from_manifest
from precordia.record import Remark
from services.registry import onnx_graph, onnx_mend
from services.registry.examined import Examined
from services.registry.onnx_graph import Port
from services.registry.onnx_run import TrialInput, plain_reason, try_model


def examine_published(content: bytes, manifest: Manifest) -> Examined:
    """Check a file against the manifest that its author gave; nothing is changed.

    Raises:
        InvalidModel: the file is broken, cannot run here, or is not what the manifest says.
    """
    model = onnx_graph.parse_model(content)
    _check(model)
    _agree(model, manifest)
    count = try_model(content, TrialInput.of(manifest), manifest.output_name)
    _agree_on_outputs(count, manifest)
    return _examined(model, manifest, content, ())


def examine_imported(content: bytes, manifest: Manifest | None) -> Examined:
    """Check a file as users bring it; mend what is known, and find its manifest where none is given.

    Raises:
        InvalidModel: the file is broken, cannot run here, or leaves its contract open.
        InvalidManifest, UnknownStep, UnknownLead: the manifest inside the file is no usable one.
    """
    model = onnx_graph.parse_model(content)
    remarks = onnx_mend.mend_metadata(model)
    _check(model)
    inside = onnx_graph.metadata_of(model).get(MANIFEST_KEY)
    manifest = manifest or (Manifest.parse(inside) if inside else None)
    model, mended = onnx_mend.mend_model(model, leads=len(manifest.input.leads if manifest else STANDARD_LEADS))
    _check(model)
    manifest, assumed = _manifest(model, manifest)
    _agree(model, manifest)
    content = onnx_graph.serialize(onnx_graph.with_metadata(model, metadata_from_manifest(manifest)))
    count = try_model(content, TrialInput.of(manifest), manifest.output_name)
    _agree_on_outputs(count, manifest)
    return _examined(model, manifest, content, (*remarks, *mended, *assumed))


def _examined(model: ModelProto, manifest: Manifest, content: bytes, remarks: tuple[Remark, ...]) -> Examined:
    producer = f"{model.producer_name} {model.producer_version}".strip()[:100]
    return Examined(manifest, content, onnx_graph.opset_of(model), producer, remarks)


def _check(model: ModelProto) -> None:
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # the checker raises its own and, on damage, many others
        raise InvalidModel(f"The model's graph is not valid ONNX: {plain_reason(error)}") from None


def _manifest(model: ModelProto, given: Manifest | None) -> tuple[Manifest, tuple[Remark, ...]]:
    if given is not None:
        return given, ()
    signal, answer = _signal(model), onnx_graph.outputs_of(model.graph)[0]
    metadata = onnx_graph.metadata_of(model)
    rate_hz, duration_s, _ = input_grid(metadata, signal.shape)
    trial = TrialInput(signal.name, len(STANDARD_LEADS), round(rate_hz * duration_s))
    return manifest_from_metadata(
        metadata,
        input_name=signal.name,
        input_shape=signal.shape,
        output_name=answer.name,
        output_count=try_model(onnx_graph.serialize(model), trial, answer.name),
        final_operator=onnx_graph.final_operator(model.graph, answer.name),
    )


def _signal(model: ModelProto) -> Port:
    inputs = onnx_graph.inputs_of(model.graph)
    if len(inputs) != 1:
        raise InvalidModel(
            f"The model has {len(inputs)} inputs; import it together with a manifest that says what they are."
        )
    return inputs[0]


def _agree(model: ModelProto, manifest: Manifest) -> None:
    """Whether the graph's inputs and output are those of the manifest, with a free batch."""
    inputs = {port.name: port for port in onnx_graph.inputs_of(model.graph)}
    wanted: dict[str, tuple[int, ...]] = {manifest.input.name: (len(manifest.input.leads), manifest.input.samples)}
    if manifest.co_inputs is not None:
        wanted[manifest.co_inputs.name] = (len(manifest.co_inputs.columns),)
    if set(inputs) != set(wanted):
        raise InvalidModel(
            f"The graph's inputs are {_listed(inputs)}, the manifest says {_listed(wanted)}.", field="input.name"
        )
    for name, shape in wanted.items():
        _agree_on_port(inputs[name], shape)
    outputs = {port.name: port for port in onnx_graph.outputs_of(model.graph)}
    if manifest.output_name not in outputs:
        raise InvalidModel(
            f"The graph's outputs are {_listed(outputs)}, the manifest says '{manifest.output_name[:64]}'.",
            field="output_name",
        )
    answer = outputs[manifest.output_name]
    if not answer.is_float or (answer.shape and answer.shape[0] is not None):
        raise InvalidModel("The graph's output is not (batch, outputs) float32 with a free batch.", field="output_name")


def _agree_on_port(port: Port, shape: tuple[int, ...]) -> None:
    if not port.is_float:
        raise InvalidModel(f"Input '{port.name[:64]}' is not float32.", field="input")
    same_rank = len(port.shape) == len(shape) + 1
    if not same_rank or any(have not in (want, None) for have, want in zip(port.shape[1:], shape, strict=True)):
        raise InvalidModel(
            f"Input '{port.name[:64]}' is {_shape(port.shape)}; the manifest needs {_shape((None, *shape))}.",
            field="input",
        )
    if port.shape[0] is not None:
        raise InvalidModel(
            f"Input '{port.name[:64]}' takes batches of {port.shape[0]} only; export it with a free batch dimension.",
            field="input",
        )


def _agree_on_outputs(count: int, manifest: Manifest) -> None:
    if count != len(manifest.outputs):
        raise InvalidModel(
            f"The graph answers with {count} numbers, the manifest names {len(manifest.outputs)} outputs.",
            field="outputs",
        )


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(f"'{name[:64]}'" for name in list(names)[:8])


def _shape(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("batch" if size is None else str(size) for size in shape) + ")"


def answer(question: Mapping[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    """The verdict as JSON, and the bytes to keep where they differ from those that came."""
    manifest = Manifest.parse(question["manifest"]) if question["manifest"] else None
    try:
        if question["mend"] or manifest is None:
            examined = examine_imported(content, manifest)
        else:
            examined = examine_published(content, manifest)
    except PrecordiaError as error:
        return {"reason": error.reason, "message": error.message, "details": error.details}, b""
    except (Exception, RecursionError) as error:  # whatever a damaged graph does to a library is the graph's fault
        return {"reason": InvalidModel.reason, "message": f"The model's graph is damaged: {plain_reason(error)}"}, b""
    verdict = {
        "manifest": examined.manifest.canonical(),
        "opset": examined.opset,
        "producer": examined.producer,
        "remarks": [dict(vars(remark)) for remark in examined.remarks],
    }
    return verdict, examined.content if question["mend"] else b""


def _limit(memory_mib: int, cpu_s: int) -> None:
    """This process may not take more than its share; where the system knows no such limit, time is the bound."""
    for limit, value in (
        (resource.RLIMIT_AS, memory_mib << 20),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        try:
            resource.setrlimit(limit, (value, value))
        except (ValueError, OSError):
            continue


def main() -> None:
    """One question from stdin, one verdict to stdout."""
    question = json.loads(sys.stdin.buffer.readline())
    _limit(question["memory_mib"], question["cpu_s"])
    verdict, content = answer(question, sys.stdin.buffer.read())
    sys.stdout.buffer.write(json.dumps(verdict).encode() + b"\n" + content)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
