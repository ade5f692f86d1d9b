"""The manifest: a model's contract. What goes in, how it is conditioned, what comes out.

The registry's copy is authoritative; a copy travels in the ONNX file's metadata. Thresholds and
calibration are kept beside it (operating points), so that tuning them leaves the digest alone.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from precordia.errors import InvalidManifest, PrecordiaError
from precordia.leads import parse_leads
from precordia.record import Sex, Unit
from precordia.steps import Step

SCHEMA_VERSION = 1
CO_INPUT_SOURCES = ("age_years", "sex_female", "sex_male", "age_missing", "sex_missing")
SMALLEST_STRIDE = 20
_LONGEST = 1 << 20
"""Windows overlap until each sample is seen this often; more would only cost time and memory."""


class Task(Enum):
    """What the outputs mean together."""

    MULTICLASS = "multiclass"
    """Exactly one class is true; scores sum to 1."""
    MULTILABEL = "multilabel"
    """Each label is true or not by itself."""
    REGRESSION = "regression"


class Activation(Enum):
    """What is still to be applied to the graph's output to make scores of it."""

    NONE = "none"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"


class LongPolicy(Enum):
    """What happens to a recording longer than the model's input."""

    WINDOWS = "windows"
    """Consecutive windows; their scores are aggregated."""
    FIRST = "first"
    """Only the first window, with a remark."""


class Aggregation(Enum):
    """How the scores of windows become one."""

    MEAN = "mean"
    MAX = "max"


@dataclass(frozen=True)
class InputSpec:
    """The tensor (batch, leads, samples), float32.

    Attributes:
        unit: that conditioning starts from; what the steps make of it is theirs to say.
        optional_leads: those of `leads` that an ECG may lack: zeros stand for them after conditioning, as
            lead dropout left them in training. An ECG without any other lead is refused.
    """

    name: str
    leads: tuple[str, ...]
    rate_hz: float
    duration_s: float
    unit: Unit = Unit.MILLIVOLT
    optional_leads: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """Samples a lead."""
        return round(self.rate_hz * self.duration_s)


@dataclass(frozen=True)
class WindowPolicy:
    """Long recordings. `stride_s` of 0 means no overlap."""

    long: LongPolicy = LongPolicy.WINDOWS
    stride_s: float = 0.0
    aggregation: Aggregation = Aggregation.MEAN


@dataclass(frozen=True)
class CoInput:
    """A number beside the signal: (value - offset) / scale, or `default` with its missing flag set.

    `source` is one of `CO_INPUT_SOURCES`.
    """

    source: str
    offset: float = 0.0
    scale: float = 1.0
    default: float = 0.0


@dataclass(frozen=True)
class CoInputs:
    """A second input tensor (batch, len(columns)), float32."""

    name: str
    columns: tuple[CoInput, ...]

    def row(self, age_years: float | None, sex: Sex | None) -> tuple[float, ...]:
        """The numbers of one person, in order; what is not known takes its column's default."""
        known = {"age_missing": float(age_years is None), "sex_missing": float(sex is None)}
        if age_years is not None:
            known["age_years"] = age_years
        if sex is not None:
            known |= {"sex_female": float(sex is Sex.FEMALE), "sex_male": float(sex is Sex.MALE)}
        return tuple(
            (known[column.source] - column.offset) / column.scale if column.source in known else column.default
            for column in self.columns
        )


@dataclass(frozen=True)
class Output:
    """One output: its name, its SNOMED CT code where it has one, its unit for regression."""

    name: str
    code: str = ""
    unit: str = ""
    description: str = ""


@dataclass(frozen=True)
class Manifest:
    """A model's contract.

    Attributes:
        steps: conditioning in order. The last resample, crop_or_pad fix the input's grid.
        activation: what turns the graph's output into scores.
        label_group: the group of dataset labels that the outputs answer to.
        origin: facts about how the model was made (network, recipe, seed, dataset digest,
            licence ...); part of the digest, never interpreted.

    Raises:
        InvalidManifest, UnknownLead: what was given is no usable contract.
    """

    input: InputSpec
    task: Task
    outputs: tuple[Output, ...]
    steps: tuple[Step, ...] = ()
    activation: Activation = Activation.NONE
    output_name: str = "scores"
    windows: WindowPolicy = field(default_factory=WindowPolicy)
    co_inputs: CoInputs | None = None
    label_group: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise InvalidManifest(
                f"Manifest schema version {self.schema_version} is not known here; this is version {SCHEMA_VERSION}.",
                field="schema_version",
            )
        parse_leads(self.input.leads)
        _positive("input.rate_hz", self.input.rate_hz)
        _positive("input.duration_s", self.input.duration_s)
        if not self.input.leads or not 0 < self.input.samples <= 10_000_000:
            raise InvalidManifest("The input has no leads, or an impossible length.", field="input")
        _check_optional_leads(self.input, self.steps)
        names = [output.name for output in self.outputs]
        if not names or len(set(names)) != len(names) or not all(names):
            raise InvalidManifest("Outputs need names, each its own.", field="outputs")
        if self.task is Task.MULTICLASS and len(names) < 2:
            raise InvalidManifest("A multiclass model has at least two outputs.", field="outputs")
        _check_stride(self.windows.stride_s, self.input.duration_s)
        for column in self.co_inputs.columns if self.co_inputs else ():
            _check_co_input(column)
        _check_origin(self.origin)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(output.name for output in self.outputs)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; the inverse of `from_json`."""
        return {
            "schema_version": self.schema_version,
            "input": _input_json(self.input),
            "steps": [step.to_json() for step in self.steps],
            "windows": {
                "long": self.windows.long.value,
                "stride_s": self.windows.stride_s,
                "aggregation": self.windows.aggregation.value,
            },
            "co_inputs": _co_inputs_json(self.co_inputs),
            "task": self.task.value,
            "activation": self.activation.value,
            "output_name": self.output_name,
            "outputs": [dict(vars(output)) for output in self.outputs],
            "label_group": self.label_group,
            "origin": dict(self.origin),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Manifest:
        """From a JSON object.

        Raises:
            InvalidManifest: a field is absent or malformed; the message names it.
            UnknownStep, UnknownLead: it asks for what this version does not have.
        """
        try:
            return _manifest(value)
        except PrecordiaError:
            raise
        except KeyError as error:
            raise InvalidManifest(f"The manifest lacks {error}.", field=str(error).strip("'")) from None
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InvalidManifest(f"The manifest is malformed: {str(error)[:200]}.") from None

    def canonical(self) -> str:
        """The one JSON text of this manifest: sorted keys, no spaces."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def digest(self) -> str:
        """Hex SHA-256 of the canonical text."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def conditioning_digest(self) -> str:
        """Hex SHA-256 over what conditioning depends on: input and steps. The key of caches."""
        whole = self.to_json()
        part = {"input": whole["input"] | {"name": ""}, "steps": whole["steps"], "windows": whole["windows"]}
        return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()

    @staticmethod
    def parse(text: str | bytes) -> Manifest:
        """From JSON text.

        Raises:
            InvalidManifest: it is no JSON object, no manifest, or longer than 1 MiB.
        """
        if len(text) > _LONGEST:
            raise InvalidManifest("A manifest has 1 MiB at most; leave out what the model does not need.")
        try:
            value = json.loads(text)
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except (ValueError, RecursionError):
            raise InvalidManifest("The manifest is no JSON.") from None
        if not isinstance(value, dict):
            raise InvalidManifest("The manifest is no JSON object.")
        return Manifest.from_json(value)


def _positive(name: str, value: float) -> None:
    if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
        raise InvalidManifest(f"'{name}' is a positive number; it was {value!r}.", field=name)


def _check_stride(stride_s: float, duration_s: float) -> None:
    if stride_s != 0 and not (math.isfinite(stride_s) and stride_s >= duration_s / SMALLEST_STRIDE):
        raise InvalidManifest(
            f"'windows.stride_s' is 0, or at least a {SMALLEST_STRIDE}th of the input's length; it was {stride_s!r}.",
            field="windows.stride_s",
        )


def _check_optional_leads(spec: InputSpec, steps: Sequence[Step]) -> None:
    optional = parse_leads(spec.optional_leads)
    if not optional:
        return
    strange = [lead for lead in optional if lead not in spec.leads]
    if strange:
        raise InvalidManifest(f"Lead {strange[0]} is optional, and none of the input's.", field="input.optional_leads")
    if len(optional) == len(spec.leads):
        raise InvalidManifest(
            "One lead at least is not optional: an ECG without any has nothing to score.", field="input.optional_leads"
        )
    joint = [step.name for step in steps if step.parameters.get("by") == "record"]
    if joint:
        # Without a lead the others would come out at another scale than the one they were learnt at.
        raise InvalidManifest(
            f"Step '{joint[0]}' scales all leads together, so that none can be left out; scale lead by lead.",
            field="input.optional_leads",
        )


def _check_co_input(column: CoInput) -> None:
    if column.source not in CO_INPUT_SOURCES:
        known = ", ".join(CO_INPUT_SOURCES)
        raise InvalidManifest(f"A co-input's source is one of {known}.", field="co_inputs.source")
    numbers = (column.offset, column.scale, column.default)
    if not all(math.isfinite(number) for number in numbers) or column.scale == 0:
        raise InvalidManifest("A co-input's numbers are finite, its scale not 0.", field="co_inputs.scale")


def _check_origin(origin: Mapping[str, Any]) -> None:
    try:
        json.dumps(dict(origin), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise InvalidManifest("'origin' holds what JSON cannot say.", field="origin") from None


Choice = TypeVar("Choice", bound=Enum)


def _choice(kind: type[Choice], name: str, value: object) -> Choice:
    try:
        return kind(value)
    except ValueError:
        options = ", ".join(str(option.value) for option in kind)
        raise InvalidManifest(f"'{name}' is one of {options}; it was {value!r}.", field=name) from None


def _manifest(value: Mapping[str, Any]) -> Manifest:
    windows = value.get("windows", {})
    return Manifest(
        schema_version=int(value["schema_version"]),
        input=_input(value["input"]),
        steps=tuple(Step.from_json(step) for step in value.get("steps", ())),
        windows=WindowPolicy(
            _choice(LongPolicy, "windows.long", windows.get("long", "windows")),
            float(windows.get("stride_s", 0.0)),
            _choice(Aggregation, "windows.aggregation", windows.get("aggregation", "mean")),
        ),
        co_inputs=_co_inputs(value.get("co_inputs")),
        task=_choice(Task, "task", value["task"]),
        activation=_choice(Activation, "activation", value.get("activation", "none")),
        output_name=str(value.get("output_name", "scores")),
        outputs=tuple(
            Output(
                str(output["name"]),
                str(output.get("code", "")),
                str(output.get("unit", "")),
                str(output.get("description", "")),
            )
            for output in value["outputs"]
        ),
        label_group=str(value.get("label_group", "")),
        origin=dict(value.get("origin", {})),
    )


def _input(value: Mapping[str, Any]) -> InputSpec:
    return InputSpec(
        name=str(value["name"]),
        leads=parse_leads(tuple(str(lead) for lead in value["leads"])),
        rate_hz=float(value["rate_hz"]),
        duration_s=float(value["duration_s"]),
        unit=_choice(Unit, "input.unit", value.get("unit", "mV")),
        optional_leads=parse_leads(tuple(str(lead) for lead in value.get("optional_leads", ()))),
    )


def _input_json(spec: InputSpec) -> dict[str, Any]:
    """Without `optional_leads` where there are none: digests are those from before there was such a thing."""
    optional = {"optional_leads": list(spec.optional_leads)} if spec.optional_leads else {}
    return {
        "name": spec.name,
        "leads": list(spec.leads),
        "rate_hz": spec.rate_hz,
        "duration_s": spec.duration_s,
        "unit": spec.unit.value,
        **optional,
    }


def _co_inputs(value: Mapping[str, Any] | None) -> CoInputs | None:
    if value is None:
        return None
    columns = tuple(
        CoInput(
            str(column["source"]),
            float(column.get("offset", 0.0)),
            float(column.get("scale", 1.0)),
            float(column.get("default", 0.0)),
        )
        for column in value["columns"]
    )
    return CoInputs(str(value["name"]), columns)


def _co_inputs_json(value: CoInputs | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"name": value.name, "columns": [dict(vars(column)) for column in value.columns]}
