"""The search that the base "auto" asks for: several networks trained shortly, the best one trained in full.

All learn from the same records and are judged on the same validation part, which the test part has
nothing to do with. The winner's validation figures are a little better than they will be elsewhere,
as they are the best of several; the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from precordia.errors import InvalidTrainingSpec
from precordia.manifest import Task
from services.trainer.job.folder import SEARCH
from services.trainer.job.workplace import Workplace
from services.trainer.networks.foundation import lay
from services.trainer.planning.plan import TRAIN, Plan
from services.trainer.planning.recipe import Recipe
from services.trainer.records.examples import Examples
from services.trainer.records.materials import gather
from services.trainer.runs.members import train

TIE = 0.001
"""Figures that differ by less than this share are equal: the smaller network is taken."""


@dataclass(frozen=True)
class Chosen:
    """What a search found: the plan to carry out, where, and the report's table."""

    plan: Plan
    place: Workplace
    table: Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """One network's short training.

    Attributes:
        goodness: what is compared, the more the better; None = not tried, or not measurable.
        row: of the table.
    """

    plan: Plan
    parameters: int
    goodness: float | None
    row: Mapping[str, Any]


async def choose(plan: Plan, place: Workplace) -> Chosen:
    """Try every network of the plan and take the best by macro AUROC, or by mean absolute error.

    Each trial keeps checkpoints in a folder of its own, so that one that is over is not made again.

    Raises:
        InvalidTrainingSpec: no network could be tried.
        Stopped: the job was asked to stop.
    """
    runs = len(plan.candidates) + plan.recipe.count
    trials = [
        await _tried(candidate, _among(place, candidate, number, runs))
        for number, candidate in enumerate(plan.candidates)
    ]
    best = best_of(trials)
    epochs = short(best.plan.recipe).max_epochs
    place.tell(f"{best.plan.network} is the best of {len(trials)} after {epochs} epochs, and is trained now.")
    table = {
        "chosen": best.plan.network,
        "epochs": epochs,
        "rule": f"highest macro AUROC, or lowest mean absolute error, on validation; within {TIE:.1%} the smaller",
        "tried": [dict(trial.row) for trial in trials],
    }
    own = _among(place, best.plan, len(plan.candidates), runs)
    if short(best.plan.recipe) == best.plan.recipe:
        own = replace(own, folder=_folder(place, best.plan))  # its trial was the whole training
    return Chosen(best.plan, own, table)


def short(recipe: Recipe) -> Recipe:
    """The recipe of a trial: one network, at most `search_epochs` long."""
    epochs = min(recipe.search_epochs or recipe.max_epochs, recipe.max_epochs)
    return replace(recipe, max_epochs=epochs, folds=0, members=1)


def best_of(trials: Sequence[Trial]) -> Trial:
    """The best trial, or the smallest of those that are as good.

    Raises:
        InvalidTrainingSpec: none could be measured.
    """
    measured = [(trial.goodness, trial) for trial in trials if trial.goodness is not None]
    if not measured:
        raise InvalidTrainingSpec("None of the networks could be tried; name one as the base.", field="base")
    highest = max(goodness for goodness, _ in measured)
    as_good = [trial for goodness, trial in measured if goodness >= highest - TIE * abs(highest)]
    return min(as_good, key=lambda trial: trial.parameters)


async def _tried(candidate: Plan, place: Workplace) -> Trial:
    plan = replace(candidate, recipe=short(candidate.recipe))
    materials = await gather(plan, place)
    if knows_nobody(plan, materials.parts[TRAIN]):
        return _left_out(candidate, place, "the records say neither age nor sex")
    foundation = await lay(plan, place)
    own = replace(place, folder=_folder(place, plan))
    own.folder.mkdir(parents=True, exist_ok=True)
    try:
        trained = train(plan, own, materials, foundation.builder(materials, place.tell))
    except InvalidTrainingSpec as error:
        return _left_out(candidate, place, error.message)
    figures = trained.history[trained.kept_epoch - 1]
    parameters = sum(parameter.numel() for parameter in trained.network.parameters())
    name, goodness = judged(materials.task, figures)
    said = "not measurable" if goodness is None else f"{name} {abs(goodness):.4f}"
    place.tell(f"{plan.network}: {said} on validation after {len(trained.history)} epochs.")
    kept = {key: value for key, value in figures.items() if key not in ("epoch", "epochs")}
    row = {"network": plan.network, "parameters": parameters, "epochs": len(trained.history), **kept}
    return Trial(candidate, parameters, goodness, row)


def judged(task: Task, figures: Mapping[str, Any]) -> tuple[str, float | None]:
    """Which figure of an epoch counts, and how good it is: the more the better."""
    if task is Task.REGRESSION:
        error = figures.get("mae_macro")
        return "mean absolute error", None if error is None else -float(error)
    area = figures.get("auroc_macro")
    return "macro AUROC", None if area is None else float(area)


def knows_nobody(plan: Plan, part: Examples) -> bool:
    """Whether the network wants age and sex, and no record has either."""
    if plan.co_inputs is None or part.beside is None:
        return False
    nobody = np.array(plan.co_inputs.row(None, None), dtype=np.float32)
    return bool((part.beside == nobody).all())


def _left_out(candidate: Plan, place: Workplace, reason: str) -> Trial:
    place.tell(f"{candidate.network} is left out: {reason}")
    return Trial(candidate, 0, None, {"network": candidate.network, "left_out": reason})


def _folder(place: Workplace, plan: Plan) -> Path:
    return place.folder / SEARCH / plan.network


def _among(place: Workplace, plan: Plan, before: int, runs: int) -> Workplace:
    """The place with epochs numbered among all runs of the job."""

    def numbered(payload: Mapping[str, Any]) -> dict[str, Any]:
        more = {"member": before + int(payload.get("member", 1)), "members": runs, "network": plan.network}
        return {**payload, **more}

    def report(kind: str, payload: Mapping[str, Any]) -> None:
        place.report(kind, numbered(payload) if kind in ("epoch", "range_test") else payload)

    def catch_up(rows: Sequence[Mapping[str, Any]]) -> None:
        place.catch_up([numbered(row) for row in rows])

    return replace(place, report=report, catch_up=catch_up)
