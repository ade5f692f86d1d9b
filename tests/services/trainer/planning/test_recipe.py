import json
from dataclasses import replace
from pathlib import Path

import pytest

from precordia.errors import InvalidTrainingSpec
from services.trainer.planning.recipe import (
    DEFAULT,
    PUBLISHED,
    RECIPES,
    Augmentation,
    ClassWeights,
    Keep,
    Precision,
    Recipe,
    Schedule,
    recipe,
)

ROOT = Path(__file__).parents[4]
OLDER = {
    "name": "default",
    "optimizer": "adamw",
    "schedule": "one_cycle",
    "max_learning_rate": 0.005,
    "gamma": 0.9,
    "weight_decay": 0.05,
    "batch_size": 32,
    "max_epochs": 30,
    "patience": 0,
    "keep": "last",
    "averaging": 0.99,
    "dropout": 0.2,
    "crop_s": 5.0,
    "mixup": 0.3,
    "lead_dropout": 0.1,
    "scale": 0.2,
    "noise": 0.1,
    "wander": 0.2,
    "auxiliary": 0.3,
    "validation_fraction": 0.15,
    "precision": "float32",
}
"""A plan's recipe as the first version wrote it."""


def test_an_empty_name_is_the_default_recipe() -> None:
    assert recipe("") is DEFAULT
    assert recipe("published") is PUBLISHED


def test_the_published_recipe_is_the_papers() -> None:
    assert (PUBLISHED.optimizer, PUBLISHED.schedule, PUBLISHED.gamma) == ("adamw", Schedule.EXPONENTIAL, 0.9)
    assert (PUBLISHED.max_epochs, PUBLISHED.validation_fraction, PUBLISHED.keep) == (50, 0.2, Keep.BEST_LOSS)
    assert PUBLISHED.patience > 0
    assert PUBLISHED.max_learning_rate == 0  # found by a range test


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(InvalidTrainingSpec, match="Known: default, published"):
        recipe("best")


EVERYTHING = {
    "keep": "best_auroc",
    "precision": "bfloat16",
    "schedule": "cosine",
    "class_weights": "balanced",
    "layer_decay": 0.7,
    "label_smoothing": 0.1,
    "gradient_clip": 1.0,
    "time_shift": 0.2,
    "warm_up": 0.1,
    "folds": 5,
    "networks": "InceptionTime,XceptionTime",
    "search_epochs": 3,
}


@pytest.mark.parametrize("made", [*RECIPES.values(), DEFAULT.changed(EVERYTHING), DEFAULT.changed({"members": 3})])
def test_json_keeps_everything(made: Recipe) -> None:
    assert Recipe.from_json(made.to_json()) == made


def test_the_published_recipe_weighs_classes_and_varies_nothing() -> None:
    assert PUBLISHED.class_weights is ClassWeights.BALANCED
    assert PUBLISHED.augmentation is Augmentation.OFF
    assert PUBLISHED.averaging == PUBLISHED.dropout == PUBLISHED.auxiliary == 0


def test_a_level_of_augmentation_sets_several_and_single_settings_stand() -> None:
    assert DEFAULT.augmentation is Augmentation.STRONG
    off = DEFAULT.changed({"augmentation": "off"})
    assert off.augmentation is Augmentation.OFF
    assert (off.crop_s, off.mixup, off.lead_dropout, off.scale, off.noise, off.wander, off.time_shift) == (0,) * 7
    assert PUBLISHED.changed({"augmentation": "strong"}).mixup == DEFAULT.mixup
    mixed = DEFAULT.changed({"noise": 0.3, "augmentation": "light"})
    assert (mixed.noise, mixed.time_shift, mixed.augmentation) == (0.3, 0.5, None)


def test_settings_at_rest_stay_out_of_the_json_so_that_older_plans_keep_their_digest() -> None:
    assert DEFAULT.to_json().keys() == OLDER.keys()
    assert Recipe.from_json(OLDER) == replace(DEFAULT, precision=Precision.FLOAT32)
    assert Recipe.from_json(OLDER).to_json() == OLDER
    assert DEFAULT.changed({"folds": 5}).to_json().keys() - OLDER.keys() == {"folds"}


def test_the_shipped_models_recipe_is_still_read() -> None:
    said = json.loads((ROOT / "docs/models/precordia-superclasses/recipe.json").read_text())["recipe"]
    assert Recipe.from_json(said) == DEFAULT


def test_overrides_take_the_type_of_the_setting() -> None:
    changed = DEFAULT.changed({"max_epochs": 3.0, "mixup": 0, "schedule": "exponential"})
    assert (changed.max_epochs, changed.mixup, changed.schedule) == (3, 0.0, Schedule.EXPONENTIAL)
    assert isinstance(changed.max_epochs, int)


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"epochs": 3}, "epochs"),
        ({"max_epochs": 2.5}, "max_epochs"),
        ({"max_epochs": "3"}, "max_epochs"),
        ({"max_epochs": True}, "max_epochs"),
        ({"max_epochs": [3]}, "max_epochs"),
        ({"mixup": -1}, "mixup"),
        ({"mixup": float("nan")}, "mixup"),
        ({"mixup": 10**400}, "mixup"),
        ({"noise": 1e30}, "noise"),
        ({"batch_size": 1 << 40}, "batch_size"),
        ({"dropout": 1.5}, "dropout"),
        ({"schedule": "spiral"}, "schedule"),
        ({"optimizer": "lion"}, "optimizer"),
        ({"batch_size": 1}, "batch_size"),
        ({"name": "mine"}, "name"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"augmentation": "wild"}, "augmentation"),
        ({"class_weights": 3}, "class_weights"),
        ({"layer_decay": 0}, "layer_decay"),
        ({"layer_decay": 1.1}, "layer_decay"),
        ({"label_smoothing": 1}, "label_smoothing"),
        ({"folds": 1}, "folds"),
        ({"folds": 21}, "folds"),
        ({"members": 0}, "members"),
        ({"members": 2, "folds": 3}, "members"),
        ({"networks": "InceptionTime,,"}, "networks"),
    ],
)
def test_an_impossible_override_is_refused_by_name(overrides: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidTrainingSpec) as caught:
        DEFAULT.changed(overrides)
    assert caught.value.field == field
