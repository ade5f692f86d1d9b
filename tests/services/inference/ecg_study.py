"""A small labelled study: what a record is labelled follows from the level of its lead II."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, Manifest, Task
from precordia.record import Hints, Unit
from precordia.source import Source
from tests.services.inference.graphs import SAMPLES, contract, linear_graph

HINTS = Hints(lead_names=STANDARD_LEADS, unit=Unit.MILLIVOLT)
FIRST_ID = 500


def level_ii(records: int) -> NDArray[np.float64]:
    """Level of lead II of each record, mV: between -1 and 1, none twice."""
    return np.random.default_rng(3).permutation(np.linspace(-1, 1, records))


def study(records: int = 40) -> Source:
    """One NPZ with many records in counts of 1 uV, at 100 Hz."""
    noise = np.random.default_rng(4).normal(0, 0.05, (records, SAMPLES, 12))
    noise -= noise.mean(axis=1, keepdims=True)
    noise[:, :, STANDARD_LEADS.index("II")] += level_ii(records)[:, None]
    file = io.BytesIO()
    ids = np.arange(FIRST_ID, FIRST_ID + records)
    counts = np.rint(noise * 1000).astype(np.int16)
    np.savez(file, x=counts, ecg_id=ids, scale=np.float64(0.001), fs=np.int64(100))
    return Source("study.npz", file.getvalue())


def labels(records: int = 40, *, wrong: int = 0, unlabelled: int = 0) -> bytes:
    """UP where lead II is above 0, DOWN where not, NEVER nowhere; a patient for every two records.

    The `wrong` records of the smallest levels above 0 are called DOWN; the last `unlabelled` have no row.
    """
    levels = level_ii(records)
    mistaken = set(np.argsort(np.where(levels > 0, levels, np.inf))[:wrong].tolist())
    lines = ["ecg_id,patient_id,strat_fold,way:UP,way:DOWN,way:NEVER"]
    for index in range(records - unlabelled):
        up = int(levels[index] > 0 and index not in mistaken)
        lines.append(f"{FIRST_ID + index},{index // 2},{1 + index // 2 % 4},{up},{1 - up},0")
    return ("\n".join(lines) + "\n").encode()


def way_model() -> tuple[bytes, Manifest]:
    """Scores UP and DOWN by the level of lead II, and NEVER at 0.5."""
    weights = np.zeros((12, 3))
    weights[STANDARD_LEADS.index("II")] = (6.0, -6.0, 0.0)
    manifest = contract("UP", "DOWN", "NEVER", task=Task.MULTILABEL, activation=Activation.SIGMOID)
    return linear_graph(weights, np.zeros(3)), manifest


def slow_model(channels: int = 1024) -> tuple[bytes, Manifest]:
    """A graph that takes tens of milliseconds an ECG: one wide convolution."""
    weights = np.full((channels, 12, 101), 1e-4, np.float32)
    nodes = [
        helper.make_node("Conv", ["signal", "weights"], ["wide"], pads=[50, 50]),
        helper.make_node("ReduceMean", ["wide", "axes"], ["scores"], keepdims=0),
        helper.make_node("Slice", ["scores", "begin", "end", "along"], ["out"]),
    ]
    constants = [
        helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.ravel()),
        helper.make_tensor("axes", TensorProto.INT64, [1], [2]),
        helper.make_tensor("begin", TensorProto.INT64, [1], [0]),
        helper.make_tensor("end", TensorProto.INT64, [1], [1]),
        helper.make_tensor("along", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("signal", TensorProto.FLOAT, ["batch", 12, SAMPLES])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", 1])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    manifest = Manifest.from_json(contract("slow", task=Task.REGRESSION).to_json() | {"output_name": "out"})
    serialised: bytes = model.SerializeToString()
    return serialised, manifest
