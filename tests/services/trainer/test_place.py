"""Two processes that train one model together."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import torch
from torch import distributed

from services.trainer.checkpoints import Checkpoints
from services.trainer.loop import Loop
from services.trainer.place import Place
from services.trainer.recipe import DEFAULT
from tests.services.trainer.synthetic import SMALL
from tests.services.trainer.test_loop import run_of

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


def test_two_processes_end_with_the_same_weights_and_one_of_them_reports(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=member, args=(rank, str(tmp_path))) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]

    results = [torch.load(tmp_path / str(rank) / "result", weights_only=True) for rank in (0, 1)]
    for name, value in results[0]["parameters"].items():
        assert torch.equal(value, results[1]["parameters"][name]), name
    assert results[0]["reported"] == ["epoch"] * len(results[0]["reported"])
    assert results[0]["reported"]
    assert results[1]["reported"] == []
    assert not (tmp_path / "1" / "checkpoint.safetensors").exists()
