"""`precordia evaluate`: metrics of models on labelled ECGs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.evaluating import Files, evaluate_models
from cli.output import Output
from cli.running import run_connected
from precordia.catalog import ModelRef
from precordia.client import Connection
from precordia.dataset import SplitRef
from precordia.errors import PrecordiaError
from precordia.evaluation import DRAWS, EvaluationWish, LabelAnswer, ThresholdChoice

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)

_THRESHOLDS, _FILES = "Thresholds", "Files"


@app.command()
def evaluate(
    datasets: Annotated[
        list[str], typer.Option("--dataset", metavar="NAME[:SPLIT]", help="Labelled ECGs. Give it once for each.")
    ],
    models: Annotated[
        list[str] | None, typer.Option("--model", metavar="NAME[:VERSION|@ALIAS]", help="Give it once for each model.")
    ] = None,
    label_group: Annotated[
        str, typer.Option("--labels-group", "--label-group", help="Group of labels; else the one the model names.")
    ] = "",
    answers: Annotated[
        list[str] | None,
        typer.Option(
            "--answer",
            metavar="LABEL=OUTPUT+...",
            help="A label that is answered by outputs of other names, or by several: RBBB=CRBBB+IRBBB.",
        ),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", help="Of patients, for 95 % intervals; 0 = none.")] = DRAWS,
    thresholds_from: Annotated[
        str,
        typer.Option(
            "--thresholds-from",
            metavar="[NAME:]SPLIT",
            help="Choose thresholds there, and decide by them here.",
            rich_help_panel=_THRESHOLDS,
        ),
    ] = "",
    rule: Annotated[
        str,
        typer.Option(
            "--rule",
            help="fmax (unless said otherwise), youden, sensitivity=0.9 or specificity=0.9.",
            rich_help_panel=_THRESHOLDS,
        ),
    ] = "",
    store: Annotated[
        bool,
        typer.Option("--store-thresholds", help="Make them the models' own.", rich_help_panel=_THRESHOLDS),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--html",
            "--report",
            metavar="FILE.html",
            dir_okay=False,
            help="Write everything, with plots, as one page.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE.csv", dir_okay=False, help="Write every figure as a table.", rich_help_panel=_FILES
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            metavar="FILE.csv",
            dir_okay=False,
            help="Write the scores and labels of every ECG as a table.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Measure models on labelled datasets: AUROC, F1 and more, overall, by class and by subgroup.

    Several models are compared on the same ECGs, several datasets summed up. A metric that cannot be
    measured (a class without cases) is empty, never 0.

    Examples: `precordia evaluate --dataset study:test --model mine --model precordia-superclasses --html both.html` ·
    `precordia evaluate --dataset study:test --thresholds-from validation --rule sensitivity=0.95`
    """
    try:
        splits = tuple(map(SplitRef.parse, datasets))
        wish = EvaluationWish(
            models=tuple(map(ModelRef.parse, models or [options.DEFAULT])),
            splits=splits,
            label_group=label_group,
            thresholds=_choice(thresholds_from, splits[0], rule, store=store),
            answers=tuple(map(LabelAnswer.parse, answers or ())),
            draws=draws,
        )
    except PrecordiaError as error:
        raise typer.BadParameter(error.message) from None

    async def work(precordia: Connection, output: Output) -> bool:
        return await evaluate_models(precordia, output, wish, Files(report, csv, predictions))

    run_connected(work, as_json=as_json)


def _choice(where: str, first: SplitRef, rule: str, *, store: bool) -> ThresholdChoice | None:
    kind, target = ThresholdChoice.parse_rule(rule or "fmax")
    if not where:
        if store or rule:
            asked = "--store-thresholds" if store else "--rule"
            raise typer.BadParameter("Say where thresholds are chosen with --thresholds-from.", param_hint=asked)
        return None
    split = SplitRef.parse(where) if ":" in where else SplitRef(first.dataset, where)
    return ThresholdChoice(split, kind, target, store)
