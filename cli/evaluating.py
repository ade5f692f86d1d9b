"""An evaluation from wish to files: followed, shown, written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.evaluation_tables import figures_csv, show, show_comparisons, show_summary, unscored
from cli.following import succeeded
from cli.freezing import frozen
from cli.output import Output
from cli.prediction_table import scored_csv
from cli.running import error_form, explain
from cli.writing import written
from precordia.catalog import ModelRef
from precordia.client import Connection
from precordia.errors import NotFound, PrecordiaError, ServiceUnavailable
from precordia.evaluation import EvaluationWish, evaluations_of
from precordia.report import evaluation_page


@dataclass(frozen=True)
class Files:
    """Where to write what; None = nowhere."""

    report: Path | None = None
    figures: Path | None = None
    predictions: Path | None = None


async def evaluate_models(precordia: Connection, output: Output, wish: EvaluationWish, files: Files) -> bool:
    """Measure what can be measured. False = something was refused, and the document says what."""
    wish = await _pinned(precordia, output, wish)
    models, refused = await _there(precordia, output, wish)
    result: Mapping[str, Any] = {"evaluations": []}
    job = ""
    if models:
        try:
            started = await precordia.inference.evaluate_all(replace(wish, models=models))
            job = started.operation_id
            result = (await succeeded(precordia.inference.operations, started, output, "Evaluating")).result
        except ServiceUnavailable:
            raise
        except PrecordiaError as error:
            names = ", ".join(map(str, models))
            output.refuse(f"{names}: {explain(error)}")
            refused.append({"model": names, **error_form(error)})
    evaluations = evaluations_of(result)
    for evaluation in evaluations:
        show(output, evaluation, several=len(wish.splits) > 1)
        refused += unscored(output, evaluation)
    show_comparisons(output, result.get("comparisons", ()))
    show_summary(output, result.get("over_datasets", {}))
    document: dict[str, Any] = {"evaluations": list(evaluations), "refused": refused, "job": job}
    document |= {name: result[name] for name in ("comparisons", "over_datasets", "stored_thresholds") if name in result}
    if evaluations:
        document["written"] = await _write(precordia, output, files, result, job)
    output.document(document)
    return not refused


async def _pinned(precordia: Connection, output: Output, wish: EvaluationWish) -> EvaluationWish:
    """Every split at its newest snapshot; where a dataset has none, one is made."""
    splits = tuple([await frozen(precordia, output, split) for split in wish.splits])
    choice = wish.thresholds
    if choice is not None:
        choice = replace(choice, split=await frozen(precordia, output, choice.split))
    return replace(wish, splits=splits, thresholds=choice)


async def _there(
    precordia: Connection, output: Output, wish: EvaluationWish
) -> tuple[tuple[ModelRef, ...], list[dict[str, Any]]]:
    """The models that there are; the others are refused, and the rest is measured all the same."""
    models: list[ModelRef] = []
    refused: list[dict[str, Any]] = []
    for ref in wish.models:
        try:
            await precordia.registry.get(ref)
            models.append(ref)
        except NotFound as error:
            output.refuse(f"{ref}: {explain(error)}")
            refused.append({"model": str(ref), **error_form(error)})
    return tuple(models), refused


async def _write(
    precordia: Connection, output: Output, files: Files, result: Mapping[str, Any], job: str
) -> list[dict[str, Any]]:
    entries = []
    if files.report is not None:
        made_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        entries.append(written(files.report, evaluation_page([result], made_at).encode()))
        output.line(f"The report is {files.report}.")
    if files.figures is not None:
        entries.append(written(files.figures, figures_csv(evaluations_of(result))))
        output.line(f"The figures are in {files.figures}.")
    if files.predictions is not None:
        scored = [one async for one in precordia.inference.scored(job)]
        entries.append(written(files.predictions, scored_csv(scored)))
        output.line(f"{len(scored)} predictions are in {files.predictions}.")
    return entries
