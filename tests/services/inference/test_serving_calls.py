"""Candidates, callers and measured times over the wire."""

from __future__ import annotations

import asyncio

import pytest

from precordia.catalog import Lineage, ModelRef
from precordia.client import Connection
from precordia.errors import InvalidArgument, ModelNotFound
from precordia.prediction import PredictInput
from precordia.rpc.caller import current_caller, set_caller
from precordia.traffic import TrafficRule
from tests.services.inference.graphs import bias_graph, contract, levels

CHAMPION = ModelRef("m", alias="champion")


async def test_a_candidate_is_set_compared_and_taken_away_over_the_wire(precordia: Connection) -> None:
    registry, inference = precordia.registry, precordia.inference
    await registry.publish("m", contract("a"), {"model.onnx": bias_graph(0.25)}, Lineage("imported"), ("champion",))
    await registry.publish("m", contract("a"), {"model.onnx": bias_graph(0.75)}, Lineage("imported"), ())
    told = await inference.set_traffic(TrafficRule(CHAMPION, 2, canary_percent=30, shadow_percent=100))
    assert (told.rule.candidate_version, told.rule.canary_percent) == (2, 30.0)

    inputs = [PredictInput(signal=levels(0.1 + number / 1000), tag=str(number)) for number in range(60)]
    answered = await inference.predict(CHAMPION, inputs)
    assert [one.tag for one in answered] == [one.tag for one in inputs]
    assert {(one.version, one.score("a")) for one in answered} == {(1, 0.25), (2, 0.75)}
    async with asyncio.timeout(120):
        while (found := (await inference.traffic())[0]).compared == 0:
            await asyncio.sleep(0.05)
    assert found.canary.answered == sum(one.version == 2 for one in answered)
    assert found.current.answered == 60 - found.canary.answered
    assert (found.outputs[0].name, found.outputs[0].max_absolute) == ("a", pytest.approx(0.5))
    assert found.disagreements == found.compared
    assert found.since is not None

    with pytest.raises(ModelNotFound):
        await inference.set_traffic(TrafficRule(CHAMPION, 9, canary_percent=1))
    await registry.publish("m", contract("other"), {"model.onnx": bias_graph(0.5)}, Lineage("imported"), ())
    with pytest.raises(InvalidArgument):
        await inference.set_traffic(TrafficRule(CHAMPION, 3, canary_percent=1))
    await inference.set_traffic(TrafficRule(CHAMPION, 2))
    assert await inference.traffic() == []
    assert {one.version for one in await inference.predict(CHAMPION, inputs)} == {1}


async def test_what_was_measured_is_told(precordia: Connection) -> None:
    await precordia.registry.publish("m", contract("a"), {"model.onnx": bias_graph(0.25)}, Lineage("imported"), ())
    loaded = await precordia.inference.load(ModelRef("m"))
    assert loaded.measured_ms[1] > 0
    assert loaded.threads >= 1
    assert loaded.memory_bytes > 0
    assert (loaded.sessions, loaded.refused) == (1, 0)


def test_a_caller_is_its_own_word_or_else_its_connection() -> None:
    for word, caller in (("ward-7", "id:ward-7"), ("", "ipv4:1.2.3.4:5"), ("a\nb", "ipv4:1.2.3.4:5")):
        set_caller(word, "ipv4:1.2.3.4:5")
        assert current_caller() == caller
