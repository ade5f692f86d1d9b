"""Facts that files do not say, asked of whoever sits at the terminal, and kept as a profile."""

from __future__ import annotations

import sys
from dataclasses import replace

import typer
from rich.console import Console
from rich.prompt import Confirm, Prompt

from cli.options import split_list
from cli.output import Output
from precordia.client import Connection
from precordia.record import Hints, Unit
from precordia.stored import ImportPreview

_QUESTIONS = {
    "sample_rate_hz": "Samples a second (Hz)",
    "unit": "Unit of the stored values",
    "gain_adu_per_mv": "Counts a millivolt",
    "lead_names": "Leads in file order, separated by commas",
    "variable": "Name of the array to read",
}


def someone_is_there(output: Output) -> bool:
    """Whether questions can be asked: never in a pipe, never where a document is wanted."""
    return not output.as_json and sys.stdin.isatty() and sys.stderr.isatty()


def ask(output: Output, source: str, files: int, preview: ImportPreview, hints: Hints) -> Hints | None:
    """Show how a file would be read, ask for what it does not say; None where nothing is to be done.

    The answers are not checked here: the service refuses what cannot be, and says why.
    """
    console = Console(stderr=True)
    like_it = f" and {files - 1} more" if files > 1 else ""
    output.say(f"{source}{like_it} ({preview.format}) cannot be read without further facts.", "yellow")
    if preview.columns:
        output.say(f"Columns: {', '.join(preview.columns[:24])}")
    said = hints
    for field in preview.missing_fields:
        said = _answered(console, said, field)
    for name, value in said.to_json().items():
        output.say(f"  {name}: {value}")
    return said if Confirm.ask("Read them so?", default=True, console=console) else None


def _answered(console: Console, hints: Hints, field: str) -> Hints:
    question = _QUESTIONS.get(field, field)
    if field == "unit":
        units = [unit.value for unit in Unit]
        return replace(hints, unit=Unit(Prompt.ask(question, choices=units, console=console)))
    answer = Prompt.ask(question, console=console).strip()
    if field == "lead_names":
        return replace(hints, lead_names=split_list(answer))
    if field in ("sample_rate_hz", "gain_adu_per_mv"):
        return Hints.from_json({**hints.to_json(), field: _positive(answer, question)})
    return Hints.from_json({**hints.to_json(), field: answer})


def _positive(text: str, question: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise typer.BadParameter("It is a positive number.", param_hint=question)
    return value


async def with_profile(precordia: Connection, name: str, hints: Hints) -> Hints:
    """Hints, with a profile's where they say nothing.

    Raises:
        NotFound: there is no profile of this name.
    """
    if not name:
        return hints
    profile = await precordia.ingest.profile(name)
    return Hints.from_json({**profile.hints.to_json(), **hints.to_json()})


async def save_profile(precordia: Connection, output: Output, name: str, hints: Hints) -> None:
    """Keep hints under a name, and say so."""
    if name:
        saved = await precordia.ingest.save_profile(name, hints)
        output.say(f"Profile {saved.name} is saved; `import --profile {saved.name}` reads further files so.", "green")
