from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import onnx
import pytest

from precordia.catalog import ModelRef, ModelVersion
from precordia.errors import AliasNotFound, FailedPrecondition, InvalidModel, ModelNotFound, ServiceUnavailable
from precordia.prediction import PredictInput
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.models.holding import Models
from services.inference.models.loading import ModelLoader
from services.inference.models.serving import ServingModel
from services.inference.predicting.predictor import Predictor
from services.inference.queueing.profile import ServingLimits
from services.inference.queueing.profile_cache import ProfileCache
from services.inference.scoring.scores import EcgJob
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
    async with asyncio.timeout(60):
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
    registry.fetching.shut()
    calls = [asyncio.create_task(answer(models, LATEST)) for _ in range(20)]
    await until(lambda: registry.fetched)
    await asyncio.sleep(0.02)
    registry.fetching.open()
    assert await asyncio.gather(*calls) == [1.0] * 20
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
    registry.fetching.shut()
    await registry.publish("m", contract("a"), bias_graph(2.0), alias="champion")
    await until(lambda: registry.fetched == 2)
    async with asyncio.timeout(60):
        assert await answer(models, CHAMPION) == 1.0
    registry.fetching.open()
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


@pytest.mark.parametrize("caller_stays", [True, False])
async def test_a_name_whose_model_never_loaded_is_not_tried_again_unasked(
    registry: MemoryRegistry, models: Models, caller_stays: bool
) -> None:
    await registry.publish("m", contract("a"), b"broken", alias="champion")
    registry.fetching.shut()
    call = asyncio.create_task(answer(models, CHAMPION))
    await until(lambda: registry.fetched)
    if not caller_stays:
        call.cancel()
    registry.fetching.open()
    with pytest.raises(InvalidModel if caller_stays else asyncio.CancelledError):
        await call
    await until(lambda: not models._loading)
    await registry.publish("other", contract("a"), bias_graph(2.0))
    assert await answer(models, ModelRef("other")) == 2.0
    fetched = registry.fetched
    await registry.publish("m", contract("a"), b"broken, too", alias="champion")
    await registry.publish("other", contract("a"), bias_graph(3.0))  # the change after it, seen to be followed
    await until(lambda: [model.version for model in models.loaded()] == [2])
    assert registry.fetched == fetched + 1
    await registry.publish("m", contract("a"), bias_graph(1.0), alias="champion")
    assert await answer(models, CHAMPION) == 1.0


async def test_the_log_says_what_stays_in_service(
    registry: MemoryRegistry, models: Models, caplog: pytest.LogCaptureFixture
) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0), alias="champion")
    await registry.publish("n", contract("a"), bias_graph(2.0))
    assert await answer(models, CHAMPION) == 1.0
    await registry.publish("m", contract("a"), b"broken", alias="champion")
    said = "version 2 of m@champion does not load (INVALID_MODEL); version 1 stays in service"
    await until(lambda: said in caplog.text)
    registry.fetching.shut()
    fetched = registry.fetched
    first = asyncio.create_task(answer(models, ModelRef("n")))
    await until(lambda: registry.fetched > fetched)
    base = replace(contract("a"), origin={"head": "untrained"})  # refused before it is fetched
    await registry.publish("n", base, bias_graph(3.0))
    said = "version 2 of n@latest does not load (FAILED_PRECONDITION); nothing is in service under this name"
    await until(lambda: said in caplog.text)
    registry.fetching.open()
    assert await first == 2.0


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
    registry.fetching.shut()
    first = asyncio.create_task(answer(models, CHAMPION))
    await until(lambda: registry.fetched == 1)
    await registry.publish("m", contract("a"), bias_graph(2.0), alias="champion")
    await asyncio.sleep(0.02)
    registry.fetching.open()
    await first
    await until(lambda: [model.version for model in models.loaded()] == [2])
    assert await answer(models, CHAMPION) == 2.0


async def test_a_move_that_overtakes_the_registrys_answer_is_not_missed(
    registry: MemoryRegistry, models: Models
) -> None:
    await registry.publish("m", contract("a"), bias_graph(1.0), alias="champion")
    registry.getting.shut()
    first = asyncio.create_task(answer(models, CHAMPION))
    await until(lambda: registry.getting.arrived)
    await registry.publish("m", contract("a"), bias_graph(2.0), alias="champion")
    registry.getting.open()
    await first
    assert await answer(models, CHAMPION) == 2.0


class WeighedLoader(ModelLoader):
    """Loads real models, and says of each that it takes as many MiB as its only score."""

    def load(self, version: ModelVersion, graph: bytes, *, quiet: bool = False) -> ServingModel:
        made = super().load(version, graph, quiet=quiet)
        mib = int(onnx.numpy_helper.to_array(onnx.load_from_string(graph).graph.initializer[-1])[0])
        return replace(made, memory_bytes=mib * 2**20)


@pytest.fixture
async def budgeted(registry: MemoryRegistry, tmp_path: Path) -> AsyncIterator[Models]:
    loader = WeighedLoader(OnnxRuntimeEngine(device=Device.CPU), ServingLimits(), ProfileCache(tmp_path))
    made = Models(registry, loader, memory_bytes=100 * 2**20)
    yield made
    await made.close()


async def test_the_memory_budget_lets_go_of_the_models_unused_for_longest(
    registry: MemoryRegistry, budgeted: Models
) -> None:
    for name, mib in (("a", 40.0), ("b", 30.0), ("c", 30.0), ("d", 60.0)):
        await registry.publish(name, contract("x"), bias_graph(mib))
    for name in "abc":
        await answer(budgeted, ModelRef(name))
    assert [model.name for model in budgeted.loaded()] == ["a", "b", "c"]
    assert [model.memory_bytes for model in budgeted.loaded()] == [40 * 2**20, 30 * 2**20, 30 * 2**20]
    assert await answer(budgeted, ModelRef("a")) == 40.0
    assert await answer(budgeted, ModelRef("d")) == 60.0  # with c and a it would be 130, with a 100
    assert [model.name for model in budgeted.loaded()] == ["a", "d"]
    assert await answer(budgeted, ModelRef("b")) == 30.0
    assert [model.name for model in budgeted.loaded()] == ["b", "d"]


async def test_a_model_larger_than_the_budget_is_refused_with_both_figures(
    registry: MemoryRegistry, budgeted: Models
) -> None:
    await registry.publish("a", contract("x"), bias_graph(50.0))
    await registry.publish("big", contract("x"), bias_graph(101.0))
    assert await answer(budgeted, ModelRef("a")) == 50.0
    with pytest.raises(FailedPrecondition, match=r"big:1 takes 101 MiB, and models may take 100 together"):
        await answer(budgeted, ModelRef("big"))
    assert [model.name for model in budgeted.loaded()] == ["a"]


async def test_a_file_larger_than_the_budget_is_not_even_fetched(registry: MemoryRegistry, tmp_path: Path) -> None:
    loader = ModelLoader(OnnxRuntimeEngine(device=Device.CPU), ServingLimits(), ProfileCache(tmp_path))
    made = Models(registry, loader, memory_bytes=100)
    await registry.publish("big", contract("x"), bias_graph(1.0))
    with pytest.raises(FailedPrecondition, match="MEMORY_MIB"):
        await answer(made, ModelRef("big"))
    assert registry.fetched == 0
    await made.close()


async def test_a_model_in_use_stays_over_the_budget_until_it_is_not(registry: MemoryRegistry, budgeted: Models) -> None:
    await registry.publish("a", contract("x"), bias_graph(60.0))
    await registry.publish("b", contract("x"), bias_graph(70.0))
    async with budgeted.use(ModelRef("a")):
        async with budgeted.use(ModelRef("b")):
            assert [model.name for model in budgeted.loaded()] == ["a", "b"]
        assert [model.name for model in budgeted.loaded()] == ["a"]


async def test_a_copy_counts_for_the_budget_and_ends_with_its_use(registry: MemoryRegistry, budgeted: Models) -> None:
    await registry.publish("a", contract("x"), bias_graph(60.0))
    await registry.publish("b", contract("x"), bias_graph(50.0))
    assert await answer(budgeted, ModelRef("a")) == 60.0
    async with budgeted.copy(ModelRef("b")) as copy:
        assert budgeted.loaded() == []  # a made room
        (future,) = copy.serving.batcher.submit([EcgJob(levels(0.0))])
        assert (await asyncio.wrap_future(future)).values.tolist() == [50.0]
        assert copy.serving.batcher.policy.nice == 19
    await until(lambda: copy.serving.batcher._closed)
    with pytest.raises(ServiceUnavailable):
        copy.serving.batcher.submit([EcgJob(levels(0.0))])
    assert await answer(budgeted, ModelRef("a")) == 60.0
    assert await answer(budgeted, ModelRef("a")) == 60.0
    assert [model.name for model in budgeted.loaded()] == ["a"]


async def test_a_profile_measured_for_fewer_sessions_is_not_kept_for_more(
    registry: MemoryRegistry, tmp_path: Path
) -> None:
    await registry.publish("m", contract("a"), bias_graph(0.5))
    measured = []
    for sessions in (2, 0):
        limits = ServingLimits(workers=4, sessions=sessions)
        loader = ModelLoader(OnnxRuntimeEngine(device=Device.CPU, intra_op_threads=1), limits, ProfileCache(tmp_path))
        made = Models(registry, loader)
        await made.load(ModelRef("m"))
        measured.append(made.held()[0].serving.profile.rates)
        await made.close()
    assert measured[0].keys() != measured[1].keys(), "what was measured with two sessions says nothing of four"


async def test_a_base_whose_last_layer_is_untrained_gives_no_scores(registry: MemoryRegistry, models: Models) -> None:
    await registry.publish("base", replace(contract("a"), origin={"head": "untrained"}), bias_graph(0.5))
    with pytest.raises(FailedPrecondition, match="Fine-tune it"):
        await answer(models, ModelRef("base"))
