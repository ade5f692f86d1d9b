import pytest

from precordia.errors import InvalidTrainingSpec
from services.trainer.recipe import DEFAULT, PUBLISHED, Keep, Recipe, Schedule, recipe


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


@pytest.mark.parametrize("made", [DEFAULT, PUBLISHED, DEFAULT.changed({"keep": "best_auroc", "precision": "bfloat16"})])
def test_json_keeps_everything(made: Recipe) -> None:
    assert Recipe.from_json(made.to_json()) == made


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
    ],
)
def test_an_impossible_override_is_refused_by_name(overrides: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidTrainingSpec) as caught:
        DEFAULT.changed(overrides)
    assert caught.value.field == field
