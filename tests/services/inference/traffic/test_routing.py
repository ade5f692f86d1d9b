"""Canary and shadow: who answers, what is recorded, and what never happens to an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from precordia.catalog import ModelRef
from precordia.errors import InvalidArgument, ModelNotFound, PrecordiaError
from precordia.manifest import Task
from precordia.prediction import PredictInput
from precordia.record import Signal
from precordia.traffic import Traffic, TrafficRule
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.models.holding import Models
from services.inference.models.loading import ModelLoader
from services.inference.predicting.predictor import Predictor
from services.inference.predicting.tensor_predictor import SentTensor, TensorCall, TensorPredictor
from services.inference.queueing.profile import ServingLimits
from services.inference.queueing.profile_cache import ProfileCache
from services.inference.traffic.routing import Routing, share
from tests.services.inference.graphs import SAMPLES, bias_graph, contract, levels, linear_graph
from tests.services.inference.memory_recordings import MemoryRecordings
from tests.services.inference.memory_registry import MemoryRegistry
from tests.services.inference.models.test_models import until

CHAMPION = ModelRef("m", alias="champion")


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
async def models(registry: MemoryRegistry, tmp_path: Path) -> AsyncIterator[Models]:
    loader = ModelLoader(OnnxRuntimeEngine(device=Device.CPU), ServingLimits(), ProfileCache(tmp_path))
    made = Models(registry, loader)
    following = asyncio.create_task(made.follow())
    yield made
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await made.close()


@pytest.fixture
async def routing(registry: MemoryRegistry, models: Models, tmp_path: Path) -> AsyncIterator[Routing]:
    """Version 1 is the champion and answers (0.25, 0.75); version 2 (0.5, 0.75)."""
    names = contract("UP", "DOWN")
    await registry.publish("m", names, bias_graph(0.25, 0.75), alias="champion")
    await registry.publish("m", names, bias_graph(0.5, 0.75))
    made = Routing(models, tmp_path / "inference" / "traffic.json")
    yield made
    await made.close()


@pytest.fixture
def predictor(models: Models, routing: Routing) -> Predictor:
    return Predictor(models, MemoryRecordings(), routing)


def ecgs(count: int, seed: int = 1) -> list[PredictInput]:
    draw = np.random.default_rng(seed)
    like = levels(0.0)
    return [
        PredictInput(
            signal=Signal(
                draw.normal(0, 1, like.values.shape).astype(np.float32), like.leads, like.sample_rate_hz, like.unit
            )
        )
        for _ in range(count)
    ]


async def versions(predictor: Predictor, inputs: list[PredictInput]) -> list[int]:
    return [prediction.version for prediction in await predictor.predict(CHAMPION, inputs)]


def compared_in_all(routing: Routing, count: int) -> bool:
    told = routing.told()[0]
    return told.compared + told.by_canary.compared == count


async def compared(routing: Routing, count: int) -> Traffic:
    await until(lambda: routing.told()[0].compared >= count)
    return routing.told()[0]


async def test_a_canary_answers_its_share_and_the_same_inputs_every_time(
    routing: Routing, predictor: Predictor
) -> None:
    inputs = ecgs(256)
    assert await versions(predictor, inputs) == [1] * 256
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=25))
    chosen = await versions(predictor, inputs)
    assert 35 <= chosen.count(2) <= 95
    assert await versions(predictor, inputs) == chosen
    alone = [(await versions(predictor, [one]))[0] for one in inputs[:20]]
    assert alone == chosen[:20]
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=50))
    wider = await versions(predictor, inputs)
    assert all(after == 2 for before, after in zip(chosen, wider, strict=True) if before == 2)
    told = routing.told()[0]
    assert told.canary.answered == chosen.count(2) * 2 + alone.count(2) + wider.count(2)
    assert told.current.answered == 2 * 256 + 20 + 256 - told.canary.answered
    assert told.canary.mean_ms > 0


async def test_answers_of_both_versions_keep_their_order_and_values(routing: Routing, predictor: Predictor) -> None:
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=50))
    inputs = [PredictInput(signal=one.signal, tag=str(row)) for row, one in enumerate(ecgs(40))]
    predictions = await predictor.predict(CHAMPION, inputs)
    assert [prediction.tag for prediction in predictions] == [str(row) for row in range(40)]
    assert {(one.version, one.score("UP")) for one in predictions} == {(1, 0.25), (2, 0.5)}


async def test_only_the_alias_named_is_shared_out(routing: Routing, predictor: Predictor) -> None:
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=100))
    inputs = ecgs(3)
    assert await versions(predictor, inputs) == [2, 2, 2]
    for ref in (ModelRef("m", 1), ModelRef("m")):
        expected = ref.version or 2
        assert [one.version for one in await predictor.predict(ref, inputs)] == [expected] * 3


async def test_a_rule_that_asks_for_nothing_ends_it(routing: Routing, predictor: Predictor) -> None:
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=100))
    await versions(predictor, ecgs(3))
    last = await routing.set(TrafficRule(CHAMPION, 2))
    assert last.canary.answered == 3
    assert routing.told() == []
    assert await versions(predictor, ecgs(3)) == [1, 1, 1]


async def test_what_the_candidate_fails_is_answered_by_the_version_in_service(
    registry: MemoryRegistry, models: Models, routing: Routing, predictor: Predictor
) -> None:
    nan = linear_graph(np.zeros((12, 2)), np.array([np.nan, 0.0]))
    await registry.publish("m", contract("UP", "DOWN"), nan)
    await routing.set(TrafficRule(CHAMPION, 3, canary_percent=100))
    assert await versions(predictor, ecgs(3)) == [1, 1, 1]
    told = routing.told()[0]
    assert (told.canary.failed, told.canary.answered, told.current.answered) == (3, 0, 3)


async def test_a_canary_that_is_not_loaded_costs_no_wait(
    registry: MemoryRegistry, models: Models, routing: Routing, predictor: Predictor
) -> None:
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=100))
    assert await versions(predictor, ecgs(1)) == [2]
    models.unload(ModelRef("m", 2))
    registry.fetching.shut()
    async with asyncio.timeout(60):
        assert await versions(predictor, ecgs(1)) == [1]
    registry.fetching.open()
    await until(lambda: models.meaning(ModelRef("m", 2)) is not None)
    assert await versions(predictor, ecgs(1)) == [2]


async def test_an_alias_moved_to_the_candidate_needs_no_canary(
    registry: MemoryRegistry, models: Models, routing: Routing, predictor: Predictor
) -> None:
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=50, shadow_percent=100))
    await registry.set_alias("m", "champion", 2)
    await until(lambda: (now := models.meaning(CHAMPION)) is None or now.version == 2)
    assert await versions(predictor, ecgs(20)) == [2] * 20
    assert routing.told()[0].canary.answered == 0


async def test_a_shadow_changes_no_answer_and_differences_are_recorded(
    registry: MemoryRegistry, routing: Routing, predictor: Predictor
) -> None:
    points = '{"thresholds": {"UP": 0.4, "DOWN": 0.9}}'
    await registry.publish("m", contract("UP", "DOWN"), bias_graph(0.35, 0.65), points=points)
    await routing.set(TrafficRule(CHAMPION, 3, shadow_percent=100))
    for one in ecgs(12):
        (prediction,) = await predictor.predict(CHAMPION, [one])
        assert (prediction.version, prediction.score("UP"), prediction.score("DOWN")) == (1, 0.25, 0.75)
    told = await compared(routing, 12)
    up, down = told.outputs
    assert (up.name, down.name) == ("UP", "DOWN")
    assert [up.mean_absolute, up.max_absolute] == pytest.approx([0.1, 0.1], abs=1e-6)
    assert [down.mean_absolute, down.max_absolute] == pytest.approx([0.1, 0.1], abs=1e-6)
    # 0.25 of 0.5 and 0.35 of 0.4: neither called. 0.75 of 0.5 called, 0.65 of 0.9 not.
    assert (up.disagreements, down.disagreements, told.disagreements) == (0, 12, 12)
    assert (told.shadow.answered, told.compared_current.answered, told.skipped) == (12, 12, 0)
    assert told.shadow.mean_ms > 0
    assert told.canary.answered == 0


async def test_what_a_canary_answers_is_scored_by_the_version_in_service_and_differences_are_recorded(
    registry: MemoryRegistry, routing: Routing, predictor: Predictor
) -> None:
    points = '{"thresholds": {"UP": 0.4, "DOWN": 0.9}}'
    await registry.publish("m", contract("UP", "DOWN"), bias_graph(0.35, 0.65), points=points)
    await routing.set(TrafficRule(CHAMPION, 3, canary_percent=100))
    for one in ecgs(12):
        (prediction,) = await predictor.predict(CHAMPION, [one])
        assert (prediction.version, prediction.score("UP")) == (3, pytest.approx(0.35))
    await until(lambda: routing.told()[0].by_canary.compared == 12)
    told = routing.told()[0]
    up, down = told.by_canary.outputs
    assert [up.mean_absolute, up.max_absolute] == pytest.approx([0.1, 0.1], abs=1e-6)
    assert [down.mean_absolute, down.max_absolute] == pytest.approx([0.1, 0.1], abs=1e-6)
    # The same decisions as a shadow's: UP is called by neither, DOWN by the version in service alone.
    assert (up.disagreements, down.disagreements, told.by_canary.disagreements) == (0, 12, 12)
    assert (told.by_canary.current.answered, told.by_canary.candidate.answered, told.by_canary.skipped) == (12, 12, 0)
    assert told.by_canary.current.mean_ms > 0
    assert (told.canary.answered, told.current.answered) == (12, 0)
    assert (told.compared, told.shadow.answered, told.outputs) == (0, 0, ())  # these are the shadow's


async def test_canary_and_shadow_are_compared_apart_and_no_input_is_in_both(
    routing: Routing, predictor: Predictor
) -> None:
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=40, shadow_percent=100))
    inputs = ecgs(30)
    for count, one in enumerate(inputs, start=1):
        await predictor.predict(CHAMPION, [one])
        await until(partial(compared_in_all, routing, count))  # so that none is left out
    told = routing.told()[0]
    assert (told.compared, told.by_canary.compared) == (told.current.answered, told.canary.answered)
    assert 0 < told.by_canary.compared < 30
    for outputs in (told.outputs, told.by_canary.outputs):
        assert [one.max_absolute for one in outputs] == pytest.approx([0.25, 0.0])


async def test_what_is_behind_a_canary_is_left_out_and_counted(
    registry: MemoryRegistry, routing: Routing, predictor: Predictor
) -> None:
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=100))
    registry.fetching.shut()  # for the copy; both versions are loaded already
    assert await versions(predictor, ecgs(100)) == [2] * 100
    told = routing.told()[0].by_canary
    assert (told.compared, told.skipped) == (0, 100 - 16)  # the copy is not there yet, and no answer waited for it
    registry.fetching.open()
    await until(lambda: routing.told()[0].by_canary.compared == 16)


async def test_what_a_canary_answers_is_compared_with_the_version_that_the_alias_means_now(
    registry: MemoryRegistry, models: Models, routing: Routing, predictor: Predictor
) -> None:
    await registry.publish("m", contract("UP", "DOWN"), bias_graph(0.9, 0.75))
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=100))
    await versions(predictor, ecgs(1))
    await until(lambda: routing.told()[0].by_canary.compared == 1)
    assert routing.told()[0].by_canary.outputs[0].max_absolute == pytest.approx(0.25)
    await registry.set_alias("m", "champion", 3)
    await until(lambda: (now := models.meaning(CHAMPION)) is not None and now.version == 3)
    await versions(predictor, ecgs(1))
    await until(lambda: routing.told()[0].by_canary.compared == 2)
    assert routing.told()[0].by_canary.outputs[0].max_absolute == pytest.approx(0.4)


async def test_a_share_that_is_taken_back_gives_back_its_copy(
    models: Models, routing: Routing, predictor: Predictor
) -> None:
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=100, shadow_percent=50))
    await versions(predictor, ecgs(1))
    await until(lambda: routing.told()[0].by_canary.compared == 1)
    assert len(models._apart) == 1
    await routing.set(TrafficRule(CHAMPION, 2, shadow_percent=50))
    assert len(models._apart) == 0
    assert routing.told()[0].by_canary.compared == 1


async def test_a_shadow_that_is_behind_leaves_out_and_counts(
    registry: MemoryRegistry, routing: Routing, predictor: Predictor
) -> None:
    await predictor.predict(CHAMPION, ecgs(1))
    registry.fetching.shut()
    await routing.set(TrafficRule(CHAMPION, 2, shadow_percent=100))
    await predictor.predict(CHAMPION, ecgs(100))
    assert routing.told()[0].compared == 0  # the copy is not there yet, and no answer waited for it
    assert routing.told()[0].skipped == 100 - 16
    registry.fetching.open()
    assert (await compared(routing, 16)).shadow.answered == 16


async def test_a_shadow_that_does_not_load_harms_nothing(
    registry: MemoryRegistry, routing: Routing, predictor: Predictor
) -> None:
    await registry.publish("m", contract("UP", "DOWN"), b"broken")
    await routing.set(TrafficRule(CHAMPION, 3, shadow_percent=100))
    assert await versions(predictor, ecgs(4)) == [1] * 4
    await asyncio.sleep(0.1)
    assert await versions(predictor, ecgs(4)) == [1] * 4
    assert routing.told()[0].compared == 0


async def test_a_multiclass_decision_is_the_highest_score(
    registry: MemoryRegistry, routing: Routing, predictor: Predictor
) -> None:
    names = contract("A", "B", "C", task=Task.MULTICLASS)
    await registry.publish("n", names, bias_graph(0.1, 0.6, 0.3), alias="champion")
    await registry.publish("n", names, bias_graph(0.1, 0.3, 0.6))
    ref = ModelRef("n", alias="champion")
    await routing.set(TrafficRule(ref, 2, shadow_percent=100))
    await predictor.predict(ref, ecgs(5))
    told = await compared(routing, 5)
    assert {one.name: one.disagreements for one in told.outputs} == {"A": 0, "B": 5, "C": 5}
    assert told.disagreements == 5


async def test_tensors_take_the_same_ways(models: Models, routing: Routing) -> None:
    tensors = TensorPredictor(models, routing)
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=50, shadow_percent=100))
    draw = np.random.default_rng(3)
    calls = []
    for _ in range(30):
        x = draw.normal(0, 1, (1, 12, SAMPLES)).astype(np.float32)
        calls.append(TensorCall(CHAMPION, [SentTensor("signal", "FP32", x.shape, x.tobytes())]))
    answered = [await tensors.infer(call) for call in calls]
    assert [result.version.version for result in answered] == [
        (await tensors.infer(call)).version.version for call in calls
    ]
    assert {(one.version.version, one.outputs["scores"][0, 0].item()) for one in answered} == {(1, 0.25), (2, 0.5)}
    told = await compared(routing, 1)
    assert told.outputs[0].max_absolute == pytest.approx(0.25)


async def test_a_candidate_must_be_comparable(registry: MemoryRegistry, routing: Routing) -> None:
    await registry.publish("m", contract("OTHER"), bias_graph(0.1))
    await registry.publish("m", contract("UP", "DOWN", task=Task.REGRESSION), bias_graph(0.1, 0.2))
    for candidate in (3, 4):
        with pytest.raises(InvalidArgument):
            await routing.set(TrafficRule(CHAMPION, candidate, canary_percent=5))
    with pytest.raises(ModelNotFound):
        await routing.set(TrafficRule(CHAMPION, 9, canary_percent=5))
    with pytest.raises(PrecordiaError):
        await routing.set(TrafficRule(ModelRef("m", alias="none"), 2, canary_percent=5))
    assert routing.told() == []


async def test_rules_outlive_the_service(models: Models, routing: Routing, tmp_path: Path) -> None:
    rules = [TrafficRule(CHAMPION, 2, 12.5, 50.0), TrafficRule(ModelRef("m"), 1, 0.0, 1.0)]
    for rule in rules:
        await routing.set(rule)
    again = Routing(models, tmp_path / "inference" / "traffic.json")
    assert [told.rule for told in again.told()] == rules
    await again.set(TrafficRule(CHAMPION, 2))
    third = Routing(models, tmp_path / "inference" / "traffic.json")
    assert [told.rule for told in third.told()] == rules[1:]
    (tmp_path / "inference" / "traffic.json").write_text("{broken")
    assert Routing(models, tmp_path / "inference" / "traffic.json").told() == []


async def test_counts_outlive_the_service(models: Models, routing: Routing, tmp_path: Path) -> None:
    file = tmp_path / "inference" / "traffic.json"
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=40, shadow_percent=100))
    for count, one in enumerate(ecgs(20), start=1):
        await Predictor(models, MemoryRecordings(), routing).predict(CHAMPION, [one])
        await until(partial(compared_in_all, routing, count))
    before = routing.told()[0]
    assert min(before.compared, before.by_canary.compared, before.canary.answered, before.current.answered) > 0
    await routing.close()
    again = Routing(models, file)
    assert again.told() == [before]
    await Predictor(models, MemoryRecordings(), again).predict(CHAMPION, ecgs(1, seed=9))
    await until(lambda: again.told()[0].compared + again.told()[0].by_canary.compared == 21)
    assert again.told()[0].since == before.since
    await again.set(TrafficRule(CHAMPION, 2))  # the trial is over; another one of the same candidate begins anew
    await again.set(TrafficRule(CHAMPION, 2, canary_percent=40))
    assert again.told()[0].canary.answered == again.told()[0].by_canary.compared == 0
    await again.close()
    third = Routing(models, file)
    assert third.told()[0].by_canary.compared == third.told()[0].compared == 0
    await third.close()


async def test_a_service_that_is_killed_loses_the_last_counts_alone(
    models: Models, routing: Routing, tmp_path: Path
) -> None:
    file = tmp_path / "inference" / "traffic.json"
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=100))
    hasty = Routing(models, file, keep_every_s=0.05)
    predictor = Predictor(models, MemoryRecordings(), hasty)
    await versions(predictor, ecgs(3))
    await until(lambda: hasty.told()[0].by_canary.compared == 3)
    counts = file.with_name("traffic_counts.json")
    await until(lambda: counts.exists() and Routing(models, file).told() == hasty.told())
    written = counts.stat().st_mtime_ns
    await asyncio.sleep(0.3)
    assert counts.stat().st_mtime_ns == written  # nothing new, nothing written
    assert [path.name for path in sorted(file.parent.iterdir())] == ["traffic.json", "traffic_counts.json"]
    await hasty.close()


@pytest.mark.parametrize("text", ["{broken", "[]", '{"m@champion 2 ": {"current": 3}}', "{}"])
async def test_counts_that_cannot_be_read_begin_again_and_the_rule_stays(
    models: Models, routing: Routing, predictor: Predictor, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "inference" / "traffic.json"
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=100))
    await versions(predictor, ecgs(2))
    await routing.close()
    kept = json.loads(file.read_text())
    file.write_text(json.dumps([{name: one[name] for name in one if name != "set_at"} for one in kept]))
    file.with_name("traffic_counts.json").write_text(text)
    again = Routing(models, file)
    (told,) = again.told()
    assert (told.rule, told.canary.answered) == (TrafficRule(CHAMPION, 2, canary_percent=100), 0)
    await versions(Predictor(models, MemoryRecordings(), again), ecgs(2))
    await again.close()
    assert Routing(models, file).told()[0].canary.answered == 2


async def test_a_full_disk_costs_the_counts_and_no_answer(
    models: Models, routing: Routing, predictor: Predictor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await routing.set(TrafficRule(CHAMPION, 2, canary_percent=100))
    (tmp_path / "inference" / "traffic_counts.json").mkdir()  # as little to be written as a full disk
    assert await versions(predictor, ecgs(2)) == [2, 2]
    await routing.close()
    assert "the counts of traffic cannot be kept" in caplog.text


def test_shares_are_even_and_independent() -> None:
    keys = [str(number).encode() for number in range(4000)]
    canary = [share(b"canary", key) for key in keys]
    shadow = [share(b"shadow", key) for key in keys]
    assert 0.23 < np.mean(np.array(canary) < 25) < 0.27
    assert abs(np.corrcoef(canary, shadow)[0, 1]) < 0.05
    assert share(b"canary", b"x") == share(b"canary", b"x")
