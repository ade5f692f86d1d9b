"""Files that mean harm, or are damaged: a typed error, in bounded time, and the service goes on."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from precordia.errors import InvalidModel, PrecordiaError, Unavailable
from services.registry import onnx_graph, onnx_mend
from services.registry.onnx_check import ModelCheck
from services.registry.onnx_examination import answer
from tests.services.registry.graphs import (
    endless_model,
    greedy_model,
    linear_model,
    manifest,
    norm_model,
)

CONTENT = norm_model(metadata=(("target_keys", "['a', 'b', 'c']"), ("sampling_rate", "10"))).SerializeToString()


def parse_and_mend(content: bytes) -> None:
    model = onnx_graph.parse_model(content)
    onnx_mend.mend_metadata(model)
    onnx_mend.mend_model(model, leads=12)


@given(st.binary(max_size=400))
def test_random_bytes_are_no_model(content: bytes) -> None:
    with pytest.raises(PrecordiaError):
        parse_and_mend(content)


@given(st.integers(0, len(CONTENT) - 1))
def test_a_truncated_model_is_refused_unless_its_graph_is_whole(length: int) -> None:
    verdict, _ = answer({"manifest": "", "mend": True}, CONTENT[:length])

    if "reason" in verdict:
        assert verdict["reason"] == "INVALID_MODEL"
    else:  # cut between two fields behind the graph, which leaves a model with less metadata
        assert onnx.ModelProto.FromString(CONTENT[:length]).graph == onnx.ModelProto.FromString(CONTENT).graph


@given(st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_a_model_with_changed_bytes_gets_a_verdict(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(CONTENT)
    for place, value in changes:
        damaged[place] = value
    try:
        parse_and_mend(bytes(damaged))
    except (PrecordiaError, ValueError, TypeError, RuntimeError):
        return  # what libraries raise on damage becomes INVALID_MODEL in `answer`


def test_a_real_model_with_changed_bytes_gets_a_verdict_from_its_own_process(testdata: Path) -> None:
    content = (testdata / "models" / "XceptionTime_untrained.onnx").read_bytes()
    chance = random.Random(20261120)
    check = ModelCheck(timeout_s=240)
    for _ in range(12):
        damaged = bytearray(content)
        for _ in range(40):
            damaged[chance.randrange(20_000)] = chance.randrange(256)  # where the graph is, not its weights
        with pytest.raises(PrecordiaError) as refused:
            check.imported(bytes(damaged), None)
        assert refused.value.reason in ("INVALID_MODEL", "INVALID_MANIFEST")


def test_a_sound_model_passes_the_examination_process() -> None:
    examined = ModelCheck().published(linear_model().SerializeToString(), manifest())

    assert (examined.manifest, examined.remarks) == (manifest(), ())


def test_an_endless_loop_ends_with_the_time_limit() -> None:
    with pytest.raises(InvalidModel, match=r"within 3 s|too much"):
        ModelCheck(timeout_s=3).published(endless_model().SerializeToString(), manifest())


def test_a_service_that_stops_does_not_wait_for_an_examination() -> None:
    check = ModelCheck(timeout_s=3600)
    threading.Timer(1.0, check.close).start()

    with pytest.raises(Unavailable):
        check.published(endless_model().SerializeToString(), manifest())
    with pytest.raises(Unavailable):
        check.published(linear_model().SerializeToString(), manifest())


def test_a_model_that_asks_for_all_memory_is_refused() -> None:
    with pytest.raises(InvalidModel):
        ModelCheck(timeout_s=30, memory_mib=3000).published(greedy_model().SerializeToString(), manifest())


def test_the_examination_says_nothing_of_files_on_this_host() -> None:
    with pytest.raises(InvalidModel) as refused:
        ModelCheck().imported(b"\x08\x08", None)

    assert "/" not in refused.value.message
