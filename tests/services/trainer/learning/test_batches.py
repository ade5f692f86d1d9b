import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from services.trainer.learning import batches as module
from services.trainer.learning.batches import Batch, Batches
from services.trainer.learning.place import Place
from tests.services.trainer import tiny
from tests.services.trainer.synthetic import RATE_HZ

CPU = torch.device("cpu")


def batches(*, place: Place | None = None, beside: bool = False, **changes: object) -> Batches:
    train = tiny.examples(20, 0)
    if beside:
        train = replace(train, beside=np.arange(40, dtype=np.float32).reshape(20, 2))
    recipe = tiny.recipe(crop_s=0, **changes)
    return Batches(train, recipe, rate_hz=RATE_HZ, seed=3, place=place or Place(), device=CPU)


def all_of(made: Batches, epoch: int) -> list[Batch]:
    return list(made.epoch(epoch))


def test_an_epoch_has_each_ecg_once_and_leaves_out_what_does_not_fill_a_batch() -> None:
    made = batches()
    x = np.concatenate([batch.inputs[0].numpy() for batch in all_of(made, 0)])
    assert x.shape == (16, 12, 200)
    rows = [int(np.flatnonzero((made.train.x == one).all(axis=(1, 2)))[0]) for one in x]
    assert len(set(rows)) == 16
    y = np.concatenate([batch.y.numpy() for batch in all_of(made, 0)])
    np.testing.assert_array_equal(y, made.train.y[rows])


def test_batches_follow_from_seed_and_epoch_alone() -> None:
    one = [batch.inputs[0] for batch in all_of(batches(augmentation="strong"), 4)]
    made = batches(augmentation="strong")
    all_of(made, 0)
    slow = []
    for batch in made.epoch(4):
        time.sleep(0.01)
        slow.append(batch.inputs[0])
    assert all(torch.equal(a, b) for a, b in zip(one, slow, strict=True))
    other = [batch.inputs[0] for batch in all_of(made, 5)]
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_processes_share_each_batch() -> None:
    whole = all_of(batches(), 0)
    shares = [all_of(batches(place=Place(rank, 2)), 0) for rank in (0, 1)]
    for batch, even, odd in zip(whole, *shares, strict=True):
        assert torch.equal(batch.inputs[0][0::2], even.inputs[0])
        assert torch.equal(batch.inputs[0][1::2], odd.inputs[0])


def test_co_inputs_come_beside_the_ecg_and_belong_to_it() -> None:
    made = batches(beside=True)
    for batch in all_of(made, 0):
        x, people = batch.inputs
        rows = (people[:, 0].numpy() / 2).astype(int)
        np.testing.assert_array_equal(x.numpy(), made.train.x[rows])
        assert batch.y.shape == (8, 2)


def test_a_batch_is_prepared_while_the_one_before_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = threading.Semaphore(0)

    def counted(x: np.ndarray, y: np.ndarray, **_: object) -> tuple[np.ndarray, np.ndarray]:
        prepared.release()
        return x, y

    monkeypatch.setattr(module, "augmented", counted)
    made = batches(batch_size=2)
    assert prepared.acquire(timeout=0) is False
    used = 0
    for used, _ in enumerate(made.epoch(0), start=1):
        if used == 1:
            assert prepared.acquire(timeout=60)
        if used < made.steps:
            assert prepared.acquire(timeout=60), "the next one waits until this one is used"
    assert used == made.steps == 10
    assert not prepared.acquire(timeout=0)


def test_an_error_in_preparation_reaches_the_one_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(x: np.ndarray, y: np.ndarray, **_: object) -> tuple[np.ndarray, np.ndarray]:
        raise OSError("gone")

    monkeypatch.setattr(module, "augmented", broken)
    with pytest.raises(OSError, match="gone"):
        all_of(batches(), 0)
