"""Recipes: every setting of a training run, frozen and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import Enum
from typing import Any

from precordia.errors import InvalidTrainingSpec


class Schedule(Enum):
    """How the learning rate runs."""

    ONE_CYCLE = "one_cycle"
    """Up and down again over the whole run (Smith & Topin 2018)."""
    EXPONENTIAL = "exponential"
    """Times `gamma` after each epoch."""


class Keep(Enum):
    """Which weights are published."""

    LAST = "last"
    BEST_LOSS = "best_loss"
    """Those of the epoch with the smallest validation loss."""
    BEST_AUROC = "best_auroc"


class Precision(Enum):
    """Of the forward pass. Weights and their gradients are float32 in both."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class Recipe:
    """Settings of one run. Amplitudes are in the unit of the conditioned signal.

    Attributes:
        max_learning_rate: 0 = found by a range test on training data.
        patience: epochs without a smaller validation loss before it stops; 0 = never early.
        averaging: decay of the running average of weights that is evaluated and published; 0 = none.
        crop_s: length of the random excerpt that each step sees; 0 = whole. Evaluation is whole.
        mixup: parameter of the Beta distribution that pairs of ECGs are mixed by; 0 = none.
        lead_dropout: chance of each lead to be silenced.
        scale: standard deviation of the log of a factor on the whole ECG.
        noise: largest standard deviation of white noise added.
        wander: largest amplitude of a slow sine (0.05-0.5 Hz) added lead by lead.
        auxiliary: weight of the loss on the dataset's other label groups; 0 = none.
        validation_fraction: share of patients drawn for validation where no split is given.
    """

    name: str
    optimizer: str = "adamw"
    schedule: Schedule = Schedule.ONE_CYCLE
    max_learning_rate: float = 5e-3
    gamma: float = 0.9
    weight_decay: float = 0.05
    batch_size: int = 32
    max_epochs: int = 30
    patience: int = 0
    keep: Keep = Keep.LAST
    averaging: float = 0.99
    dropout: float = 0.2
    crop_s: float = 5.0
    mixup: float = 0.3
    lead_dropout: float = 0.1
    scale: float = 0.2
    noise: float = 0.1
    wander: float = 0.2
    auxiliary: float = 0.3
    validation_fraction: float = 0.15
    precision: Precision = Precision.FLOAT32

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; the inverse of `from_json`."""
        return {name: value.value if isinstance(value, Enum) else value for name, value in asdict(self).items()}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Recipe:
        """From a JSON object."""
        return Recipe(str(value["name"])).changed({name: item for name, item in value.items() if name != "name"})

    def changed(self, overrides: Mapping[str, Any]) -> Recipe:
        """The recipe with other settings.

        Raises:
            InvalidTrainingSpec: a setting does not exist, or takes no such value.
        """
        settings = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "name"}
        for name in overrides:
            if name not in settings:
                raise InvalidTrainingSpec(
                    f"The recipe has no setting '{name[:64]}'. It has: {', '.join(sorted(settings))}.", field=name[:64]
                )
        changes = {name: _like(settings[name], value, name) for name, value in overrides.items()}
        return _checked(replace(self, **changes))


DEFAULT = Recipe("default")
"""Strong on a thousand records: heavy augmentation, averaged weights."""

PUBLISHED = Recipe(
    "published",
    schedule=Schedule.EXPONENTIAL,
    max_learning_rate=0.0,
    weight_decay=0.01,
    max_epochs=50,
    patience=10,
    keep=Keep.BEST_LOSS,
    averaging=0.0,
    dropout=0.0,
    crop_s=0.0,
    mixup=0.0,
    lead_dropout=0.0,
    scale=0.0,
    noise=0.0,
    wander=0.0,
    auxiliary=0.0,
    validation_fraction=0.2,
)
"""As in Bickmann et al., J Med Internet Res 2026;28:e81116: no augmentation, early stopping."""

RECIPES = {recipe.name: recipe for recipe in (DEFAULT, PUBLISHED)}


def recipe(name: str) -> Recipe:
    """The recipe of this name; the default one for an empty name.

    Raises:
        InvalidTrainingSpec: there is none.
    """
    found = RECIPES.get(name or DEFAULT.name)
    if found is None:
        raise InvalidTrainingSpec(f"No recipe '{name[:64]}'. Known: {', '.join(RECIPES)}.", field="recipe")
    return found


def _like(current: Any, value: Any, name: str) -> Any:
    """The value as the type of the setting that it replaces."""
    try:
        if isinstance(current, Enum):
            return type(current)(value)
        if isinstance(value, bool) or isinstance(current, str) != isinstance(value, str):
            raise ValueError
        if isinstance(current, int) and int(value) != value:
            raise ValueError
        return type(current)(value)
    except (ValueError, TypeError, OverflowError):
        raise InvalidTrainingSpec(f"'{name}' takes no value {str(value)[:64]!r}.", field=name) from None


_SHARES = ("averaging", "dropout", "lead_dropout", "validation_fraction", "gamma")


_MOST = 1e9  # of any number: JSON's have no end


def _checked(made: Recipe) -> Recipe:
    for field in fields(made):
        value = getattr(made, field.name)
        if isinstance(value, int | float) and not 0 <= value <= _MOST:
            raise InvalidTrainingSpec(f"'{field.name}' is 0 or more, and at most {_MOST:g}.", field=field.name)
    for name in _SHARES:
        if getattr(made, name) > 1:
            raise InvalidTrainingSpec(f"'{name}' is a share from 0 to 1.", field=name)
    if not 2 <= made.batch_size <= 65_536 or not 1 <= made.max_epochs <= 10_000:
        # BatchNorm needs two ECGs a step
        raise InvalidTrainingSpec("Batches hold 2 to 65536 ECGs, and a run has 1 to 10000 epochs.", field="batch_size")
    if made.optimizer not in OPTIMIZERS:
        raise InvalidTrainingSpec(f"'optimizer' is one of {', '.join(OPTIMIZERS)}.", field="optimizer")
    return made


OPTIMIZERS = ("adamw", "adam", "nadam", "adamax", "rmsprop", "sgd")
