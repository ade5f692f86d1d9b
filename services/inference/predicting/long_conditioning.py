"""From a recording of hours to a model's windows: a lead at a time where that gives the same, called off between leads.

Memory: where no step looks at all leads together, the work for one lead lies beside the windows; else that for
all of them (`memory_needed`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from precordia.errors import MissingLead
from precordia.manifest import Manifest
from precordia.record import Channel, Recording, Remark, Sex, Signal
from precordia.signal import condition, conditioner, lead_missing
from precordia.signal.resampling import continued_grid
from services.inference.engine.host_buffers import Tensor
from services.inference.scoring.input_hash import input_sha256
from services.inference.scoring.scores import all_flat
from services.inference.scoring.signal_remarks import NOT_ASSESSED, Known, derived_remarks, quality_remarks

GoOn = Callable[[], None]
"""Asked between leads: raises Cancelled or DeadlineExceeded where nobody waits any more."""

_EINTHOVEN = ("I", "II", "III")
"""What the other limb leads follow from."""


class Loaded(Protocol):
    """An ECG in memory."""

    @property
    def leads(self) -> tuple[str, ...]:
        """Standard leads that have samples."""

    def signal(self, leads: tuple[str, ...]) -> Signal:
        """With these leads at least, and those that they follow from."""

    def quality(self) -> tuple[Remark, ...]:
        """What is wrong with it, where nobody has said so."""


@dataclass(frozen=True, eq=False)
class SignalInMemory:
    """A signal that came with the call, or in one answer."""

    whole: Signal

    @property
    def leads(self) -> tuple[str, ...]:
        """See `Loaded.leads`."""
        rows = zip(self.whole.leads, self.whole.values, strict=True)
        return tuple(lead for lead, row in rows if np.isfinite(row).any())

    def signal(self, leads: tuple[str, ...]) -> Signal:
        """See `Loaded.signal`."""
        return self.whole

    def quality(self) -> tuple[Remark, ...]:
        """See `Loaded.quality`."""
        return quality_remarks(self.whole)


@dataclass(frozen=True, eq=False)
class NativeInMemory:
    """A recording as its source has it, mostly counts in half the memory."""

    recording: Recording

    @cached_property
    def _recorded(self) -> Recording:
        """Without channels that have no sample at all: what they stand for may follow from others."""
        return replace(self.recording, channels=tuple(filter(_has_samples, self.recording.ecg_channels)))

    @property
    def leads(self) -> tuple[str, ...]:
        """See `Loaded.leads`."""
        return self._recorded.leads

    def signal(self, leads: tuple[str, ...]) -> Signal:
        """See `Loaded.signal`; the other channels stay counts."""
        needed = {*leads} if {*leads} <= {*self.leads} else {*leads, *_EINTHOVEN}
        channels = tuple(channel for channel in self._recorded.channels if channel.label in needed)
        # Where none of them is there, another one tells rate and unit; conditioning names what is missing.
        return replace(self.recording, channels=channels or self.recording.ecg_channels[:1]).signal(leads)

    def quality(self) -> tuple[Remark, ...]:
        """None of an import that did not assess; a second look would take the memory of all leads at once."""
        return (NOT_ASSESSED,)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Windows, ready for the graph, (windows, leads, samples), and what is to be said of them."""

    x: Tensor
    input_sha256: str
    remarks: tuple[Remark, ...]


def _has_samples(channel: Channel) -> bool:
    """Whether any sample of a channel is there."""
    there = np.isfinite(channel.samples)
    return bool((there if channel.missing is None else there & ~channel.missing).any())


def prepare(
    manifest: Manifest, ecg: Loaded, known: Known, age_years: float | None, sex: Sex | None, go_on: GoOn
) -> Prepared:
    """All windows and what is to be said of them. Blocking: call it from a worker thread.

    Raises:
        PrecordiaError: as `precordia.signal.condition`; or every lead is flat all the time; or what `go_on` raises.
    """
    go_on()
    remarks = [*(() if known.assessed else ecg.quality()), *known.remarks]
    try:
        x, said = (_lead_by_lead if _is_by_lead(manifest) else _at_once)(manifest, ecg, go_on)
    finally:
        continued_grid.cache_clear()  # it would keep a ramp as long as the recording
    go_on()
    remarks += said
    if refusal := all_flat(x, remarks, manifest):
        raise refusal
    return Prepared(x, input_sha256(x, manifest, age_years, sex), tuple(dict.fromkeys(remarks)))


def memory_needed(duration_s: float, sample_rate_hz: float, windows: int, manifest: Manifest) -> int:
    """Bytes that conditioning takes at most, the windows it makes among them; fitted to what was measured.

    By lead, of which the work for one lies beside the windows; of all together where a step looks at all of them.
    The recording as it came is not counted.

    Args:
        duration_s: of the recording.
        sample_rate_hz: of the recording.
        windows: that it is cut into.
        manifest: of the model.
    """
    spec = manifest.input
    leads = 1 if _is_by_lead(manifest) else len(spec.leads)
    given = 4 * leads * duration_s * sample_rate_hz
    resampled = 4 * leads * duration_s * spec.rate_hz
    cut = 4 * windows * len(spec.leads) * spec.samples
    if leads == 1:
        return round(25 * given + 8 * resampled + 1.1 * cut)
    if sample_rate_hz == spec.rate_hz:
        return round(1.5 * given + 1.5 * cut)
    return round(4.5 * given + 2.5 * resampled + cut)


def _is_by_lead(manifest: Manifest) -> bool:
    return not any(step.parameters.get("by") == "record" for step in manifest.steps)


def _at_once(manifest: Manifest, ecg: Loaded, go_on: GoOn) -> tuple[Tensor, list[Remark]]:
    """Windows of all leads together, where a step looks at them together."""
    signal = ecg.signal(manifest.input.leads)
    _absent(manifest, ecg, signal)
    go_on()
    made = condition(signal, manifest)
    return made.x, [*derived_remarks(signal, manifest.input.leads), *made.remarks]


def _lead_by_lead(manifest: Manifest, ecg: Loaded, go_on: GoOn) -> tuple[Tensor, list[Remark]]:
    """The same windows with the memory of one lead; those of absent optional leads stay zeros."""
    spec, x = manifest.input, np.zeros((0, 0, 0), np.float32)
    needed = next(lead for lead in spec.leads if lead not in spec.optional_leads)
    absent = _absent(manifest, ecg, ecg.signal((needed,)))
    remarks: list[Remark] = []
    for number, lead in enumerate(spec.leads):
        go_on()
        made = None if lead in absent else _one_lead(manifest, ecg, lead)
        if made is None:
            remarks.append(lead_missing(lead))
            continue
        windows, said = made
        remarks += said
        if not x.size:
            x = np.zeros((len(windows), len(spec.leads), windows.shape[2]), np.float32)
        x[:, number] = windows[:, 0]
    return x, remarks


def _one_lead(manifest: Manifest, ecg: Loaded, lead: str) -> tuple[Tensor, list[Remark]] | None:
    """Windows of one lead; None for an optional one without a sample."""
    signal = ecg.signal((lead,))
    try:
        made = condition(signal, replace(manifest, input=replace(manifest.input, leads=(lead,), optional_leads=())))
    except MissingLead:
        if lead not in manifest.input.optional_leads:
            raise
        return None
    return made.x, [*derived_remarks(signal, (lead,)), *made.remarks]


def _absent(manifest: Manifest, ecg: Loaded, signal: Signal) -> tuple[str, ...]:
    """Optional leads that are not there; refuses for all others, before the first of them is conditioned."""
    return conditioner(
        manifest,
        leads=ecg.leads,
        sample_rate_hz=signal.sample_rate_hz,
        unit=signal.unit,
        applied=signal.applied,
    ).silent
