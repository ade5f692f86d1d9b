"""Import of ECG files: paths, and what the files do not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from precordia.errors import PrecordiaError
from precordia.leads import standard_lead
from precordia.record import Hints, Unit
from precordia.steps import parse_step


@dataclass(frozen=True)
class ImportWish:
    """What to import, and how to read it."""

    paths: tuple[str, ...]
    hints: Hints


_FIELDS = (
    ("paths", "Files, folders or patterns", "~/ecgs/*.hea"),
    ("rate", "Rate in Hz, where the file does not say", "500"),
    ("unit", "Unit: mV, uV or standardised", "mV"),
    ("leads", "Leads in their order", "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6"),
    ("applied", "Steps already applied", "band-pass:0.5-40,z-score"),
)


class ImportScreen(ModalScreen[ImportWish | None]):
    """A form; dismisses with the wish, and asks again where an answer makes no sense."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        """One line for each field."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Import"
            dialog.border_subtitle = "enter imports, esc closes"
            for name, label, example in _FIELDS:
                yield Label(label)
                yield Input(placeholder=example, id=name, compact=True)
            yield Static("", id="problem")

    def on_input_submitted(self) -> None:
        """Import, or say what is wrong."""
        said = {name: self.query_one(f"#{name}", Input).value.strip() for name, _, _ in _FIELDS}
        try:
            wish = wish_of(said)
        except (PrecordiaError, ValueError) as error:
            message = error.message if isinstance(error, PrecordiaError) else str(error)
            self.query_one("#problem", Static).update(message)
            return
        self.dismiss(wish)


def wish_of(said: dict[str, str]) -> ImportWish:
    """The form's fields as values.

    Raises:
        ValueError, PrecordiaError: a field makes no sense; the message says which.
    """
    if not said["paths"]:
        raise ValueError("Name at least one file.")
    if said["unit"] and said["unit"] not in {unit.value for unit in Unit}:
        raise ValueError("The unit is mV, uV or standardised.")
    return ImportWish(
        paths=tuple(said["paths"].split()),
        hints=Hints(
            sample_rate_hz=_rate(said["rate"]),
            unit=Unit(said["unit"]) if said["unit"] else None,
            lead_names=tuple(standard_lead(lead) for lead in _listed(said["leads"])),
            applied=tuple(parse_step(step) for step in _listed(said["applied"])),
        ),
    )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _rate(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise ValueError("The rate is a number of hertz.") from None
