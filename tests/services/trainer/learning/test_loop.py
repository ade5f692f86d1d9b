from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from precordia.errors import InternalError, InvalidTrainingSpec
from precordia.manifest import Task
from precordia.models.networks import network
from services.trainer.job.workplace import Stopped
from services.trainer.learning.checkpoints import Checkpoints
from services.trainer.learning.loop import Loop, Run, Trained
from services.trainer.learning.place import Place
from services.trainer.learning.schedules import one_cycle
from services.trainer.learning.scoring import predict_logits
from services.trainer.planning.recipe import DEFAULT, PUBLISHED, Keep, Recipe
from services.trainer.records.examples import Examples
from tests.services.trainer import tiny
from tests.services.trainer.synthetic import LABELS, RATE_HZ, SMALL, ecg

Events = list[tuple[str, Mapping[str, Any]]]
NEVER: Callable[[], bool] = lambda: False  # noqa: E731 (a constant predicate)


@pytest.fixture(autouse=True)
def deterministic() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def made(count: int, seed: int, *, exclusive: bool = False) -> Examples:
    generator = np.random.default_rng(seed)
    kinds = [(number & 1, number >> 1 & 1) for number in range(count)]
    x = np.stack([ecg(fast=bool(fast), wide=bool(wide), generator=generator) for fast, wide in kinds])
    y = np.array([[fast, 1 - fast] if exclusive else [fast, wide] for fast, wide in kinds], dtype=np.float32)
    empty = np.zeros((count, 0), dtype=np.float32)
    ids = [str(number) for number in range(count)]
    return Examples(x, np.arange(count), y, empty, ids, ids)


def run_of(recipe: Recipe, **changes: Any) -> Run:
    settings: dict[str, Any] = {
        "build": lambda: network("InceptionTime").build(12, 2, recipe.dropout),
        "recipe": recipe,
        "task": Task.MULTILABEL,
        "labels": LABELS,
        "train": made(40, 0),
        "validation": made(16, 1),
        "rate_hz": RATE_HZ,
        "seed": 5,
        "digest": "plan",
        **changes,
    }
    return Run(**settings)


def train(run: Run, folder: Path, stop: Callable[[], bool] = NEVER) -> tuple[Trained, Events]:
    events: Events = []
    folder.mkdir(exist_ok=True)
    loop = Loop(
        run,
        place=Place(),
        checkpoints=Checkpoints(folder),
        report=lambda kind, payload: events.append((kind, payload)),
        should_stop=stop,
    )
    return loop.train(), events


def weights(trained: Trained) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in trained.network.state_dict().items()}


def same(one: Trained, other: Trained) -> bool:
    return all(np.array_equal(value, weights(other)[name]) for name, value in weights(one).items())


def test_the_loss_falls_and_every_epoch_is_reported(tmp_path: Path) -> None:
    trained, events = train(run_of(DEFAULT.changed(SMALL | {"max_epochs": 6})), tmp_path)
    rows = [payload for kind, payload in events if kind == "epoch"]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["train_loss"] < 0.8 * rows[0]["train_loss"]
    assert rows[-1]["validation_loss"] < 0.6
    assert rows[-1]["auroc_macro"] > 0.9
    assert trained.kept_epoch == 6


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path: Path) -> None:
    recipe = DEFAULT.changed(SMALL | {"max_epochs": 2})
    first, _ = train(run_of(recipe), tmp_path / "a")
    again, _ = train(run_of(recipe), tmp_path / "b")
    other, _ = train(run_of(recipe, seed=6), tmp_path / "c")
    assert same(first, again)
    assert first.history == again.history
    assert not same(first, other)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "nadam"])
def test_a_run_that_goes_on_from_a_checkpoint_equals_one_that_never_stopped(tmp_path: Path, optimizer: str) -> None:
    recipe = DEFAULT.changed(SMALL | {"optimizer": optimizer, "keep": "best_loss"})
    run = (run_of if optimizer == "adamw" else tiny.run)(recipe)  # what an optimizer keeps is not the network's affair
    whole, _ = train(run, tmp_path / "whole")
    steps = iter(range(1000))
    with pytest.raises(Stopped):
        train(run, tmp_path / "halves", stop=lambda: next(steps) == 13)  # in the third epoch
    resumed, events = train(run, tmp_path / "halves")
    assert events[0] == ("log", {"message": "Going on from the checkpoint of epoch 2."})
    assert [payload["epoch"] for kind, payload in events if kind == "epoch"] == [3, 4]
    assert same(whole, resumed)
    assert whole.history == resumed.history


def test_a_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    recipe = DEFAULT.changed(SMALL | {"max_epochs": 1})
    train(tiny.run(recipe), tmp_path)
    with pytest.raises(InternalError, match="another plan"):
        train(tiny.run(recipe, digest="other"), tmp_path)


def test_a_damaged_checkpoint_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    recipe = DEFAULT.changed(SMALL | {"max_epochs": 1})
    train(tiny.run(recipe), tmp_path)
    path = Checkpoints(tmp_path).path
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InternalError, match="damaged"):
        train(tiny.run(recipe), tmp_path)


def test_the_published_recipe_finds_its_rate_and_stops_early(tmp_path: Path) -> None:
    recipe = PUBLISHED.changed({"batch_size": 8, "patience": 1, "max_epochs": 6})
    trained, events = train(tiny.run(recipe), tmp_path)
    assert [kind for kind, _ in events[:3]] == ["phase", "range_test", "log"]
    assert events[0][1] == {"phase": "range_test"}
    assert events[1][1] == trained.range_test
    assert trained.range_test["rate"] == trained.learning_rate
    assert len(trained.range_test["rates"]) == len(trained.range_test["losses"]) > 10
    assert "found by a range test" in events[2][1]["message"]
    assert 1e-6 < trained.learning_rate < 0.1
    losses = [row["validation_loss"] for row in trained.history]
    assert trained.kept_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == 6 or len(losses) == trained.kept_epoch + 1


def test_the_best_weights_are_kept_where_the_recipe_says_so(tmp_path: Path) -> None:
    recipe = DEFAULT.changed(SMALL | {"keep": Keep.BEST_LOSS.value, "averaging": 0})
    run = tiny.run(recipe)
    trained, _ = train(run, tmp_path)
    best = min(trained.history, key=lambda row: row["validation_loss"])
    logits = torch.from_numpy(predict_logits(trained.network, run.validation, 2))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(run.validation.y).double())
    assert float(loss) == pytest.approx(best["validation_loss"], abs=1e-7)


def test_the_best_by_area_is_kept_and_waited_for_where_the_recipe_says_so(tmp_path: Path) -> None:
    recipe = tiny.recipe(keep="best_auroc", patience=2, max_epochs=12, averaging=0, max_learning_rate=0.02)
    trained, _ = train(tiny.run(recipe), tmp_path)
    areas = [row["auroc_macro"] for row in trained.history]
    assert trained.kept_epoch == int(np.argmax(areas)) + 1
    assert len(areas) == min(12, trained.kept_epoch + 2)


def test_regression_which_has_no_area_is_kept_by_its_loss(tmp_path: Path) -> None:
    recipe = tiny.recipe(keep="best_auroc", averaging=0, max_learning_rate=0.02)
    trained, _ = train(tiny.run(recipe, task=Task.REGRESSION), tmp_path)
    losses = [row["validation_loss"] for row in trained.history]
    assert trained.kept_epoch == int(np.argmin(losses)) + 1


def test_an_epoch_says_what_it_took_and_how_long_its_steps_waited_for_data(tmp_path: Path) -> None:
    trained, events = train(tiny.run(tiny.recipe()), tmp_path)
    rows = [payload for kind, payload in events if kind == "epoch"]
    assert all(0 <= row["data_seconds"] <= row["seconds"] for row in rows)
    assert all("seconds" not in row and "data_seconds" not in row for row in trained.history)


def test_a_gpus_precision_is_refused_on_a_cpu_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(InvalidTrainingSpec, match="float16 needs a GPU"):
        train(tiny.run(tiny.recipe(precision="float16"), build=lambda: pytest.fail("built")), tmp_path)


def test_the_range_test_leaves_no_trace_in_the_run(tmp_path: Path) -> None:
    found, _ = train(tiny.run(tiny.recipe(max_learning_rate=0, dropout=0.5)), tmp_path / "found")
    stated, _ = train(tiny.run(tiny.recipe(max_learning_rate=found.learning_rate, dropout=0.5)), tmp_path / "stated")
    assert same(found, stated)
    assert found.history == stated.history
    assert stated.range_test == {}


def test_the_range_tests_curve_survives_a_stop(tmp_path: Path) -> None:
    asked = iter(range(10_000))
    run = tiny.run(tiny.recipe(max_learning_rate=0))
    with pytest.raises(Stopped):
        train(run, tmp_path / "halves", stop=lambda: next(asked) == 75)
    resumed, events = train(run, tmp_path / "halves")
    whole, _ = train(run, tmp_path / "whole")
    assert "range_test" not in [kind for kind, _ in events]
    assert resumed.range_test == whole.range_test
    assert same(resumed, whole)


def test_reduced_precision_learns_too_and_keeps_its_weights_whole(tmp_path: Path) -> None:
    trained, _ = train(run_of(DEFAULT.changed(SMALL | {"max_epochs": 3, "precision": "bfloat16"})), tmp_path)
    assert trained.history[-1]["train_loss"] < trained.history[0]["train_loss"]
    assert {value.dtype for value in trained.network.parameters()} == {torch.float32}


def test_exclusive_classes_are_learnt(tmp_path: Path) -> None:
    recipe = DEFAULT.changed(SMALL | {"max_epochs": 5})
    run = run_of(
        recipe, task=Task.MULTICLASS, train=made(40, 0, exclusive=True), validation=made(16, 1, exclusive=True)
    )
    trained, _ = train(run, tmp_path)
    assert trained.history[-1]["accuracy"] >= 0.9


def test_auxiliary_targets_are_learnt_beside(tmp_path: Path) -> None:
    recipe = DEFAULT.changed(SMALL | {"max_epochs": 2, "auxiliary": 1.0})
    training = made(40, 0)
    run = run_of(
        recipe,
        train=replace(training, auxiliary=1 - training.y),
        build=lambda: network("InceptionTime").build(12, 4, recipe.dropout),
    )
    trained, _ = train(run, tmp_path)
    assert trained.network.get_submodule("head").out_features == 4
    assert predict_logits(trained.network, run.validation, 2).shape == (16, 2)


def test_a_loss_that_is_no_number_ends_the_run_with_advice(tmp_path: Path) -> None:
    with pytest.raises(InvalidTrainingSpec, match="smaller max_learning_rate"):
        train(run_of(DEFAULT.changed(SMALL | {"max_learning_rate": 1e9, "averaging": 0})), tmp_path)


def test_the_rate_rises_to_its_highest_and_falls_to_nothing() -> None:
    rates = [one_cycle(step, 100, 1.0) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert int(np.argmax(rates)) == 25
    assert max(rates) == pytest.approx(1.0)
    assert rates[100] == pytest.approx(1 / 250_000)
    assert np.all(np.diff(rates[:26]) > 0)
    assert np.all(np.diff(rates[25:]) < 0)


def test_one_ecg_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(InvalidTrainingSpec, match="two ECGs"):
        train(tiny.run(DEFAULT.changed(SMALL), train=made(1, 0)), tmp_path)
