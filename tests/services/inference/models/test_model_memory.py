"""What a model is said to take in memory is what it takes, whatever else the process does meanwhile."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from precordia.catalog import MODEL_ONNX, Artifact, Lineage, ModelVersion
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.engine.sessions import Session
from services.inference.models.loading import ModelLoader
from services.inference.models.memory import charged, is_plausible
from services.inference.models.serving import ServingModel
from services.inference.queueing.profile import ServingLimits
from services.inference.queueing.profile_cache import ProfileCache
from tests.services.inference.graphs import bias_graph, contract, heavy_graph

MIB = 2**20
HEAVY = 40

PROGRAM = f"""
import sys
from pathlib import Path
from services.inference.models.memory import give_back, resident_bytes, share_arenas
from tests.services.inference.graphs import heavy_graph
from tests.services.inference.models.test_model_memory import loaded
share_arenas()
first = loaded(heavy_graph({HEAVY}), Path(sys.argv[1]))
give_back()
before = resident_bytes()
second = loaded(heavy_graph({HEAVY}), Path(sys.argv[1]))
give_back()
print(second.memory_bytes, resident_bytes() - before)
"""


class Meanwhile(OnnxRuntimeEngine):
    """Something else happens while the first session is made."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__(device=Device.CPU)
        self._happens: Callable[[], object] | None = happens

    def load(self, graph: bytes, *, threads: int = 0) -> Session:
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()
        return super().load(graph, threads=threads)


def loaded(graph: bytes, folder: Path, engine: OnnxRuntimeEngine | None = None) -> ServingModel:
    sha256 = hashlib.sha256(graph).hexdigest()
    artifacts = (Artifact(MODEL_ONNX, sha256, len(graph)),)
    version = ModelVersion("m", 1, sha256, contract("a"), artifacts, Lineage("imported"))
    limits = ServingLimits(max_batch=2)
    loader = ModelLoader(engine or OnnxRuntimeEngine(device=Device.CPU), limits, ProfileCache(folder))
    return loader.load(version, graph)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="sizes are told by Linux")
def test_a_model_takes_what_it_is_said_to_take(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    said, took = map(int, ran.stdout.split())
    assert HEAVY * MIB <= said < 1.25 * HEAVY * MIB
    assert abs(took - said) < 0.25 * HEAVY * MIB


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="sizes are told by Linux")
def test_what_another_request_takes_meanwhile_is_not_the_models(tmp_path: Path) -> None:
    kept: list[np.ndarray] = []
    model = loaded(bias_graph(1.0), tmp_path, Meanwhile(lambda: kept.append(np.ones(100 * MIB, np.uint8))))
    assert model.memory_bytes < 50 * MIB
    model.close()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="sizes are told by Linux")
def test_what_another_request_gives_back_meanwhile_hides_no_model(tmp_path: Path) -> None:
    kept, graph = [np.ones(100 * MIB, np.uint8)], heavy_graph(4)
    model = loaded(graph, tmp_path, Meanwhile(kept.clear))
    assert model.memory_bytes == len(graph)
    model.close()


@pytest.mark.parametrize(
    ("grown_mib", "file_mib", "expected_mib"),
    [(58, 57, 58), (-200, 57, 57), (120, 57, 120), (400, 10, 306), (9, 0, 9)],
)
def test_a_model_counts_for_its_file_at_least_and_for_what_weights_explain_at_most(
    grown_mib: int, file_mib: int, expected_mib: int
) -> None:
    assert charged(grown_mib * MIB, file_mib * MIB) == expected_mib * MIB


def test_more_than_two_copies_of_the_weights_is_worth_a_second_look() -> None:
    assert is_plausible(130 * MIB, 57 * MIB)
    assert not is_plausible(131 * MIB, 57 * MIB)
