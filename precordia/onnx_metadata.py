"""A model's contract inside its ONNX file: metadata strings to a manifest, and a manifest to strings.

Our own key, `precordia_manifest`, holds the whole manifest. Four older keys (`target_keys`,
`standardizer`, `sampling_rate`, `scale`) are read and written beside it, so that models travel to
and from the platform of Bickmann et al. (J Med Internet Res 2026;28:e81116). A file with only
those is conditioned as that platform does: FFT resampling as scipy's, the first 10 s, minus a
running median over 2 s, then one mean and spread (`meanStd`) or one range -1..1 (`minMax`) over
the whole record, never by lead; its answer goes through softmax.

Metadata comes from strangers. Only literals are read, within bounds of length and nesting; what
says how to condition the signal and cannot be read refuses the model, because a model conditioned
in another way than it was trained is wrong in silence.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from precordia.errors import InvalidModel, PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.record import Remark, Unit
from precordia.steps import Step

MANIFEST_KEY = "precordia_manifest"
OLDER_KEYS_KEY = "precordia_older_keys"
"""Whether the older keys say all that the manifest says: "exact", or only "nearest"."""

LONGEST_MANIFEST = 4 << 20
LONGEST_LITERAL = 64 << 10
DEEPEST_LITERAL = 16
MOST_OUTPUTS = 10_000

OLDER_DURATION_S = 10.0
OLDER_WINDOW_S = 2.0

_STANDARDIZERS: Mapping[str, tuple[Step, ...]] = {
    "None": (),
    "minMax": (Step("min_max", 1, {"by": "record", "low": -1.0, "high": 1.0}),),
    "meanStd": (Step("z_score", 1, {"by": "record"}),),
}
_SCALES = {"milliVolt": Unit.MILLIVOLT, "mikroVolt": Unit.MICROVOLT}

_GIVE_MANIFEST = "Import the file together with a manifest that says it."


@dataclass(frozen=True)
class _Graph:
    """What the graph itself says: dimensions are None where they are free."""

    input_name: str
    input_shape: tuple[int | None, ...]
    output_name: str
    output_count: int
    final_operator: str


def metadata_from_manifest(manifest: Manifest) -> dict[str, str]:
    """The strings to put into an ONNX file: the manifest itself, and the nearest older keys."""
    metadata = {
        MANIFEST_KEY: manifest.canonical(),
        "target_keys": repr(list(manifest.output_names)),
        "standardizer": _nearest_standardizer(manifest),
        "sampling_rate": f"{manifest.input.rate_hz:g}",
        "scale": "mikroVolt" if manifest.input.unit is Unit.MICROVOLT else "milliVolt",
    }
    metadata[OLDER_KEYS_KEY] = "exact" if _say_the_same(metadata, manifest) else "nearest"
    return metadata


def manifest_from_metadata(
    metadata: Mapping[str, str],
    *,
    input_name: str,
    input_shape: Sequence[int | None],
    output_name: str,
    output_count: int,
    final_operator: str = "",
) -> tuple[Manifest, tuple[Remark, ...]]:
    """The contract that a file's metadata states, with a remark for all that had to be assumed.

    Args:
        metadata: the file's metadata strings; of repeated keys, the last.
        input_name: the graph's signal input.
        input_shape: (batch, leads, samples); None where a dimension is free.
        output_name: the graph's answer.
        output_count: how many numbers the answer has for one ECG.
        final_operator: operator that makes the answer, where known: a graph that ends in Softmax
            or Sigmoid needs neither applied again.

    Raises:
        InvalidModel: the metadata says something that cannot be read, or too little.
        InvalidManifest, UnknownStep, UnknownLead: the manifest inside the file is no usable one.
    """
    text = metadata.get(MANIFEST_KEY)
    if text is not None:
        if len(text) > LONGEST_MANIFEST:
            raise InvalidModel(f"The manifest inside the file is longer than {LONGEST_MANIFEST} characters.")
        return Manifest.parse(text), ()
    graph = _Graph(input_name, tuple(input_shape), output_name, output_count, final_operator)
    return _older_manifest(metadata, graph)


def _older_manifest(metadata: Mapping[str, str], graph: _Graph) -> tuple[Manifest, tuple[Remark, ...]]:
    names, names_remarks = _output_names(metadata.get("target_keys"), graph.output_count)
    rate_hz, duration_s, grid_remarks = input_grid(metadata, graph.input_shape)
    unit, unit_remarks = _unit(metadata.get("scale"))
    task, activation, task_remarks = _task(graph)
    steps = _older_steps(rate_hz, duration_s, _standardizer(metadata.get("standardizer")))
    manifest = Manifest(
        input=InputSpec(graph.input_name, STANDARD_LEADS, rate_hz, duration_s, unit),
        task=task,
        outputs=tuple(Output(name) for name in names),
        steps=steps,
        activation=activation,
        output_name=graph.output_name,
        origin={"conditioning": "older platform"},
    )
    conventions = Remark(
        "older_conditioning",
        "The file has no manifest; leads are taken in standard order and the signal is conditioned as the older "
        "platform does (FFT resampling, running median over 2 s removed). Its clipping of outliers is not repeated.",
    )
    return manifest, (conventions, *names_remarks, *grid_remarks, *unit_remarks, *task_remarks)


def _older_steps(rate_hz: float, duration_s: float, standardizer: tuple[Step, ...]) -> tuple[Step, ...]:
    return (
        Step("scipy.signal.resample", 1, {"rate_hz": rate_hz}),
        Step("crop_or_pad", 1, {"duration_s": duration_s}),
        Step("median_baseline", 1, {"window_s": OLDER_WINDOW_S, "edges": "reflect"}),
        *standardizer,
    )


def _output_names(text: str | None, count: int) -> tuple[tuple[str, ...], tuple[Remark, ...]]:
    if not 0 < count <= MOST_OUTPUTS:
        raise InvalidModel(f"The model answers with {count} numbers; from 1 to {MOST_OUTPUTS} can be used.")
    if text is None:
        generic = tuple(f"output_{index}" for index in range(count))
        return generic, (Remark("unnamed_outputs", "The file does not name its outputs; they are numbered."),)
    names = _names(_literal("target_keys", text))
    if len(names) != count:
        raise InvalidModel(
            f"The file names {len(names)} outputs, the graph gives {count}. {_GIVE_MANIFEST}", field="target_keys"
        )
    if len(set(names)) != count or not all(names):
        raise InvalidModel(f"The file's output names are not each its own. {_GIVE_MANIFEST}", field="target_keys")
    return names, ()


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or any(
        isinstance(name, bool) or not isinstance(name, str | int) for name in value
    ):
        raise InvalidModel(f"'target_keys' is no list of names. {_GIVE_MANIFEST}", field="target_keys")
    return tuple(str(name).strip() for name in value)


def _literal(key: str, text: str) -> object:
    """The value of a Python literal; anything that would have to be run is refused.

    The bounds come first: the parser itself can be driven out of its stack by nesting.
    """
    if len(text) > LONGEST_LITERAL or _nesting(text) > DEEPEST_LITERAL:
        raise InvalidModel(f"'{key}' is too long or too deeply nested to be a list of names.", field=key)
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise InvalidModel(
            f"'{key}' is no plain list of names; expressions in metadata are never run. {_GIVE_MANIFEST}", field=key
        ) from None


def _nesting(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


def input_grid(metadata: Mapping[str, str], shape: Sequence[int | None]) -> tuple[float, float, tuple[Remark, ...]]:
    """Rate in Hz and duration in seconds of an input (batch, 12 leads, samples), by the older keys.

    Raises:
        InvalidModel: the input has another shape, or nothing says its rate.
    """
    text = metadata.get("sampling_rate")
    if len(shape) != 3 or shape[1] not in (len(STANDARD_LEADS), None):
        raise InvalidModel(f"The input is not (batch, 12 leads, samples), so its leads are unknown. {_GIVE_MANIFEST}")
    samples = shape[2]
    if samples is not None and not 0 < samples <= 10_000_000:
        raise InvalidModel("The input's length in samples is impossible.")
    rate_hz = None if text is None else _rate_hz(text)
    if rate_hz is not None and samples is not None:
        return rate_hz, samples / rate_hz, ()
    if rate_hz is not None:
        return rate_hz, OLDER_DURATION_S, (Remark("assumed_duration", "The input's length is free; 10 s are assumed."),)
    if samples is None:
        raise InvalidModel(f"Neither the file nor its input says a sampling rate. {_GIVE_MANIFEST}", field="rate_hz")
    assumed_hz = samples / OLDER_DURATION_S
    remark = Remark(
        "assumed_rate",
        f"The file does not say its sampling rate; {samples} samples are taken as 10 s, {assumed_hz:g} Hz.",
    )
    return assumed_hz, OLDER_DURATION_S, (remark,)


def _rate_hz(text: str) -> float:
    try:
        rate_hz = float(text[:64])
    except ValueError:
        rate_hz = math.nan
    if not 0 < rate_hz <= 100_000:
        raise InvalidModel(f"'sampling_rate' is no rate in Hz. {_GIVE_MANIFEST}", field="sampling_rate")
    return rate_hz


def _unit(text: str | None) -> tuple[Unit, tuple[Remark, ...]]:
    if text is None:
        remark = Remark("assumed_unit", "The file does not say its input's unit; millivolts, the older default.")
        return Unit.MILLIVOLT, (remark,)
    if text not in _SCALES:
        raise InvalidModel(f"'scale' is neither milliVolt nor mikroVolt. {_GIVE_MANIFEST}", field="scale")
    return _SCALES[text], ()


def _standardizer(text: str | None) -> tuple[Step, ...]:
    steps = _STANDARDIZERS.get(text or "None")
    if steps is None:
        raise InvalidModel(f"'standardizer' is none of None, minMax, meanStd. {_GIVE_MANIFEST}", field="standardizer")
    return steps


def _task(graph: _Graph) -> tuple[Task, Activation, tuple[Remark, ...]]:
    if graph.final_operator == "Sigmoid":
        remark = Remark("assumed_task", "The graph ends in a sigmoid: its outputs are taken as labels by themselves.")
        return Task.MULTILABEL, Activation.NONE, (remark,)
    if graph.output_count < 2:
        raise InvalidModel(f"The model has one output and does not say its task. {_GIVE_MANIFEST}", field="task")
    if graph.final_operator == "Softmax":
        remark = Remark("softmax_in_graph", "The graph ends in a softmax; none is applied again.")
        return Task.MULTICLASS, Activation.NONE, (remark,)
    remark = Remark("assumed_task", "The file does not say its task; one class of all, as the older platform takes it.")
    return Task.MULTICLASS, Activation.SOFTMAX, (remark,)


def _nearest_standardizer(manifest: Manifest) -> str:
    names = [step.name for step in manifest.steps]
    if "z_score" in names:
        return "meanStd"
    return "minMax" if "min_max" in names else "None"


def _say_the_same(metadata: Mapping[str, str], manifest: Manifest) -> bool:
    """Whether the older keys alone would lead to the same input, conditioning and answer."""
    older = {key: value for key, value in metadata.items() if key != MANIFEST_KEY}
    shape = (None, len(manifest.input.leads), manifest.input.samples)
    graph = _Graph(manifest.input.name, shape, manifest.output_name, len(manifest.outputs), "")
    try:
        read, _ = _older_manifest(older, graph)
    except PrecordiaError:
        return False
    return manifest.co_inputs is None and (
        (read.input, read.steps, read.task, read.activation, read.output_names)
        == (manifest.input, manifest.steps, manifest.task, manifest.activation, manifest.output_names)
    )
