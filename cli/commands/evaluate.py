"""`precordia evaluate`: metrics of models on labelled ECGs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli import options
from cli.following import succeeded
from cli.freezing import frozen
from cli.output import Output
from cli.running import error_form, explain, run_connected
from precordia.catalog import ModelRef
from precordia.client import Connection
from precordia.dataset import SplitRef
from precordia.errors import PrecordiaError, ServiceUnavailable

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)

UNLABELLED = "UNLABELLED"
"""The reason by which an evaluation leaves out records that nobody has labelled; it is no refusal."""

_WHY = "undefined"  # beside figures: why some have no value


@app.command()
def evaluate(
    dataset: Annotated[str, typer.Option("--dataset", metavar="NAME[:SPLIT]", help="Labelled ECGs.")],
    models: Annotated[
        list[str] | None, typer.Option("--model", metavar="NAME[:VERSION|@ALIAS]", help="Give it once for each model.")
    ] = None,
    label_group: Annotated[
        str, typer.Option("--labels-group", "--label-group", help="Group of labels; else the one the model names.")
    ] = "",
    as_json: options.Json = False,
) -> None:
    """Measure models on a labelled dataset: AUROC, F1 and more, overall and by class.

    A metric that cannot be measured (a class without cases) is empty, never 0.

    Example: `precordia evaluate --dataset study:test --model mine --model precordia-superclasses`
    """
    try:
        split, refs = SplitRef.parse(dataset), [ModelRef.parse(model) for model in models or [options.DEFAULT]]
    except PrecordiaError as error:
        raise typer.BadParameter(error.message) from None

    async def work(precordia: Connection, output: Output) -> bool:
        pinned = await frozen(precordia, output, split)
        evaluations: list[Mapping[str, Any]] = []
        refused: list[dict[str, Any]] = []
        for ref in refs:
            try:
                started = await precordia.inference.evaluate(ref, pinned, label_group)
                what = f"Evaluating {ref}"
                evaluations.append((await succeeded(precordia.inference.operations, started, output, what)).result)
            except ServiceUnavailable:
                raise
            except PrecordiaError as error:
                output.refuse(f"{ref}: {explain(error)}")
                refused.append({"model": str(ref), **error_form(error)})
        for evaluation in evaluations:
            _tables(output, evaluation)
            refused += _unscored(output, evaluation)
        output.document({"evaluations": evaluations, "refused": refused})
        return not refused

    run_connected(work, as_json=as_json)


def _tables(output: Output, evaluation: Mapping[str, Any]) -> None:
    output.line(f"{evaluation.get('model')}:{evaluation.get('version')}", "bold")
    output.line(f"{evaluation.get('n')} ECGs of {evaluation.get('patients')} patients")
    unlabelled = evaluation.get("left_out", {}).get(UNLABELLED)
    if unlabelled:
        output.line(f"{unlabelled} ECGs without labels do not count")
    if not evaluation.get("n"):
        output.line()
        return
    metrics: Mapping[str, Any] = evaluation.get("metrics", {})
    rows = [(name, _number(value)) for name, value in metrics.items() if name != _WHY]
    output.table("metrics", ("metric", "#value"), rows)
    per_class: Mapping[str, Mapping[str, Any]] = evaluation.get("per_class", {})
    names = [name for name in dict.fromkeys(name for one in per_class.values() for name in one) if name != _WHY]
    output.line()
    classes = [(label, *(_number(one.get(name)) for name in names)) for label, one in per_class.items()]
    output.table("classes", ("class", *(f"#{name}" for name in names)), classes)
    for name, reason in _undefined(metrics, per_class):
        output.line(f"{name}: {reason}", "dim")
    output.line()


def _undefined(metrics: Mapping[str, Any], per_class: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What has no value, or one without some classes, and why; each reason once."""
    found = list(metrics.get(_WHY, {}).items())
    for label, one in per_class.items():
        found += [(label, reason) for reason in dict.fromkeys(one.get(_WHY, {}).values())]
    return found


def _unscored(output: Output, evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Records that the model could not score, by reason: the figures say nothing of them."""
    model = f"{evaluation.get('model')}:{evaluation.get('version')}"
    refused = []
    for reason, records in evaluation.get("left_out", {}).items():
        if reason != UNLABELLED:
            message = f"{records} ECGs could not be scored and do not count: {reason}."
            output.refuse(f"{model}: {message}")
            refused.append({"model": model, "reason": reason, "message": message, "records": records})
    return refused


def _number(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
