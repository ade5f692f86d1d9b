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
    COSINE = "cosine"
    """Up in a line over the share `warm_up` of the run, then down a half cosine (Loshchilov & Hutter 2017)."""
    CONSTANT = "constant"


class Keep(Enum):
    """Which weights are published."""

    LAST = "last"
    BEST_LOSS = "best_loss"
    """Those of the epoch with the smallest validation loss."""
    BEST_AUROC = "best_auroc"
    """Those of the epoch with the largest macro AUROC; regression, which has none, goes by the loss."""


class Precision(Enum):
    """Of the forward pass. Weights and their gradients are float32 in all."""

    AUTO = "auto"
    """bfloat16 on a GPU that has it, float16 on one that has not, float32 on a CPU."""
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    """For GPUs only: the loss is scaled so that small gradients do not vanish."""


class ClassWeights(Enum):
    """How much the classes count in the loss."""

    NONE = "none"
    BALANCED = "balanced"
    """Each class, and with several labels each label's presence and absence, counts the same, within a factor of 10."""


class Augmentation(Enum):
    """Sets of the single settings of augmentation, for those who need not know them."""

    OFF = "off"
    LIGHT = "light"
    STRONG = "strong"


OPTIMIZERS = ("adamw", "adam", "nadam", "adamax", "adafactor", "rmsprop", "sgd")
SEARCHED = "InceptionTime,XceptionTime,xresnet1d101,DSAIL-SNU"
"""Networks that the base "auto" tries."""


@dataclass(frozen=True)
class Recipe:
    """Settings of one run. Amplitudes are in the unit of the conditioned signal.

    Attributes:
        max_learning_rate: 0 = found by a range test on training data.
        patience: epochs without a better value of what `keep` goes by (the validation loss, where the
            last weights are kept) before it stops; 0 = never early.
        averaging: decay of the running average of weights that is evaluated and published; 0 = none.
        crop_s: length of the random excerpt that each step sees; 0 = whole. Evaluation is whole.
        mixup: parameter of the Beta distribution that pairs of ECGs are mixed by; 0 = none.
        lead_dropout: chance of each lead to be silenced.
        scale: standard deviation of the log of a factor on the whole ECG.
        noise: largest standard deviation of white noise added.
        wander: largest amplitude of a slow sine (0.05-0.5 Hz) added lead by lead.
        auxiliary: weight of the loss on the records' other labels; 0 = none.
        validation_fraction: share of patients drawn for validation where no split is given.
        time_shift: seconds that an ECG is moved by at most, either way.
        warm_up: share of the run over which a cosine's rate rises.
        layer_decay: factor on the learning rate for each block further from the head; 1 = one rate.
        label_smoothing: share of the target that is spread over all classes.
        gradient_clip: largest norm of all gradients together; 0 = any.
        folds: networks trained on all folds of the training patients but one each; 0 = no folds.
        members: networks of other seeds whose mean is the model.
        networks: names that the base "auto" tries, with commas between.
        search_epochs: epochs of each of them; 0 = as many as the run has.
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
    precision: Precision = Precision.AUTO
    time_shift: float = 0.0
    warm_up: float = 0.05
    layer_decay: float = 1.0
    class_weights: ClassWeights = ClassWeights.NONE
    label_smoothing: float = 0.0
    gradient_clip: float = 0.0
    folds: int = 0
    members: int = 1
    networks: str = SEARCHED
    search_epochs: int = 10

    @property
    def augmentation(self) -> Augmentation | None:
        """The level whose settings these are, or None where they are set one by one."""
        for level, settings in AUGMENTATIONS.items():
            if all(getattr(self, name) == value for name, value in settings.items()):
                return level
        return None

    @property
    def count(self) -> int:
        """Networks that a run trains."""
        return self.folds or self.members

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; the inverse of `from_json`.

        What `_LATER` lists stays out while it is at rest: a plan that does not use it has the digest
        that it had before there was such a setting, and its checkpoints stay good.
        """
        rest = {field.name: field.default for field in fields(self) if field.name in _LATER}
        said = {name: value for name, value in asdict(self).items() if name not in rest or value != rest[name]}
        return {name: value.value if isinstance(value, Enum) else value for name, value in said.items()}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Recipe:
        """From a JSON object; settings that it does not say are at rest."""
        return Recipe(str(value["name"])).changed({name: item for name, item in value.items() if name != "name"})

    def changed(self, overrides: Mapping[str, Any]) -> Recipe:
        """The recipe with other settings. `augmentation` sets several; single ones beside it stand.

        Raises:
            InvalidTrainingSpec: a setting does not exist, or takes no such value.
        """
        if "augmentation" in overrides:
            level = _like(Augmentation.OFF, overrides["augmentation"], "augmentation")
            others = {name: value for name, value in overrides.items() if name != "augmentation"}
            overrides = AUGMENTATIONS[level] | others
        settings = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "name"}
        for name in overrides:
            if name not in settings:
                known = ", ".join(sorted([*settings, "augmentation"]))
                raise InvalidTrainingSpec(f"The recipe has no setting '{name[:64]}'. It has: {known}.", field=name[:64])
        changes = {name: _like(settings[name], value, name) for name, value in overrides.items()}
        return _checked(replace(self, **changes))


_LATER = (
    "time_shift",
    "warm_up",
    "layer_decay",
    "class_weights",
    "label_smoothing",
    "gradient_clip",
    "folds",
    "members",
    "networks",
    "search_epochs",
)

_SINGLE = ("crop_s", "mixup", "lead_dropout", "scale", "noise", "wander", "time_shift")
_OFF = dict.fromkeys(_SINGLE, 0.0)
AUGMENTATIONS: Mapping[Augmentation, dict[str, Any]] = {
    Augmentation.OFF: _OFF,
    Augmentation.LIGHT: _OFF | {"scale": 0.1, "noise": 0.05, "wander": 0.1, "time_shift": 0.5},
    # an excerpt from anywhere is a shift already
    Augmentation.STRONG: {name: getattr(Recipe("default"), name) for name in _SINGLE},
}


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
        known = f" It takes: {', '.join(each.value for each in type(current))}." if isinstance(current, Enum) else ""
        raise InvalidTrainingSpec(f"'{name}' takes no value {str(value)[:64]!r}.{known}", field=name) from None


_SHARES = ("averaging", "dropout", "lead_dropout", "validation_fraction", "gamma", "warm_up", "label_smoothing")
_COUNTS = {"batch_size": (2, 65_536), "max_epochs": (1, 10_000), "members": (1, 20), "folds": (0, 20)}
"""Smallest and largest; BatchNorm needs two ECGs a step."""
_MOST = 1e9  # of any number: JSON's have no end


def _checked(made: Recipe) -> Recipe:
    for field in fields(made):
        value = getattr(made, field.name)
        if isinstance(value, int | float) and not 0 <= value <= _MOST:
            raise InvalidTrainingSpec(f"'{field.name}' is 0 or more, and at most {_MOST:g}.", field=field.name)
    for name in _SHARES:
        if getattr(made, name) > 1:
            raise InvalidTrainingSpec(f"'{name}' is a share from 0 to 1.", field=name)
    for name, (least, most) in _COUNTS.items():
        if not least <= getattr(made, name) <= most:
            raise InvalidTrainingSpec(f"'{name}' lies between {least} and {most}.", field=name)
    if not 0 < made.layer_decay <= 1:
        raise InvalidTrainingSpec("'layer_decay' lies above 0 and is at most 1.", field="layer_decay")
    if made.label_smoothing == 1:
        raise InvalidTrainingSpec("'label_smoothing' below 1 leaves something to learn.", field="label_smoothing")
    if made.folds == 1:
        raise InvalidTrainingSpec("Folds are two or more; 0 = none.", field="folds")
    if made.folds and made.members > 1:
        raise InvalidTrainingSpec("Folds make an ensemble by themselves; leave 'members' at 1.", field="members")
    if made.optimizer not in OPTIMIZERS:
        raise InvalidTrainingSpec(f"'optimizer' is one of {', '.join(OPTIMIZERS)}.", field="optimizer")
    if not all(name.strip() for name in made.networks.split(",")):
        raise InvalidTrainingSpec("'networks' are names with commas between.", field="networks")
    return made


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
    auxiliary=0.0,
    validation_fraction=0.2,
    class_weights=ClassWeights.BALANCED,
).changed({"augmentation": "off"})
"""As in Bickmann et al., J Med Internet Res 2026;28:e81116: no augmentation, weighted loss, early stopping."""

FINE_TUNE = Recipe("fine_tune", max_learning_rate=1e-3, weight_decay=0.01, max_epochs=15, auxiliary=0.0)
"""From a trained base: smaller steps and fewer of them, so that what it knows is bent and not broken."""

QUICK = replace(DEFAULT, name="quick", max_epochs=8)
"""For a first look at whether the labels can be learnt."""

RECIPES = {recipe.name: recipe for recipe in (DEFAULT, PUBLISHED, FINE_TUNE, QUICK)}


def recipe(name: str) -> Recipe:
    """The recipe of this name; the default one for an empty name.

    Raises:
        InvalidTrainingSpec: there is none.
    """
    found = RECIPES.get(name or DEFAULT.name)
    if found is None:
        raise InvalidTrainingSpec(f"No recipe '{name[:64]}'. Known: {', '.join(RECIPES)}.", field="recipe")
    return found
