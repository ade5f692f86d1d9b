"""Sessions: what is bound and kept where; devices that are not there, and what is said of them."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from precordia.errors import FailedPrecondition, InvalidModel, MissingDependency
from services.inference.engine import providers
from services.inference.engine.host_buffers import HostBuffers, lock_pages
from services.inference.engine.machine import accelerators
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine, _BoundSession
from services.inference.engine.providers import CPU, CUDA, TENSORRT, Device, check_in_use, explained, wanted
from tests.services.inference.graphs import SAMPLES, linear_graph

GRAPH = linear_graph(np.eye(12)[:, :3], np.array([0.0, 10.0, 20.0]))


def bound() -> _BoundSession:
    """The session of a GPU, on the CPU: it binds and copies in the same way."""
    return _BoundSession(ort.InferenceSession(GRAPH, providers=[CPU]), page_locked=True)


def levels(*values: float) -> np.ndarray:
    return np.repeat(np.array(values, np.float32), 12 * SAMPLES).reshape(len(values), 12, SAMPLES)


def test_a_bound_session_answers_as_a_plain_one_whatever_the_batch_and_wherever_it_lies() -> None:
    plain, session = OnnxRuntimeEngine(device=Device.CPU).load(GRAPH), bound()
    for values in ((1.0,), (1.0, 2.0, 3.0), (4.0, 5.0), (6.0,)):
        sent = levels(*values)
        sent.flags.writeable = False
        np.testing.assert_array_equal(session.run({"signal": sent}, "scores"), plain.run({"signal": sent}, "scores"))
        room = session.room("signal", sent.shape)
        room[...] = sent + 1
        assert session.run({"signal": room}, "scores").tolist() == [[v + 1, v + 11, v + 21] for v in values]


def test_a_session_does_not_keep_the_file_it_was_made_from() -> None:
    graph = linear_graph(np.eye(12)[:, :3], np.zeros(3))
    before = sys.getrefcount(graph)
    session = OnnxRuntimeEngine(device=Device.CPU).load(graph)
    assert sys.getrefcount(graph) == before
    with pytest.raises(InvalidModel):
        session.compute({"signal": np.zeros((1, 11, SAMPLES), np.float32)}, ["scores"])
    assert session.run({"signal": levels(1.0)}, "scores").tolist() == [[1.0, 1.0, 1.0]]


def test_threads_of_a_bound_session_do_not_meet() -> None:
    session, wrong = bound(), []

    def caller(value: float) -> None:
        for _ in range(200):
            room = session.room("signal", (2, 12, SAMPLES))
            room[0], room[1] = value, value + 0.5
            if session.run({"signal": room}, "scores")[:, 0].tolist() != [value, value + 0.5]:
                wrong.append(value)

    threads = [threading.Thread(target=caller, args=(float(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_bound_session_refuses_what_the_graph_does_not_take() -> None:
    with pytest.raises(InvalidModel):
        bound().run({"signal": np.zeros((1, 3, SAMPLES), np.float32)}, "scores")


def test_a_buffer_is_kept_by_thread_and_grows() -> None:
    buffers = HostBuffers()
    small = buffers.room("x", (2, 3))
    small[...] = 7
    assert buffers.room("x", (1, 3)).ctypes.data == small.ctypes.data
    assert buffers.room("x", (2, 3)).tolist() == [[7, 7, 7], [7, 7, 7]]
    assert buffers.room("y", (2, 3)).ctypes.data != small.ctypes.data
    assert buffers.room("x", (9, 3)).shape == (9, 3)
    other: list[int] = []
    thread = threading.Thread(target=lambda: other.append(buffers.room("x", (9, 3)).ctypes.data))
    thread.start()
    thread.join()
    assert other != [buffers.room("x", (9, 3)).ctypes.data]


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="this build has CUDA")
def test_pages_stay_ordinary_where_no_cuda_is_loaded() -> None:
    assert lock_pages(np.zeros(10, np.float32)) is False


def test_providers_follow_the_device(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(providers.ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    assert [name for name, _ in wanted(Device.AUTO, fallback=True)] == [CUDA, CPU]
    assert [name for name, _ in wanted(Device.CPU, fallback=False)] == [CPU]
    assert [name for name, _ in wanted(Device.TENSORRT, fallback=False)] == [TENSORRT, CUDA, CPU]
    assert dict(wanted(Device.CUDA, fallback=False))[CUDA] == {"use_tf32": "0"}


def test_tensorrt_keeps_what_it_builds(monkeypatch: pytest.MonkeyPatch, tmp_path: providers.Path) -> None:
    monkeypatch.setattr(providers.ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    options = dict(wanted(Device.TENSORRT, fallback=False, cache=tmp_path / "built"))[TENSORRT]
    assert options["trt_engine_cache_path"] == str(tmp_path / "built")
    assert (tmp_path / "built").is_dir()


@pytest.mark.parametrize("device", [Device.CUDA, Device.TENSORRT])
def test_a_build_without_the_device_says_what_to_install(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers.ort, "get_available_providers", lambda: [CPU])
    with pytest.raises(MissingDependency, match="extra 'gpu'"):
        wanted(device, fallback=False)
    assert wanted(device, fallback=True) == [(CPU, {})]


def test_a_device_that_does_not_work_is_refused_with_the_reason_or_replaced_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(providers.ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(providers, "why_not", lambda provider: "libcudnn.so.9 is missing, a part of cuDNN")
    with pytest.raises(FailedPrecondition, match=r"libcudnn\.so\.9 is missing.*DEVICE=cpu"):
        check_in_use(Device.CUDA, CPU, fallback=False)
    check_in_use(Device.AUTO, CPU, fallback=True)
    assert "CUDA does not work here (libcudnn.so.9" in caplog.text
    caplog.clear()
    check_in_use(Device.CUDA, CUDA, fallback=False)
    check_in_use(Device.CPU, CPU, fallback=False)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("device", "built", "runs_on", "said"),
    [
        (Device.CUDA, [CPU], [CPU], ["CUDA does not work here (this build of ONNX Runtime has none; .* on the CPU"]),
        (
            Device.TENSORRT,
            [CPU],
            [CPU],
            ["TensorRT does not work .*; models run on the CPU", "CUDA does not work .*; models run on the CPU"],
        ),
        (Device.TENSORRT, [CUDA, CPU], [CUDA, CPU], ["TensorRT does not work here (.*'gpu'.*; models run on CUDA"]),
        (Device.AUTO, [CPU], [CPU], []),
        (Device.CPU, [CUDA, CPU], [CPU], []),
    ],
)
def test_a_build_without_the_device_takes_the_next_best_and_says_so(
    device: Device,
    built: list[str],
    runs_on: list[str],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(providers.ort, "get_available_providers", lambda: built)
    choices = wanted(device, fallback=True)
    assert [name for name, _ in choices] == runs_on
    assert dict(choices).get(CUDA, {"use_tf32": "0"}) == {"use_tf32": "0"}
    check_in_use(device, runs_on[0], fallback=True)
    assert len(caplog.messages) == len(said)
    for message, pattern in zip(caplog.messages, said, strict=True):
        assert re.match(pattern.replace("(", r"\("), message)


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="this build has CUDA")
@pytest.mark.parametrize("device", [Device.CUDA, Device.TENSORRT])
def test_a_model_that_is_loaded_on_the_cpu_instead_says_so(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    engine = OnnxRuntimeEngine(device=device, allow_fallback=True)
    assert engine.load(GRAPH).providers == (CPU,)
    assert "does not work here (this build of ONNX Runtime has none" in caplog.text
    caplog.clear()
    assert OnnxRuntimeEngine(device=Device.AUTO).load(GRAPH).providers == (CPU,)
    assert caplog.text == ""


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="this build has CUDA")
def test_what_is_missing_here_is_named() -> None:
    """Machines without a driver say so; with one, the provider's library is what this build lacks."""
    assert "is missing" in providers.why_not(CUDA)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("libcuda.so.1: cannot open shared object file: No such file or directory", "driver of the GPU"),
        ("libcudnn.so.9: cannot open shared object file: No such file", "nvidia-cudnn-cu12"),
        ("libcublasLt.so.12: cannot open shared object file: No such file", "nvidia-cublas-cu12"),
        ("libnvinfer.so.10: cannot open shared object file: No such file", "pip install tensorrt"),
        ("/opt/x/libodd.so.3: cannot open shared object file: No such file", "the library libodd.so.3 is missing"),
    ],
)
def test_a_missing_library_comes_with_what_to_install(said: str, advice: str) -> None:
    assert advice in explained(said)


def test_another_loader_error_is_no_missing_library() -> None:
    assert explained("undefined symbol: Provider_GetHost") == ""


def test_threads_to_measure_are_one_and_all_unless_they_are_set() -> None:
    assert OnnxRuntimeEngine(device=Device.CPU, intra_op_threads=0, cores=4).thread_counts == (1, 4)
    assert OnnxRuntimeEngine(device=Device.CPU, intra_op_threads=3, cores=4).thread_counts == (3,)
    assert OnnxRuntimeEngine(device=Device.CPU, intra_op_threads=0, cores=1).thread_counts == (1,)


def test_a_profile_of_one_gpu_is_not_taken_for_another(tmp_path: Path) -> None:
    for number, model in enumerate(("NVIDIA A100-SXM4-40GB", "NVIDIA T4")):
        folder = tmp_path / f"0000:0{number}:00.0"
        folder.mkdir()
        (folder / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 12\n")
    assert accelerators(tmp_path) == ["NVIDIA A100-SXM4-40GB", "NVIDIA T4"]
    assert accelerators(tmp_path / "absent") == []
