"""An int8 version of a model: ranges by hand, sides by patient, the operation over the wire, refusals, a crash."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from typer.testing import CliRunner

from cli.app import app
from precordia.catalog import Lineage, ModelRef
from precordia.client import Connection
from precordia.dataset import LabelScheme, SplitRef, SplitRule
from precordia.errors import AccuracyLost, InvalidArgument, InvalidModel
from precordia.manifest import Activation, Manifest, Task
from precordia.operation import OperationState
from precordia.prediction import PredictInput
from precordia.quantization import QuantizationWish
from precordia.rpc.convert.quantization import quantization_from_proto, quantization_to_proto
from precordia.shard import ShardRecord, encode_shard
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.quantization import accuracy, process
from services.inference.quantization.graph import observable, observing, prepared, quantized, weighted
from services.inference.quantization.order import Order
from services.inference.quantization.ranges import ObservingSession, Rule, Seen
from services.inference.quantization.records import Sides
from tests.services.inference import ecg_study
from tests.services.inference.graphs import SAMPLES, bias_graph, contract, levels
from tests.services.inference.quantization import waiting_worker

ENGINE = OnnxRuntimeEngine(device=Device.CPU)


def conv_graph(*, scale: float = 1.0) -> bytes:
    """UP and DOWN by the level of lead II: a convolution, ReLU, mean over time, a linear layer."""
    draw = np.random.default_rng(1)
    kernels = draw.normal(0, 0.02, (4, 12, 3)).astype(np.float32)
    kernels[0, 1], kernels[1, 1] = 1.0, -1.0
    linear = np.array([[6.0, -6.0], [-6.0, 6.0], [0, 0], [0, 0]], np.float32) * scale
    tensors = {"kernels": kernels, "linear": linear, "bias": np.zeros(2, np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["signal", "kernels"], ["wide"], pads=[1, 1]),
            helper.make_node("Relu", ["wide"], ["positive"]),
            helper.make_node("GlobalAveragePool", ["positive"], ["means"]),
            helper.make_node("Flatten", ["means"], ["flat"]),
            helper.make_node("Gemm", ["flat", "linear", "bias"], ["scores"]),
        ],
        "conv",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, ["batch", 12, SAMPLES])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])],
        [onnx.numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    serialised: bytes = model.SerializeToString()
    return serialised


def way_contract() -> Manifest:
    return contract("UP", "DOWN", activation=Activation.SIGMOID)


def ranged(graph: bytes, x: NDArray[np.float32]) -> ObservingSession:
    model = prepared(graph)
    session = ObservingSession(ENGINE.load(observing(model)), observable(model), "scores")
    for session.counting in (False, True):
        session.run({"signal": x}, "scores")
    return session


def test_ranges_are_the_ends_of_what_was_seen_and_hold_zero() -> None:
    seen = Seen()
    values = np.linspace(2.0, 10.0, 100_001, dtype=np.float32)
    seen.widen(values)
    seen.count(values)
    assert seen.range(Rule.WHOLE) == (0.0, 10.0)
    low, high = seen.range(Rule.MOST)
    assert low == 0.0
    assert high == pytest.approx(10.0, abs=0.01)


def test_a_lone_outlier_does_not_spend_the_integers() -> None:
    draw = np.random.default_rng(0)
    values = np.append(draw.normal(0, 1, 200_000), 100.0).astype(np.float32)
    seen = Seen()
    seen.widen(values)
    seen.count(values)
    assert seen.range(Rule.WHOLE)[1] == 100.0
    assert seen.range(Rule.MOST)[1] < 10
    low, high = seen.range(Rule.LEAST_ERROR)

    def error(ends: tuple[float, float]) -> float:
        step = (ends[1] - ends[0]) / 255
        return float(((np.clip(np.round(values / step) * step, *ends) - values) ** 2).sum())

    assert error((low, high)) < error(seen.range(Rule.WHOLE))


def test_the_integer_graph_is_close_and_holds_int8_weights_by_channel() -> None:
    x = np.random.default_rng(2).normal(0, 1, (16, 12, SAMPLES)).astype(np.float32)
    session = ranged(conv_graph(), x)
    made = quantized(prepared(conv_graph()), session.ranges(Rule.WHOLE))
    weights = [t for t in onnx.load_from_string(made).graph.initializer if t.name.startswith("kernels_quant")]
    assert [onnx.numpy_helper.to_array(t).dtype for t in weights] == [np.int8]
    assert np.abs(onnx.numpy_helper.to_array(weights[0]).astype(int)).max() <= 64  # 7 bits: no sum can overflow
    before, after = (ENGINE.load(graph).run({"signal": x}, "scores") for graph in (conv_graph(), made))
    assert 0 < np.abs(before - after).max() < 0.15 * np.abs(before).max()


def test_layers_named_stay_in_float() -> None:
    model = prepared(conv_graph())
    x = np.random.default_rng(2).normal(0, 1, (4, 12, SAMPLES)).astype(np.float32)
    ranges = ranged(conv_graph(), x).ranges(Rule.WHOLE)
    names = weighted(model)
    assert [name.partition("_")[0] for name in names] == ["Conv", "Gemm"]
    kept = {t.name for t in onnx.load_from_string(quantized(model, ranges, names[:1])).graph.initializer}
    assert "kernels" in kept
    assert "kernels_quantized" not in kept


def test_what_cannot_be_quantized_is_said() -> None:
    x = np.zeros((1, 12, SAMPLES), np.float32)
    x[0, 1] = 1.0
    made = quantized(prepared(conv_graph()), ranged(conv_graph(), x).ranges(Rule.WHOLE))
    with pytest.raises(InvalidModel, match="integers already"):
        prepared(made)
    nothing = helper.make_model(
        helper.make_graph(
            [helper.make_node("Relu", ["signal"], ["out"])],
            "g",
            [helper.make_tensor_value_info("signal", TensorProto.FLOAT, ["batch", 12, SAMPLES])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", 12, SAMPLES])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    with pytest.raises(InvalidModel, match="no layer"):
        prepared(nothing.SerializeToString())


def test_the_loss_is_that_of_the_macro_auroc_by_hand() -> None:
    truth = np.array([[1, 0], [1, 1], [0, 1], [0, np.nan]], np.float64)
    base = np.array([[0.9, 0.1], [0.8, 0.7], [0.2, 0.9], [0.1, 0.5]])
    made = base.copy()
    made[1, 0] = 0.15  # below one of two negatives: 3 of 4 pairs are still in order
    found = accuracy.document(base, made, truth, way_contract(), ["UP", "DOWN"], {"UP": 0.85})
    assert (found["base"], found["int8"]) == (1.0, pytest.approx((0.75 + 1.0) / 2))
    assert found["loss"] == pytest.approx(0.125)
    assert found["max_difference"] == pytest.approx(0.65)
    assert found["mean_difference"] == pytest.approx(0.65 / 8)
    assert found["changed_decisions"] == 0
    assert accuracy.document(base, made, truth[:, :1], way_contract(), ["UP"], {})["changed_decisions"] == 1


def test_values_are_held_against_r_squared() -> None:
    truth = np.array([[1.0], [2.0], [3.0]])
    made = np.array([[1.0], [2.0], [4.0]])
    manifest = contract("qt", task=Task.REGRESSION)
    found = accuracy.document(truth, made, truth, manifest, ["qt"], {})
    assert (found["figure"], found["base"], found["int8"]) == ("r2", 1.0, 0.5)
    assert found["changed_decisions"] is None


def _shard(patients: list[str], first: int = 0) -> bytes:
    return encode_shard(
        [
            ShardRecord(f"rec-{first + n}", f"{first + n}", levels(0.1 * n), {"way": ("UP",)}, patient_key=key)
            for n, key in enumerate(patients)
        ]
    )


def _order(check: list[str]) -> Order:
    return Order(way_contract().canonical(), 1.0, {}, "way", ["UP", "DOWN"], ["calibration-0.shard"], check)


def test_a_patient_is_on_one_side_only(tmp_path: Path) -> None:
    patients = [f"p{n // 2}" for n in range(120)]
    (tmp_path / "calibration-0.shard").write_bytes(_shard(patients))
    sides = Sides(tmp_path, _order([]))
    signals = {
        name: [one.job.signal.values[0, 0] for one in records]
        for name, records in (
            ("calibrating", sides.to_calibrate()),
            ("choosing", sides.to_choose()),
            ("check", sides.to_check()),
        )
    }
    people = {name: {patients[round(float(value) / 0.1)] for value in values} for name, values in signals.items()}
    assert not (people["calibrating"] | people["choosing"]) & people["check"]
    assert len(people["calibrating"] | people["choosing"]) + len(people["check"]) == 60
    assert 10 < len(people["calibrating"]) < 40


def test_patients_who_calibrated_are_left_out_of_another_check(tmp_path: Path) -> None:
    (tmp_path / "calibration-0.shard").write_bytes(_shard(["a", "b", ""]))
    (tmp_path / "check-0.shard").write_bytes(_shard(["b", "c", "", "a"], first=10))
    sides = Sides(tmp_path, _order(["check-0.shard"]))
    assert sides.calibrating == 3
    assert len(list(sides.to_check())) == 2  # c, and the one of no known patient
    assert sides.shared() == 2


def test_a_wish_travels_whole_and_wishes_that_cannot_be_met_are_refused() -> None:
    wish = QuantizationWish(ModelRef("m", 2), SplitRef("a", "train"), SplitRef("a", "test"), 0.01, "small", "g")
    assert quantization_from_proto(quantization_to_proto(wish)) == wish
    assert QuantizationWish.from_json(json.loads(json.dumps(wish.to_json()))) == wish
    plain = QuantizationWish(ModelRef("m"), SplitRef("a"))
    assert quantization_from_proto(quantization_to_proto(plain)) == plain
    wrong: tuple[dict[str, Any], ...] = (
        {"max_loss": -0.1},
        {"max_loss": float("nan")},
        {"check": SplitRef("a")},
        {"alias": "no name!"},
    )
    for said in wrong:
        with pytest.raises(InvalidArgument):
            QuantizationWish(ModelRef("m"), SplitRef("a"), **said)


async def _study(precordia: Connection) -> None:
    await precordia.ingest.import_source(ecg_study.study(60), ecg_study.HINTS, "study")
    await precordia.ingest.import_labels("study", "labels.csv", ecg_study.labels(60, wrong=6), LabelScheme.TABLE)
    await precordia.ingest.create_snapshot("study", (SplitRule("train", ("1", "2")), SplitRule("test", ("3", "4"))))


async def _quantized(precordia: Connection, **more: Any) -> dict[str, Any]:
    wish = QuantizationWish(ModelRef("way"), SplitRef("study", "train"), SplitRef("study", "test"), **more)
    operation = await precordia.inference.quantize(wish)
    ended = await precordia.inference.operations.wait(operation.operation_id)
    if ended.error_reason == AccuracyLost.reason:
        raise AccuracyLost(ended.error_message)
    assert ended.state is OperationState.SUCCEEDED, ended.error_message
    return dict(ended.result)


async def test_a_derivative_is_published_beside_its_base(precordia: Connection, tmp_path: Path) -> None:
    await _study(precordia)
    base, _ = await precordia.registry.publish("way", way_contract(), {"model.onnx": conv_graph()}, Lineage("imported"))
    points = json.dumps({"temperature": 2.0, "thresholds": {"UP": 0.4}})
    await precordia.registry.set_operating_points("way", 1, points)
    result = await _quantized(precordia, max_loss=0.05)
    made = await precordia.registry.get(ModelRef("way", alias="int8"))
    assert (made.version, made.lineage.origin, made.lineage.base_model) == (2, "quantized", "way:1")
    assert made.lineage.base_digest == base.digest
    assert made.lineage.snapshot_digest == result["calibration"]["snapshot_digest"]
    assert json.loads(made.operating_points_json) == json.loads(points)
    assert json.loads(made.lineage.details_json)["accuracy"] == result["accuracy"]
    assert (await precordia.registry.get(ModelRef("way"))).version == 1  # by name alone, the model itself
    kept = result["accuracy"]
    assert kept["n"] == sum(n // 2 % 4 in (2, 3) for n in range(60))
    assert kept["loss"] == pytest.approx(kept["base"] - kept["int8"])
    assert kept["loss"] <= 0.05
    assert kept["base"] > 0.9
    assert result["speed"]["base_ms"] > 0
    scores = [
        (await precordia.inference.predict(ModelRef("way", number), [PredictInput(signal=levels(0.3))]))[0].scores
        for number in (1, 2)
    ]
    assert scores[0][0].value == pytest.approx(scores[1][0].value, abs=0.1)
    assert not list((tmp_path / "inference" / "quantization").iterdir())
    again = await _quantized(precordia, max_loss=0.05)
    assert again["version"] == 2  # the same bytes are the same version


async def test_what_loses_too_much_is_refused_with_both_figures(
    precordia: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await _study(precordia)
    await precordia.registry.publish("way", way_contract(), {"model.onnx": conv_graph()}, Lineage("imported"))

    def worse(context: Any, folder: Path) -> dict[str, Any]:
        (folder / "chosen.onnx").write_bytes(bias_graph(0.0, 0.0))
        measured = {"figure": "auroc_macro", "base": 0.93, "int8": 0.91, "loss": 0.02, "n": 30}
        return {
            "ranges": "min-max",
            "in_float": [],
            "size_bytes": 1,
            "base_size_bytes": 2,
            "calibrated_on": 3,
            "chosen_on": 3,
            "accuracy": measured,
            "speed": {},
        }

    monkeypatch.setattr("services.inference.quantization.operation.quantize_apart", worse)
    with pytest.raises(AccuracyLost, match=r"0\.0200 of auroc_macro \(0\.9300 to 0\.9100 on 30 ECGs\); 0\.005"):
        await _quantized(precordia)
    assert len(await precordia.registry.versions("way")) == 1


def bins_graph() -> bytes:
    """Mean over 50 bins of time between two layers, as the exporter writes it; the ECG's own largest beside."""
    draw = np.random.default_rng(7)
    tensors: dict[str, NDArray[Any]] = {
        "height": np.array([2], np.int64),
        "wider": draw.normal(0, 0.3, (8, 12, 1, 1)).astype(np.float32),
        "other": draw.normal(0, 0.3, (8, 12, 1, 1)).astype(np.float32),
        "shape": np.array([-1, 16, 1, 50, SAMPLES // 50], np.int64),
        "last": np.array([4], np.int64),
        "head": draw.normal(0, 0.3, (2, 16, 1, 1)).astype(np.float32),
        "time": np.array([2, 3], np.int64),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Unsqueeze", ["signal", "height"], ["x"]),
            helper.make_node("Conv", ["x", "wider"], ["wide"]),
            helper.make_node("MaxPool", ["x"], ["largest"], kernel_shape=[1, 3], pads=[0, 1, 0, 1]),
            helper.make_node("Conv", ["largest", "other"], ["beside"]),
            helper.make_node("Concat", ["wide", "beside"], ["all"], axis=1),
            helper.make_node("Reshape", ["all", "shape"], ["binned"]),
            helper.make_node("ReduceMean", ["binned", "last"], ["means"], keepdims=0),
            helper.make_node("Conv", ["means", "head"], ["both"]),
            helper.make_node("ReduceMean", ["both", "time"], ["scores"], keepdims=0),
        ],
        "bins",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, ["batch", 12, SAMPLES])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])],
        [onnx.numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    serialised: bytes = model.SerializeToString()
    return serialised


def test_means_over_bins_become_convolutions_with_the_same_answers() -> None:
    x = np.random.default_rng(2).normal(0, 1, (3, 12, SAMPLES)).astype(np.float32)
    model = prepared(bins_graph())
    assert [node.op_type for node in model.graph.node].count("ReduceMean") == 1
    before, after = (
        ENGINE.load(graph).run({"signal": x}, "scores") for graph in (bins_graph(), model.SerializeToString())
    )
    assert np.abs(before - after).max() < 1e-5
    made = quantized(model, ranged(bins_graph(), x).ranges(Rule.WHOLE))
    assert np.abs(ENGINE.load(made).run({"signal": x}, "scores") - before).max() < 0.1 * np.abs(before).max()


def test_what_is_put_side_by_side_has_one_scale() -> None:
    x = np.random.default_rng(2).normal(0, 1, (3, 12, SAMPLES)).astype(np.float32)
    made = onnx.load_from_string(quantized(prepared(bins_graph()), ranged(bins_graph(), x).ranges(Rule.WHOLE)))
    scales = {
        t.name: float(onnx.numpy_helper.to_array(t))
        for t in made.graph.initializer
        if t.name.endswith("_scale") and not t.dims
    }
    assert scales["wide_scale"] == scales["beside_scale"] == scales["all_scale"]


def test_a_process_that_is_killed_goes_on_where_it_was_and_ends_with_its_service(tmp_path: Path) -> None:
    levels_ii = np.random.default_rng(3).uniform(-1, 1, 160)
    records = [
        ShardRecord(
            f"rec-{n}",
            f"{n}",
            levels(*(0.0 if lead != 1 else level for lead in range(12))),
            {"way": ("UP",) if level > 0 else ("DOWN",)},
            patient_key=f"p{n}",
        )
        for n, level in enumerate(levels_ii.tolist())
    ]
    (tmp_path / "calibration-0.shard").write_bytes(encode_shard(records))
    (tmp_path / "model.onnx").write_bytes(conv_graph())
    _order([]).write(tmp_path)
    with _worker(tmp_path) as killed:
        while killed.poll() is None and not (tmp_path / "choice.json").exists():
            time.sleep(0.01)
        killed.kill()
    (tmp_path / "result.json").unlink(missing_ok=True)
    chosen = (tmp_path / "chosen.onnx").stat().st_mtime_ns
    with _worker(tmp_path) as again:
        assert again.wait(240) == 0
    result = json.loads((tmp_path / "result.json").read_bytes())
    assert (tmp_path / "chosen.onnx").stat().st_mtime_ns == chosen
    assert result["accuracy"]["base"] > 0.99
    assert 80 < result["accuracy"]["n"] < 120  # the patients who did not calibrate
    with _worker(tmp_path) as orphan:
        assert orphan.stdin is not None
        orphan.stdin.close()
        assert orphan.wait(240) == 1


def _worker(folder: Path) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", "services.inference.quantization.worker", str(folder))
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


async def test_the_command_says_what_was_made(precordia: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    await _study(precordia)
    await precordia.registry.publish("way", way_contract(), {"model.onnx": conv_graph()}, Lineage("imported"))
    for service in ("ingest", "inference", "registry"):
        monkeypatch.setenv(f"PRECORDIA_{service.upper()}", getattr(precordia, service)._peer.address)
    words = ["models", "quantize", "way", "--calibrate", "study", "--alias", "small", "--max-loss", "0.05"]
    answer = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--json"])
    assert answer.exit_code == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert document["quantization"]["base"] == "way:1"
    assert document["models"][0]["aliases"] == ["small"]
    accuracy = document["quantization"]["accuracy"]
    assert 20 < accuracy["n"] < 55  # the patients of `study` who did not calibrate
    refused = await asyncio.to_thread(CliRunner().invoke, app, ["models", "quantize", "way:2", "--calibrate", "study"])
    assert refused.exit_code == 1
    assert "integers already" in refused.stderr


def test_norms_behind_convolutions_side_by_side_are_folded_into_them() -> None:
    draw = np.random.default_rng(9)
    tensors: dict[str, NDArray[Any]] = {
        "one": draw.normal(0, 1, (3, 12, 5)),
        "two": draw.normal(0, 1, (2, 12, 1)),
        "two_bias": draw.normal(0, 1, 2),
        "gamma": draw.uniform(0.5, 2, 5),
        "beta": draw.normal(0, 1, 5),
        "mean": draw.normal(0, 1, 5),
        "variance": draw.uniform(0.5, 2, 5),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["signal", "one"], ["a"], pads=[2, 2]),
            helper.make_node("Conv", ["signal", "two", "two_bias"], ["b"]),
            helper.make_node("Concat", ["a", "b"], ["ab"], axis=1),
            helper.make_node(
                "BatchNormalization", ["ab", "gamma", "beta", "mean", "variance"], ["normed"], epsilon=0.1
            ),
            helper.make_node("Relu", ["normed"], ["positive"]),
            helper.make_node("GlobalAveragePool", ["positive"], ["means"]),
            helper.make_node("Flatten", ["means"], ["scores"]),
        ],
        "norms",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, ["batch", 12, SAMPLES])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 5])],
        [onnx.numpy_helper.from_array(values.astype(np.float32), name) for name, values in tensors.items()],
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    model = prepared(whole)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    x = draw.normal(0, 1, (3, 12, SAMPLES)).astype(np.float32)
    before, after = (ENGINE.load(graph).run({"signal": x}, "scores") for graph in (whole, model.SerializeToString()))
    assert np.abs(before - after).max() < 1e-5


async def test_a_quantization_that_is_called_off_leaves_nothing(
    precordia: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_WORKER", waiting_worker.__name__)
    await _study(precordia)
    await precordia.registry.publish("way", way_contract(), {"model.onnx": conv_graph()}, Lineage("imported"))
    wish = QuantizationWish(ModelRef("way"), SplitRef("study", "train"), SplitRef("study", "test"))
    operation = await precordia.inference.quantize(wish)
    folder = tmp_path / "inference" / "quantization" / operation.operation_id
    while not (folder / "order.json").exists():
        await asyncio.sleep(0.02)
    await precordia.inference.operations.cancel(operation.operation_id)
    ended = await precordia.inference.operations.wait(operation.operation_id)
    assert ended.state is OperationState.CANCELLED
    assert not folder.exists()
    assert len(await precordia.registry.versions("way")) == 1
