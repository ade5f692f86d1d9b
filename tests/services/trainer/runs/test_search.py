"""The base "auto": networks tried on the same records, the best one trained in full."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

from precordia.errors import InvalidTrainingSpec, NetworkNotFound
from precordia.manifest import Task
from precordia.models import networks
from precordia.models.networks import AGE_AND_SEX, Network
from precordia.training import NetworkInfo
from services.trainer.job.environment import DataCache
from services.trainer.job.workplace import Stopped, Workplace
from services.trainer.planning.plan import Plan, make_plan
from services.trainer.production import produce
from services.trainer.records.data import conditioned_split
from services.trainer.runs.search import Trial, best_of, choose, judged, short
from tests.services.trainer import synthetic, tiny

RECORDS = synthetic.records(48)
FAST = tiny.FAST | {"max_epochs": 3, "search_epochs": 2, "max_learning_rate": 0.02, "averaging": 0}


class Blind(nn.Module):
    """Sees the mean of the ECG alone, so that it cannot learn much."""

    def __init__(self, leads: int, outputs: int) -> None:
        super().__init__()
        self.head = nn.Linear(1, outputs)

    def forward(self, x_blt: Tensor) -> Tensor:
        logits: Tensor = self.head(0 * x_blt.mean(dim=(1, 2))[:, None])
        return logits


def made_network(name: str, build: Any, **more: Any) -> Network:
    return Network(NetworkInfo(name, "for tests", 1, "none"), build, **more)


SEEING = made_network("Seeing", lambda leads, outputs, dropout: tiny.Tiny(leads, outputs, dropout))
BLIND = made_network("Blind", lambda leads, outputs, dropout: Blind(leads, outputs))
PERSONAL = made_network("Personal", lambda leads, outputs, dropout: Blind(leads, outputs), co_inputs=AGE_AND_SEX)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "OWN", (BLIND, SEEING, PERSONAL))
    torch.set_num_threads(1)


def searched(names: str, **overrides: Any) -> Plan:
    spec = replace(synthetic.spec(overrides=FAST | {"networks": names} | overrides), base="auto")
    made, _ = make_plan(spec, {"train": synthetic.snapshot(RECORDS)}, rate_hz=50, duration_s=4, threads=1)
    return made


class Room:
    """A workplace in a folder, with conditioned records where a worker looks first."""

    def __init__(self, folder: Path, stop_at: int = -1) -> None:
        folder.mkdir(exist_ok=True)
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.asked, self.stop_at = 0, stop_at
        self.place = Workplace(
            folder=folder,
            outputs=folder / "outputs",
            cache=DataCache(folder.parent / "cache", 1 << 30),
            report=lambda kind, payload: self.events.append((kind, payload)),
            should_stop=self.should_stop,
            catch_up=lambda rows: None,
        )

    def should_stop(self) -> bool:
        self.asked += 1
        return self.asked == self.stop_at

    async def filled(self, plan: Plan) -> Workplace:
        shards = synthetic.ShardsInMemory(RECORDS)
        for each in plan.candidates:
            cache = self.place.cache.folder
            await conditioned_split(shards, each.splits["train"], each.manifest(), cache, lambda done, total: None)
        return self.place

    def epochs(self) -> list[tuple[int, str, int]]:
        return [(row["member"], row["network"], row["epoch"]) for kind, row in self.events if kind == "epoch"]


def trial(name: str, parameters: int, goodness: float | None) -> Trial:
    return Trial(replace(searched("Seeing"), network=name), parameters, goodness, {})


def test_the_best_is_taken_and_of_equals_the_smallest() -> None:
    large, small, bad = trial("large", 900, 0.9500), trial("small", 100, 0.9495), trial("bad", 10, 0.90)
    assert best_of([large, small, bad]) is small
    assert best_of([replace(large, goodness=0.97), small, bad]).plan.network == "large"
    errors = [trial("large", 900, -10.0), trial("small", 100, -10.005), trial("bad", 10, -11.0)]
    assert best_of(errors).plan.network == "small"


def test_what_was_not_measured_is_not_taken() -> None:
    unknown, known = trial("unknown", 1, None), trial("known", 2, 0.5)
    assert best_of([unknown, known]) is known
    with pytest.raises(InvalidTrainingSpec, match="name one as the base"):
        best_of([unknown])


def test_the_figure_is_that_of_the_task() -> None:
    assert judged(Task.MULTICLASS, {"auroc_macro": 0.8, "mae_macro": 3.0}) == ("macro AUROC", 0.8)
    assert judged(Task.REGRESSION, {"mae_macro": 3.0}) == ("mean absolute error", -3.0)
    assert judged(Task.MULTILABEL, {"auroc_macro": None})[1] is None


def test_a_trial_is_short_and_of_one_network() -> None:
    recipe = tiny.recipe(max_epochs=30, search_epochs=10, folds=5)
    assert (short(recipe).max_epochs, short(recipe).folds, short(recipe).members) == (10, 0, 1)
    assert short(recipe.changed({"search_epochs": 0})).max_epochs == 30
    assert short(recipe.changed({"search_epochs": 50})).max_epochs == 30


def test_a_plan_pins_what_is_tried_and_survives_json() -> None:
    plan = searched("Blind, Seeing")
    assert [each.network for each in plan.candidates] == ["Blind", "Seeing"]
    assert {each.input for each in plan.candidates} == {plan.input}
    assert Plan.from_json(plan.to_json()) == plan
    with pytest.raises(NetworkNotFound, match="Nobody"):
        searched("Blind,Nobody")


async def test_the_network_that_sees_wins_and_is_trained_in_full(tmp_path: Path) -> None:
    room, plan = Room(tmp_path / "job"), searched("Blind,Seeing")
    facts = await produce(plan, await room.filled(plan))
    assert room.epochs() == [
        *[(1, "Blind", epoch) for epoch in (1, 2)],
        *[(2, "Seeing", epoch) for epoch in (1, 2)],
        *[(3, "Seeing", epoch) for epoch in (1, 2, 3)],
    ]
    assert {row["members"] for kind, row in room.events if kind == "epoch"} == {3}
    report = json.loads((room.place.outputs / "report.json").read_text())
    table = report["search"]
    assert (table["chosen"], table["epochs"]) == ("Seeing", 2)
    blind, seeing = table["tried"]
    assert blind["auroc_macro"] == 0.5
    assert seeing["auroc_macro"] > 0.6
    assert seeing["parameters"] > blind["parameters"]
    assert report["plan"]["network"] == "Seeing"
    assert report["epochs"] == 3
    assert "blocks.0.0.weight" in load_file(room.place.outputs / "weights.safetensors")
    assert facts["report"]["epochs"] == 3


async def test_a_search_that_was_stopped_goes_on_and_finds_the_same(tmp_path: Path) -> None:
    plan = searched("Blind,Seeing")
    whole_room = Room(tmp_path / "whole")
    whole = await choose(plan, await whole_room.filled(plan))
    first = Room(tmp_path / "parts", stop_at=whole_room.asked - 5)  # in the second network
    with pytest.raises(Stopped):
        await choose(plan, await first.filled(plan))
    second = Room(tmp_path / "parts")
    again = await choose(plan, await second.filled(plan))
    assert again.table == whole.table
    assert again.plan == whole.plan == plan.candidates[1]
    assert "Blind" not in {name for _, name, _ in second.epochs()}


async def test_a_network_for_age_and_sex_is_left_out_where_nobody_says_them(tmp_path: Path) -> None:
    room, plan = Room(tmp_path / "job"), searched("Personal,Blind")
    chosen = await choose(plan, await room.filled(plan))
    assert chosen.plan.network == "Blind"
    assert chosen.table["tried"][0] == {
        "network": "Personal",
        "left_out": "the records say neither age nor sex",
    }


async def test_a_trial_as_long_as_the_run_is_the_run(tmp_path: Path) -> None:
    room, plan = Room(tmp_path / "job"), searched("Blind,Seeing", search_epochs=0)
    facts = await produce(plan, await room.filled(plan))
    assert facts["report"]["epochs"] == 3
    assert [row for row in room.epochs() if row[0] == 3] == []  # nothing was trained a second time
