from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from precordia.catalog import ModelRef
from precordia.errors import AliasNotFound, InvalidModel, ModelNotFound, ServiceUnavailable
from precordia.prediction import PredictInput
from services.inference.engine import Device, OnnxRuntimeEngine
from services.inference.loading import ModelLoader, ServingLimits
from services.inference.models import Models
from services.inference.predictor import Predictor
from services.inference.profile import ProfileCache
from services.inference.scoring import EcgJob
from tests.services.inference.graphs import bias_graph, contract, levels
from tests.services.inference.memory_recordings import MemoryRecordings
from tests.services.inference.memory_registry import MemoryRegistry

CHAMPION = ModelRef("m", alias="champion")
LATEST = ModelRef("m")


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
async def models(registry: MemoryRegistry, tmp_path: Path) -> AsyncIterator[Models]:
    loader = ModelLoader(OnnxRuntimeEngine(device=Device.CPU), ServingLimits(workers=2), ProfileCache(tmp_path))
    made = Models(registry, loader, max_loaded=2)
    following = asyncio.create_task(made.follow())
    yield made
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await made.close()


async def answer(models: Models, ref: ModelRef) -> float:
    (prediction,) = await Predictor(models, MemoryRecordings()).predict(ref, [PredictInput(signal=levels(0.0))])
    return prediction.scores[0].value


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def _ends_with(answers: list[float], expected: float) -> bool:
    return bool(answers) and answers[-1] == expected


async def test_version_alias_and_latest_mean_what_the_registry_says(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0), alias="champion")
    await registry.publish("m", contract("a"), bias_graph(2.0))
    assert await answer(models, CHAMPION) == 1.0
    assert await answer(models, LATEST) == 2.0
    assert await answer(models, ModelRef("m", 1)) == 1.0
    described = {model.version: model for model in models.loaded()}
    assert described[1].aliases == ("champion",)
    assert described[2].aliases == ("latest",)
    assert described[1].providers == ("CPUExecutionProvider",)
    assert described[1].measured_ms[1] > 0


async def test_many_first_callers_load_a_model_once(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0))
    registry.fetch_s = 0.05
    assert await asyncio.gather(*(answer(models, LATEST) for _ in range(20))) == [1.0] * 20
    assert registry.fetched == 1


async def test_an_alias_that_moves_under_load_fails_no_request(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a"), bias_graph(0.0), alias="champion")
    answers: list[float] = []
    moving = True

    async def caller() -> None:
        while moving:
            answers.append(await answer(models, CHAMPION))
            await asyncio.sleep(0)

    callers = [asyncio.create_task(caller()) for _ in range(8)]
    await until(partial(_ends_with, answers, 0.0))
    for number in range(1, 6):
        version = await registry.publish("m", contract("a"), bias_graph(float(number)), alias="champion")
        await until(partial(_ends_with, answers, float(number)))
        assert version.version == number + 1
    moving = False
    await asyncio.gather(*callers)
    assert sorted(set(answers)) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert [model.version for model in models.loaded()] == [6]


async def test_the_old_model_answers_until_the_new_one_is_warm(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0), alias="champion")
    assert await answer(models, CHAMPION) == 1.0
    registry.fetch_s = 0.3
    await registry.publish("m", contract("a"), bias_graph(2.0), alias="champion")
    await until(lambda: registry.fetched == 2)
    began = asyncio.get_running_loop().time()
    assert await answer(models, CHAMPION) == 1.0
    assert asyncio.get_running_loop().time() - began < 0.25
    await until(lambda: [model.version for model in models.loaded()] == [2])
    assert await answer(models, CHAMPION) == 2.0


async def test_a_new_version_that_does_not_load_leaves_the_old_one_in_service(
    registry: MemoryRegistry, models: Models
) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0), alias="champion")
    assert await answer(models, CHAMPION) == 1.0
    await registry.publish("m", contract("a"), b"broken", alias="champion")
    await until(lambda: registry.fetched >= 2)
    await asyncio.sleep(0.05)
    assert await answer(models, CHAMPION) == 1.0


async def test_a_request_in_flight_keeps_the_model_it_began_with(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0), alias="champion")
    async with models.use(CHAMPION) as held:
        await registry.publish("m", contract("a"), bias_graph(2.0), alias="champion")
        await until(lambda: [model.version for model in models.loaded()] == [2])
        (future,) = held.serving.batcher.submit([EcgJob(levels(0.0))])
        assert (await asyncio.wrap_future(future)).values.tolist() == [1.0]


async def test_the_model_unused_for_longest_makes_room(registry: MemoryRegistry, models: Models) -> None:
    for name, bias in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        await registry.publish(name, contract("x"), bias_graph(bias))
    assert await answer(models, ModelRef("a")) == 1.0
    assert await answer(models, ModelRef("b")) == 2.0
    assert await answer(models, ModelRef("a")) == 1.0
    assert await answer(models, ModelRef("c")) == 3.0
    assert [model.name for model in models.loaded()] == ["a", "c"]
    assert await answer(models, ModelRef("b")) == 2.0


async def test_names_of_the_same_digest_share_one_loaded_model(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("a", contract("x"), bias_graph(1.0))
    await registry.publish("b", contract("x"), bias_graph(1.0))
    assert await answer(models, ModelRef("a")) == await answer(models, ModelRef("b")) == 1.0
    assert registry.fetched == 1
    assert [model.name for model in models.loaded()] == ["a", "b"]


async def test_unloading_lets_go_and_the_next_request_loads_again(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0))
    await models.load(LATEST)
    models.unload(LATEST)
    assert models.loaded() == []
    with pytest.raises(ModelNotFound):
        models.unload(LATEST)
    assert await answer(models, LATEST) == 1.0
    assert registry.fetched == 2


async def test_unloading_in_the_middle_of_requests_fails_none(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0))

    async def unloader() -> None:
        for _ in range(10):
            await asyncio.sleep(0.005)
            if models.loaded():
                models.unload(LATEST)

    answers, _ = await asyncio.gather(asyncio.gather(*(answer(models, LATEST) for _ in range(200))), unloader())
    assert set(answers) == {1.0}


async def test_what_is_loaded_serves_while_the_registry_is_away(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0), alias="champion")
    assert await answer(models, CHAMPION) == 1.0
    await registry.leave()
    assert await answer(models, CHAMPION) == 1.0
    with pytest.raises(ServiceUnavailable):
        await answer(models, ModelRef("other"))
    registry.away = False
    await registry.publish("m", contract("a"), bias_graph(2.0), alias="champion")
    await until(lambda: [model.version for model in models.loaded()] == [2])


async def test_a_broken_model_is_refused_and_may_be_asked_for_again(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a"), b"broken")
    for _ in range(2):
        with pytest.raises(InvalidModel):
            await answer(models, LATEST)
    assert models.loaded() == []


async def test_a_deleted_alias_means_nothing_any_more(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0), alias="champion")
    assert await answer(models, CHAMPION) == 1.0
    await registry.delete_alias("m", "champion")
    await until(lambda: models.loaded() == [])
    with pytest.raises(AliasNotFound):
        await answer(models, CHAMPION)


async def test_a_move_while_the_first_caller_still_loads_is_not_missed(
    registry: MemoryRegistry, models: Models
) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0), alias="champion")
    registry.fetch_s = 0.2
    first = asyncio.create_task(answer(models, CHAMPION))
    await until(lambda: registry.fetched == 1)
    await registry.publish("m", contract("a"), bias_graph(2.0), alias="champion")
    await first
    await until(lambda: [model.version for model in models.loaded()] == [2])
    assert await answer(models, CHAMPION) == 2.0


async def test_a_move_that_overtakes_the_registrys_answer_is_not_missed(
    registry: MemoryRegistry, models: Models
) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0), alias="champion")
    registry.get_s = 0.1
    first = asyncio.create_task(answer(models, CHAMPION))
    await asyncio.sleep(0.05)
    await registry.publish("m", contract("a"), bias_graph(2.0), alias="champion")
    await first
    assert await answer(models, CHAMPION) == 2.0
