"""Fine-tuning as its callers see it: from a model of the registry to another, over the wire."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load
from torch import Tensor

from precordia.catalog import ModelRef, ModelVersion
from precordia.client import Connection
from precordia.errors import InvalidTrainingSpec, ModelNotFound, NetworkNotFound
from precordia.manifest import Task
from precordia.operation import OperationState
from precordia.training import Method, TrainingSpec
from tests.services.trainer.conftest import Neighbours
from tests.services.trainer.made_bases import native_files, publish_native
from tests.services.trainer.synthetic import SMALL
from tests.services.trainer.test_service import finished, spec, training

ONE_EPOCH = SMALL | {"max_epochs": 1}


async def trained(precordia: Connection, name: str, wanted: TrainingSpec) -> tuple[ModelVersion, dict[str, Tensor]]:
    done = await finished(precordia, await precordia.trainer.train(name, wanted))
    assert done.state is OperationState.SUCCEEDED, done.error_message
    version, files = await precordia.registry.fetch(ModelRef(name), ["weights.safetensors"])
    return version, load(files["weights.safetensors"])


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    """Names of equal tensors."""
    return {key for key, value in one.items() if key in other and value.equal(other[key])}


def from_base(method: Method, **changes: object) -> TrainingSpec:
    """What the base has is left open."""
    open_choices = {"base": "base", "sample_rate_hz": None, "duration_s": None, "overrides": ONE_EPOCH}
    return spec(method=method, **(open_choices | changes))


async def test_the_head_alone_or_all_layers_learn_and_the_rest_is_the_bases(
    tmp_path: Path, neighbours: Neighbours
) -> None:
    async with training(tmp_path, neighbours) as precordia:
        base, base_weights = await trained(precordia, "base", spec(overrides=ONE_EPOCH, leads=("I", "II", "V1")))
        head, head_weights = await trained(precordia, "head", from_base(Method.HEAD, label_group="speed"))
        whole, all_weights = await trained(precordia, "all", from_base(Method.ALL))
        again, _ = await trained(precordia, "again", spec(base="base", overrides=ONE_EPOCH, leads=("V1",)))
        ancestors = await precordia.registry.lineage(ModelRef("head"))

    backbone = {key for key in base_weights if not key.startswith("head.")}
    assert same(head_weights, base_weights) == backbone  # BatchNorm's statistics too
    assert head_weights["head.weight"].shape == base_weights["head.weight"].shape
    counters = {key for key in backbone if key.endswith("num_batches_tracked")}
    assert same(all_weights, base_weights) <= counters
    assert head.manifest.output_names == ("QUICK", "SLOW")
    assert head.manifest.task is Task.MULTICLASS
    assert whole.manifest.label_group == "shape"  # the base's own group, not asked for
    for tuned in (head, whole):
        assert tuned.manifest.input == base.manifest.input
        assert tuned.manifest.steps == base.manifest.steps
        assert tuned.lineage.origin == "finetuned"
        assert (tuned.lineage.base_model, tuned.lineage.base_digest) == ("base:1", base.digest)
        assert tuned.manifest.origin["base"] == {"model": "base:1", "digest": base.digest}
    assert (head.manifest.origin["method"], whole.manifest.origin["method"]) == ("head", "all")
    assert head.manifest.origin["recipe"]["name"] == "fine_tune"
    assert [step.model for step in ancestors] == ["base:1"]
    assert (again.lineage.origin, again.lineage.base_model) == ("trained", "")
    assert again.manifest.input.leads == ("V1",)
    assert again.manifest.origin["network"] == "InceptionTime"


async def test_rows_of_the_head_that_the_base_knows_are_taken_over(tmp_path: Path, neighbours: Neighbours) -> None:
    slow = ONE_EPOCH | {"max_learning_rate": 1e-9, "averaging": 0.0, "weight_decay": 0.0}
    async with training(tmp_path, neighbours) as precordia:
        await publish_native(precordia)
        operation = await precordia.trainer.train("both", from_base(Method.HEAD, overrides=slow, seed=5))
        await finished(precordia, operation)
        events = [event async for event in precordia.trainer.operations.watch(operation.operation_id)]
        _, files = await precordia.registry.fetch(ModelRef("both"), ["weights.safetensors", "report.json"])
        both_version = await precordia.registry.get(ModelRef("both"))
    base, both = load(native_files()["weights.safetensors"]), load(files["weights.safetensors"])
    assert json.loads(files["report.json"])["labels"] == ["FAST", "WIDE"]
    assert both["head.weight"][1].allclose(base["head.weight"][0], atol=1e-6)
    assert not both["head.weight"][0].allclose(base["head.weight"][0], atol=1e-2)
    assert [output.code for output in both_version.manifest.outputs] == ["", "27885002"]
    said = [str(event.payload.get("message", "")) for event in events]
    assert "Starting from base:1: the head learns; the head is the base's for WIDE, fresh for FAST." in said


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"base": "nothing"}, NetworkNotFound, ("nothing", "no network", "no such model")),
        ({"base": "base:7"}, ModelNotFound, ()),
        ({"base": "InceptionTime"}, InvalidTrainingSpec, ("random features", "from scratch")),
        ({"leads": ("I",)}, InvalidTrainingSpec, ("The base takes 3 leads (I, II, V1)", "without II, V1", "scratch")),
        ({"leads": ("I", "II", "V1", "V6")}, InvalidTrainingSpec, ("V6 is none of them",)),
    ],
)
async def test_what_a_base_cannot_do_is_refused_before_anything_starts(
    tmp_path: Path,
    neighbours: Neighbours,
    changes: dict[str, object],
    error: type[Exception],
    words: tuple[str, ...],
) -> None:
    async with training(tmp_path, neighbours) as precordia:
        await publish_native(precordia)
        with pytest.raises(error) as refused:
            await precordia.trainer.train("m", from_base(Method.HEAD, **changes))
        assert await precordia.trainer.operations.list() == []
    for word in words:
        assert word in str(refused.value)
    assert not (tmp_path / "trainer" / "jobs").exists()
