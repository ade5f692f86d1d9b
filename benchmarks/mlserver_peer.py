"""MLServer with the same graph and one thread, where an environment has it: what others serve with.

Written by the documentation of MLServer 1.6 (custom runtimes); its Python is another one than ours, since its
dependencies are.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from precordia.manifest import Manifest

_RUNTIME = """
import numpy as np
import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Graph(MLModel):
    async def load(self):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload):
        feed = {one.name: NumpyCodec.decode_input(one).astype(np.float32) for one in payload.inputs}
        names = [output.name for output in self._session.get_outputs()]
        answers = self._session.run(names, feed)
        outputs = [NumpyCodec.encode_output(name, answer) for name, answer in zip(names, answers)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
"""

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Peer:
    """A server that runs: where, as which process, with which model."""

    address: str
    pid: int
    model: str


@contextlib.contextmanager
def mlserver(python: str, graph: bytes, manifest: Manifest, core: set[int]) -> Iterator[Peer | None]:
    """MLServer on a core; None, with the reason printed, where there is none."""
    missing = _missing(python)
    if missing:
        print(f"MLServer is left out: {missing}")
        yield None
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        ports = dict(zip(("http_port", "grpc_port", "metrics_port"), _free_ports(3), strict=True))
        _write(Path(folder), graph, manifest, ports)
        process = subprocess.Popen(
            [python, "-c", "from mlserver.cli import main; main()", "start", folder],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, core),
        )
        stack.callback(process.wait, 30)
        stack.callback(process.terminate)
        if not _answers(ports["http_port"], process):
            print("MLServer is left out: it did not start within a minute")
            yield None
            return
        yield Peer(f"127.0.0.1:{ports['grpc_port']}", process.pid, "graph")


def _missing(python: str) -> str:
    if not python:
        return "name the Python of an environment that has it by --mlserver"
    found = subprocess.run([python, "-c", "import mlserver, onnxruntime"], capture_output=True, text=True)
    return "" if found.returncode == 0 else f"{python} cannot import it ({found.stderr.strip().splitlines()[-1:]})"


def _write(folder: Path, graph: bytes, manifest: Manifest, ports: dict[str, int]) -> None:
    (folder / "model.onnx").write_bytes(graph)
    (folder / "runtime.py").write_text(_RUNTIME)
    shape = [-1, len(manifest.input.leads), manifest.input.samples]
    inputs = [{"name": manifest.input.name, "datatype": "FP32", "shape": shape}]
    (folder / "model-settings.json").write_text(
        json.dumps({"name": "graph", "implementation": "runtime.Graph", "inputs": inputs})
    )
    # In its own process, as its documentation advises for speed with one model.
    (folder / "settings.json").write_text(json.dumps({"parallel_workers": 0, "host": "127.0.0.1", **ports}))


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether it says that the model is ready: its port opens before."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/graph/ready"):
            return True
        time.sleep(0.2)
    return False
