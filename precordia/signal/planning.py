"""From a manifest and what is known of a signal to the stages that condition it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from precordia.errors import InvalidManifest
from precordia.manifest import Manifest
from precordia.record import Remark, Unit
from precordia.signal import filters, stages
from precordia.signal.history import Pending, is_standardised, pending
from precordia.steps import Step

_FILTERS = ("notch", "band_pass", "high_pass", "low_pass")
_RESAMPLERS = ("resample", "scipy.signal.resample")
_FLAT_BELOW = {Unit.MILLIVOLT: 1e-5, Unit.MICROVOLT: 1e-2, Unit.STANDARDISED: 1e-5}
"""Deviations up to this are rounding (a hundredth of a microvolt): such a lead is flat."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Stages in order, the steps they stand for, and what is to be said about them."""

    stages: tuple[stages.Stage, ...]
    steps: tuple[Step, ...]
    remarks: tuple[Remark, ...]


class _Planner:
    """Walks over the pending steps, keeping track of rate and of whether samples changed."""

    def __init__(self, manifest: Manifest, sample_rate_hz: float, unit: Unit, todo: Pending) -> None:
        self.manifest = manifest
        self.rate_hz = sample_rate_hz
        self.todo = todo
        self.flat_below = _FLAT_BELOW[unit]
        self.last_resample = _last(todo.steps, _RESAMPLERS)
        self.last_crop = _last(todo.steps, ("crop_or_pad",))
        self.changed = False
        self.is_cut = False
        self.stages: list[stages.Stage] = []
        self.steps: list[Step] = []
        self.remarks = list(todo.remarks)

    def plan(self) -> Plan:
        for index, step in enumerate(self.todo.steps):
            if step.kind.removes_unit:
                self._fit_grid(index)
                if index in self.todo.kept and not self.changed:
                    continue
            self._add(index, step)
        self._fit_grid(len(self.todo.steps))
        return Plan(tuple(self.stages), tuple(self.steps), tuple(self.remarks))

    def _add(self, index: int, step: Step) -> None:
        if step.name in _FILTERS:
            self._filter(step)
        elif step.name in _RESAMPLERS:
            self._resample(step)
        elif step.name == "crop_or_pad":
            self._crop_or_pad(index, step)
        else:
            self._append(step, self._elementary(step))
        if index in self.todo.kept:
            said = f"Step {step.name} was renewed, because a step that stands before it was still to do."
            self.remarks.append(Remark("standardised_again", said))

    def _append(self, step: Step, stage: stages.Stage) -> None:
        self.stages.append(stage)
        self.steps.append(step)
        self.changed = True

    def _elementary(self, step: Step) -> stages.Stage:
        """A step that neither has a design nor touches the grid."""
        if step.name == "median_baseline":
            window = filters.median_window(step.number("window_s"), self.rate_hz)
            return stages.MedianBaseline(window, step.text("edges") == "reflect")
        if step.name == "z_score":
            return stages.ZScore(step.text("by") == "record", self.flat_below)
        low, high = step.number("low"), step.number("high")
        if low >= high:
            raise InvalidManifest(f"Step '{step.name}' needs low below high.", field=f"{step.name}.low")
        if step.name == "min_max":
            return stages.MinMax(step.text("by") == "record", low, high, self.flat_below)
        return stages.Clip(low, high)

    def _filter(self, step: Step) -> None:
        design = filters.designed(step, self.rate_hz)
        if design is None:
            said = f"Step {step.name} has nothing to remove from a signal of {self.rate_hz:g} Hz."
            self.remarks.append(Remark("filter_not_needed", said))
            return
        if design.remark:
            self.remarks.append(Remark("filter_edge_beyond_signal", design.remark))
        self._append(step, stages.Filter(design))

    def _resample(self, step: Step) -> None:
        rate_hz = step.number("rate_hz")
        if rate_hz <= 0:
            raise InvalidManifest(f"Step '{step.name}' needs a rate above 0 Hz.", field=f"{step.name}.rate_hz")
        if rate_hz != self.rate_hz:
            self._append(step, stages.Resample(rate_hz, step.name != "resample"))
            self.rate_hz = rate_hz

    def _crop_or_pad(self, index: int, step: Step) -> None:
        duration_s, center = step.number("duration_s"), step.text("align") == "center"
        if duration_s <= 0:
            raise InvalidManifest("Step 'crop_or_pad' needs a length above 0 s.", field="crop_or_pad.duration_s")
        self.steps.append(step)
        if index == self.last_crop:
            self._cut(center)
        else:
            self.stages.append(stages.CropOrPad(duration_s, center))

    def _fit_grid(self, index: int) -> None:
        """Bring the signal to the input's rate and length, unless a step from `index` on will."""
        rate_hz = self.manifest.input.rate_hz
        if self.rate_hz != rate_hz and self.last_resample < index:
            self._resample(Step("resample", 1, {"rate_hz": rate_hz}))
        if not self.is_cut and self.last_crop < index:
            self._cut(center=False)

    def _cut(self, center: bool) -> None:
        wanted, policy = self.manifest.input, self.manifest.windows
        samples = round(wanted.duration_s * self.rate_hz)
        stride = round(policy.stride_s * self.rate_hz) if policy.stride_s > 0 else samples
        self.stages.append(stages.Cut(samples, max(1, stride), policy.long, center))
        self.is_cut = True


def _last(steps: Sequence[Step], names: Sequence[str]) -> int:
    return max((index for index, step in enumerate(steps) if step.name in names), default=-1)


def _check_grid(manifest: Manifest) -> None:
    """The last step about rate, and the last about length, lead to the input's."""
    resample, crop = _last(manifest.steps, _RESAMPLERS), _last(manifest.steps, ("crop_or_pad",))
    rate_hz, duration_s = manifest.input.rate_hz, manifest.input.duration_s
    if resample >= 0 and manifest.steps[resample].number("rate_hz") != rate_hz:
        raise InvalidManifest(f"The last resampling does not lead to the input's {rate_hz:g} Hz.", field="steps")
    if crop >= 0 and manifest.steps[crop].number("duration_s") != duration_s:
        raise InvalidManifest(f"The last crop_or_pad does not lead to the input's {duration_s:g} s.", field="steps")


def plan(manifest: Manifest, *, sample_rate_hz: float, unit: Unit, applied: Sequence[Step]) -> Plan:
    """The stages for signals of one rate, unit and history.

    Filters run at the rate the signal has where they stand. A manifest that says nothing about rate
    or length is brought to its input's before the first standardisation. Recordings longer than the
    input are cut where the manifest last crops or pads, else before the first
    standardisation, so that each window is standardised by itself.

    Raises:
        ConditioningConflict, InvalidManifest: see `history.pending` and `filters.designed`.
    """
    _check_grid(manifest)
    todo = pending(manifest, unit, applied)
    start = Unit.STANDARDISED if is_standardised(unit, applied) else manifest.input.unit
    return _Planner(manifest, sample_rate_hz, start, todo).plan()
