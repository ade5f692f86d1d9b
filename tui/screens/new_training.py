"""A new training: what to learn from, what to start from, what to call it. Every field but the dataset is filled in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static

from precordia.catalog import checked_name
from precordia.dataset import Dataset, LabelGroup, NumericFacts, Snapshot, SplitCount, SplitRef
from precordia.errors import PrecordiaError
from precordia.manifest import Task
from precordia.training import Method, TrainingSpec
from tui.messages import TrainingChoices
from tui.training import numbers_of

_AUTO = "auto"
_NUMBER = "number:"
"""Before the name of a numeric target, in the place of a label group."""
_WHOLE = ""
_AS_TRAINING = ("train", "training")
_FIELDS = (
    ("dataset", "Dataset"),
    ("train", "Learn from"),
    ("test", "Test on"),
    ("group", "Labels"),
    ("base", "Start from"),
    ("method", "Learn"),
    ("name", "Name"),
)
_METHODS = (
    (Method.ALL, "all layers go on learning"),
    (Method.HEAD, "the last layer alone (little data, quick)"),
)
_NONE_LABELLED = (
    "No dataset has labels yet. In a shell:\n\n"
    "precordia import ecgs/ --dataset study --labels labels.csv\n"
    "precordia datasets snapshot study --split train=80% --split test=20%"
)


@dataclass(frozen=True)
class TrainingWish:
    """What to train, and under which name."""

    name: str
    spec: TrainingSpec


class NewTrainingScreen(ModalScreen[None]):
    """A form. Hands the wish over and stays open until the trainer took it."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss", "Close"), ("ctrl+s", "start", "Start")]

    def __init__(self, choices: TrainingChoices, start: Callable[[TrainingWish], Any]) -> None:
        super().__init__()
        self._choices = choices
        self._start = start
        self._datasets = {dataset.name: (dataset, snapshot) for dataset, snapshot in choices.datasets}
        self._suggested = ""

    def compose(self) -> ComposeResult:
        """A row for each field, or what to do first."""
        with VerticalScroll(classes="dialog form", can_focus=False) as dialog:
            dialog.border_title = "New training"
            dialog.border_subtitle = "tab goes on, ctrl+s starts, esc closes"
            if not self._datasets:
                yield Static(_NONE_LABELLED)
                return
            for field, label in _FIELDS:
                with Horizontal(classes="field"):
                    yield Label(label)
                    if field == "name":
                        yield Input(id=field, compact=True)
                    else:
                        yield Select[str]([("", "")], id=field, allow_blank=False, compact=True)
            yield Static("", id="hint")
            yield Static("", id="problem")
            yield Button("Start", id="start", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Fill in what is most likely meant."""
        if not self._datasets:
            return
        self._offer("base", _base_options(self._choices), "InceptionTime")
        newest = max(self._datasets.values(), key=lambda pair: str(pair[0].updated_at or ""))[0].name
        self._offer("dataset", [(_dataset_words(one), name) for name, (one, _) in self._datasets.items()], newest)

    def on_select_changed(self, event: Select.Changed) -> None:
        """What a choice makes possible is offered; what it makes impossible goes."""
        if event.select.id == "dataset":
            self._follow_dataset()
        elif event.select.id == "base":
            self._follow_base()
        self._suggest_name()

    def _follow_dataset(self) -> None:
        dataset, snapshot = self._datasets[self._said("dataset")]
        splits = [(_split_words(one), one.name) for one in (snapshot.splits if snapshot else ())]
        names = [name for _, name in splits]
        training = next((name for name in _AS_TRAINING if name in names), _WHOLE)
        self._offer("train", [(f"all {dataset.records} records", _WHOLE), *splits], training)
        self._offer("test", [("nothing held out", _WHOLE), *splits], "test" if "test" in names and training else _WHOLE)
        groups = snapshot.label_groups if snapshot else dataset.label_groups
        options = [(_group_words(group), group.name) for group in groups]
        options += [(_number_words(one), f"{_NUMBER}{one.name}") for one in numbers_of(snapshot)]
        self._offer("group", options, options[0][1] if options else "")

    def _follow_base(self) -> None:
        if self._said("base") in {_AUTO, *(network.name for network in self._choices.networks)}:
            self._offer("method", [("everything anew", Method.SCRATCH.value)], Method.SCRATCH.value)
        else:
            self._offer("method", [(words, method.value) for method, words in _METHODS], Method.ALL.value)

    def _offer(self, field: str, options: list[tuple[str, str]], chosen: str) -> None:
        select = self._select(field)
        select.set_options(options)
        if any(value == chosen for _, value in options):
            select.value = chosen

    def _suggest_name(self) -> None:
        """A name of dataset and base, unless the user typed one."""
        name = self.query_one("#name", Input)
        if name.value in ("", self._suggested):
            parts = f"{self._said('dataset')}-{self._said('base').partition(':')[0]}".lower()
            self._suggested = re.sub(r"[^a-z0-9._-]+", "-", parts).strip("-._")
            name.value = self._suggested

    def _select(self, field: str) -> Select[str]:
        return self.query_one(f"#{field}", Select)

    def _said(self, field: str) -> str:
        value = self._select(field).value
        return value if isinstance(value, str) else ""

    def on_input_submitted(self) -> None:
        """Enter in the name starts."""
        self.action_start()

    def on_button_pressed(self) -> None:
        """So does the button."""
        self.action_start()

    def action_start(self) -> None:
        """Hand the wish over, or say what is wrong."""
        if not self._datasets:
            return
        said = {field: self._said(field) for field, _ in _FIELDS if field != "name"}
        _, snapshot = self._datasets[said["dataset"]]
        try:
            wish = wish_of(said | {"name": self.query_one("#name", Input).value.strip()}, snapshot)
        except (PrecordiaError, ValueError) as error:
            self.refuse(error.message if isinstance(error, PrecordiaError) else str(error))
            return
        self.query_one("#problem", Static).update("")
        self.query_one("#hint", Static).update("Asking the trainer ...")
        self._start(wish)

    def refuse(self, problem: str) -> None:
        """Say why it does not start; everything stays as it was typed."""
        self.query_one("#hint", Static).update("")
        self.query_one("#problem", Static).update(problem)


def wish_of(said: dict[str, str], snapshot: Snapshot | None) -> TrainingWish:
    """The form's fields as values.

    Raises:
        ValueError, PrecordiaError: a field makes no sense; the message says which.
    """
    if not said["name"]:
        raise ValueError("Give the model a name.")
    if said["test"] and said["test"] == said["train"]:
        raise ValueError("A model cannot be tested on what it learns from; choose two splits.")
    if said["test"] and not said["train"]:
        raise ValueError("All records hold the test split, too; choose a split to learn from.")
    snapshot_id = snapshot.snapshot_id if snapshot else ""
    test = SplitRef(said["dataset"], said["test"], snapshot_id) if said["test"] else None
    spec = TrainingSpec(
        train=SplitRef(said["dataset"], said["train"], snapshot_id),
        test=test,
        base=said["base"],
        method=Method(said["method"]),
        label_group=said["group"],
    )
    if said["group"].startswith(_NUMBER):
        name = said["group"].removeprefix(_NUMBER)
        spec = replace(spec, label_group="", labels=(name,), task=Task.REGRESSION)
    return TrainingWish(checked_name(said["name"]), spec)


def _split_words(split: SplitCount) -> str:
    return f"{split.name}: {split.records} records, {split.patients} patients"


def _dataset_words(dataset: Dataset) -> str:
    return f"{dataset.name}: {dataset.records} records, {dataset.labelled} labelled, {dataset.patients} patients"


def _group_words(group: LabelGroup) -> str:
    labels = ", ".join(f"{label} {count}" for label, count in group.labels)
    return f"{group.name}: {labels}" if group.name else labels


def _number_words(facts: NumericFacts) -> str:
    return f"{facts.name}: a number, {facts.lowest:g} to {facts.highest:g} in {facts.records} records"


def _base_options(choices: TrainingChoices) -> list[tuple[str, str]]:
    networks = [(f"{one.name}: {one.summary}", one.name) for one in choices.networks]
    networks.append(("auto: several networks are tried, and validation picks; takes the longest", _AUTO))
    models = [
        (f"{one.name} version {one.version}: a model, {', '.join(one.manifest.output_names[:5])}", str(one.ref))
        for one in choices.models
    ]
    return [*networks, *models]
