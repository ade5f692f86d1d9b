"""Models of several networks: seeds, folds, and a process that ends in the middle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from precordia.errors import InvalidTrainingSpec
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from services.trainer.job.environment import DataCache
from services.trainer.job.folder import CHECKPOINT, FINISHED
from services.trainer.job.workplace import Stopped, Workplace
from services.trainer.learning.loop import Trained
from services.trainer.networks.ensemble import Ensemble
from services.trainer.planning.plan import TRAIN, VALIDATION, Plan
from services.trainer.publication.export import check_parity, finished_network, to_onnx, weights_file
from services.trainer.records.materials import Materials
from services.trainer.runs.members import member_folder, train
from tests.services.trainer import synthetic, tiny
from tests.services.trainer.synthetic import LABELS, RATE_HZ

NOT_ASKED = -1


@pytest.fixture(autouse=True)
def deterministic() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


class Room:
    """A workplace in a folder: what is reported and caught up is kept; asked for the n-th time, it stops."""

    def __init__(self, folder: Path, stop_at: int = NOT_ASKED) -> None:
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.caught_up: list[Mapping[str, Any]] = []
        self.asked = 0
        self.stop_at = stop_at
        self.place = Workplace(
            folder=folder,
            outputs=folder / "outputs",
            cache=DataCache(folder / "cache", 1 << 30),
            report=lambda kind, payload: self.events.append((kind, payload)),
            should_stop=self.should_stop,
            catch_up=self.caught_up.extend,
        )

    def should_stop(self) -> bool:
        self.asked += 1
        return self.asked == self.stop_at

    def epochs(self) -> list[tuple[int, int]]:
        return [(row.get("member", 0), row["epoch"]) for kind, row in self.events if kind == "epoch"]


def plan(**changes: Any) -> Plan:
    made = synthetic.plan(synthetic.records(8), overrides=tiny.FAST | {"max_epochs": 2} | changes)
    return replace(made, task=Task.MULTILABEL, auxiliary={})


def materials(*, folds: bool = False) -> Materials:
    training = tiny.examples(40, 0, records_a_patient=2)
    parts = {TRAIN: training} if folds else {TRAIN: training, VALIDATION: tiny.examples(16, 1)}
    return Materials(Task.MULTILABEL, parts, {})


def build(name: str | None, outputs: int) -> nn.Module:
    return tiny.Tiny(12, outputs, 0.1)


def trained(room: Room, made: Plan, given: Materials) -> Trained:
    return train(made, room.place, given, build)


def same(one: Trained, other: Trained) -> bool:
    mine, theirs = one.network.state_dict(), other.network.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in mine.items())


def test_an_ensemble_says_the_mean_of_its_members() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble([tiny.Tiny(12, 2) for _ in range(3)]).eval()
    x = torch.randn(5, 12, 200)
    with torch.no_grad():
        each = torch.stack([member(x) for member in ensemble.members])
        torch.testing.assert_close(ensemble(x), each.mean(dim=0))
    assert not torch.allclose(each[0], each[1])
    assert {name.split(".")[1] for name in ensemble.state_dict()} == {"0", "1", "2"}


def test_a_model_of_several_seeds_keeps_each_and_says_which_is_training(tmp_path: Path) -> None:
    room = Room(tmp_path)
    done = trained(room, plan(members=3), materials())
    assert room.epochs() == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]
    assert {row["members"] for kind, row in room.events if kind == "epoch"} == {3}
    assert isinstance(done.network, Ensemble)
    assert [row["member"] for row in done.members] == [1, 2, 3]
    assert len({row["seed"] for row in done.members}) == 3
    assert done.members[0]["seed"] == plan().seed
    assert done.out_of_fold is None
    heads = [member.get_parameter("head.weight") for member in done.network.members]
    assert not torch.equal(heads[0], heads[1])


def test_the_first_of_several_is_the_network_that_one_alone_would_be(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    alone = trained(Room(tmp_path / "one"), plan(), materials())
    several = trained(Room(tmp_path / "several"), plan(members=2), materials())
    assert isinstance(several.network, Ensemble)
    first = several.network.members[0].state_dict()
    assert all(torch.equal(value, first[name]) for name, value in alone.network.state_dict().items())
    assert (alone.members, alone.history) == ((), several.history)


@pytest.mark.parametrize("changes", [{"members": 3}, {"folds": 4}, {"folds": 4, "keep": "best_loss"}])
def test_a_run_stopped_at_any_step_ends_as_if_it_had_not_been(changes: dict[str, Any], tmp_path: Path) -> None:
    given = materials(folds="folds" in changes)
    whole_room = Room(tmp_path / "whole")
    whole = trained(whole_room, plan(**changes), given)

    stops = np.random.default_rng(len(changes)).integers(1, whole_room.asked, 3)
    rooms = [Room(tmp_path / "parts", int(stop)) for stop in stops]
    for room in rooms:
        room.stop_at = min(room.stop_at, 9)
        with pytest.raises(Stopped):
            trained(room, plan(**changes), given)
    last = Room(tmp_path / "parts")
    resumed = trained(last, plan(**changes), given)
    assert same(whole, resumed)
    assert [dict(row) for row in whole.members] == [dict(row) for row in resumed.members]
    if whole.out_of_fold is not None:
        assert resumed.out_of_fold is not None
        np.testing.assert_array_equal(whole.out_of_fold.logits, resumed.out_of_fold.logits)
    told = [row for room in rooms for row in room.epochs()] + last.epochs()
    assert sorted(told) == sorted(whole_room.epochs())  # no epoch was trained twice


def test_finished_networks_are_not_trained_again(tmp_path: Path) -> None:
    first = Room(tmp_path, stop_at=15)  # ten steps a network: in the second one
    with pytest.raises(Stopped):
        trained(first, plan(members=3), materials())
    assert (member_folder(tmp_path, 1) / FINISHED).exists()
    assert not (member_folder(tmp_path, 1) / CHECKPOINT).exists()
    kept = (member_folder(tmp_path, 1) / FINISHED).read_bytes()
    second = Room(tmp_path)
    trained(second, plan(members=3), materials())
    assert 1 not in {member for member, _ in second.epochs()}
    assert {(row["member"], row["epoch"]) for row in second.caught_up} >= {(1, 1), (1, 2)}
    assert (member_folder(tmp_path, 1) / FINISHED).read_bytes() == kept


def test_every_record_is_predicted_once_by_a_network_that_has_not_seen_its_patient(tmp_path: Path) -> None:
    given = materials(folds=True)
    done = trained(Room(tmp_path), plan(folds=4), given)
    assert done.out_of_fold is not None
    assert done.out_of_fold.part is given.parts[TRAIN]
    assert done.out_of_fold.logits.shape == (40, 2)
    assert np.isfinite(done.out_of_fold.logits).all()
    assert sum(row["held_out"] for row in done.members) == 40
    assert all(row["records"] + row["held_out"] == 40 for row in done.members)
    assert [row["fold"] for row in done.members] == [1, 2, 3, 4]

    assert isinstance(done.network, Ensemble)
    x = torch.from_numpy(given.parts[TRAIN].windows(np.arange(40)))
    with torch.no_grad():
        said = np.stack([member(x).double().numpy() for member in done.network.members])
    by = np.abs(said - done.out_of_fold.logits).max(axis=2).argmin(axis=0)
    patients = np.arange(40) // 2
    assert all(len(set(by[patients == patient])) == 1 for patient in range(20))
    assert set(by.tolist()) == {0, 1, 2, 3}


def test_what_chooses_a_folds_weights_never_judges_them(tmp_path: Path) -> None:
    done = trained(Room(tmp_path), plan(folds=4, keep="best_loss", validation_fraction=0.25), materials(folds=True))
    for row in done.members:
        assert row["records"] < 40 - row["held_out"]  # a part of the rest was drawn to choose by


def test_fewer_patients_than_folds_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    room = Room(tmp_path)
    few = materials(folds=True).parts[TRAIN].only(np.arange(6))  # three patients
    with pytest.raises(InvalidTrainingSpec, match="Take fewer folds"):
        trained(room, plan(folds=4), Materials(Task.MULTILABEL, {TRAIN: few}, {}))
    assert room.events == []


def test_several_networks_are_one_file_that_computes_their_mean(tmp_path: Path) -> None:
    done = trained(Room(tmp_path), plan(members=2), materials())
    sample = tiny.examples(16, 1).windows(np.arange(16))
    assert isinstance(done.network, Ensemble)
    with torch.no_grad():
        wanted = np.mean([member(torch.from_numpy(sample)).numpy() for member in done.network.members], axis=0)
    finished = finished_network(done.network, 2, scale=(2.0, 3.0), offset=(5.0, -1.0))
    contract = Manifest(
        InputSpec("ecg", STANDARD_LEADS, RATE_HZ, 4.0),
        Task.MULTILABEL,
        tuple(map(Output, LABELS)),
        activation=Activation.SIGMOID,
    )
    model = to_onnx(finished, contract)
    assert check_parity(finished, model, sample) <= 1e-5
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    given = session.run(None, {"ecg": sample})[0]
    np.testing.assert_allclose(given, wanted * (2, 3) + (5, -1), atol=1e-4)
    assert b"members.1.head.weight" in weights_file(finished, {"network": "Tiny", "members": 2})


def test_members_that_take_age_and_sex_get_them() -> None:
    class Beside(nn.Module):
        def forward(self, x: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
            return x.mean(dim=(1, 2))[:, None] + beside

    ensemble = Ensemble([Beside(), Beside()])
    out = ensemble(torch.zeros(3, 2, 4), torch.full((3, 1), 7.0))
    assert out.flatten().tolist() == [7.0] * 3


def test_long_records_are_predicted_out_of_fold_window_by_window(tmp_path: Path) -> None:
    given = materials(folds=True)
    short = given.parts[TRAIN]
    counts = 1 + 2 * (np.arange(40) % 3 == 0)  # one window or three
    rows = np.repeat(np.arange(40), counts)
    long = replace(short, x=short.windows(rows), record=rows)
    done = trained(Room(tmp_path), plan(folds=2, max_epochs=1), replace(given, parts={TRAIN: long}))
    assert done.out_of_fold is not None
    assert done.out_of_fold.logits.shape == (len(rows), 2)
    assert isinstance(done.network, Ensemble)
    with torch.no_grad():
        said = np.stack(
            [member(torch.from_numpy(long.windows(np.arange(len(rows))))) for member in done.network.members]
        )
    apart = np.abs(said - done.out_of_fold.logits).max(axis=2)
    assert apart.min(axis=0).max() < 1e-5
    by = apart.argmin(axis=0)
    assert all(len(set(by[rows == row])) == 1 for row in range(40))  # one network for all windows of a record
    assert set(by.tolist()) == {0, 1}
