"""What is still to be done to a signal that already went through some steps.

No step is applied twice. A filter of the same kind with another band is another step: the model's own
runs as well, unless what it would remove is gone already. A standardisation that came before a step
that it should have followed is renewed: z-score and min-max do not depend on what offset and scale
came in, so the result is what the raw signal would have given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from precordia.errors import ConditioningConflict
from precordia.manifest import Manifest
from precordia.record import Remark, Unit
from precordia.steps import Step

GRID_STEPS = ("resample", "scipy.signal.resample", "crop_or_pad")
"""Steps about rate and length: whether they are still to be done shows in the signal itself."""


@dataclass(frozen=True)
class Pending:
    """Steps to run, in order. `kept` are standardisations the signal came with: run only when renewed."""

    steps: tuple[Step, ...]
    kept: frozenset[int]
    """Indices in `steps` of standardisations that need no run if nothing before them changes samples."""
    remarks: tuple[Remark, ...] = ()


def is_standardised(unit: Unit, applied: Sequence[Step]) -> bool:
    """Whether the signal lost its physical unit."""
    return unit is Unit.STANDARDISED or any(step.kind.removes_unit for step in applied)


def pending(manifest: Manifest, unit: Unit, applied: Sequence[Step]) -> Pending:
    """Reconcile a manifest's steps with a signal's history.

    Raises:
        ConditioningConflict: the signal is standardised and the model takes a physical unit, the
            other way round, or both are standardised in different ways.
    """
    standardised = is_standardised(unit, applied)
    _check_standardisation(manifest, standardised, applied)
    done = {step.name: step for step in applied}
    steps: list[Step] = []
    kept: set[int] = set()
    remarks = [_foreign(step) for step in applied if not _asked_for(step, manifest.steps)]
    for step in manifest.steps:
        if step.kind.removes_unit and standardised:
            kept.add(len(steps))
        elif step.name in done and step.name not in GRID_STEPS:
            settled = _settles(done[step.name], step)
            if done[step.name] != step:
                remarks.append(_other_parameters(step, done[step.name], settled))
            if settled:
                continue
        if step.name == "clip" and standardised and _before_standardisation(step, manifest.steps):
            raise ConditioningConflict(
                "The model clips before it standardises, and the signal came standardised; "
                "send it in millivolts or microvolts.",
                step="clip",
            )
        steps.append(step)
    return Pending(tuple(steps), frozenset(kept), tuple(remarks))


def _check_standardisation(manifest: Manifest, standardised: bool, applied: Sequence[Step]) -> None:
    wanted = [step for step in manifest.steps if step.kind.removes_unit]
    had = [step for step in applied if step.kind.removes_unit]
    takes_standardised = manifest.input.unit is Unit.STANDARDISED
    if takes_standardised and not standardised:
        raise ConditioningConflict(
            "The model takes signals that are already standardised, and this one has a physical unit.",
            step="z_score",
        )
    if not standardised or takes_standardised:
        return
    if not wanted:
        raise ConditioningConflict(
            f"The model takes {manifest.input.unit.value}, and the signal came standardised, without a unit. "
            "Send the original recording.",
            step=had[-1].name if had else "z_score",
        )
    if had and had[-1] != wanted[0]:
        raise ConditioningConflict(
            f"The signal was standardised by {_said(had[-1])}, and the model needs {_said(wanted[0])}. "
            "Send the original recording.",
            step=wanted[0].name,
        )


def _before_standardisation(step: Step, steps: Sequence[Step]) -> bool:
    return any(later.kind.removes_unit for later in steps[steps.index(step) + 1 :])


def _asked_for(step: Step, steps: Sequence[Step]) -> bool:
    return step.name in GRID_STEPS or any(step.name == wanted.name for wanted in steps)


def _said(step: Step) -> str:
    values = ", ".join(f"{name} {value}" for name, value in sorted(step.parameters.items()))
    return f"{step.name} ({values})" if values else step.name


def _foreign(step: Step) -> Remark:
    return Remark("step_not_in_model", f"The signal came with {_said(step)}, which the model does not ask for.")


def _settles(done: Step, wanted: Step) -> bool:
    """Whether nothing is left for `wanted` to do once `done` was done."""
    if wanted.name == "band_pass":
        return done.number("low_hz") >= wanted.number("low_hz") and done.number("high_hz") <= wanted.number("high_hz")
    if wanted.name == "high_pass":
        return done.number("cutoff_hz") >= wanted.number("cutoff_hz")
    if wanted.name == "low_pass":
        return done.number("cutoff_hz") <= wanted.number("cutoff_hz")
    return done == wanted


def _other_parameters(wanted: Step, done: Step, settled: bool) -> Remark:
    outcome = "That was left as it is." if settled else "The model's own was applied as well."
    return Remark(
        "step_parameters_differ",
        f"The signal came with {_said(done)}; the model asks for {_said(wanted)}. {outcome}",
    )
