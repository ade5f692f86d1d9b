"""Options that several commands share, spelled once."""

from __future__ import annotations

from typing import Annotated

import typer

from precordia.client import DEFAULT_MODEL
from precordia.errors import PrecordiaError
from precordia.leads import parse_leads
from precordia.record import Hints, Unit
from precordia.steps import Step, parse_step

_FILE_FACTS = "What the file does not say itself"

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; narration on stderr.")]
Rate = Annotated[
    float | None, typer.Option("--rate", metavar="HZ", help="Samples a second.", rich_help_panel=_FILE_FACTS)
]
UnitOption = Annotated[
    Unit | None, typer.Option("--unit", help="Unit of the stored values. Never guessed.", rich_help_panel=_FILE_FACTS)
]
Gain = Annotated[
    float | None,
    typer.Option(
        "--gain", metavar="ADU_PER_MV", help="Counts a millivolt, for bare integers.", rich_help_panel=_FILE_FACTS
    ),
]
Leads = Annotated[
    str | None,
    typer.Option(
        "--leads", metavar="I,II,...", help="Lead of each channel, in file order.", rich_help_panel=_FILE_FACTS
    ),
]
Applied = Annotated[
    str | None,
    typer.Option(
        "--applied",
        metavar="STEP,...",
        help="Conditioning that the values went through, e.g. band-pass:0.5-40,z-score.",
        rich_help_panel=_FILE_FACTS,
    ),
]
Delimiter = Annotated[str, typer.Option("--delimiter", help="Of a table; else detected.", rich_help_panel=_FILE_FACTS)]
DecimalMark = Annotated[
    str, typer.Option("--decimal-mark", help="Of a table, '.' or ','; else detected.", rich_help_panel=_FILE_FACTS)
]
TimeColumn = Annotated[
    int | None,
    typer.Option("--time-column", help="Of a table, from 0; -1 = none; else detected.", rich_help_panel=_FILE_FACTS),
]
Variable = Annotated[
    str, typer.Option("--variable", help="Array to read, where a file holds several.", rich_help_panel=_FILE_FACTS)
]
Model = Annotated[str, typer.Option("--model", metavar="NAME[:VERSION|@ALIAS]", help="The model that scores.")]

DEFAULT = DEFAULT_MODEL


def split_list(text: str | None) -> tuple[str, ...]:
    """Parts of a comma-separated option, without blanks."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def parse_steps(text: str | None, option: str = "--applied") -> tuple[Step, ...]:
    """Steps of a comma-separated option.

    Raises:
        typer.BadParameter: a step is not in the vocabulary.
    """
    try:
        return tuple(parse_step(part) for part in split_list(text))
    except PrecordiaError as error:
        raise typer.BadParameter(error.message, param_hint=option) from None


def standard_leads(text: str | None, option: str = "--leads") -> tuple[str, ...]:
    """Standard leads of a comma-separated option.

    Raises:
        typer.BadParameter: a name is no standard lead.
    """
    try:
        return parse_leads(split_list(text))
    except PrecordiaError as error:
        raise typer.BadParameter(error.message, param_hint=option) from None


def hints_from(
    rate: float | None,
    unit: Unit | None,
    gain: float | None,
    leads: str | None,
    applied: str | None,
    delimiter: str,
    decimal_mark: str,
    time_column: int | None,
    variable: str,
) -> Hints:
    """The options as hints.

    Raises:
        typer.BadParameter: a number is not positive, or a step is not known.
    """
    for option, value in (("--rate", rate), ("--gain", gain)):
        if value is not None and not 0 < value < float("inf"):
            raise typer.BadParameter("It is a positive number.", param_hint=option)
    return Hints(
        sample_rate_hz=rate,
        unit=unit,
        gain_adu_per_mv=gain,
        lead_names=split_list(leads),
        applied=parse_steps(applied),
        delimiter=delimiter.replace("\\t", "\t"),
        decimal_mark=decimal_mark,
        time_column=time_column,
        variable=variable,
    )
