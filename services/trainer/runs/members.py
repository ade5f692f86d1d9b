"""The networks of a model: one, one for each seed, or one for each fold.

They are trained one after the other, each from its last checkpoint in a folder of its own. A
finished one leaves its weights there and is not trained again, whatever happens to the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from services.trainer.job.folder import FINISHED, MEMBERS
from services.trainer.job.workplace import Workplace
from services.trainer.learning.checkpoints import Checkpoint, Checkpoints, prefixed
from services.trainer.learning.loop import Loop, OutOfFold, Run, Trained
from services.trainer.learning.place import Place
from services.trainer.learning.scoring import predict_logits
from services.trainer.networks.ensemble import Ensemble
from services.trainer.planning.plan import TRAIN, VALIDATION, Plan
from services.trainer.planning.recipe import Keep, Recipe
from services.trainer.records.examples import Examples, Rows, draw_validation
from services.trainer.records.materials import Materials
from services.trainer.runs.folds import draw_folds

Builder = Callable[[str | None, int], nn.Module]
"""From a network's name (None = what the plan starts from) and a number of outputs to a network to train."""


@dataclass(frozen=True, eq=False)
class Member:
    """One network of the model: its place among all, its seed and its records.

    Attributes:
        number, count: 1 of 1 for a model of one network.
        fold: from 1; 0 = there are none.
        held_out: records that it must not learn from, to be predicted by it; rows of the training part.
    """

    number: int
    count: int
    seed: int
    train: Examples
    validation: Examples
    fold: int = 0
    held_out: Rows | None = None

    @property
    def said(self) -> dict[str, Any]:
        """What its events say of it; nothing where it is the only one."""
        return {"member": self.number, "members": self.count} if self.count > 1 else {}


def train(plan: Plan, place: Workplace, materials: Materials, build: Builder) -> Trained:
    """Train every network of the plan on the materials; one that is finished or begun is not trained anew.

    Raises:
        InvalidTrainingSpec: fewer patients than folds, or the loss was no number any more.
        Stopped: the job was asked to stop; the last checkpoints stand.
    """
    members = _members(plan, materials)
    place.enter("training")
    trained = [_trained(member, plan, place, materials, build) for member in members]
    if len(trained) == 1:
        return trained[0]
    out_of_fold = _out_of_fold(members, trained, materials) if plan.recipe.folds else None
    rows = [_summary(member, done) for member, done in zip(members, trained, strict=True)]
    network = Ensemble([done.network for done in trained]).eval()
    return replace(trained[0], network=network, members=tuple(rows), out_of_fold=out_of_fold)


def _members(plan: Plan, materials: Materials) -> list[Member]:
    whole, count = materials.parts[TRAIN], plan.recipe.count
    if not plan.recipe.folds:
        seeds = [_seed(plan.seed, number) for number in range(count)]
        return [
            Member(number, count, seed, whole, materials.parts[VALIDATION])
            for number, seed in enumerate(seeds, start=1)
        ]
    fold_of_row = draw_folds(whole.y, whole.patients, count, seed=plan.seed)
    return [_fold(fold, fold_of_row, plan, materials) for fold in range(count)]


def _fold(fold: int, fold_of_row: Rows, plan: Plan, materials: Materials) -> Member:
    """A fold's network. What chooses its weights is never the part that judges them."""
    whole, held_out = materials.parts[TRAIN], np.flatnonzero(fold_of_row == fold)
    training, seed = whole.only(np.flatnonzero(fold_of_row != fold)), _seed(plan.seed, fold)
    validation = materials.parts.get(VALIDATION)
    if validation is None and _selects(plan.recipe):
        share = plan.recipe.validation_fraction
        rows, chosen = draw_validation(training.y, training.patients, fraction=share, seed=seed)
        training, validation = training.only(rows), training.only(chosen)
    if validation is None:
        validation = whole.only(held_out)
    return Member(fold + 1, plan.recipe.count, seed, training, validation, fold + 1, held_out)


def _selects(recipe: Recipe) -> bool:
    return recipe.keep is not Keep.LAST or bool(recipe.patience)


def _seed(seed: int, number: int) -> int:
    """The first network has the plan's own seed, so that one network is the same alone or among others."""
    return seed if number == 0 else int(np.random.SeedSequence([seed, 6, number]).generate_state(1)[0])


def _trained(member: Member, plan: Plan, place: Workplace, materials: Materials, build: Builder) -> Trained:
    """A member's network, from its finished weights, its checkpoint or the beginning."""
    further = sum(len(labels) for labels in materials.auxiliary.values())
    run = Run(
        build=lambda: build(None, len(plan.labels) + further),
        recipe=plan.recipe,
        task=materials.task,
        labels=plan.labels,
        train=member.train,
        validation=member.validation,
        rate_hz=plan.input.rate_hz,
        seed=member.seed,
        digest=f"{plan.digest()} {member.number}/{member.count}" if member.said else plan.digest(),
        device="cuda" if torch.cuda.is_available() else "cpu",
        trainable=plan.trainable,
        aggregation=plan.manifest(materials.task).windows.aggregation,
    )
    folder = member_folder(place.folder, member.number) if member.said else place.folder
    folder.mkdir(parents=True, exist_ok=True)
    finished = Checkpoints(folder, FINISHED)
    done = finished.load(run.digest) if member.said else None
    if done is not None:
        place.catch_up([row | member.said for row in done.facts["history"]])
        return _again(done, run)
    which = f" Network {member.number} of {member.count}." if member.said else ""
    place.tell(f"Training {plan.starts_from} on {run.device} with {plan.threads} threads.{which}")
    trained = _run(run, folder, place, member)
    if member.said and Place.here().leads:
        finished.save(_kept(run, trained))
        Checkpoints(folder).remove()
    return trained


def _run(run: Run, folder: Path, place: Workplace, member: Member) -> Trained:
    checkpoints = Checkpoints(folder)
    found = checkpoints.load(run.digest)
    if found is not None:
        place.catch_up([row | member.said for row in found.facts["history"]])

    def report(kind: str, payload: Mapping[str, Any]) -> None:
        place.report(kind, {**payload, **member.said} if kind in ("epoch", "range_test") else payload)

    return Loop(run, place=Place.here(), checkpoints=checkpoints, report=report, should_stop=place.should_stop).train()


def member_folder(folder: Path, number: int) -> Path:
    """Where a member keeps its checkpoint and its finished weights."""
    return folder / MEMBERS / str(number)


def _kept(run: Run, trained: Trained) -> Checkpoint:
    facts = {
        "history": list(trained.history),
        "kept_epoch": trained.kept_epoch,
        "learning_rate": trained.learning_rate,
        "range_test": trained.range_test,
    }
    return Checkpoint(run.digest, len(trained.history), facts, prefixed("kept", trained.network.state_dict()))


def _again(done: Checkpoint, run: Run) -> Trained:
    network = run.build()
    # laid out as after training: sums over other layouts differ in their last bits
    network.to(run.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    network.load_state_dict(done.part("kept"))
    facts = done.facts
    history, rate = tuple(facts["history"]), float(facts["learning_rate"])
    return Trained(network.eval(), history, int(facts["kept_epoch"]), rate, facts["range_test"])


def _out_of_fold(members: Sequence[Member], trained: Sequence[Trained], materials: Materials) -> OutOfFold:
    """What each fold's network says of the records that it never saw, window by window."""
    whole = materials.parts[TRAIN]
    logits: NDArray[np.float64] = np.full((len(whole.x), whole.y.shape[1]), np.nan)
    for member, done in zip(members, trained, strict=True):
        assert member.held_out is not None
        windows = np.isin(whole.record, member.held_out)
        logits[windows] = predict_logits(done.network, whole.only(member.held_out), whole.y.shape[1])
    return OutOfFold(whole, logits)


def _summary(member: Member, trained: Trained) -> dict[str, Any]:
    """A row of the report's table of networks."""
    return {
        "member": member.number,
        "seed": member.seed,
        "fold": member.fold or None,
        "records": len(member.train),
        "held_out": None if member.held_out is None else len(member.held_out),
        "epochs": len(trained.history),
        "kept_epoch": trained.kept_epoch,
        "learning_rate": trained.learning_rate,
        "range_test": trained.range_test,
        "history": [dict(row) for row in trained.history],
    }
