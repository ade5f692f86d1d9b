from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from precordia.errors import InvalidTrainingSpec
from precordia.models.networks import network
from services.trainer.job.workplace import Stopped
from services.trainer.learning.checkpoints import Checkpoints
from services.trainer.learning.depth import MOST, depths
from services.trainer.learning.loop import Loop, Run, Trained
from services.trainer.learning.optimizing import Optimizing, computed_in, parameter_groups
from services.trainer.learning.place import Place
from services.trainer.planning.recipe import OPTIMIZERS, Precision
from tests.services.trainer import tiny

RATES = {"sgd": 0.1, "adafactor": 0.05}
CPU, GPU = torch.device("cpu"), torch.device("cuda")
PLAIN = nn.Linear(2, 1)


@pytest.fixture(autouse=True)
def deterministic() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def train(run: Run, folder: Path, stop_at: int | None = None) -> Trained:
    folder.mkdir(exist_ok=True)
    asked = iter(range(10_000))
    loop = Loop(
        run,
        place=Place(),
        checkpoints=Checkpoints(folder),
        report=lambda kind, payload: None,
        should_stop=lambda: next(asked) == stop_at,
    )
    return loop.train()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_optimizer_learns_and_goes_on_as_if_it_had_never_stopped(optimizer: str, tmp_path: Path) -> None:
    rate = RATES.get(optimizer, 0.01)
    recipe = tiny.recipe(optimizer=optimizer, max_learning_rate=rate, max_epochs=5, layer_decay=0.8, gradient_clip=1.0)
    whole = train(tiny.run(recipe), tmp_path / "whole")
    assert whole.history[-1]["train_loss"] < 0.97 * whole.history[0]["train_loss"]

    stop = int(np.random.default_rng(OPTIMIZERS.index(optimizer)).integers(6, 24))
    with pytest.raises(Stopped):
        train(tiny.run(recipe), tmp_path / "halves", stop_at=stop)
    resumed = train(tiny.run(recipe), tmp_path / "halves")
    assert resumed.history == whole.history
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_one_rate_makes_one_group_and_decay_makes_one_a_depth() -> None:
    built = tiny.Tiny(12, 2)
    deep = depths(built, [torch.zeros(2, 12, 100)])
    assert deep["head.weight"] == deep["head.bias"] == 0
    assert deep["blocks.1.0.weight"] == deep["blocks.1.1.bias"] == 1
    assert deep["blocks.0.0.weight"] == 2
    (one,) = parameter_groups(built, 1.0, {})
    assert one["share"] == 1.0
    groups = parameter_groups(built, 0.5, deep)
    assert [group["share"] for group in groups] == [1.0, 0.5, 0.25]
    assert sum(len(group["params"]) for group in groups) == len(list(built.parameters()))


@pytest.mark.parametrize("name", ["InceptionTime", "XceptionTime", "xresnet1d101"])
def test_depth_follows_the_order_of_the_computation(name: str) -> None:
    built = network(name).build(12, 2, 0.0)
    built.train()
    deep = depths(built, [torch.zeros(2, 12, 200)])
    assert built.training  # as it was
    assert deep.keys() == dict(built.named_parameters()).keys()
    assert deep["head.weight"] == 0
    assert max(deep.values()) <= MOST
    assert next(iter(deep.values())) == max(deep.values())
    if name == "InceptionTime":  # shortcuts are called among the modules, though defined behind them
        assert deep["modules_in_order.0.norm.weight"] > deep["shortcuts.0.norm.weight"]
        assert deep["shortcuts.0.norm.weight"] > deep["modules_in_order.3.norm.weight"]


def test_blocks_step_at_their_share_of_the_rate() -> None:
    built = tiny.Tiny(12, 2)
    recipe = tiny.recipe(optimizer="sgd", weight_decay=0, layer_decay=0.1)
    deep = depths(built, [torch.zeros(2, 12, 100)])
    optimizing = Optimizing(built, recipe, rate=1.0, dtype=None, depths=deep)
    optimizing.set_rate(0.5)
    before = {key: value.detach().clone() for key, value in built.named_parameters()}
    optimizing.step(sum(value.sum() for value in built.parameters()), Place())  # every gradient is 1
    for key, value in built.named_parameters():
        moved = before[key] - value.detach()
        assert moved.min() == pytest.approx(0.5 * 0.1 ** deep[key], rel=1e-4), key
        assert moved.max() == pytest.approx(0.5 * 0.1 ** deep[key], rel=1e-4), key


def test_gradients_are_clipped_to_the_norm() -> None:
    built = torch.nn.Linear(4, 1)
    optimizing = Optimizing(
        built, tiny.recipe(optimizer="sgd", weight_decay=0, gradient_clip=0.5), rate=1.0, dtype=None, depths={}
    )
    before = torch.cat([value.detach().flatten() for value in built.parameters()])
    optimizing.step(100 * sum(value.sum() for value in built.parameters()), Place())
    after = torch.cat([value.detach().flatten() for value in built.parameters()])
    assert float((before - after).norm()) == pytest.approx(0.5, rel=1e-3)


def test_precision_is_that_of_the_device_where_it_is_left_open() -> None:
    assert computed_in(Precision.AUTO, CPU, PLAIN) is None
    assert computed_in(Precision.BFLOAT16, CPU, PLAIN) is torch.bfloat16
    assert computed_in(Precision.FLOAT32, GPU, PLAIN) is None
    assert computed_in(Precision.FLOAT16, GPU, PLAIN) is torch.float16
    with pytest.raises(InvalidTrainingSpec, match="float16 needs a GPU"):
        computed_in(Precision.FLOAT16, CPU, PLAIN)
    with pytest.raises(InvalidTrainingSpec, match="depthwise"):
        computed_in(Precision.BFLOAT16, CPU, nn.Sequential(nn.Conv2d(4, 4, (1, 3), groups=4)))
    assert computed_in(Precision.BFLOAT16, GPU, nn.Conv2d(4, 4, 3, groups=4)) is torch.bfloat16


def test_balanced_weights_help_the_rare_class(tmp_path: Path) -> None:
    training = tiny.examples(48, 0)
    rows = np.flatnonzero((training.y[:, 0] == 0) | (np.arange(48) % 16 == 1))  # FAST becomes rare
    few = training.only(rows)
    found = {}
    for weights in ("none", "balanced"):
        recipe = tiny.recipe(class_weights=weights, max_epochs=6, max_learning_rate=0.02, averaging=0)
        trained = train(tiny.run(recipe, train=few), tmp_path / weights)
        with torch.no_grad():
            logits = trained.network(torch.from_numpy(few.windows(np.arange(len(few)))))
        found[weights] = float(logits[:, 0].mean())
    assert found["balanced"] > found["none"] + 0.1
