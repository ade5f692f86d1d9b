"""`precordia predict`: scores for recordings, files, or a dataset."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import options
from cli.output import Output
from cli.predicting import predict_dataset, predict_named
from cli.running import run_connected
from precordia.catalog import ModelRef
from precordia.client import Connection
from precordia.dataset import SplitRef
from precordia.errors import PrecordiaError
from precordia.prediction import Priority

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@app.command()
def predict(
    what: Annotated[list[str] | None, typer.Argument(metavar="REC|FILE...", help="Recording ids, or files.")] = None,
    model: options.Model = options.DEFAULT,
    dataset: Annotated[
        str, typer.Option("--dataset", metavar="NAME[:SPLIT]", help="Score a dataset, or one of its splits.")
    ] = "",
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Keep the recordings of files.")] = True,
    stat: Annotated[bool, typer.Option("--stat", help="Go before everything else: a clinician waits.")] = False,
    rate: options.Rate = None,
    unit: options.UnitOption = None,
    gain: options.Gain = None,
    leads: options.Leads = None,
    applied: options.Applied = None,
    delimiter: options.Delimiter = "",
    decimal_mark: options.DecimalMark = "",
    time_column: options.TimeColumn = None,
    variable: options.Variable = "",
    as_json: options.Json = False,
) -> None:
    """Score ECGs with a model. Research use only: a score is no diagnosis.

    A file is read as `import` would, with the same options, and kept unless `--no-keep`.

    Examples: `precordia predict ecg.dcm` · `precordia predict rec-1 --model mine@prod` ·
    `precordia predict --dataset study:test --json`
    """
    hints = options.hints_from(rate, unit, gain, leads, applied, delimiter, decimal_mark, time_column, variable)
    if bool(what) == bool(dataset):
        raise typer.BadParameter("Name recordings or files, or give --dataset; not both.")
    try:
        ref, split = ModelRef.parse(model), SplitRef.parse(dataset) if dataset else None
    except PrecordiaError as error:
        raise typer.BadParameter(error.message) from None

    async def work(precordia: Connection, output: Output) -> bool:
        if split is not None:
            return await predict_dataset(precordia, output, ref, split)
        priority = Priority.STAT if stat else Priority.ROUTINE
        return await predict_named(precordia, output, ref, what or [], hints, keep=keep, priority=priority)

    run_connected(work, as_json=as_json)
