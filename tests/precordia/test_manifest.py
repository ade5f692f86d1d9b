"""The model's contract: round trips, digests, and refusals that name the field."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precordia.errors import InvalidInput, InvalidManifest, UnknownLead, UnknownStep
from precordia.leads import STANDARD_LEADS
from precordia.manifest import (
    Activation,
    CoInput,
    CoInputs,
    InputSpec,
    LongPolicy,
    Manifest,
    Output,
    Task,
    WindowPolicy,
)
from precordia.record import Unit
from precordia.steps import parse_step

SOME_OPTIONAL = InputSpec("ecg", STANDARD_LEADS, 100.0, 10.0, optional_leads=("V2", "V1"))


def _manifest(**changes: Any) -> Manifest:
    parts: dict[str, Any] = {
        "input": InputSpec("ecg", STANDARD_LEADS, 100.0, 10.0),
        "task": Task.MULTILABEL,
        "outputs": (Output("MI", "22298006", "", "myocardial infarction"), Output("NORM")),
        "steps": (parse_step("band-pass:0.5-40"), parse_step("resample:100"), parse_step("z-score")),
        "activation": Activation.SIGMOID,
        "windows": WindowPolicy(LongPolicy.FIRST, 5.0),
        "co_inputs": CoInputs("facts", (CoInput("age_years", 60.0, 15.0, 0.0), CoInput("age_missing"))),
        "label_group": "super_class",
        "origin": {"network": "inception_time", "seed": 7},
    }
    return Manifest(**{**parts, **changes})


def test_json_brings_a_manifest_back() -> None:
    manifest = _manifest()
    again = Manifest.parse(manifest.canonical())
    assert again == manifest
    assert again.digest() == manifest.digest()


def test_the_canonical_text_does_not_depend_on_the_order_of_keys() -> None:
    value = _manifest().to_json()
    shuffled = json.dumps(dict(reversed(value.items())))
    assert Manifest.parse(shuffled).canonical() == _manifest().canonical()


def test_the_conditioning_digest_depends_on_conditioning_alone() -> None:
    digest = _manifest().conditioning_digest()
    assert _manifest(outputs=(Output("AF"),), origin={}, label_group="").conditioning_digest() == digest
    renamed = InputSpec("other", STANDARD_LEADS, 100.0, 10.0)
    assert _manifest(input=renamed).conditioning_digest() == digest
    assert _manifest(steps=(parse_step("z-score"),)).conditioning_digest() != digest
    assert _manifest(input=InputSpec("ecg", STANDARD_LEADS[:8], 100.0, 10.0)).conditioning_digest() != digest


def test_optional_leads_travel_with_the_manifest_and_are_silent_where_there_are_none() -> None:
    manifest = _manifest(input=SOME_OPTIONAL)
    assert manifest.to_json()["input"]["optional_leads"] == ["V2", "V1"]
    assert Manifest.parse(manifest.canonical()) == manifest
    assert manifest.conditioning_digest() != _manifest().conditioning_digest()
    assert "optional_leads" not in _manifest().canonical()
    assert _manifest().digest() == "db5fbd5d16c58977cec9142b5494d244c910a9d83c988f416cb84d2fc8cd2f45"


@pytest.mark.parametrize("leads", [["V9"], ["V1", "V1"], [["V1"]]])
def test_optional_leads_that_are_no_leads_are_refused(leads: list[Any]) -> None:
    value = _manifest().to_json()
    with pytest.raises((UnknownLead, InvalidManifest)):
        Manifest.from_json(value | {"input": value["input"] | {"optional_leads": leads}})


def test_the_number_of_samples_follows_from_rate_and_length() -> None:
    assert InputSpec("ecg", ("I",), 257.0, 10.0).samples == 2570


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"input": InputSpec("ecg", ("I",), 0.0, 10.0)}, "input.rate_hz"),
        ({"input": InputSpec("ecg", ("I",), float("nan"), 10.0)}, "input.rate_hz"),
        ({"input": InputSpec("ecg", ("I",), 100.0, -1.0)}, "input.duration_s"),
        ({"input": InputSpec("ecg", (), 100.0, 10.0)}, "input"),
        ({"input": InputSpec("ecg", ("I",), 1e6, 1e6)}, "input"),
        ({"input": InputSpec("ecg", ("I", "V1"), 100.0, 10.0, optional_leads=("V2",))}, "input.optional_leads"),
        ({"input": InputSpec("ecg", ("I", "V1"), 100.0, 10.0, optional_leads=("V1", "I"))}, "input.optional_leads"),
        ({"input": SOME_OPTIONAL, "steps": (parse_step("z-score:record"),)}, "input.optional_leads"),
        ({"outputs": ()}, "outputs"),
        ({"outputs": (Output("A"), Output("A"))}, "outputs"),
        ({"outputs": (Output(""),)}, "outputs"),
        ({"task": Task.MULTICLASS, "outputs": (Output("A"),)}, "outputs"),
        ({"windows": WindowPolicy(stride_s=0.1)}, "windows.stride_s"),
        ({"windows": WindowPolicy(stride_s=-5.0)}, "windows.stride_s"),
        ({"windows": WindowPolicy(stride_s=float("inf"))}, "windows.stride_s"),
        ({"co_inputs": CoInputs("facts", (CoInput("name"),))}, "co_inputs.source"),
        ({"co_inputs": CoInputs("facts", (CoInput("age_years", scale=0.0),))}, "co_inputs.scale"),
        ({"co_inputs": CoInputs("facts", (CoInput("age_years", default=float("nan")),))}, "co_inputs.scale"),
        ({"origin": {"seed": float("nan")}}, "origin"),
        ({"origin": {"seed": object()}}, "origin"),
    ],
)
def test_what_makes_no_contract_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidManifest) as refused:
        _manifest(**changes)
    assert refused.value.field == field


def test_unknown_leads_and_steps_are_refused_as_such() -> None:
    value = _manifest().to_json()
    with pytest.raises(UnknownLead):
        Manifest.from_json(value | {"input": value["input"] | {"leads": ["I", "V9"]}})
    with pytest.raises(UnknownStep):
        Manifest.from_json(value | {"steps": [{"name": "denoise"}]})


@pytest.mark.parametrize("missing", ["schema_version", "input", "task", "outputs"])
def test_a_missing_field_is_named(missing: str) -> None:
    value = _manifest().to_json()
    del value[missing]
    with pytest.raises(InvalidManifest) as refused:
        Manifest.from_json(value)
    assert refused.value.field == missing


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", "[" * 100_000, b"\xff\xfe"])
def test_text_that_is_no_manifest_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidManifest):
        Manifest.parse(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [place for key, child in inner for place in _places(child, (*path, key))]


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_value_in_any_place_makes_a_manifest_or_a_typed_refusal(data: st.DataObject) -> None:
    value = _manifest().to_json()
    place = data.draw(st.sampled_from(_places(value)[1:]))
    try:
        manifest = Manifest.from_json(_with(value, place, data.draw(json_values)))
    except InvalidInput:
        return
    assert Manifest.parse(manifest.canonical()).digest() == manifest.digest()


def test_units_travel_by_their_names() -> None:
    manifest = _manifest(input=InputSpec("ecg", ("I",), 100.0, 10.0, Unit.MICROVOLT))
    assert manifest.to_json()["input"]["unit"] == "uV"
    assert Manifest.from_json(manifest.to_json()).input.unit is Unit.MICROVOLT
