from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from precordia.errors import InvalidModel
from services.trainer.networks.foreign import foreign_base
from tests.services.trainer.networks.foreign.graphs import LEADS, SAMPLES, convolution, graph, node, plain

FIRST = node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1])


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def after_convolution(kind: str, *settings: str, tensors: dict[str, np.ndarray] | None = None, **rest: object) -> bytes:
    """A convolution, then one operator on (batch, 8, 160)."""
    features = int(str(rest.pop("features", 8)))
    opset = int(str(rest.pop("opset", 18)))
    one = node(kind, ["c", *settings], ["y"], **rest)
    return graph([FIRST, one], convolution() | (tensors or {}), features=features, opset=opset).SerializeToString()


SLOPE = np.linspace(-0.5, 0.5, 8, dtype=np.float32).reshape(8, 1)
PARTS = [node("Split", ["c"], ["p", "q", "r"], axis=1, num_outputs=3), node("Concat", ["r", "q", "p"], ["y"], axis=1)]

CASES: dict[str, bytes] = {
    "slice backwards": after_convolution(
        "Slice", "s", "e", "a", "t", tensors={"s": ints(-1), "e": ints(-(2**63)), "a": ints(2), "t": ints(-1)}
    ),
    "slice by three from behind": after_convolution(
        "Slice", "s", "e", "a", "t", tensors={"s": ints(-2), "e": ints(4), "a": ints(-1), "t": ints(-3)}
    ),
    "slice every second channel": after_convolution(
        "Slice", "s", "e", "a", "t", tensors={"s": ints(1), "e": ints(2**62), "a": ints(1), "t": ints(2)}, features=4
    ),
    "pad one axis": after_convolution("Pad", "p", "", "a", tensors={"p": ints(3, 5), "a": ints(2)}, mode="edge"),
    "pad round": after_convolution(
        "Pad", "p", "", "a", tensors={"p": ints(3, 5), "a": ints(-1)}, mode="wrap", opset=19
    ),
    "pad with a value": after_convolution(
        "Pad", "p", "v", tensors={"p": ints(0, 1, 2, 0, 0, 4), "v": np.float32(1.5)}, features=9
    ),
    "split unevenly": graph([FIRST, *PARTS], convolution(), features=8).SerializeToString(),
    "gather channels": after_convolution("Gather", "i", tensors={"i": ints(3, -1, 3)}, axis=1, features=3),
    "gather a table of samples": graph(
        [FIRST, node("Gather", ["c", "i"], ["g"], axis=2), node("ReduceMax", ["g", "a"], ["y"], keepdims=0)],
        convolution() | {"i": ints(0, 5, 9, -2).reshape(2, 2), "a": ints(3)},
        features=8,
    ).SerializeToString(),
    "running sum": after_convolution("CumSum", "a", tensors={"a": np.array(-2, np.int64)}),
    "gather together": graph(
        [
            FIRST,
            node("Transpose", ["c"], ["t"], perm=[2, 1, 0]),
            node("GatherND", ["t", "i"], ["g"]),
            node("Transpose", ["g"], ["y"], perm=[1, 0]),
            node("Unsqueeze", ["y", "end"], ["z"]),
        ],
        convolution() | {"i": ints(0, 1, 9, 7, -1, 3).reshape(3, 2), "end": ints(2)},
        features=3,
        last="z",
    ).SerializeToString(),
    "neither": graph(
        [
            FIRST,
            node("Greater", ["c", "k"], ["m"]),
            node("Not", ["m"], ["n"]),
            node("Where", ["n", "c", "k"], ["y"]),
        ],
        convolution() | {"k": np.float32(0.3)},
        features=8,
    ).SerializeToString(),
    "clip on one side": after_convolution("Clip", "", "high", tensors={"high": np.float32(0.5)}),
    "slopes": after_convolution("PRelu", "slope", tensors={"slope": SLOPE}),
    "tile": after_convolution("Tile", "t", tensors={"t": ints(1, 2, 1)}, features=16),
    "mish": after_convolution("Mish"),
    "gelu by tanh": after_convolution("Gelu", opset=20, approximate="tanh"),
    "largest of two": after_convolution("Max", "k", tensors={"k": np.full((8, 1), 0.2, np.float32)}),
    "mean of two": after_convolution("Mean", "k", tensors={"k": np.arange(8, dtype=np.float32).reshape(8, 1)}),
    "no axes, no change": after_convolution("ReduceSum", noop_with_empty_axes=1),
    "norm of pairs": after_convolution("ReduceL2", "a", tensors={"a": ints(2)}),
    "log of summed exponentials": after_convolution("ReduceLogSumExp", "a", tensors={"a": ints(-1)}),
    "product": graph(
        [FIRST, node("Tanh", ["c"], ["t"]), node("ReduceProd", ["t", "a"], ["y"])],
        convolution() | {"a": ints(1)},
        features=1,
    ).SerializeToString(),
    "largest over time": after_convolution("GlobalMaxPool"),
    "padding by the exporter": plain(auto_pad="SAME_UPPER", strides=[3], kernel_shape=[3]).SerializeToString(),
    "padding by the exporter, low": plain(auto_pad="SAME_LOWER", strides=[2], kernel_shape=[3]).SerializeToString(),
    "nearest": after_convolution(
        "Resize",
        "",
        "s",
        tensors={"s": np.array([1, 1, 2.5], np.float32)},
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "corners": graph(
        [
            FIRST,
            node("Tanh", ["c"], ["t"]),
            node("Resize", ["t", "", "s"], ["y"], mode="linear", coordinate_transformation_mode="align_corners"),
        ],
        convolution() | {"s": np.array([1, 1, 0.5], np.float32)},
        features=8,
    ).SerializeToString(),
    "one or the other": graph(
        [FIRST, node("GreaterOrEqual", ["c", "k"], ["m"]), node("Where", ["m", "c", "k"], ["y"])],
        convolution() | {"k": np.float32(0.3)},
        features=8,
    ).SerializeToString(),
    "older operators": graph(
        [
            FIRST,
            node("Unsqueeze", ["c"], ["u"], axes=[2]),
            node("Squeeze", ["u"], ["s"], axes=[2]),
            node("ReduceMean", ["s"], ["y"], axes=[2], keepdims=1),
        ],
        convolution(),
        features=8,
        opset=11,
    ).SerializeToString(),
}


@pytest.mark.parametrize("content", CASES.values(), ids=CASES.keys())
def test_an_operator_gives_what_onnx_runtime_gives(content: bytes) -> None:
    base = foreign_base(content)  # compares at batch 1, 3 and 64, and refuses beyond 1e-5
    assert base.difference <= 1e-5
    network = base.build(2, 0.0)
    assert network(torch.zeros(5, LEADS, SAMPLES)).shape == (5, 2)


def test_a_slope_learns_and_a_bound_does_not() -> None:
    slopes = dict(foreign_base(CASES["slopes"]).backbone.named_parameters())
    assert any(values.shape == (8, 1) for values in slopes.values())
    bounded = dict(foreign_base(CASES["clip on one side"]).backbone.named_parameters())
    assert sorted(tuple(values.shape) for values in bounded.values()) == [(8,), (8, 12, 3)]


def test_a_mask_is_no_weight() -> None:
    mask = np.zeros((8, 1), np.float32)
    mask[3] = -1e9
    base = foreign_base(after_convolution("Add", "mask", tensors={"mask": mask}))
    assert sorted(tuple(values.shape) for values in base.backbone.parameters()) == [(8,), (8, 12, 3)]


def test_equal_tensors_stored_once_become_weights_of_their_own_and_a_shared_weight_stays_one() -> None:
    ones, varied = np.ones((8, 1), np.float32), np.linspace(0, 1, 8, dtype=np.float32).reshape(8, 1)
    nodes = [
        FIRST,
        node("Mul", ["c", "scale"], ["d"]),
        node("Mul", ["d", "scale"], ["e"]),
        node("Add", ["e", "shift"], ["f"]),
        node("Add", ["f", "shift"], ["y"]),
    ]
    model = graph(nodes, convolution() | {"scale": ones, "shift": varied}, features=8)
    held = [
        values
        for name, values in foreign_base(model.SerializeToString()).backbone.named_parameters()
        if ".weight_" in name
    ]
    assert len(held) == 3  # two scales, one shift


def test_a_length_that_the_file_leaves_open_stays_open_where_the_graph_allows_it() -> None:
    metadata = {"sampling_rate": "16"}
    tensors = convolution()
    open_graph = graph(
        [node("Conv", ["x", "w", "b"], ["y"])], tensors, features=8, shape=("batch", LEADS, "time"), metadata=metadata
    )
    assert foreign_base(open_graph.SerializeToString()).samples is None
    fixed = [node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1]), node("Add", ["c", "position"], ["y"])]
    positions = {"position": np.random.default_rng(0).standard_normal((1, SAMPLES)).astype(np.float32)}
    bound = graph(fixed, tensors | positions, features=8, shape=("batch", LEADS, "time"), metadata=metadata)
    assert foreign_base(bound.SerializeToString()).samples == SAMPLES


def test_samples_by_leads_are_turned_round() -> None:
    nodes = [node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), node("Conv", ["t", "w", "b"], ["y"])]
    model = graph(nodes, convolution(), features=8, shape=("batch", SAMPLES, LEADS))
    base = foreign_base(model.SerializeToString())
    assert (base.leads, base.samples) == (LEADS, SAMPLES)
    assert base.build(4, 0.0)(torch.zeros(2, LEADS, SAMPLES)).shape == (2, 4)


def test_a_batch_size_that_was_baked_in_is_freed() -> None:
    nodes = [FIRST, node("Reshape", ["c", "shape"], ["y"])]
    model = graph(nodes, convolution() | {"shape": ints(4, 8, 160)}, features=8, shape=(4, LEADS, SAMPLES))
    assert foreign_base(model.SerializeToString()).build(2, 0.0)(torch.zeros(7, LEADS, SAMPLES)).shape == (7, 2)


def test_names_in_a_file_never_become_code(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    model = plain()
    model.graph.node[0].name = f'a"),__import__("pathlib").Path("{marker}").touch()#'
    model.graph.node[0].output[0] = model.graph.node[1].input[0] = 'y")]#\nraise SystemExit'
    foreign_base(model.SerializeToString()).build(2, 0.0)(torch.zeros(1, LEADS, SAMPLES))
    assert not marker.exists()


def test_a_batch_norm_in_training_mode_uses_its_stored_statistics() -> None:
    statistics = {
        name: np.full(8, value, np.float32) for name, value in (("s", 1.5), ("o", 0.2), ("m", 0.1), ("v", 2.0))
    }
    nodes = [
        FIRST,
        node("BatchNormalization", ["c", "s", "o", "m", "v"], ["y", "mean", "variance"], training_mode=1),
    ]
    model = graph(nodes, convolution() | statistics, features=8, opset=17)
    norms = [
        one
        for one in foreign_base(model.SerializeToString()).backbone.modules()
        if isinstance(one, torch.nn.BatchNorm1d)
    ]
    assert len(norms) == 1
    torch.testing.assert_close(norms[0].running_var, torch.full((8,), 2.0))
    model.graph.output.append(onnx.helper.make_tensor_value_info("mean", onnx.TensorProto.FLOAT, [8]))
    with pytest.raises(InvalidModel, match="BatchNormalization") as refusal:
        foreign_base(model.SerializeToString())
    assert refusal.value.details["operator"] == "BatchNormalization"
