"""Choice of the model that gives its opinion."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from precordia.catalog import ModelVersion
from tui import wording


class ModelsScreen(ModalScreen[ModelVersion | None]):
    """Models, newest version of each; dismisses with the one chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,m", "dismiss", "Close")]

    def __init__(self, models: tuple[ModelVersion, ...], current: str) -> None:
        super().__init__()
        self._models = {model.name: model for model in models}
        self._current = current

    def compose(self) -> ComposeResult:
        """A list, or that there is nothing to choose."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Model"
            dialog.border_subtitle = "enter chooses, esc closes"
            if self._models:
                yield OptionList(*[_option(model) for model in self._models.values()], compact=True)
            else:
                yield Static("The registry has no model, or does not answer.")

    def on_mount(self) -> None:
        """Begin at the model in use."""
        if self._models:
            models = self.query_one(OptionList)
            models.highlighted = list(self._models).index(self._current) if self._current in self._models else 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Hand the choice back."""
        self.dismiss(self._models[event.option_id or ""])


def _option(model: ModelVersion) -> Option:
    manifest = model.manifest
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(wording.model_name(model), style="bold")
    outputs = ", ".join(manifest.output_names[:8]) + (" ..." if len(manifest.outputs) > 8 else "")
    facts = f"{len(manifest.input.leads)} leads, {manifest.input.rate_hz:g} Hz, {manifest.input.duration_s:g} s"
    if manifest.input.optional_leads:
        facts += f", without {' '.join(manifest.input.optional_leads)} too"
    text.append(f"\n{manifest.task.value} · {outputs}\n{facts}\n", style="dim")
    return Option(text, id=model.name)
