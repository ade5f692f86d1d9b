"""What a user of tritonclient does; run in a process of its own, where its messages are the only ones.

`python -m tests.services.inference.oip.triton_caller SCENARIO ADDRESS` prints what came back, as JSON.
Nothing of precordia may be imported here: tritonclient brings the same message names.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sys
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

SAMPLES = 200


def ecgs(*levels: float) -> NDArray[np.float32]:
    """(n, 12, SAMPLES): each ECG is constant at its level, and lead II at twice that."""
    x = np.repeat(np.array(levels, np.float32), 12 * SAMPLES).reshape(len(levels), 12, SAMPLES)
    x[:, 1] *= 2
    return x


def as_input(x: NDArray[Any], name: str = "signal", datatype: str = "FP32") -> Any:
    tensor = triton.InferInput(name, list(x.shape), datatype)
    tensor.set_data_from_numpy(x)
    return tensor


def refused(call: Callable[[], Any]) -> list[str]:
    try:
        call()
    except InferenceServerException as error:
        return [str(error.status()), str(error.message())]
    return ["OK", ""]


def survey(address: str) -> dict[str, Any]:
    with triton.InferenceServerClient(address) as client:
        return {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": {
                f"{name}:{version}": client.is_model_ready(name, version)
                for name, version in [("m", ""), ("m", "1"), ("m", "champion"), ("m", "9"), ("m", "none"), ("x", "")]
            },
            "server": client.get_server_metadata(as_json=True),
            "index_before": client.get_model_repository_index(as_json=True),
            "metadata": client.get_model_metadata("m", as_json=True),
            "metadata_1": client.get_model_metadata("m", "1", as_json=True),
            "config": client.get_model_config("m", as_json=True),
            "index": client.get_model_repository_index(as_json=True),
        }


def repository(address: str) -> dict[str, Any]:
    with triton.InferenceServerClient(address) as client:
        states = [_loaded(client)]
        for act in (
            lambda: client.load_model("shelf"),
            lambda: client.load_model("shelf:1"),
            lambda: client.unload_model("shelf:1"),
            lambda: client.load_model("shelf@champion"),
            lambda: client.unload_model("shelf"),
        ):
            act()
            states.append(_loaded(client))
        return {
            "states": states,
            "twice": refused(lambda: client.unload_model("shelf")),
            "unknown": refused(lambda: client.load_model("nobody")),
            "config": refused(lambda: client.load_model("shelf", config="{}")),
        }


def unloading(address: str) -> dict[str, Any]:
    """What scripts do that wait until a model is gone, and what brings it back."""
    with triton.InferenceServerClient(address) as client:

        def seen() -> Any:
            return {
                "ready": [client.is_model_ready("gone", version) for version in ("", "1", "champion")],
                "index": {
                    entry.version: [entry.state, entry.reason]
                    for entry in client.get_model_repository_index().models
                    if entry.name == "gone"
                },
            }

        told: dict[str, Any] = {"untouched": seen()}
        client.unload_model("gone")  # nothing of it is loaded; its first request would
        told["never_loaded"] = seen()
        client.load_model("gone")
        client.load_model("gone:1")
        told["loaded"] = seen()
        client.unload_model("gone:1")
        told["old_unloaded"] = seen()
        client.unload_model("gone")
        told["all_unloaded"] = seen()
        told["looked"] = [
            refused(lambda: client.get_model_metadata("gone")),
            refused(lambda: client.get_model_config("gone")),
            client.get_inference_statistics("gone", as_json=True)["model_stats"][0]["name"],
        ]
        told["still"] = seen()
        told["only_ready"] = [
            entry.name
            for entry in client._client_stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(ready=True)).models
            if entry.name == "gone"
        ]
        told["twice"] = refused(lambda: client.unload_model("gone"))
        told["scores"] = client.infer("gone", [as_input(ecgs(0.5))]).as_numpy("scores").tolist()
        told["asked_for"] = seen()
        client.load_model("gone@champion")
        told["back"] = seen()
        client.unload_model("gone@champion")
        return told


def champion_of_gone(address: str) -> list[bool]:
    with triton.InferenceServerClient(address) as client:
        return [client.is_model_ready("gone", "champion")]


def _loaded(client: Any) -> list[str]:
    entries = client.get_model_repository_index().models
    return [f"{entry.name}:{entry.version}" for entry in entries if entry.name == "shelf" and not entry.reason]


def infer(address: str) -> dict[str, Any]:
    x = ecgs(0.5, -1.0, 0.25)
    with triton.InferenceServerClient(address) as client:
        latest = client.infer("m", [as_input(x)], request_id="ward-7")
        both = client.infer(
            "m",
            [as_input(x)],
            outputs=[triton.InferRequestedOutput("means"), triton.InferRequestedOutput("scores")],
            priority=1,
            timeout=60_000_000,
            parameters={"from": "a ward"},
        )
        classified = client.infer("m", [as_input(x)], outputs=[triton.InferRequestedOutput("scores", class_count=2)])
        compressed = client.infer("m", [as_input(x)], compression_algorithm="gzip")
        return {
            "latest": _told(latest, "scores"),
            "old": _told(client.infer("m", [as_input(x[:1])], "1"), "scores"),
            "champion": _told(client.infer("m", [as_input(x[:1])], "champion"), "scores"),
            "both": {name: _told(both, name) for name in ("means", "scores")},
            "order": [output.name for output in both.get_response().outputs],
            "classes": [[text.decode() for text in row] for row in classified.as_numpy("scores")],
            "compressed": _told(compressed, "scores"),
            "beside": _told(client.infer("aged", [as_input(x), _ages(1.0, 2.0, 3.0)]), "scores"),
            "beside_swapped": _told(client.infer("aged", [_ages(1.0, 2.0, 3.0), as_input(x)]), "scores"),
        }


def _ages(*values: float) -> Any:
    return as_input(np.array(values, np.float32)[:, None], "beside")


def _told(result: Any, name: str) -> dict[str, Any]:
    response = result.get_response()
    return {
        "model": f"{response.model_name}:{response.model_version}",
        "id": response.id,
        "datatype": result.get_output(name).datatype,
        "values": result.as_numpy(name).tolist(),
    }


def typed(address: str) -> dict[str, Any]:
    """What no helper of the client builds: contents as numbers, and requests that contradict themselves."""
    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

        x = ecgs(0.5, 1.0)

        def ask(change: Callable[[Any], Any]) -> Any:
            request = service_pb2.ModelInferRequest(model_name="m")
            tensor = request.inputs.add(name="signal", datatype="FP32", shape=x.shape)
            tensor.contents.fp32_contents.extend(x.ravel().tolist())
            change(request)
            try:
                return stub.ModelInfer(request)
            except grpc.RpcError as error:
                return [error.code().name, error.details()]

        def both(request: Any) -> None:
            request.raw_input_contents.append(b"\0")

        def bad_priority(request: Any) -> None:
            request.parameters["priority"].string_param = "high"

        answer = ask(lambda request: None)
        return {
            "values": np.frombuffer(answer.raw_output_contents[0], "<f4").reshape(answer.outputs[0].shape).tolist(),
            "short": ask(lambda request: request.inputs[0].contents.fp32_contents.pop()),
            "both": ask(both),
            "priority": ask(bad_priority),
            "unnamed": ask(lambda request: request.ClearField("model_name")),
            "no_content": ask(lambda request: request.inputs[0].ClearField("contents")),
        }


def errors(address: str) -> dict[str, Any]:
    x = ecgs(0.5)

    def ask(*inputs: Any, model: str = "m", **more: Any) -> list[str]:
        return refused(lambda: client.infer(model, list(inputs), **more))

    shared = triton.InferInput("signal", list(x.shape), "FP32")
    shared.set_shared_memory("region", x.nbytes)
    with triton.InferenceServerClient(address) as client:
        return {
            "model": ask(as_input(x), model="nobody"),
            "spelling": ask(as_input(x), model="no/body"),
            "version": ask(as_input(x), model_version="7"),
            "alias": ask(as_input(x), model_version="nowhere"),
            "shape": ask(as_input(x[:, :, :100])),
            "rank": ask(as_input(x[0])),
            "empty": ask(as_input(x[:0])),
            "many": ask(as_input(np.zeros((257, 12, SAMPLES), np.float32))),
            "datatype": ask(as_input(x.astype(np.float64), datatype="FP64")),
            "input": ask(as_input(x, "ecg")),
            "twice": ask(as_input(x), as_input(x)),
            "none": ask(),
            "rows": ask(as_input(x), _ages(1.0, 2.0), model="aged"),
            "missing": ask(as_input(x), model="aged"),
            "output": ask(as_input(x), outputs=[triton.InferRequestedOutput("logits")]),
            "shared": ask(shared),
            "statistics": refused(lambda: client.get_inference_statistics("nobody")),
            "trace": refused(lambda: client.get_trace_settings()),
            "late": ask(*[as_input(ecgs(*[0.1] * 200))], model="slow", timeout=40_000),
            "hung_up": ask(*[as_input(ecgs(*[0.1] * 200))], model="slow", client_timeout=0.04),
        }


def stream(address: str) -> dict[str, Any]:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with triton.InferenceServerClient(address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for number in range(100):
            bad = number % 10 == 9
            x = ecgs(number / 10)[:, :, : 50 if bad else SAMPLES]
            client.async_stream_infer("m", [as_input(x)], request_id=str(number), enable_empty_final_response=True)
        came = [answers.get(timeout=120) for _ in range(100)]
        client.stop_stream()
    good = [result.get_response() for result, error in came if error is None]
    return {
        "ids": [int(response.id) for response in good],
        "values": [result.as_numpy("scores")[0].tolist() for result, error in came if error is None],
        "final": all(response.parameters["triton_final_response"].bool_param for response in good),
        "errors": [error.message() for _, error in came if error is not None],
    }


def statistics(address: str) -> dict[str, Any]:
    with triton.InferenceServerClient(address) as client:
        fresh = client.get_inference_statistics("counted", as_json=True)
        client.load_model("slow")
        for _ in range(5):
            client.infer("counted", [as_input(ecgs(0.5))])
        client.infer("counted", [as_input(ecgs(1.0, 2.0, 3.0))])
        before = client.get_inference_statistics("slow", as_json=True)
        refused(lambda: client.infer("slow", [as_input(ecgs(*[0.1] * 200))], timeout=100_000))
        return {
            "fresh": fresh,
            "counted": client.get_inference_statistics("counted", as_json=True),
            "slow_before": before,
            "slow": client.get_inference_statistics("slow", as_json=True),
            "all": [f"{row.name}:{row.version}" for row in client.get_inference_statistics().model_stats],
        }


def concurrent(address: str) -> dict[str, Any]:
    """300 requests of 1 to 4 ECGs at once, each with levels of its own; some hang up."""

    async def run() -> dict[str, Any]:
        hurried = np.random.default_rng(5).random(300) < 0.2
        room = asyncio.Semaphore(60)  # 2.5 ECGs each: the queue has 256 places
        async with triton_aio.InferenceServerClient(address) as client:

            async def one(number: int) -> str:
                levels = number + np.arange(1 + number % 4) / 8
                hurry = 0.005 if hurried[number] else None
                x = as_input(ecgs(*levels))
                try:
                    async with room:
                        result = await client.infer(
                            "m", [x], request_id=str(number), priority=1 + number % 3, client_timeout=hurry
                        )
                except InferenceServerException as error:
                    return str(error.status()).rpartition(".")[2] if hurry else str(error)
                expected = np.stack([2 * levels + 0.5, -levels + 1], axis=1)
                right = np.allclose(result.as_numpy("scores"), expected, atol=1e-4)
                return "right" if right and result.get_response().id == str(number) else "crossed"

            outcomes = await asyncio.gather(*(one(number) for number in range(300)))
        return {outcome: outcomes.count(outcome) for outcome in set(outcomes)} | {"hurried": int(hurried.sum())}

    return asyncio.run(run())


def aio(address: str) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with triton_aio.InferenceServerClient(address) as client:

            async def requests() -> Any:
                for number in range(10):
                    yield {
                        "model_name": "m" if number != 4 else "nobody",
                        "inputs": [as_input(ecgs(float(number)))],
                        "request_id": str(number),
                    }

            streamed = [(result, error) async for result, error in client.stream_infer(requests())]
            return {
                "live": await client.is_server_live(),
                "ready": await client.is_model_ready("m"),
                "inputs": (await client.get_model_metadata("m", as_json=True))["inputs"],
                "scores": (await client.infer("m", [as_input(ecgs(0.5))])).as_numpy("scores").tolist(),
                "streamed": [
                    error.message() if error else result.as_numpy("scores")[0, 0].item() for result, error in streamed
                ],
                "with_token": (await client.infer("m", [as_input(ecgs(0.5))], headers={"authorization": "Bearer any"}))
                .as_numpy("scores")
                .tolist(),
            }

    return asyncio.run(run())


def overload(address: str) -> dict[str, Any]:
    """Four requests of 150 ECGs to a queue of 256."""

    async def run() -> dict[str, Any]:
        async with triton_aio.InferenceServerClient(address) as client:
            await client.load_model("slow")
            x = [as_input(ecgs(*[0.1] * 150))]
            calls = [asyncio.create_task(client.infer("slow", x, client_timeout=600)) for _ in range(4)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        refusals = [error for error in outcomes if isinstance(error, InferenceServerException)]
        return {
            "statuses": [str(error.status()) for error in refusals],
            "texts": [error.message() for error in refusals],
        }

    return asyncio.run(run())


def layout(address: str) -> dict[str, Any]:
    """Every message, field and method as tritonclient has them."""
    from tritonclient.grpc import model_config_pb2

    messages = dict(service_pb2.DESCRIPTOR.message_types_by_name) | dict(
        model_config_pb2.DESCRIPTOR.message_types_by_name
    )
    service = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    return {
        "fields": {key: value for message in messages.values() for key, value in _fields(message)},
        "enums": {
            enum.full_name: {value.name: value.number for value in enum.values} for enum in _enums(messages.values())
        },
        "methods": {
            method.name: [method.input_type.full_name, method.output_type.full_name] for method in service.methods
        },
    }


def _fields(message: Any) -> Any:
    for field in message.fields:
        of = field.message_type or field.enum_type
        yield (
            f"{message.full_name}.{field.name}",
            [field.number, field.type, field.is_repeated, of.full_name if of else ""],
        )
    for nested in message.nested_types:
        yield from _fields(nested)


def _enums(messages: Any) -> Any:
    for message in messages:
        yield from message.enum_types
        yield from _enums(message.nested_types)


if __name__ == "__main__":
    json.dump(globals()[sys.argv[1]](sys.argv[2]), sys.stdout)
