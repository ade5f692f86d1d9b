import numpy as np
import pytest

from services.trainer.learning import augment
from services.trainer.planning.recipe import DEFAULT, PUBLISHED


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def batch(count: int = 64, leads: int = 12, samples: int = 200) -> np.ndarray:
    return np.random.default_rng(9).standard_normal((count, leads, samples)).astype(np.float32)


def test_a_crop_is_an_excerpt_with_all_leads_in_step(generator: np.random.Generator) -> None:
    x = np.broadcast_to(np.arange(200, dtype=np.float32), (64, 12, 200))
    cut = augment.crop(x, 50, generator)
    assert cut.shape == (64, 12, 50)
    assert np.array_equal(cut[:, 0], cut[:, 11])
    assert np.all(np.diff(cut, axis=2) == 1)
    assert cut[:, 0, 0].min() < 10
    assert cut[:, 0, 0].max() > 140


def test_a_crop_longer_than_the_ecg_changes_nothing(generator: np.random.Generator) -> None:
    x = batch()
    assert augment.crop(x, 500, generator) is x


def test_a_shift_moves_each_ecg_and_brings_in_zeros(generator: np.random.Generator) -> None:
    x = np.broadcast_to(np.arange(1, 201, dtype=np.float32), (64, 12, 200))
    moved = augment.shift(x, 30, generator)
    assert moved.shape == x.shape
    offsets = []
    for ecg in moved:
        assert np.array_equal(ecg[0], ecg[11])
        present = np.flatnonzero(ecg[0])
        offset = int(present[0] - (ecg[0, present[0]] - 1))
        assert np.array_equal(ecg[0, present], np.arange(1, 201)[present - offset])
        assert len(present) == 200 - abs(offset)
        offsets.append(offset)
    assert min(offsets) < -20
    assert max(offsets) > 20
    assert max(map(abs, offsets)) <= 30


def test_a_shift_by_more_than_the_ecg_leaves_silence_and_no_error() -> None:
    moved = augment.shift(np.ones((200, 1, 5), dtype=np.float32), 20, np.random.default_rng(1))
    assert set(moved.sum(axis=(1, 2)).tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}
    assert (moved == 0).all(axis=(1, 2)).any()


def test_light_shifts_and_strong_cuts_out() -> None:
    x, y = batch(), np.ones((64, 2), dtype=np.float32)
    for level, samples in (("off", 200), ("light", 200), ("strong", 100)):
        recipe = DEFAULT.changed({"augmentation": level})
        varied, _ = augment.augmented(x, y, recipe=recipe, rate_hz=20, generator=np.random.default_rng(0))
        assert varied.shape == (64, 12, samples)
        assert np.array_equal(varied, x) == (level == "off")


def test_scaling_keeps_the_relation_of_leads(generator: np.random.Generator) -> None:
    x = batch()
    ratio = augment.scale(x, 0.2, generator) / x
    assert np.ptp(ratio, axis=(1, 2)).max() < 1e-5
    assert 0.1 < np.log(ratio[:, 0, 0]).std() < 0.3


def test_noise_and_wander_have_the_stated_size(generator: np.random.Generator) -> None:
    silence = np.zeros((256, 12, 1000), dtype=np.float32)
    noisy = augment.add_noise(silence, 0.1, generator).std(axis=(1, 2))
    assert noisy.max() <= 0.11
    assert noisy.mean() == pytest.approx(0.05, abs=0.01)
    wandering = augment.add_wander(silence, 0.2, 100.0, generator)
    assert np.abs(wandering).max() <= 0.2
    assert np.abs(np.diff(wandering)).max() <= 0.2 * 2 * np.pi * 0.5 / 100 * 1.01


def test_dropped_leads_are_silent_and_one_stays(generator: np.random.Generator) -> None:
    x = batch(500)
    dropped = augment.drop_leads(x, 0.9, generator)
    silent = (dropped == 0).all(axis=2)
    assert silent.mean() == pytest.approx(0.9, abs=0.05)
    assert (~silent).any(axis=1).all()


def test_a_lead_that_was_not_recorded_stays_silent_and_is_never_the_one_that_stays() -> None:
    x, y = batch(samples=1000), np.ones((64, 2), dtype=np.float32)
    x[:, [0, 7]] = 0
    for chance in (0.1, 0.99):
        recipe = DEFAULT.changed({"lead_dropout": chance, "mixup": 0})
        varied, _ = augment.augmented(x, y, recipe=recipe, rate_hz=100, generator=np.random.default_rng(2))
        heard = varied.any(axis=2)
        assert not heard[:, [0, 7]].any()
        assert heard.any(axis=1).all()


def test_mixing_blends_ecgs_and_targets_by_the_same_share(generator: np.random.Generator) -> None:
    y = np.eye(64, dtype=np.float32)
    x = np.zeros((64, 64, 1), dtype=np.float32)
    x[:, :, 0] = y
    mixed, targets = augment.mix(x, y, 0.3, generator)
    np.testing.assert_allclose(mixed[:, :, 0], targets, atol=1e-6)
    assert np.diag(targets).min() >= 0.5


def test_a_recipe_without_augmentation_changes_nothing(generator: np.random.Generator) -> None:
    x, y = batch(), np.ones((64, 2), dtype=np.float32)
    same, targets = augment.augmented(x, y, recipe=PUBLISHED, rate_hz=100, generator=generator)
    assert np.array_equal(same, x)
    assert np.array_equal(targets, y)


def test_one_seed_gives_one_batch() -> None:
    x, y = batch(samples=1000), np.ones((64, 2), dtype=np.float32)
    first, again = (
        augment.augmented(x, y, recipe=DEFAULT, rate_hz=100, generator=np.random.default_rng(5))[0] for _ in range(2)
    )
    assert first.shape == (64, 12, 500)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
