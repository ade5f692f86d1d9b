from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precordia.errors import InvalidManifest, InvalidModel, PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.onnx_metadata import MANIFEST_KEY, OLDER_KEYS_KEY, manifest_from_metadata, metadata_from_manifest
from precordia.record import Remark, Unit
from precordia.steps import Step

OLDER = {"target_keys": "['CD', 'HYP', 'MI', 'STTC']", "standardizer": "None", "scale": "mikroVolt"}


def read(
    metadata: dict[str, str],
    *,
    shape: tuple[int | None, ...] = (None, 12, 1000),
    count: int = 4,
    final_operator: str = "",
) -> tuple[Manifest, tuple[Remark, ...]]:
    return manifest_from_metadata(
        metadata,
        input_name="arg0",
        input_shape=shape,
        output_name="answer",
        output_count=count,
        final_operator=final_operator,
    )


def our_manifest() -> Manifest:
    return Manifest(
        input=InputSpec("signal", STANDARD_LEADS, 100.0, 10.0),
        task=Task.MULTILABEL,
        outputs=(Output("NORM", "426783006"), Output("it's")),
        steps=(
            Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40.0}),
            Step("resample", 1, {"rate_hz": 100.0}),
            Step("z_score"),
        ),
        activation=Activation.SIGMOID,
        output_name="scores",
    )


def test_older_keys_become_the_older_platforms_conditioning() -> None:
    manifest, remarks = read(OLDER)

    assert manifest.input == InputSpec("arg0", STANDARD_LEADS, 100.0, 10.0, Unit.MICROVOLT)
    assert manifest.steps == (
        Step("scipy.signal.resample", 1, {"rate_hz": 100.0}),
        Step("crop_or_pad", 1, {"duration_s": 10.0}),
        Step("median_baseline", 1, {"window_s": 2.0, "edges": "reflect"}),
    )
    assert (manifest.task, manifest.activation) == (Task.MULTICLASS, Activation.SOFTMAX)
    assert manifest.output_names == ("CD", "HYP", "MI", "STTC")
    assert {remark.code for remark in remarks} == {"older_conditioning", "assumed_rate", "assumed_task"}


def test_a_stated_rate_sets_the_duration() -> None:
    manifest, remarks = read(OLDER | {"sampling_rate": "250"})

    assert (manifest.input.rate_hz, manifest.input.duration_s, manifest.input.samples) == (250.0, 4.0, 1000)
    assert "assumed_rate" not in {remark.code for remark in remarks}


@pytest.mark.parametrize(
    ("standardizer", "step"),
    [
        ("minMax", Step("min_max", 1, {"by": "record", "low": -1.0, "high": 1.0})),
        ("meanStd", Step("z_score", 1, {"by": "record"})),
    ],
)
def test_standardizers_work_over_the_whole_record(standardizer: str, step: Step) -> None:
    manifest, _ = read(OLDER | {"standardizer": standardizer})

    assert manifest.steps[-1] == step


def test_outputs_without_names_are_numbered_and_that_is_said() -> None:
    manifest, remarks = read({}, count=2)

    assert manifest.output_names == ("output_0", "output_1")
    assert {"unnamed_outputs", "assumed_unit"} <= {remark.code for remark in remarks}


def test_a_graph_that_ends_in_softmax_gets_none_again() -> None:
    manifest, _ = read(OLDER, final_operator="Softmax")

    assert (manifest.task, manifest.activation) == (Task.MULTICLASS, Activation.NONE)


def test_a_graph_that_ends_in_sigmoid_is_multilabel_and_gets_no_softmax() -> None:
    manifest, _ = read(OLDER, final_operator="Sigmoid")

    assert (manifest.task, manifest.activation) == (Task.MULTILABEL, Activation.NONE)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch {marker}')",
        "[__import__('pathlib').Path('{marker}').touch()]",
        "(lambda: open('{marker}', 'w'))()",
        "[c for c in ().__class__.__base__.__subclasses__()]",
        "open('{marker}', 'w')",
        "['a', open('{marker}', 'w')]",
    ],
)
def test_code_in_metadata_is_refused_and_never_run(text: str, tmp_path: Path) -> None:
    marker = tmp_path / "executed"

    with pytest.raises(InvalidModel, match="never run"):
        read(OLDER | {"target_keys": text.replace("{marker}", str(marker))})

    assert not marker.exists()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("target_keys", "[" * 10_000 + "]" * 10_000),
        ("target_keys", "-" * 60_000 + "1"),
        ("target_keys", "1+" * 20_000 + "1"),
        ("target_keys", "[" + "'a'," * 40_000 + "]"),
        ("target_keys", "['CD', 'HYP']"),
        ("target_keys", "['CD', 'CD', 'MI', 'STTC']"),
        ("target_keys", "[True, False, 1, 2]"),
        ("target_keys", "{'CD': 0}"),
        ("sampling_rate", "fast"),
        ("sampling_rate", "nan"),
        ("sampling_rate", "-100"),
        ("sampling_rate", "__import__('os')"),
        ("scale", "volt"),
        ("standardizer", "robust"),
        ("precordia_manifest", "{"),
        ("precordia_manifest", "[" * 100_000),
        ("precordia_manifest", " " * (5 << 20)),
    ],
)
def test_metadata_that_cannot_be_read_refuses_the_model(key: str, text: str) -> None:
    with pytest.raises((InvalidModel, InvalidManifest)):
        read(OLDER | {key: text})


@pytest.mark.parametrize(
    ("shape", "count"),
    [((None, 8, 1000), 4), ((None, 1000), 4), ((None, 12, None), 4), ((None, 12, 1000), 1), ((None, 12, 1000), 0)],
)
def test_a_graph_that_leaves_the_contract_open_is_refused(shape: tuple[int | None, ...], count: int) -> None:
    with pytest.raises(InvalidModel):
        read({}, shape=shape, count=count)


def test_our_manifest_survives_the_journey_whole() -> None:
    manifest = our_manifest()

    metadata = metadata_from_manifest(manifest)

    assert read(metadata) == (manifest, ())
    assert ast.literal_eval(metadata["target_keys"]) == ["NORM", "it's"]
    assert (metadata["standardizer"], metadata["sampling_rate"], metadata["scale"]) == ("meanStd", "100", "milliVolt")


def test_older_keys_that_only_come_near_say_so() -> None:
    assert metadata_from_manifest(our_manifest())[OLDER_KEYS_KEY] == "nearest"


@pytest.mark.parametrize("standardizer", ["None", "minMax", "meanStd"])
def test_an_older_model_travels_back_unchanged(standardizer: str) -> None:
    older = OLDER | {"standardizer": standardizer, "sampling_rate": "100"}
    manifest, _ = read(older)

    written = metadata_from_manifest(manifest)

    assert written[OLDER_KEYS_KEY] == "exact"
    assert {key: written[key] for key in older} == older


@given(
    st.dictionaries(
        st.sampled_from(["target_keys", "standardizer", "sampling_rate", "scale", MANIFEST_KEY]), st.text(max_size=200)
    )
)
def test_any_metadata_gives_a_manifest_or_a_typed_error(metadata: dict[str, str]) -> None:
    try:
        manifest, _ = read(metadata)
    except PrecordiaError:
        return
    assert len(manifest.outputs) == 4
