"""Every key in one place: the screens bind from here, and the help screen lists it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True)
class Key:
    """A key or several, what they do, and the words for it."""

    keys: str
    action: str
    label: str
    said: str
    shown: bool = False
    display: str = ""

    def binding(self) -> Binding:
        """As textual takes it."""
        return Binding(self.keys, self.action, self.label, show=self.shown, key_display=self.display or None)


VIEW = (
    Key("left", "pan(-5)", "Pan", "Back by a large box", display="←"),
    Key("right", "pan(5)", "Pan", "On by a large box", shown=True, display="←→"),
    Key("shift+left,pageup", "page(-1)", "Page", "Back by a page", display="shift+←"),
    Key("shift+right,pagedown", "page(1)", "Page", "On by a page", display="shift+→"),
    Key("home", "edge(0)", "Start", "To the beginning"),
    Key("end", "edge(1)", "End", "To the end"),
    Key("plus,equals_sign", "zoom(1)", "Zoom", "Higher paper speed", shown=True, display="+ -"),
    Key("minus", "zoom(-1)", "Zoom", "Lower paper speed", display="-"),
    Key("0", "paper_scale", "25 · 10", "Back to 25 mm/s and 10 mm/mV"),
    Key("v", "next_layout", "Layout", "6 x 2, then 3 x 4 with rhythm strip, then one lead", shown=True),
    Key("f", "focus_lead", "One lead", "One lead, or all of them again", shown=True),
    Key("n", "next_lead(1)", "Next lead", "The next lead, where one is shown"),
    Key("b", "next_lead(-1)", "Lead before", "The lead before, where one is shown"),
    Key("t", "theme", "Paper", "Paper by day or by night"),
)
"""Keys that work everywhere on the main screen."""

CHART = (
    Key("up", "gain(1)", "Gain", "Higher gain", display="↑"),
    Key("down", "gain(-1)", "Gain", "Lower gain", shown=True, display="↑↓"),
    Key("enter", "screen.focus_lead", "One lead", "One lead, or all of them again"),
    Key("escape", "screen.focus_recordings", "List", "Back to the list of recordings"),
)
"""Keys of the chart while it has the focus."""

RECORDINGS = (
    Key("left", "screen.pan(-5)", "Pan", "Back by a large box, as on the chart", display="←"),
    Key("right", "screen.pan(5)", "Pan", "On by a large box, as on the chart", shown=True, display="←→"),
    Key("up,down", "", "Choose", "Choose a recording; it is shown at once", display="↑↓"),
    Key("enter", "", "Chart", "To the chart of this recording"),
)
"""Keys of the list; those without an action textual binds itself."""

GENERAL = (
    Key("m", "app.models", "Model", "Choose the model that gives its opinion", shown=True),
    Key("i", "app.import_files", "Import", "Import ECG files", shown=True),
    Key("j", "app.training", "Training", "Training jobs: follow them, start one, call one off", shown=True),
    Key("l", "toggle_recordings", "List", "Show or hide list and opinion"),
    Key("r", "app.refresh", "Refresh", "Ask the services again"),
    Key("question_mark,f1", "app.help", "Help", "This page", shown=True, display="?"),
    Key("q,ctrl+q", "app.quit", "Quit", "Leave", shown=True, display="q"),
)
"""Keys for everything else."""

TRAINING = (
    Key("up,down", "", "Choose", "Choose a job; it is followed at once", display="↑↓"),
    Key("n", "new_training", "New", "Train a model from labelled ECGs", shown=True),
    Key("c", "cancel_job", "Call off", "End the chosen job; you are asked first", shown=True),
    Key("r", "refresh", "Refresh", "Ask the trainer again"),
    Key("t", "theme", "Paper", "Curves by day or by night"),
    Key("question_mark,f1", "app.help", "Help", "This page", shown=True, display="?"),
    Key("escape,j", "app.pop_screen", "Back", "Back to the ECG", shown=True, display="esc"),
    Key("q,ctrl+q", "app.quit", "Quit", "Leave; jobs go on", shown=True, display="q"),
)
"""Keys of the training screen."""

SECTIONS = (
    ("The ECG (home, end and page keys while the chart has the focus)", VIEW),
    ("The chart, while it has the focus", CHART),
    ("The list of recordings", RECORDINGS),
    ("Everything else", GENERAL),
    ("Training", TRAINING),
)
"""What the help screen lists."""


def bound(*groups: tuple[Key, ...]) -> list[BindingType]:
    """Bindings of some groups; keys without an action are only for the help screen."""
    return [key.binding() for group in groups for key in group if key.action]
