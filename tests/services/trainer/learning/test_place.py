"""Two processes that train one model together."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import torch
from torch import distributed, nn

from services.trainer.learning.checkpoints import Checkpoints
from services.trainer.learning.loop import Loop
from services.trainer.learning.place import Place
from services.trainer.planning.recipe import DEFAULT
from tests.services.trainer.learning.test_loop import run_of
from tests.services.trainer.synthetic import SMALL

RECIPE = DEFAULT.changed(SMALL | {"max_epochs": 3, "patience": 2})


def member(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    reported: list[str] = []
    own = Path(folder) / str(rank)
    own.mkdir()
    loop = Loop(
        run_of(RECIPE),
        place=Place(rank, 2),
        checkpoints=Checkpoints(own),
        report=lambda kind, payload: reported.append(kind),
        should_stop=lambda: False,
    )
    loop.train()
    parameters = {name: value.detach() for name, value in loop.network.named_parameters()}
    torch.save({"parameters": parameters, "reported": reported}, own / "result")
    distributed.destroy_process_group()


def together(target: Callable[[int, str], None], folder: Path) -> None:
    """Two processes run the target with their rank, to the end."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=target, args=(rank, str(folder))) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0, 0]


def test_two_processes_end_with_the_same_weights_and_one_of_them_reports(tmp_path: Path) -> None:
    together(member, tmp_path)
    results = [torch.load(tmp_path / str(rank) / "result", weights_only=True) for rank in (0, 1)]
    for name, value in results[0]["parameters"].items():
        assert torch.equal(value, results[1]["parameters"][name]), name
    assert results[0]["reported"] == ["epoch"] * len(results[0]["reported"])
    assert results[0]["reported"]
    assert results[1]["reported"] == []
    assert not (tmp_path / "1" / "checkpoint.safetensors").exists()


PLAIN = RECIPE.changed(
    {"dropout": 0, "mixup": 0, "lead_dropout": 0, "scale": 0, "noise": 0, "wander": 0, "crop_s": 0, "patience": 0}
)
"""Without chance: the processes of one run draw variations of their own."""


class Plain(nn.Module):
    """A network without BatchNorm, which measures each process's share for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(12, 8, 15)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.first(x)).amax(dim=2))


def plain_weights(place: Place, folder: Path) -> dict[str, torch.Tensor]:
    torch.set_num_threads(1)
    folder.mkdir()
    run = run_of(PLAIN, build=Plain)
    checkpoints = Checkpoints(folder)
    loop = Loop(run, place=place, checkpoints=checkpoints, report=lambda *_: None, should_stop=lambda: False)
    return dict(loop.train().network.state_dict())


def plain_member(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save(plain_weights(Place.here(), Path(folder) / str(rank)), Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_learn_what_one_learns_from_the_same_batches(tmp_path: Path) -> None:
    together(plain_member, tmp_path)
    alone = plain_weights(Place(), tmp_path / "alone")
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in alone.items():
            torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-5, msg=name)
    assert not torch.allclose(alone["head.weight"], Plain().head.weight)


def exchanging_member(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    place = Place.here()
    torch.manual_seed(rank)
    network = nn.Sequential(nn.Conv2d(3, 4, 2).to(memory_format=torch.channels_last), nn.BatchNorm2d(4))
    network(torch.randn(2, 3, 5, 5)).sum().backward()
    own = {name: value.clone() for name, value in network.state_dict().items()}
    gradient = network[0].weight.grad.clone()
    place.average_gradients(network)
    place.average_buffers(network)
    means = {name: value.clone() for name, value in network.named_buffers()}
    place.broadcast(network)
    said = {"agreed": place.agree(rank == 1), "not": place.agree(False), "mean": place.mean(rank + 1.0)}
    found = {"own": own, "gradient": gradient, "averaged": network[0].weight.grad, "means": means, "said": said}
    torch.save(found | {"shared": network.state_dict()}, Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


def test_what_processes_exchange_is_the_mean_or_the_firsts(tmp_path: Path) -> None:
    together(exchanging_member, tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for found in (first, second):
        torch.testing.assert_close(found["averaged"], (first["gradient"] + second["gradient"]) / 2)
        for name in ("1.running_mean", "1.running_var"):
            torch.testing.assert_close(found["means"][name], (first["own"][name] + second["own"][name]) / 2)
        assert found["means"]["1.num_batches_tracked"] == 1
        assert found["said"] == {"agreed": True, "not": False, "mean": 1.5}
        assert torch.equal(found["shared"]["0.weight"], first["own"]["0.weight"])
    assert not torch.equal(first["own"]["0.weight"], second["own"]["0.weight"])


def test_alone_everything_is_what_it_was() -> None:
    network = nn.Linear(2, 2)
    network(torch.ones(1, 2)).sum().backward()
    before = network.weight.grad.clone()
    place = Place.here()
    place.average_gradients(network)
    place.broadcast(network)
    assert (place, place.mean(2.5), place.agree(True), place.agree(False)) == (Place(0, 1), 2.5, True, False)
    assert torch.equal(network.weight.grad, before)
