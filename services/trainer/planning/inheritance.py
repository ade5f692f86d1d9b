"""What a fine-tuned model takes over from its base's contract, and where a request may depart from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from precordia.errors import InvalidTrainingSpec
from precordia.leads import derive_limb_leads, parse_leads
from precordia.manifest import InputSpec
from precordia.steps import Step
from precordia.training import TrainingSpec
from services.trainer.planning.bases import PinnedBase

_EINTHOVEN = ("I", "II", "III")
_HIGHEST_SHARE = 0.4
"""Of the rate, for a filter that comes after the signal was brought to it."""
_UPPER_EDGE = {"band_pass": "high_hz", "low_pass": "cutoff_hz"}


def inherited(spec: TrainingSpec, base: PinnedBase, told: list[str]) -> tuple[InputSpec, tuple[Step, ...]]:
    """Input and conditioning of a model that starts from `base`: the base's, changed where asked for and possible.

    Raises:
        InvalidTrainingSpec: the base cannot take what is asked for; the message says what to do.
    """
    _check_leads(spec.leads, base, told)
    grid = _grid(spec, base, told)
    steps = spec.conditioning or _regridded(base.contract.steps, grid, base.contract.input)
    if steps != base.contract.steps and spec.conditioning:
        told.append(f"The base {base.ref} learnt from otherwise conditioned ECGs; all layers should learn then.")
    return replace(grid, name="ecg"), steps


def derivable(present: Sequence[str]) -> tuple[str, ...]:
    """Limb leads that follow from those present."""
    return tuple(derive_limb_leads({lead: np.zeros(0) for lead in _EINTHOVEN if lead in present}))


def _check_leads(asked: Sequence[str], base: PinnedBase, told: list[str]) -> None:
    """Leads that are asked for have to give all of the base's, by themselves or by computation."""
    leads = base.contract.input.leads
    wanted = parse_leads(tuple(asked))
    if not wanted or wanted == leads:
        return
    strange = [lead for lead in wanted if lead not in leads]
    absent = [lead for lead in leads if lead not in wanted]
    lost = [lead for lead in absent if lead not in derivable(wanted)]
    if strange or lost:
        why = f"{strange[0]} is none of them" if strange else f"without {', '.join(lost)} it cannot be fine-tuned"
        raise InvalidTrainingSpec(
            f"The base takes {_named(leads)}; {why}. Leave the leads out, choose a base with these leads, or train "
            "from scratch.",
            field="leads",
        )
    if absent:
        told.append(
            f"The base takes {_named(leads)}; {', '.join(absent)} are computed from the others, so ECGs with "
            f"{', '.join(wanted)} suffice."
        )
    else:
        told.append(f"The leads are in the order of the base: {', '.join(leads)}.")


def _named(leads: Sequence[str]) -> str:
    return f"{len(leads)} leads ({', '.join(leads)})" if len(leads) > 1 else f"lead {leads[0]} alone"


def _grid(spec: TrainingSpec, base: PinnedBase, told: list[str]) -> InputSpec:
    own = base.contract.input
    grid = replace(own, rate_hz=spec.sample_rate_hz or own.rate_hz, duration_s=spec.duration_s or own.duration_s)
    if (grid.rate_hz, grid.duration_s) == (own.rate_hz, own.duration_s):
        return grid
    if not base.network and grid.samples != own.samples:
        raise InvalidTrainingSpec(
            f"The base takes {own.samples} samples a lead ({own.duration_s:g} s at {own.rate_hz:g} Hz), and its graph "
            f"is made for that; {grid.duration_s:g} s at {grid.rate_hz:g} Hz are {grid.samples}. Leave rate and "
            "duration out, or train a network from scratch.",
            field="sample_rate_hz" if grid.rate_hz != own.rate_hz else "duration_s",
        )
    if grid.rate_hz != own.rate_hz:
        told.append(
            f"The base learnt at {own.rate_hz:g} Hz; at {grid.rate_hz:g} Hz its filters span another time, so all "
            "layers should learn."
        )
    if grid.duration_s != own.duration_s:
        told.append(f"The base learnt from {own.duration_s:g} s; this model takes {grid.duration_s:g} s.")
    return grid


def _regridded(steps: Sequence[Step], grid: InputSpec, own: InputSpec) -> tuple[Step, ...]:
    """The base's steps on another grid: resampled and cut to it, bands kept below half the rate."""
    if (grid.rate_hz, grid.duration_s) == (own.rate_hz, own.duration_s):
        return tuple(steps)
    changed, resampled = [], False
    for step in steps:
        if "rate_hz" in step.parameters:
            step, resampled = _with(step, "rate_hz", grid.rate_hz), True
        elif "duration_s" in step.parameters:
            step = _with(step, "duration_s", grid.duration_s)
        elif resampled and (edge := _UPPER_EDGE.get(step.name)):
            step = _with(step, edge, min(step.number(edge), _HIGHEST_SHARE * grid.rate_hz))
        changed.append(step)
    return tuple(changed)


def _with(step: Step, name: str, value: float) -> Step:
    return Step(step.name, step.version, {**step.parameters, name: value})
