"""Models that mean harm, or are none: by name, with what the refusal is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper

from tests.services.registry.graphs import WEIGHTS, greedy_model, linear_model, model, norm_model


def hostile_models(trap: Path) -> dict[str, bytes]:
    """Files that the registry may not take; `trap` is the file that their code would make."""
    sound = norm_model(metadata=(("target_keys", "['a', 'b', 'c']"), ("sampling_rate", "10"))).SerializeToString()
    code = f"__import__('os').system('touch {trap}')"
    built = {
        "code-in-target-keys": linear_model(metadata=(("target_keys", code), ("sampling_rate", "10"))),
        "code-in-rate": linear_model(metadata=(("target_keys", "['a', 'b', 'c']"), ("sampling_rate", code))),
        "code-in-standardizer": linear_model(
            metadata=(("target_keys", "['a', 'b', 'c']"), ("sampling_rate", "10"), ("standardizer", code))
        ),
        "nested-metadata": linear_model(metadata=(("target_keys", "[" * 100_000), ("sampling_rate", "10"))),
        "nested-manifest": linear_model(metadata=(("precordia_manifest", "[" * 100_000),)),
        "lone-surrogate": linear_model(metadata=(("precordia_manifest", '{"schema": "\\ud800"}'),)),
        "custom-operator": _custom(),
        "custom-operator-inside": _custom_inside(),
        "external-data": _external("../../../../../../etc/passwd"),
        "external-absolute": _external("/etc/passwd"),
        "asks-for-all-memory": greedy_model(),
        "huge-declared-tensor": _huge_tensor(),
        "future-opset": linear_model(opset=20_000),
    }
    return {
        "empty": b"",
        "random": np.random.default_rng(3).bytes(50_000),
        "truncated": sound[: len(sound) // 2],
        "pickle": b"\x80\x04\x95\x0f\0\0\0\0\0\0\0\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
        "zip": b"PK\x03\x04" + bytes(1000),
        **{name: made.SerializeToString() for name, made in built.items()},
    }


def _custom() -> ModelProto:
    nodes = [helper.make_node("Run", ["signal"], ["scores"], domain="evil.example")]
    made = model(nodes)
    made.opset_import.append(helper.make_opsetid("evil.example", 1))
    return made


def _custom_inside() -> ModelProto:
    """The operator hides in the branch of an If, in a function."""
    branch = helper.make_graph(
        [helper.make_node("Run", [], ["out"], domain="evil.example")],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    nodes = [helper.make_node("If", ["yes"], ["scores"], then_branch=branch, else_branch=branch)]
    return model(nodes, constants={"yes": np.array(True)})


def _external(location: str) -> ModelProto:
    made = linear_model()
    weights = made.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(WEIGHTS.nbytes))):
        weights.external_data.add(key=key, value=value)
    return made


def _huge_tensor() -> ModelProto:
    made = linear_model()
    del made.graph.initializer[0].dims[:]
    made.graph.initializer[0].dims.extend([2**40, 2**40])
    return made
