from contextlib import suppress

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from precordia.errors import InvalidModel, TooLarge
from services.trainer.networks.foreign import foreign_base
from tests.services.trainer.networks.foreign.graphs import LEADS, SAMPLES, convolution, graph, node, plain


def refused(model: ModelProto | bytes) -> InvalidModel:
    with pytest.raises(InvalidModel) as refusal:
        foreign_base(model if isinstance(model, bytes) else model.SerializeToString())
    return refusal.value


def with_operator(
    kind: str, domain: str = "", tensors: dict[str, np.ndarray] | None = None, **attributes: object
) -> ModelProto:
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node(kind, ["c", *(tensors or {})], ["y"], domain=domain, **attributes),
    ]
    model = graph(nodes, convolution() | (tensors or {}), features=8)
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


@pytest.mark.parametrize(
    ("model", "operator", "says"),
    [
        (with_operator("Hardmax"), "Hardmax", "is not converted"),
        (with_operator("LpNormalization"), "LpNormalization", "is not converted"),
        (with_operator("BiasGelu", "com.microsoft"), "com.microsoft.BiasGelu", "is not of the ONNX standard"),
        (with_operator("RandomNormalLike"), "RandomNormalLike", "random numbers"),
        (
            with_operator(
                "Resize", tensors={"roi": np.zeros(0, np.float32), "s": np.ones(3, np.float32)}, mode="cubic"
            ),
            "Resize",
            "interpolates",
        ),
        (with_operator("ReduceMean", tensors={"a": np.array([0])}), "ReduceMean", "across the ECGs"),
        (with_operator("Gather", tensors={"i": np.array([0])}, axis=0), "Gather", "across the ECGs"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_operator_that_is_not_converted_is_named(model: ModelProto, operator: str, says: str) -> None:
    error = refused(model)
    assert error.details["operator"] == operator
    assert f"'{operator}'" in error.message
    assert says in error.message


def test_recurrent_layers_that_torch_does_not_have_are_named() -> None:
    generator = np.random.default_rng(0)
    weights = {
        "w3": generator.standard_normal((1, 12, LEADS)).astype(np.float32),
        "r3": generator.standard_normal((1, 12, 4)).astype(np.float32),
    }
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[2, 0, 1]),
        node("GRU", ["t", "w3", "r3"], ["states", ""], hidden_size=4, linear_before_reset=0),
        node("Transpose", ["states"], ["u"], perm=[2, 3, 0, 1]),
        node("Squeeze", ["u", "last"], ["y"]),
    ]
    error = refused(graph(nodes, weights | {"last": np.array([3])}, features=4))
    assert error.details["operator"] == "GRU"
    assert "linear_before_reset" in error.message


def test_a_branch_or_a_loop_inside_is_named() -> None:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["z"])],
        "b",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch),
    ]
    error = refused(graph(nodes, convolution() | {"yes": np.array(True)}, features=8))
    assert error.details["operator"] == "If"


def test_a_model_without_one_last_layer_is_refused_by_what_is_in_the_way() -> None:
    twice = [
        node("Conv", ["x", "w", "b"], ["y"]),
        node("Conv", ["x", "w", "b"], ["c"]),
        node("GlobalMaxPool", ["c"], ["m"]),
        node("Flatten", ["m"], ["n"]),
        node("Gemm", ["n", "head.weight", "head.bias"], ["other"]),
        node("Add", ["scores", "other"], ["sum"]),
    ]
    model = graph(twice[:1], convolution(), features=8)
    model.graph.node.extend(twice[1:])
    model.graph.output[0].name = "sum"
    error = refused(model)
    assert error.details["operator"] == "Gemm"
    assert "last" in error.message


def test_a_broken_file_is_refused() -> None:
    whole = plain().SerializeToString()
    assert "cut short" in refused(whole[: len(whole) // 2]).message
    assert "no ONNX model" in refused(b"").message
    assert "no ONNX model" in refused(b"\x80\x04\x95not a model at all").message


@pytest.mark.parametrize("seed", range(25))
def test_damaged_bytes_are_refused_or_still_a_model(seed: int) -> None:
    generator = np.random.default_rng(seed)
    content = bytearray(plain().SerializeToString())
    for place in generator.integers(0, len(content), 6):
        content[place] = generator.integers(0, 256)
    with suppress(InvalidModel, TooLarge):  # any other exception fails the test
        foreign_base(bytes(content))


def test_weights_in_another_file_are_never_read() -> None:
    model = plain()
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")
    assert "another file" in refused(model).message


def test_a_circle_is_refused() -> None:
    nodes = [node("Add", ["x", "round"], ["c"]), node("Relu", ["c"], ["round"]), node("Conv", ["c", "w", "b"], ["y"])]
    error = refused(graph(nodes, convolution(), features=8))
    assert error.details["operator"] == "Add"
    assert "circle" in error.message


def test_what_would_take_all_memory_is_refused_before_it_is_computed() -> None:
    huge = np.array([1, 1 << 20, 1 << 20])
    nodes = [
        node("Expand", ["one", "huge"], ["e"]),
        node("Conv", ["x", "w", "b"], ["c"]),
        node("Mul", ["c", "e"], ["y"]),
    ]
    model = graph(nodes, convolution() | {"one": np.ones((1, 1, 1), np.float32), "huge": huge}, features=8)
    with pytest.raises(TooLarge):
        foreign_base(model.SerializeToString())
    with pytest.raises(TooLarge):
        foreign_base(graph([node("Relu", ["x"], ["y"])], {}, features=12, shape=(1, 12, 1 << 40)).SerializeToString())


def test_a_tensor_that_lies_about_its_size_is_refused() -> None:
    model = plain()
    model.graph.initializer[2].dims[0] = 1 << 20
    assert "damaged" in refused(model).message
    model.graph.initializer[2].dims[0] = 1 << 40
    with pytest.raises(TooLarge):
        foreign_base(model.SerializeToString())


def test_other_inputs_are_refused_in_words() -> None:
    image = graph(
        [node("Squeeze", ["x", "a"], ["y"])], {"a": np.array([1])}, features=12, shape=("n", 1, LEADS, SAMPLES)
    )
    assert "(batch, leads, samples)" in refused(image).message
    integers = plain()
    integers.graph.input[0].type.tensor_type.elem_type = TensorProto.INT16
    assert "float32" in refused(integers).message or "valid ONNX" in refused(integers).message
    newer = plain()
    newer.opset_import[0].version = 23
    assert "opset 23" in refused(newer).message


def test_a_batch_size_deep_inside_is_refused_with_what_to_do() -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"]),
        node("Reshape", ["c", "rows"], ["r"]),
        node("Reshape", ["r", "back"], ["y"]),
    ]
    tensors = convolution() | {"rows": np.array([8, 4, 158]), "back": np.array([4, 8, 158])}
    error = refused(graph(nodes, tensors, features=8, shape=(4, LEADS, SAMPLES)))
    assert "free batch" in error.message


def test_a_model_whose_answers_depend_on_neighbours_is_not_trained() -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"]),
        node("Transpose", ["c"], ["t"], perm=[1, 2, 0]),
        node("Softmax", ["t"], ["s"], axis=2),
        node("Transpose", ["s"], ["y"], perm=[2, 0, 1]),
    ]
    with pytest.raises(InvalidModel, match="depends on the others"):
        foreign_base(graph(nodes, convolution(), features=8).SerializeToString())


def test_the_file_itself_stays_as_it_was() -> None:
    content = plain().SerializeToString()
    before = bytes(content)
    foreign_base(content)
    assert content == before
    onnx.checker.check_model(ModelProto.FromString(content))
