"""What an examined file says and becomes, and which files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from precordia.errors import InvalidModel, UnknownStep
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, CoInput, CoInputs, InputSpec, Manifest, Output, Task
from precordia.onnx_metadata import MANIFEST_KEY, metadata_from_manifest
from precordia.record import Unit
from precordia.steps import Step
from services.registry.examined import Examined
from services.registry.onnx_examination import examine_imported, examine_published
from tests.services.registry.graphs import LABELS, SAMPLES, WEIGHTS, answers, linear_model, manifest, model, norm_model

OLDER = (("target_keys", "['NORM', 'MI', 'CD']"), ("sampling_rate", "10"), ("scale", "milliVolt"))


def codes(examined: Examined) -> set[str]:
    return {remark.code for remark in examined.remarks}


def signal(batch: int = 2) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((batch, 12, SAMPLES)).astype(np.float32)


def imported(graph: ModelProto, contract: Manifest | None = None) -> Examined:
    return examine_imported(graph.SerializeToString(), contract)


def test_a_published_model_that_keeps_its_contract_passes_unchanged() -> None:
    content = linear_model().SerializeToString()

    examined = examine_published(content, manifest())

    assert (examined.content, examined.opset, examined.remarks) == (content, 17, ())


def test_an_imported_model_carries_its_manifest_and_answers_as_before() -> None:
    graph = linear_model(metadata=OLDER)

    examined = imported(graph)

    assert examined.manifest.output_names == LABELS
    assert (examined.manifest.input.rate_hz, examined.manifest.input.duration_s) == (10.0, 4.0)
    kept = {entry.key: entry.value for entry in onnx.load_from_string(examined.content).metadata_props}
    assert kept[MANIFEST_KEY] == examined.manifest.canonical()
    np.testing.assert_allclose(answers(examined.content, signal()), signal().mean(axis=2) @ WEIGHTS, rtol=1e-5)


def test_an_export_of_ours_imports_again_as_the_same_bytes() -> None:
    first = imported(linear_model(), manifest())

    again = examine_imported(first.content, None)

    assert (again.content, again.manifest, again.remarks) == (first.content, manifest(), ())


def test_batch_norm_in_training_mode_uses_its_stored_statistics_afterwards() -> None:
    examined = imported(norm_model(), manifest())

    normed = (signal() - 0.25) / 2 * 3 + 0.5
    np.testing.assert_allclose(answers(examined.content, signal()), normed.mean(axis=2) @ WEIGHTS, rtol=1e-4)
    assert "batch_norm_training_mode" in codes(examined)


def test_batch_norm_in_training_mode_is_refused_when_it_is_published() -> None:
    with pytest.raises(InvalidModel, match="depends on what else is in the batch"):
        examine_published(norm_model().SerializeToString(), manifest())


def test_batch_norm_whose_statistics_are_an_output_is_refused() -> None:
    graph = norm_model()
    graph.graph.output.append(helper.make_tensor_value_info("running_mean", TensorProto.FLOAT, [12]))

    with pytest.raises(InvalidModel, match="eval mode") as refused:
        imported(graph, manifest())

    assert refused.value.details["operator"] == "BatchNormalization"


def test_dropout_with_a_training_switch_is_switched_off() -> None:
    nodes = [
        helper.make_node("Dropout", ["signal", "ratio", "training"], ["dropped"]),
        helper.make_node("ReduceMean", ["dropped"], ["means"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["scores"]),
    ]
    constants = {"ratio": np.array(0.5, np.float32), "training": np.array(True), "weights": WEIGHTS}

    examined = imported(model(nodes, constants=constants), manifest())

    np.testing.assert_allclose(answers(examined.content, signal()), signal().mean(axis=2) @ WEIGHTS, rtol=1e-5)
    assert "dropout_training_mode" in codes(examined)


@pytest.mark.parametrize("last", [[-1, 3], [1, -1], [1, 3]])
def test_a_batch_size_baked_into_the_graph_becomes_free(last: list[int]) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["signal"], ["means"], axes=[2], keepdims=1),
        helper.make_node("Reshape", ["means", "flat"], ["flattened"]),
        helper.make_node("MatMul", ["flattened", "weights"], ["raw"]),
        helper.make_node("Reshape", ["raw", "last"], ["scores"]),
    ]
    constants = {"flat": np.array([1, 12]), "last": np.array(last), "weights": WEIGHTS}
    graph = model(nodes, constants=constants, batch=1, output_shape=(1, 3))

    examined = imported(graph, manifest())

    np.testing.assert_allclose(answers(examined.content, signal(5)), signal(5).mean(axis=2) @ WEIGHTS, rtol=1e-5)
    assert "fixed_batch" in codes(examined)


def test_a_batch_size_that_cannot_be_freed_is_refused() -> None:
    nodes = [
        helper.make_node("ReduceMean", ["signal"], ["means"], axes=[0, 2], keepdims=0),
        helper.make_node("Unsqueeze", ["means", "first"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["scores"]),
    ]
    constants = {"first": np.array([0]), "weights": WEIGHTS}

    with pytest.raises(InvalidModel, match="for a batch of 3"):
        imported(model(nodes, constants=constants, batch=1, output_shape=(1, 3)), manifest())


def test_an_input_of_samples_by_leads_gets_a_transpose() -> None:
    nodes = [
        helper.make_node("ReduceMean", ["signal"], ["means"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["scores"]),
    ]
    graph = model(nodes, constants={"weights": WEIGHTS}, shape=(SAMPLES, 12), metadata=OLDER)

    examined = imported(graph)

    np.testing.assert_allclose(answers(examined.content, signal()), signal().mean(axis=2) @ WEIGHTS, rtol=1e-5)
    assert "input_transposed" in codes(examined)


def test_functions_inside_a_model_are_written_out() -> None:
    double = helper.make_function(
        "house", "Double", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], [helper.make_opsetid("", 17)]
    )
    nodes = [
        helper.make_node("ReduceMean", ["signal"], ["means"], axes=[2], keepdims=0),
        helper.make_node("Double", ["means"], ["doubled"], domain="house"),
        helper.make_node("MatMul", ["doubled", "weights"], ["scores"]),
    ]
    graph = model(nodes, constants={"weights": WEIGHTS})
    graph.functions.append(double)
    graph.opset_import.append(helper.make_opsetid("house", 1))

    examined = imported(graph, manifest())

    np.testing.assert_allclose(answers(examined.content, signal()), 2 * signal().mean(axis=2) @ WEIGHTS, rtol=1e-5)
    assert "functions_inlined" in codes(examined)


@pytest.mark.parametrize(("second", "said"), [("milliVolt", "one value"), ("mikroVolt", "the last one counts")])
def test_a_metadata_key_that_stands_twice_is_kept_once_and_told(second: str, said: str) -> None:
    examined = imported(linear_model(metadata=(*OLDER, ("scale", second))))

    (remark,) = [remark for remark in examined.remarks if remark.code == "duplicate_metadata"]
    assert said in remark.message
    assert examined.manifest.input.unit is (Unit.MILLIVOLT if second == "milliVolt" else Unit.MICROVOLT)


def test_code_in_metadata_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    code = f"__import__('os').system('touch {marker}')"

    with pytest.raises(InvalidModel, match="never run"):
        imported(linear_model(metadata=(("target_keys", code), *OLDER[1:])))

    assert not marker.exists()


def test_code_in_metadata_does_not_matter_beside_a_manifest(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    code = f"__import__('os').system('touch {marker}')"

    examined = imported(linear_model(metadata=(("target_keys", code),)), manifest())

    assert not marker.exists()
    kept = {entry.key: entry.value for entry in onnx.load_from_string(examined.content).metadata_props}
    assert kept["target_keys"] == "['NORM', 'MI', 'CD']"


def test_a_manifest_with_an_unknown_step_refuses_the_model() -> None:
    strange = metadata_from_manifest(manifest())[MANIFEST_KEY].replace('"resample"', '"wavelet"')

    with pytest.raises(UnknownStep, match="wavelet"):
        imported(linear_model(metadata=((MANIFEST_KEY, strange),)))


def test_a_free_length_needs_a_stated_rate() -> None:
    free = {"shape": (12, "samples")}

    assert imported(linear_model(metadata=OLDER, **free)).manifest.input.samples == 100
    with pytest.raises(InvalidModel, match="sampling rate"):
        imported(linear_model(metadata=OLDER[:1], **free))


def test_age_and_sex_are_inputs_that_the_manifest_names() -> None:
    nodes = [
        helper.make_node("ReduceMean", ["signal"], ["means"], axes=[2], keepdims=0),
        helper.make_node("Concat", ["means", "patient"], ["all"], axis=1),
        helper.make_node("MatMul", ["all", "weights"], ["scores"]),
    ]
    graph = model(nodes, constants={"weights": np.ones((14, 3), np.float32)})
    graph.graph.input.append(helper.make_tensor_value_info("patient", TensorProto.FLOAT, ["batch", 2]))
    contract = manifest(co_inputs=CoInputs("patient", (CoInput("age_years"), CoInput("sex_female"))))

    assert imported(graph, contract).manifest.co_inputs == contract.co_inputs
    with pytest.raises(InvalidModel, match="inputs"):
        examine_published(graph.SerializeToString(), manifest())
    with pytest.raises(InvalidModel, match="2 inputs"):
        imported(graph)


def with_foreign_operator() -> ModelProto:
    graph = linear_model()
    graph.graph.node[1].domain = "com.example"
    graph.graph.node[1].op_type = "Magic"
    graph.opset_import.append(helper.make_opsetid("com.example", 1))
    return graph


def with_external_data() -> ModelProto:
    graph = linear_model()
    tensor = graph.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.append(onnx.StringStringEntryProto(key="location", value="../../etc/passwd"))
    return graph


def with_hidden_external_data() -> ModelProto:
    graph = linear_model()
    tensor = numpy_helper.from_array(WEIGHTS, "hidden")
    tensor.external_data.append(onnx.StringStringEntryProto(key="location", value="/etc/passwd"))
    graph.graph.node.insert(0, helper.make_node("Constant", [], ["unused"], value=tensor))
    return graph


def random_model() -> ModelProto:
    nodes = [
        helper.make_node("RandomUniformLike", ["signal"], ["noise"]),
        helper.make_node("ReduceMean", ["noise"], ["means"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["scores"]),
    ]
    return model(nodes, constants={"weights": WEIGHTS * 100})


def without_nodes() -> ModelProto:
    graph = linear_model()
    del graph.graph.node[:]
    return graph


def with_missing_weights() -> ModelProto:
    graph = linear_model()
    del graph.graph.initializer[:]
    return graph


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (linear_model(opset=21), "opset 21; up to 20"),
        (with_foreign_operator(), "com.example.Magic"),
        (with_external_data(), "another file"),
        (with_hidden_external_data(), "another file"),
        (random_model(), "differently each time"),
        (linear_model(scale=float("nan")), "not finite"),
        (linear_model(shape=(8, SAMPLES)), r"\(batch, 8, 40\)"),
        (linear_model(shape=(12, 50)), r"\(batch, 12, 50\)"),
        (linear_model(element=TensorProto.DOUBLE), "not valid ONNX|not float32|cannot load"),
        (without_nodes(), "empty"),
        (with_missing_weights(), "not valid ONNX|inputs"),
    ],
)
def test_a_model_that_cannot_serve_is_refused_with_the_reason(graph: ModelProto, said: str) -> None:
    with pytest.raises(InvalidModel, match=said) as refused:
        imported(graph, manifest())

    assert "/" not in refused.value.message.replace("batch_norm/", "")


def test_a_foreign_operator_is_named_in_the_errors_details() -> None:
    with pytest.raises(InvalidModel) as refused:
        imported(with_foreign_operator(), manifest())

    assert refused.value.details["operator"] == "com.example.Magic"


@pytest.mark.parametrize(
    ("contract", "said"),
    [
        (manifest(("A", "B")), "3 numbers, the manifest names 2"),
        (manifest(output_name="logits"), "the manifest says 'logits'"),
        (manifest(input=InputSpec("ecg", STANDARD_LEADS, 10.0, 4.0)), "the manifest says 'ecg'"),
        (manifest(input=InputSpec("signal", STANDARD_LEADS[:2], 10.0, 4.0)), r"needs \(batch, 2, 40\)"),
    ],
)
def test_a_published_model_that_breaks_its_contract_is_refused(contract: Manifest, said: str) -> None:
    with pytest.raises(InvalidModel, match=said):
        examine_published(linear_model().SerializeToString(), contract)


def test_a_published_model_with_a_fixed_batch_is_refused() -> None:
    with pytest.raises(InvalidModel, match="batches of 1 only"):
        examine_published(linear_model(batch=1, output_shape=(1, 3)).SerializeToString(), manifest())


def test_the_pretrained_superclass_model_is_described_as_its_platform_runs_it(testdata: Path) -> None:
    examined = examine_imported((testdata / "models" / "xc_super_pretrained.onnx").read_bytes(), None)

    assert examined.manifest == Manifest(
        input=InputSpec("arg0", STANDARD_LEADS, 100.0, 10.0, Unit.MICROVOLT),
        task=Task.MULTICLASS,
        outputs=(Output("CD"), Output("HYP"), Output("MI"), Output("STTC")),
        steps=(
            Step("scipy.signal.resample", 1, {"rate_hz": 100.0}),
            Step("crop_or_pad", 1, {"duration_s": 10.0}),
            Step("median_baseline", 1, {"window_s": 2.0, "edges": "reflect"}),
        ),
        activation=Activation.SOFTMAX,
        output_name="self_1_1",
        origin={"conditioning": "older platform"},
    )
    assert {"duplicate_metadata", "assumed_rate"} <= codes(examined)
    assert (examined.opset, examined.producer) == (17, "pytorch 2.2.2")


def test_the_untrained_xception_answers_one_ecg_by_itself_after_import(testdata: Path) -> None:
    import onnxruntime

    content = (testdata / "models" / "XceptionTime_untrained.onnx").read_bytes()
    examined = examine_imported(content, None)

    assert "batch_norm_training_mode" in codes(examined)
    assert examined.manifest.output_names == ("none0", "none1")
    session = onnxruntime.InferenceSession(examined.content, providers=["CPUExecutionProvider"])
    ecgs = np.random.default_rng(3).standard_normal((3, 12, 1000)).astype(np.float32)
    together = session.run(None, {"arg0": ecgs})[0]
    alone = np.concatenate([session.run(None, {"arg0": ecgs[i : i + 1]})[0] for i in range(3)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
