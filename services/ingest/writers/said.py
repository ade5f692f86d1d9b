"""How writers spell what was done to a signal."""

from __future__ import annotations

from collections.abc import Sequence

from precordia.steps import Step


def spell_steps(steps: Sequence[Step]) -> str:
    """Steps with their parameters on one line: `band_pass high_hz=150 low_hz=0.05 order=2; z_score by=lead`."""
    return "; ".join(_spelled(step) for step in steps)


def _spelled(step: Step) -> str:
    values = (f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in _sorted(step))
    return " ".join([step.name, *values])


def _sorted(step: Step) -> list[tuple[str, float | str]]:
    return sorted(step.parameters.items())


def passed_band(steps: Sequence[Step]) -> tuple[float | None, float | None]:
    """Lower and upper edge in Hz of the filters among the steps; None where no filter set one."""
    low = [step.number(name) for step in steps for name in ("low_hz",) if name in step.parameters]
    low += [step.number("cutoff_hz") for step in steps if step.name == "high_pass"]
    high = [step.number(name) for step in steps for name in ("high_hz",) if name in step.parameters]
    high += [step.number("cutoff_hz") for step in steps if step.name == "low_pass"]
    return max(low, default=None), min(high, default=None)
