"""What a dataset's own counts say against a run, before a sample is read: refusals and warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from precordia.dataset import Snapshot, SplitFacts
from precordia.errors import InvalidTrainingSpec
from precordia.manifest import Task
from services.trainer.planning.inheritance import derivable
from services.trainer.planning.targets import FEWEST_PATIENTS, TRAIN, VALIDATION, facts_of

if TYPE_CHECKING:
    from services.trainer.planning.plan import Plan

_LONGEST_LIST = 8


def check_data(plan: Plan, snapshots: Mapping[str, Snapshot]) -> list[str]:
    """Refuse a run that its data do not allow; what is merely doubtful is returned as sentences for the user.

    A snapshot from before these counts were made says nothing here; the worker finds out then.

    Raises:
        InvalidTrainingSpec: the message says what is missing and what to do.
    """
    told: list[str] = []
    training = facts_of(snapshots[TRAIN], plan.splits[TRAIN].split)
    if training is not None:
        _check_patients(plan, training)
    for role, pinned in plan.splits.items():
        facts = facts_of(snapshots[role], pinned.split)
        if facts is not None:
            _check_leads(plan, role, facts, told)
            _check_targets(plan, role, facts, told)
    return told


def _check_patients(plan: Plan, facts: SplitFacts) -> None:
    folds = plan.recipe.folds
    if folds and facts.patients < folds:
        raise InvalidTrainingSpec(
            f"{folds} folds need {folds} patients at least; the training part has {facts.patients}. Ask for fewer "
            "folds, or add patients.",
            field="folds",
        )
    if VALIDATION not in plan.splits and facts.patients < FEWEST_PATIENTS:
        raise InvalidTrainingSpec(
            f"Validation is drawn by patient, and the training part has {facts.patients} only; add patients, or name "
            "a validation split.",
            field="validation",
        )


def _check_leads(plan: Plan, role: str, facts: SplitFacts, told: list[str]) -> None:
    """Every record of a part without a lead that the model needs would be left out; all of them is a refusal."""
    optional = plan.input.optional_leads
    _check_optional_leads(plan, role, facts, told)
    needed = tuple(lead for lead in plan.input.leads if lead not in optional)
    lost: dict[tuple[str, ...], int] = {}
    for present, records in facts.lead_sets:
        absent = tuple(lead for lead in needed if lead not in (*present, *derivable(present)))
        if absent:
            lost[absent] = lost.get(absent, 0) + records
    count = sum(lost.values())
    if not count:
        return
    absent = max(lost, key=lambda leads: lost[leads])
    named = ", ".join(absent)
    if count < facts.records:
        told.append(f"{count} of {facts.records} records of the {role} part lack leads ({named}) and are left out.")
        return
    who = f"The base {plan.base.ref}" if plan.base else "The model"
    remedy = "choose a base with fewer leads, or train from scratch" if plan.base else "ask for fewer leads"
    raise InvalidTrainingSpec(
        f"{who} takes {len(plan.input.leads)} leads; no record of the {role} part has {named}. Give ECGs with all its "
        f"leads, or {remedy} (--leads).",
        field="leads",
    )


def _check_optional_leads(plan: Plan, role: str, facts: SplitFacts, told: list[str]) -> None:
    """Records without an optional lead are taken; but from no record that has it nothing is learnt of it."""
    for lead in plan.input.optional_leads:
        sets = facts.lead_sets
        lacking = sum(records for present, records in sets if lead not in (*present, *derivable(present)))
        if role == TRAIN and lacking == facts.records and plan.base is None:
            raise InvalidTrainingSpec(
                f"No record of the training part has {lead}: the model would not learn what it shows. Leave it out of "
                "the model's leads (--leads).",
                field="optional_leads",
            )
        if lacking:
            told.append(f"{lacking} of {facts.records} records of the {role} part lack {lead}; zeros stand for it.")


def _check_targets(plan: Plan, role: str, facts: SplitFacts, told: list[str]) -> None:
    if plan.task is Task.REGRESSION:
        for label in plan.labels:
            _check_number(label, role, facts, told)
    else:
        _check_classes(plan, role, facts, told)


def _check_number(label: str, role: str, facts: SplitFacts, told: list[str]) -> None:
    known = facts.number(label)
    if known is None:
        columns = ", ".join(column.name for column in facts.numeric[:_LONGEST_LIST]) or "none"
        raise InvalidTrainingSpec(
            f"No record of the {role} part has a number in the column '{label[:64]}'; empty cells and NaN are no "
            f"numbers. Numeric columns there: {columns}.",
            field="labels",
        )
    if role == TRAIN and known.lowest == known.highest:
        raise InvalidTrainingSpec(
            f"Every record of the training part has the same value of '{label[:64]}' ({known.lowest:g}): there is "
            "nothing to learn.",
            field="labels",
        )
    if known.records < facts.records:
        missing = facts.records - known.records
        told.append(f"{missing} of {facts.records} records of the {role} part have no number in '{label}'.")


def _check_classes(plan: Plan, role: str, facts: SplitFacts, told: list[str]) -> None:
    group = facts.group(plan.label_group)
    if group is None or not group.records:
        raise InvalidTrainingSpec(
            f"No record of the {role} part has labels of the group '{plan.label_group}'; check that the label table "
            "names these recordings, and import it again.",
            field="label_group" if role == TRAIN else role,
        )
    if role != TRAIN:
        return
    fewest = FEWEST_PATIENTS if VALIDATION not in plan.splits else 1
    rare = [label for label in plan.labels if group.patients_with(label) < fewest]
    if rare:
        raise InvalidTrainingSpec(
            f"The label '{rare[0][:64]}' is that of {_patients(group.patients_with(rare[0]))} of the training part; "
            f"{fewest} are needed, one to train on and one to validate with. Leave it out (--labels), or add "
            "patients who have it.",
            field="labels",
        )
    constant = [label for label in plan.labels if group.records_with(label) == group.records]
    if len(plan.labels) == len(constant) or (plan.task is Task.MULTICLASS and len(plan.labels) < 2):
        raise InvalidTrainingSpec(
            f"Every labelled record of the training part is '{_listed(plan.labels)}': with one class there is nothing "
            "to tell apart. Add records without it, or choose other labels.",
            field="labels",
        )
    if constant:
        told.append(f"Every labelled record of the training part has {_listed(constant)}: nothing is learnt of it.")


def shared_patients(keys: Mapping[str, NDArray[np.bytes_]]) -> list[str]:
    """A warning for each further part that holds patients of the training part.

    `keys` are the patients of each part's records, by role; b"" is nobody known.
    """
    known = {role: np.unique(found[found != b""]) for role, found in keys.items()}
    common = {role: len(np.intersect1d(known[TRAIN], theirs, assume_unique=True)) for role, theirs in known.items()}
    return [
        f"{count} patients of the {role} part are in the training part too: its figures will be better than those on "
        "new patients. Split by patient for honest ones."
        for role, count in common.items()
        if role != TRAIN and count
    ]


def _patients(count: int) -> str:
    return f"{count} patient" if count == 1 else f"{count} patients"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LONGEST_LIST]) + (" ..." if len(names) > _LONGEST_LIST else "")
