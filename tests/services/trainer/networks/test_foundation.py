from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from precordia.catalog import WEIGHTS
from precordia.errors import InvalidModel
from precordia.manifest import Activation, Output, Task
from precordia.training import Method
from services.trainer.job.environment import DataCache
from services.trainer.job.workplace import Workplace
from services.trainer.networks.foundation import Foundation, lay
from services.trainer.planning.bases import PinnedBase
from services.trainer.planning.plan import Plan, make_plan
from services.trainer.publication.export import finished_network
from services.trainer.records.materials import Materials
from tests.services.trainer import synthetic
from tests.services.trainer.made_bases import CONTRACT, native_files


@pytest.fixture(scope="module")
def base() -> bytes:
    return native_files()[WEIGHTS]


def plan_from(weights: bytes, contract: Any = CONTRACT, **changes: Any) -> Plan:
    files = {WEIGHTS: hashlib.sha256(weights).hexdigest()}
    base = PinnedBase("base", 1, "d" * 64, "InceptionTime", files, contract)
    spec = synthetic.spec(**{"method": Method.ALL, "label_group": "shape", **changes})
    records = {"train": synthetic.snapshot(synthetic.records(8))}
    return make_plan(spec, records, base=base, rate_hz=50, duration_s=4, threads=1)[0]


async def laid(folder: Path, plan: Plan, weights: bytes) -> tuple[Foundation, list[str]]:
    """A foundation whose files are in the cache already."""
    assert plan.base is not None
    key = hashlib.sha256("\n".join(sorted(plan.base.files.values())).encode()).hexdigest()[:32]
    (folder / f"base-{key}").mkdir()
    (folder / f"base-{key}" / WEIGHTS).write_bytes(weights)
    told: list[str] = []
    place = Workplace(
        folder=folder,
        outputs=folder / "outputs",
        cache=DataCache(folder, 1 << 30),
        report=lambda kind, payload: told.append(str(payload["message"])),
        should_stop=lambda: False,
        catch_up=lambda history: None,
    )
    return await lay(plan, place), told


async def test_the_backbone_is_the_bases_and_rows_go_to_their_labels(tmp_path: Path, base: bytes) -> None:
    foundation, _ = await laid(tmp_path, plan_from(base), base)
    told: list[str] = []
    built = foundation.builder(Materials(Task.MULTILABEL, {}, {}), told.append)(None, 4).state_dict()
    known = load(base)
    assert all(built[key].equal(value) for key, value in known.items() if not key.startswith("head."))
    assert built["head.weight"].shape == (4, 128)  # FAST, WIDE and two auxiliary ones
    assert built["head.weight"][1].equal(known["head.weight"][0])
    assert told == ["Starting from base:1: all layers learn; the head is the base's for WIDE, fresh for FAST."]
    other = foundation.builder(Materials(Task.MULTICLASS, {}, {}), told.append)(None, 2).state_dict()
    assert not other["head.weight"][1].equal(known["head.weight"][0])  # another task: another meaning
    assert foundation.architecture() == {"network": "InceptionTime", "leads": 3, "outputs": 2}


async def test_a_bases_numbers_go_on_in_their_unit(tmp_path: Path, base: bytes) -> None:
    """Targets are standardised while they are learnt; before a step is taken the model answers as the base does."""
    contract = replace(
        CONTRACT, task=Task.REGRESSION, outputs=(Output("rate_bpm", unit="bpm"),), activation=Activation.NONE
    )
    plan = plan_from(base, contract, task=Task.REGRESSION, labels=("rate_bpm",))
    foundation, _ = await laid(tmp_path, plan, base)
    materials = Materials(Task.REGRESSION, {}, {}, scale=(12.5,), offset=(71.0,))
    network = foundation.builder(materials, lambda said: None)(None, 1)
    finished = finished_network(network, 1, scale=materials.scale, offset=materials.offset).state_dict()
    known = load(base)
    assert finished["head.weight"].allclose(known["head.weight"], atol=1e-6)
    assert finished["head.bias"].allclose(known["head.bias"], atol=1e-4)


async def test_a_base_leaves_the_seeds_sequence_alone(tmp_path: Path, base: bytes) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    await laid(tmp_path, plan_from(base), base)
    assert torch.rand(3).equal(expected)


async def test_of_several_networks_the_first_is_the_base(tmp_path: Path, base: bytes) -> None:
    known = load(base)
    second = {f"members.1.{key}": torch.zeros_like(value) for key, value in known.items()}
    both = save({f"members.0.{key}": value for key, value in known.items()} | second)
    foundation, told = await laid(tmp_path, plan_from(both), both)
    built = foundation.builder(Materials(Task.MULTILABEL, {}, {}), told.append)(None, 2).state_dict()
    assert all(built[key].equal(value) for key, value in known.items() if not key.startswith("head."))
    assert told[0] == "The base is the mean of several networks; training starts from the first of them."


def other_shapes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value[:1].clone() if value.dim() else value for key, value in tensors.items()}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda tensors: b"damaged", "damaged"),
        (lambda tensors: save({key: tensors[key] for key in ("head.weight", "head.bias")}), "those of InceptionTime"),
        (lambda tensors: save(other_shapes(tensors)), "those of InceptionTime"),
    ],
)
async def test_weights_that_do_not_fit_are_refused_before_data_are_fetched(
    tmp_path: Path, base: bytes, changed: Callable[[dict[str, Tensor]], bytes], words: str
) -> None:
    weights = changed(load(base))
    with pytest.raises(InvalidModel, match=words):
        await laid(tmp_path, plan_from(weights), weights)
