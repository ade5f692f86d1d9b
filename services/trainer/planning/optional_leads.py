"""Leads that a model will do without: only where it learns to, by lead dropout in its training."""

from __future__ import annotations

from dataclasses import replace

from precordia.errors import InvalidTrainingSpec
from precordia.leads import parse_leads
from precordia.manifest import InputSpec
from precordia.training import Method, TrainingSpec
from services.trainer.planning.bases import PinnedBase
from services.trainer.planning.recipe import Recipe


def with_optional_leads(
    grid: InputSpec, spec: TrainingSpec, chosen: Recipe, base: PinnedBase | None, told: list[str]
) -> InputSpec:
    """The input with the optional leads that were asked for, else with the base's.

    Raises:
        InvalidTrainingSpec: the model would not learn to do without them; the message says what to do.
    """
    known = base.contract.input.optional_leads if base and base.contract.input.leads == grid.leads else ()
    asked = parse_leads(spec.optional_leads)
    _check(asked, known, grid, spec.method)
    leads = asked or known
    if not leads or chosen.lead_dropout:
        return replace(grid, optional_leads=leads)
    if asked:
        raise InvalidTrainingSpec(
            f"The recipe '{chosen.name}' silences no leads in training here, so the model would not learn to do "
            f"without {', '.join(asked)}. Let it (--set lead_dropout=0.1), or leave the optional leads out.",
            field="optional_leads",
        )
    told.append(
        f"The base does without {', '.join(known)}; trained on without lead dropout, this model may not: it needs them."
    )
    return replace(grid, optional_leads=())


def _check(asked: tuple[str, ...], known: tuple[str, ...], grid: InputSpec, method: Method) -> None:
    strange = [lead for lead in asked if lead not in grid.leads]
    if strange:
        raise InvalidTrainingSpec(
            f"Lead {strange[0]} is to be optional, and the model does not take it.", field="optional_leads"
        )
    if asked and len(asked) == len(grid.leads):
        raise InvalidTrainingSpec(
            "One lead at least is not optional: an ECG without any has nothing to score.", field="optional_leads"
        )
    new = [lead for lead in asked if lead not in known]
    if method is Method.HEAD and new:
        raise InvalidTrainingSpec(
            f"Only the head learns, and the base never learnt to do without {', '.join(new)}. Let all layers learn "
            "(--method all), or leave these leads out of the optional ones.",
            field="optional_leads",
        )
