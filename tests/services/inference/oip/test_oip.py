"""The Open Inference Protocol, driven by an unmodified tritonclient in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnx
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from precordia.catalog import Lineage, ModelRef
from precordia.client import Addresses, Connection, connect
from precordia.leads import STANDARD_LEADS
from precordia.manifest import CoInput, Manifest, Task
from precordia.oip import inference_pb2, inference_pb2_grpc
from precordia.prediction import PredictInput
from precordia.rpc.server import serving
from services.inference.__main__ import build as build_inference
from services.inference.engine.providers import Device
from services.inference.settings import InferenceSettings
from services.registry.__main__ import build as build_registry
from services.registry.settings import RegistrySettings
from tests.services.inference import ecg_study
from tests.services.inference.conftest import Runs
from tests.services.inference.graphs import SAMPLES, contract, levels, linear_graph

ROOT = Path(__file__).parents[4]


def two_outputs(bias: float = 0.0) -> bytes:
    """scores = (level of II + 0.5, -level of I + 1) + bias; and the means of the leads."""
    weights = np.zeros((12, 2))
    weights[STANDARD_LEADS.index("II"), 0] = 1.0
    weights[STANDARD_LEADS.index("I"), 1] = -1.0
    model = onnx.load_from_string(linear_graph(weights, np.array([0.5, 1.0]) + bias))
    model.graph.output.append(onnx.helper.make_tensor_value_info("means", onnx.TensorProto.FLOAT, ["batch", 12]))
    serialised: bytes = model.SerializeToString()
    return serialised


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Connection, str]]:
    """A registry with a few models, and inference; the connection and inference's address."""
    tmp_path = tmp_path_factory.mktemp("home")
    async with contextlib.AsyncExitStack() as stack:
        registry = build_registry(
            RegistrySettings(home=tmp_path, listen="127.0.0.1:0", publish_shipped=False, drain_s=2)
        )
        registry_at = await stack.enter_async_context(serving(registry))
        settings = InferenceSettings(
            home=tmp_path,
            listen="127.0.0.1:0",
            registry=registry_at,
            ingest="127.0.0.1:9",
            device=Device.CPU,
            sessions=1,
            queue_capacity=256,
            drain_s=2,
        )
        at = await stack.enter_async_context(serving(build_inference(settings)))
        connection = await stack.enter_async_context(connect(Addresses(registry=registry_at, inference=at)))
        names = contract("UP", "DOWN")
        for name in ("m", "shelf"):
            apart = 1.0 if name == "m" else 2.0  # models of one digest would be one
            await publish(connection, name, two_outputs(10 * apart), names, "champion")
            await publish(connection, name, two_outputs(apart - 1), names)
        await publish(connection, "gone", two_outputs(20.0), names, "champion")
        await publish(connection, "gone", two_outputs(41.0), names)
        await publish(connection, "counted", two_outputs(3.0), names)
        await publish(connection, "idle", two_outputs(4.0), names)
        aged = linear_graph(np.zeros((12, 1)), np.zeros(1), co_inputs=1)
        await publish(connection, "aged", aged, contract("a", task=Task.REGRESSION, co_inputs=(CoInput("age_years"),)))
        await publish(connection, "slow", *ecg_study.slow_model(2048))
        yield connection, at


async def publish(connection: Connection, name: str, graph: bytes, manifest: Manifest, *aliases: str) -> None:
    await connection.registry.publish(name, manifest, {"model.onnx": graph}, Lineage("imported"), aliases)


async def triton(scenario: str, address: str = "") -> Any:
    """What tritonclient met; see triton_caller."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.services.inference.oip.triton_caller",
        scenario,
        address,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 240)
    assert process.returncode == 0, err.decode()[-3000:]
    return json.loads(out)


async def test_messages_and_methods_are_those_of_the_public_interface() -> None:
    theirs = await triton("layout")
    ours = inference_pb2.DESCRIPTOR
    methods = ours.services_by_name["GRPCInferenceService"].methods
    assert {m.name: [m.input_type.full_name, m.output_type.full_name] for m in methods}.items() <= theirs[
        "methods"
    ].items()
    files = [ours, *ours.dependencies, *ours.dependencies[0].dependencies]
    messages = [message for file in files for message in file.message_types_by_name.values()]
    fields = dict(_fields(messages))
    assert len(fields) > 150
    assert {name: theirs["fields"].get(name) for name in fields} == fields
    # What is written out to others must be whole; only the configuration is a part of the public one.
    config = {name for name in theirs["fields"] if name.split(".")[1] in _names("model_config", files)}
    shared = {name for name in theirs["fields"] if name.split(".")[1] in {message.name for message in messages}}
    assert shared - config == fields.keys() - config
    enums = {enum.full_name: {value.name: value.number for value in enum.values} for enum in _enums(messages)}
    assert {name: theirs["enums"].get(name) for name in enums} == enums


def _names(file: str, files: list[Any]) -> set[str]:
    return {name for one in files if file in one.name for name in one.message_types_by_name}


def _fields(messages: Any) -> Any:
    for message in messages:
        for field in message.fields:
            of = field.message_type or field.enum_type
            kind = [field.number, field.type, field.is_repeated, of.full_name if of else ""]
            yield f"{message.full_name}.{field.name}", kind
        yield from _fields(message.nested_types)


def _enums(messages: Any) -> Any:
    for message in messages:
        yield from message.enum_types
        yield from _enums(message.nested_types)


async def test_a_client_finds_its_way(served: tuple[Connection, str]) -> None:
    _, at = served
    found = await triton("survey", at)
    assert found["live"]
    assert found["ready"]
    assert found["model_ready"] == {
        "m:": True, "m:1": True, "m:champion": True, "m:9": False, "m:none": False, "x:": False,
    }  # fmt: skip
    assert found["server"]["name"] == "precordia"
    assert {"statistics", "classification", "model_repository"} <= set(found["server"]["extensions"])
    states = {(model["name"], model["version"]): model["state"] for model in found["index_before"]["models"]}
    newest = [("aged", "1"), ("counted", "1"), ("idle", "1"), ("m", "2"), ("shelf", "2"), ("slow", "1")]
    assert dict.fromkeys(newest, "READY").items() <= states.items()
    loaded = {(model["name"], model["version"]): model.get("reason", "") for model in found["index"]["models"]}
    assert loaded["m", "1"] == loaded["m", "2"] == ""
    assert loaded["idle", "1"] == "loaded by its first request"
    assert found["metadata"] == {
        "name": "m",
        "versions": ["1", "2"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "signal", "datatype": "FP32", "shape": ["-1", "12", str(SAMPLES)]}],
        "outputs": [
            {"name": "scores", "datatype": "FP32", "shape": ["-1", "2"]},
            {"name": "means", "datatype": "FP32", "shape": ["-1", "12"]},
        ],
    }
    assert found["metadata_1"] == found["metadata"]


async def test_the_configuration_says_how_the_model_is_served(served: tuple[Connection, str]) -> None:
    connection, at = served
    config = (await triton("survey", at))["config"]["config"]
    (loaded,) = [model for model in await connection.inference.loaded() if (model.name, model.version) == ("m", 2)]
    assert (config["name"], config["platform"], config["backend"]) == ("m", "onnxruntime_onnx", "onnxruntime")
    assert config["max_batch_size"] == 256
    assert config["input"] == [{"name": "signal", "data_type": "TYPE_FP32", "dims": ["12", str(SAMPLES)]}]
    assert [output["dims"] for output in config["output"]] == [["2"], ["12"]]
    assert config["instance_group"] == [{"name": "m_0", "count": 1, "kind": "KIND_CPU"}]
    batching = config["dynamic_batching"]
    assert batching["preferred_batch_size"] == [loaded.max_batch]
    assert int(batching.get("max_queue_delay_microseconds", 0)) == round(1000 * loaded.max_delay_ms)
    assert (batching["priority_levels"], batching["default_priority_level"]) == ("3", "2")
    assert batching["default_queue_policy"] == {"allow_timeout_override": True, "max_queue_size": 256}
    meaning = {name: value["string_value"] for name, value in config["parameters"].items()}
    assert meaning["digest"] == loaded.digest
    assert (meaning["labels"], meaning["unit"], meaning["rate_hz"]) == ("UP,DOWN", "mV", "100")
    assert meaning["leads"] == ",".join(STANDARD_LEADS)


async def test_tensors_get_the_graphs_own_outputs(served: tuple[Connection, str]) -> None:
    _, at = served
    told = await triton("infer", at)
    levels = np.array([0.5, -1.0, 0.25])
    scores = np.stack([2 * levels + 0.5, 1 - levels], axis=1)
    means = np.repeat(levels[:, None], 12, axis=1)
    means[:, 1] *= 2
    assert told["latest"]["model"] == "m:2"
    assert told["latest"]["id"] == "ward-7"
    assert told["latest"]["datatype"] == "FP32"
    np.testing.assert_allclose(told["latest"]["values"], scores, atol=1e-6)
    np.testing.assert_allclose(told["compressed"]["values"], scores, atol=1e-6)
    assert told["order"] == ["means", "scores"]
    np.testing.assert_allclose(told["both"]["means"]["values"], means, atol=1e-6)
    np.testing.assert_allclose(told["both"]["scores"]["values"], scores, atol=1e-6)
    for alias in ("old", "champion"):
        assert told[alias]["model"] == "m:1"
        np.testing.assert_allclose(told[alias]["values"], scores[:1] + 10, atol=1e-5)
    assert told["classes"] == [
        ["1.500000:0:UP", "0.500000:1:DOWN"],
        ["2.000000:1:DOWN", "-1.500000:0:UP"],
        ["1.000000:0:UP", "0.750000:1:DOWN"],
    ]
    assert told["beside"]["values"] == told["beside_swapped"]["values"] == [[1.0], [2.0], [3.0]]


async def test_typed_contents_are_read_and_contradictions_refused(served: tuple[Connection, str]) -> None:
    _, at = served
    told = await triton("typed", at)
    np.testing.assert_allclose(told["values"], [[1.5, 0.5], [2.5, 0.0]], atol=1e-6)
    refusals = {name: answer for name, answer in told.items() if name != "values"}
    assert {code for code, _ in refusals.values()} == {"INVALID_ARGUMENT"}
    assert refusals["short"][1] == f"Input 'signal' of shape [2,12,{SAMPLES}] has 4800 elements; got 4799."
    assert refusals["no_content"][1].endswith("got 0.")
    assert "content once" in refusals["both"][1]
    assert "priority" in refusals["priority"][1]


async def test_what_is_wrong_is_named(served: tuple[Connection, str]) -> None:
    _, at = served
    told = await triton("errors", at)
    codes = {name: status.rpartition(".")[2] for name, (status, _) in told.items()}
    late = {"late": "DEADLINE_EXCEEDED", "hung_up": "DEADLINE_EXCEEDED"}
    missing = dict.fromkeys(("model", "spelling", "version", "alias", "statistics"), "NOT_FOUND")
    absent = {"trace": "UNIMPLEMENTED"}
    assert codes == {name: (missing | late | absent).get(name, "INVALID_ARGUMENT") for name in codes}
    texts = {name: text for name, (_, text) in told.items()}
    expected = f"expected [-1,12,{SAMPLES}], got"
    assert f"Unexpected shape for input 'signal': {expected} [1,12,100]" in texts["shape"]
    assert f"{expected} [12,{SAMPLES}]" in texts["rank"]
    assert "batch size of input 'signal' is 0" in texts["empty"]
    assert "is 257; it must be 1 to 256" in texts["many"]
    assert "expected FP32, got 'FP64'" in texts["datatype"]
    assert "Unexpected inference input 'ecg'; the model takes 'signal'" in texts["input"]
    assert "Expected 1 inputs but got 0; input 'signal' is missing" in texts["none"]
    assert "Expected 2 inputs but got 1; input 'beside' is missing" in texts["missing"]
    assert "batch dimension differs" in texts["rows"]
    assert "Unexpected inference output 'logits'; the model has 'scores', 'means'" in texts["output"]
    assert "Shared memory is not offered" in texts["shared"]
    assert texts["late"] == "The request's timeout passed before its turn came."


async def test_what_came_too_late_was_not_run(served: tuple[Connection, str]) -> None:
    connection, at = served
    before = await connection.inference.load(ModelRef("slow"))
    ran = before.executed + before.dropped_expired + before.dropped_cancelled
    came = 0
    async with asyncio.timeout(240):
        while not came:  # until a request arrived before its caller hung up
            await triton("errors", at)
            while True:
                (slow,) = [model for model in await connection.inference.loaded() if model.name == "slow"]
                came = slow.executed + slow.dropped_expired + slow.dropped_cancelled - ran
                if not slow.queue_depth and came % 200 == 0:
                    break
                await asyncio.sleep(0.05)
    assert slow.executed - before.executed < came / 4


async def test_a_stream_is_answered_in_order_and_outlives_a_failed_request(served: tuple[Connection, str]) -> None:
    _, at = served
    told = await triton("stream", at)
    assert told["ids"] == [number for number in range(100) if number % 10 != 9]
    expected = [[0.2 * number + 0.5, 1 - 0.1 * number] for number in told["ids"]]
    np.testing.assert_allclose(told["values"], expected, atol=1e-4)
    assert told["final"]
    assert len(told["errors"]) == 10
    assert "got [1,12,50]" in told["errors"][0]


async def test_the_asynchronous_client_works_as_well(served: tuple[Connection, str]) -> None:
    _, at = served
    told = await triton("aio", at)
    assert told["live"]
    assert told["ready"]
    assert told["inputs"][0]["name"] == "signal"
    assert told["scores"] == told["with_token"] == [[1.5, 0.5]]
    assert told["streamed"][4].startswith("No model") or "model" in told["streamed"][4]
    numbers = [value for at, value in enumerate(told["streamed"]) if at != 4]
    assert numbers == [2 * number + 0.5 for number in range(10) if number != 4]


async def test_models_are_loaded_and_unloaded(served: tuple[Connection, str]) -> None:
    _, at = served
    told = await triton("repository", at)
    assert told["states"] == [[], ["shelf:2"], ["shelf:1", "shelf:2"], ["shelf:2"], ["shelf:1", "shelf:2"], []]
    assert told["twice"] == ["StatusCode.NOT_FOUND", "Model shelf is not loaded."]
    assert told["unknown"][0] == "StatusCode.NOT_FOUND"
    assert told["config"][0] == "StatusCode.INVALID_ARGUMENT"


async def test_what_was_unloaded_is_unavailable_until_it_is_loaded_or_asked_for(
    served: tuple[Connection, str],
) -> None:
    connection, at = served
    told = await triton("unloading", at)
    lazy, loaded, gone = ["READY", "loaded by its first request"], ["READY", ""], ["UNAVAILABLE", "unloaded"]
    assert told["untouched"] == {"ready": [True, True, True], "index": {"2": lazy}}
    assert told["never_loaded"] == {"ready": [False, True, True], "index": {"2": gone}}
    assert told["loaded"] == {"ready": [True, True, True], "index": {"1": loaded, "2": loaded}}
    assert told["old_unloaded"] == {"ready": [True, False, False], "index": {"1": gone, "2": loaded}}
    assert told["all_unloaded"] == {"ready": [False, False, False], "index": {"1": gone, "2": gone}}
    for status, message in told["looked"][:2]:  # looking does not bring it back
        assert (status, message) == (
            "StatusCode.UNAVAILABLE",
            "Model gone was unloaded. Load it, or send it a request.",
        )
    assert told["looked"][2] == "gone"
    assert told["still"] == told["all_unloaded"]
    assert told["only_ready"] == []
    assert told["twice"] == ["StatusCode.NOT_FOUND", "Model gone is not loaded."]
    assert told["scores"] == [[42.5, 41.5]]
    assert told["asked_for"] == {"ready": [True, False, False], "index": {"1": gone, "2": loaded}}
    assert told["back"] == {"ready": [True, True, True], "index": {"1": loaded, "2": loaded}}
    # A request of our own protocol brings version 1 back as well.
    champion = ModelRef("gone", alias="champion")
    (prediction,) = await connection.inference.predict(champion, [PredictInput(signal=levels(0.5))])
    assert prediction.version == 1
    (ready,) = await triton("champion_of_gone", at)
    assert ready is True


async def test_statistics_count_what_happened(served: tuple[Connection, str]) -> None:
    connection, at = served
    told = await triton("statistics", at)
    (fresh,) = told["fresh"]["model_stats"]
    assert (fresh["name"], fresh["version"]) == ("counted", "1")
    assert "inference_count" not in fresh  # zero
    (row,) = told["counted"]["model_stats"]
    assert int(row["inference_count"]) == 8
    stats = {
        name: (int(tally.get("count", 0)), int(tally.get("ns", 0))) for name, tally in row["inference_stats"].items()
    }
    assert {stats[name][0] for name in ("success", "queue", "compute_input", "compute_infer", "compute_output")} == {6}
    assert stats.get("fail", (0, 0))[0] == 0
    parts = sum(stats[name][1] for name in ("queue", "compute_input", "compute_infer", "compute_output"))
    assert 0 < stats["compute_infer"][1] < parts <= stats["success"][1]
    runs = {int(batch["batch_size"]): int(batch["compute_infer"]["count"]) for batch in row["batch_stats"]}
    assert sum(size * count for size, count in runs.items()) == 8
    assert int(row["execution_count"]) == sum(runs.values())
    assert int(row["last_inference"]) > 1_700_000_000_000
    failed = [
        int(told[when]["model_stats"][0]["inference_stats"]["fail"].get("count", 0)) for when in ("slow_before", "slow")
    ]
    assert failed[1] == failed[0] + 1
    assert {"counted:1", "slow:1"} <= set(told["all"])
    assert [model.executed for model in await connection.inference.loaded() if model.name == "counted"] == [8]


async def test_answers_do_not_cross_when_many_ask_and_some_hang_up(served: tuple[Connection, str]) -> None:
    _, at = served
    outcomes = await triton("concurrent", at)
    in_a_hurry = outcomes.pop("hurried")  # theirs may be too late, or refused at once as a queue too long for them
    assert outcomes.keys() <= {"right", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
    assert 300 - outcomes["right"] <= in_a_hurry < 100


async def test_a_full_queue_is_said_so(served: tuple[Connection, str], runs: Runs) -> None:
    connection, at = served
    before = (await connection.inference.load(ModelRef("slow"))).refused
    runs.shut()
    asking = asyncio.create_task(triton("overload", at))
    async with asyncio.timeout(240):
        while {model.name: model.refused for model in await connection.inference.loaded()}["slow"] == before:
            await asyncio.sleep(0.05)
    runs.open()
    told = await asking
    assert "StatusCode.RESOURCE_EXHAUSTED" in told["statuses"]
    assert any("queue of this model is full" in text for text in told["texts"])


async def test_health_and_reflection_name_the_protocol(served: tuple[Connection, str]) -> None:
    _, at = served
    async with grpc.aio.insecure_channel(at) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        health = await check(health_pb2.HealthCheckRequest(service="inference.GRPCInferenceService"))
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        info = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol="inference.GRPCInferenceService")
        async for answer in info(iter([asked])):
            assert len(answer.file_descriptor_response.file_descriptor_proto) >= 1


async def test_an_open_stream_does_not_hold_up_a_service_that_stops(tmp_path: Path) -> None:
    registry = build_registry(RegistrySettings(home=tmp_path, listen="127.0.0.1:0", publish_shipped=False, drain_s=2))
    async with serving(registry) as registry_at:
        settings = InferenceSettings(home=tmp_path, listen="127.0.0.1:0", registry=registry_at, drain_s=240)
        async with contextlib.AsyncExitStack() as channels, asyncio.timeout(60):
            async with serving(build_inference(settings)) as at:
                channel = await channels.enter_async_context(grpc.aio.insecure_channel(at))
                stream = inference_pb2_grpc.GRPCInferenceServiceStub(channel).ModelStreamInfer()
                await stream.write(inference_pb2.ModelInferRequest(model_name="nobody", id="1"))
                assert (await stream.read()).infer_response.id == "1"
            assert await stream.read() is grpc.aio.EOF
