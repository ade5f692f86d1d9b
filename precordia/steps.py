"""The vocabulary of conditioning steps: what a manifest may ask for, and what a signal may have been through.

A step is a name, a version and parameters. The table below is the whole vocabulary; a name or
version outside it is refused (`UnknownStep`), because a model conditioned in another way than it
was trained is wrong in silence. What the steps compute is in `precordia.signal`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from precordia.errors import InvalidManifest, UnknownStep

Parameter = float | str


@dataclass(frozen=True)
class StepKind:
    """One entry of the vocabulary: required parameters, optional ones with defaults, choices."""

    name: str
    version: int
    summary: str
    required: tuple[str, ...] = ()
    optional: Mapping[str, Parameter] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    removes_unit: bool = False
    """The result has no physical unit any more."""


_KINDS = (
    StepKind("notch", 1, "mains notch, zero-phase", ("frequency_hz",), {"quality": 30.0}),
    StepKind("band_pass", 1, "Butterworth, zero-phase", ("low_hz", "high_hz"), {"order": 4.0}),
    StepKind("high_pass", 1, "Butterworth, zero-phase", ("cutoff_hz",), {"order": 4.0}),
    StepKind("low_pass", 1, "Butterworth, zero-phase", ("cutoff_hz",), {"order": 4.0}),
    StepKind(
        "median_baseline",
        1,
        "subtract a running median of an odd number of samples",
        ("window_s",),
        {"edges": "reflect"},
        {"edges": ("reflect", "zero")},
    ),
    StepKind("resample", 1, "FFT resampling with edges continued", ("rate_hz",)),
    StepKind("scipy.signal.resample", 1, "FFT resampling as scipy's, periodic", ("rate_hz",)),
    StepKind(
        "crop_or_pad",
        1,
        "to an exact length; what is added is zero and masked",
        ("duration_s",),
        {"align": "start"},
        {"align": ("start", "center")},
    ),
    StepKind(
        "min_max",
        1,
        "to the range low..high",
        (),
        {"by": "lead", "low": 0.0, "high": 1.0},
        {"by": ("lead", "record")},
        removes_unit=True,
    ),
    StepKind(
        "z_score",
        1,
        "mean 0, population standard deviation 1; a flat lead becomes 0",
        (),
        {"by": "lead"},
        {"by": ("lead", "record")},
        removes_unit=True,
    ),
    StepKind("clip", 1, "limit to low..high", ("low", "high")),
)

STEP_KINDS: Mapping[str, StepKind] = MappingProxyType({kind.name: kind for kind in _KINDS})


@dataclass(frozen=True)
class Step:
    """One conditioning step. Parameters are complete: defaults are filled in when it is made.

    Raises:
        UnknownStep: the name or version is not in the vocabulary.
        InvalidManifest: a parameter is missing, unknown, not finite or out of its choices.
    """

    name: str
    version: int = 1
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kind = STEP_KINDS.get(self.name)
        if kind is None or kind.version != self.version:
            known = ", ".join(sorted(STEP_KINDS))
            raise UnknownStep(
                f"Conditioning step '{self.name}' version {self.version} is not known here. Known: {known}.",
                step=self.name,
            )
        object.__setattr__(self, "parameters", MappingProxyType(_complete(kind, self.parameters)))

    def __hash__(self) -> int:
        return hash((self.name, self.version, tuple(sorted(self.parameters.items()))))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Step):
            return NotImplemented
        return (self.name, self.version, dict(self.parameters)) == (
            other.name,
            other.version,
            dict(other.parameters),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Step, (self.name, self.version, dict(self.parameters))

    def number(self, parameter: str) -> float:
        """A numeric parameter."""
        return float(self.parameters[parameter])

    def text(self, parameter: str) -> str:
        """A parameter that is a choice."""
        return str(self.parameters[parameter])

    @property
    def kind(self) -> StepKind:
        """The step's entry in the vocabulary."""
        return STEP_KINDS[self.name]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; the inverse of `from_json`."""
        return {
            "name": self.name,
            "version": self.version,
            "parameters": dict(sorted(self.parameters.items())),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Step:
        """From a JSON object."""
        return Step(str(value["name"]), int(value.get("version", 1)), dict(value.get("parameters", {})))


def _complete(kind: StepKind, given: Mapping[str, Parameter]) -> dict[str, Parameter]:
    missing = [name for name in kind.required if name not in given]
    unknown = [name for name in given if name not in kind.required and name not in kind.optional]
    if missing or unknown:
        what = "needs" if missing else "does not take"
        name = (missing or unknown)[0]
        raise InvalidManifest(f"Step '{kind.name}' {what} parameter '{name}'.", field=f"{kind.name}.{name}")
    filled = {**kind.optional, **given}
    return {name: _checked(kind, name, value) for name, value in filled.items()}


def _checked(kind: StepKind, name: str, value: Parameter) -> Parameter:
    path = f"{kind.name}.{name}"
    if name in kind.choices:
        if value not in kind.choices[name]:
            options = ", ".join(kind.choices[name])
            raise InvalidManifest(f"'{path}' is one of {options}; it was '{value}'.", field=path)
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise InvalidManifest(f"'{path}' is a finite number; it was {str(value)[:20]}.", field=path)
    return float(value)


def _is_finite(value: float) -> bool:
    """Whether a float can hold it; JSON's integers have no end."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


_SHORT = {
    "band-pass": ("band_pass", ("low_hz", "high_hz")),
    "high-pass": ("high_pass", ("cutoff_hz",)),
    "low-pass": ("low_pass", ("cutoff_hz",)),
    "notch": ("notch", ("frequency_hz",)),
    "median-baseline": ("median_baseline", ("window_s",)),
    "z-score": ("z_score", ("by",)),
    "min-max": ("min_max", ("by",)),
    "clip": ("clip", ("low", "high")),
    "resample": ("resample", ("rate_hz",)),
}


def parse_step(text: str) -> Step:
    """A step as people type it: `band-pass:0.5-40`, `z-score`, `z-score:record`, `notch:50`.

    Raises:
        UnknownStep: the name is not in the vocabulary.
        InvalidManifest: the numbers do not fit the step.
    """
    name, _, rest = text.strip().partition(":")
    if name.replace("-", "_") in STEP_KINDS and name not in _SHORT:
        name = name.replace("_", "-")
    if name.replace("_", "-") not in _SHORT:
        return Step(name)
    target, order = _SHORT[name.replace("_", "-")]
    values = [part for part in rest.replace("/", "-").split("-") if part]
    if len(values) > len(order):
        raise InvalidManifest(f"Step '{name}' takes at most {len(order)} values.", field=target)
    return Step(target, 1, dict(zip(order, map(_value, values), strict=False)))


def _value(text: str) -> Parameter:
    try:
        return float(text)
    except ValueError:
        return text
