"""The one way from a signal to a model's input; training, serving and evaluation all go through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from precordia.errors import ConditioningConflict, InvalidArgument, MissingLead
from precordia.leads import derive_limb_leads
from precordia.manifest import LongPolicy, Manifest
from precordia.record import MILLIVOLTS_PER, Remark, Signal, Unit
from precordia.signal import _kernels
from precordia.signal.history import is_standardised
from precordia.signal.planning import Plan, plan
from precordia.signal.stages import Block
from precordia.steps import Step

LONGEST_BRIDGED_GAP_S = 0.04
"""Gaps up to this are interpolated; longer ones are masked."""

_EINTHOVEN = ("I", "II", "III")


Place = Callable[[tuple[int, int, int]], NDArray[np.float32]]
"""Gives memory for (windows, leads, samples), float32 and C-contiguous: a part of a batch, for instance."""


@dataclass(frozen=True, eq=False)
class Conditioned:
    """What a model takes.

    Attributes:
        x: float32 (windows, leads, samples), C-contiguous; of a batch (records * windows, leads,
            samples), the windows of each record together.
        mask: bool (windows, samples), True where padding stands. The same for every record of a batch.
        remarks: what was missing, derived, cut or left out.
        applied: the steps that x has been through, those it came with included.
        windows: windows of each record.
    """

    x: NDArray[np.float32]
    mask: NDArray[np.bool_]
    remarks: tuple[Remark, ...] = ()
    applied: tuple[Step, ...] = ()
    windows: int = 1


@dataclass(frozen=True, eq=False)
class Conditioner:
    """A manifest's conditioning, made ready for signals of one kind. Safe to share between threads.

    Attributes:
        manifest: the contract.
        leads: rows of the signals to come.
        sample_rate_hz: of the signals to come.
        rows: index into `leads` for each lead of the input; -1 where it is derived or silent.
        silent: optional leads that signals of this kind lack.
        factor: from the signals' unit to the input's.
    """

    manifest: Manifest
    leads: tuple[str, ...]
    sample_rate_hz: float
    rows: tuple[int, ...]
    silent: tuple[str, ...]
    factor: float
    standardised: bool
    history: tuple[Step, ...]
    plan: Plan

    def run(self, values: NDArray[np.float32], place: Place | None = None) -> Conditioned:
        """Condition one signal.

        Args:
            values: (leads, samples), NaN where missing; left as it is.
            place: where the result is to lie; without it, in memory of its own.

        Raises:
            InvalidArgument: the shape is not that of `leads`, or there is no sample.
            MissingLead: a lead that is not optional has no sample at all and follows from no others.
        """
        return self.run_batch(values[None], place)

    def run_batch(self, values: NDArray[np.float32], place: Place | None = None) -> Conditioned:
        """Condition signals of equal shape, (records, leads, samples); see `run`."""
        if values.ndim != 3 or values.shape[1] != len(self.leads) or values.shape[2] < 1:
            raise InvalidArgument(
                f"Samples of {len(self.leads)} leads are needed, as (leads, samples); it was {values.shape[-2:]}.",
                field="values",
            )
        block, remarks = self._chosen(values)
        for stage in self.plan.stages:
            stage.run(block)
        shape = (block.rows.shape[0] // len(self.rows), len(self.rows), block.rows.shape[1])
        x = block.rows.reshape(shape) if place is None else place(shape)
        _kernels.settle(block.rows, block.unknown, np.float32(block.neutral), x.reshape(block.rows.shape))
        block.silence(x)
        return Conditioned(
            x=x,
            mask=block.padded,
            remarks=tuple(dict.fromkeys([*remarks, *self.plan.remarks, *self._shape_remarks(block, values.shape[2])])),
            applied=self.history + self.plan.steps,
            windows=block.windows,
        )

    def _chosen(self, values: NDArray[np.float32]) -> tuple[Block, list[Remark]]:
        """The input's leads in its order and unit, as fresh rows, and what was missing."""
        chosen = np.empty((values.shape[0], len(self.rows), values.shape[2]), np.float32)
        rows = chosen.reshape(-1, values.shape[2])
        padded = np.zeros((1, rows.shape[1]), np.bool_)
        places, given = np.array(self.rows, np.intp), np.asarray(values, np.float32)
        if _kernels.gather_leads(given, places, np.float32(self.factor), chosen):
            known = np.zeros(rows.shape, np.bool_)
            return Block(rows, known, len(self.rows), self.sample_rate_hz, padded, whole=True), []
        remarks: list[Remark] = []
        silent = np.zeros(chosen.shape[:2], np.bool_)
        for record in range(values.shape[0]):
            remarks += self._mend(values[record], chosen[record], silent[record])
        unknown = _kernels.bridge_gaps(rows, round(LONGEST_BRIDGED_GAP_S * self.sample_rate_hz))
        return Block(rows, unknown, len(self.rows), self.sample_rate_hz, padded, silent), remarks

    def _mend(
        self, values: NDArray[np.float32], chosen: NDArray[np.float32], silent: NDArray[np.bool_]
    ) -> Iterable[Remark]:
        """Derive absent limb leads of one record, silence absent optional ones; say what is missing."""
        spec = self.manifest.input
        absent = [lead for lead, row in zip(spec.leads, ~np.isfinite(chosen), strict=True) if row.all()]
        derived = self._derived(values) if absent else {}
        needed = [lead for lead in absent if lead not in derived and lead not in spec.optional_leads]
        if needed:
            raise _missing_lead(needed, self.standardised)
        for lead in absent:
            index = spec.leads.index(lead)
            chosen[index] = derived[lead].astype(np.float32) if lead in derived else 0.0
            silent[index] = lead not in derived
            computed = Remark("lead_derived", "Computed from other limb leads.", lead)
            yield computed if lead in derived else lead_missing(lead)
        for lead, row in zip(spec.leads, ~np.isfinite(chosen), strict=True):
            if row.any():
                said = f"{100 * row.mean():.2g} % of the samples are missing; gaps of more than 40 ms are masked."
                yield Remark("samples_missing", said, lead)

    def _derived(self, values: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        if self.standardised:
            return {}
        present = {
            lead: values[self.leads.index(lead)].astype(np.float64) * self.factor
            for lead in _EINTHOVEN
            if lead in self.leads and np.isfinite(values[self.leads.index(lead)]).any()
        }
        return derive_limb_leads(present)

    def _shape_remarks(self, block: Block, samples: int) -> Iterable[Remark]:
        duration_s, wanted_s = samples / self.sample_rate_hz, self.manifest.input.duration_s
        if block.windows > 1:
            said = f"The recording of {duration_s:.4g} s was cut into {block.windows} windows of {wanted_s:g} s."
            yield Remark("windows", said)
        if not block.whole and block.padded.any():
            said = f"The recording of {duration_s:.4g} s was padded with zeros to {wanted_s:g} s."
            yield Remark("padded", said)
        if block.cropped > 1 and duration_s > wanted_s:
            how = "the first" if self.manifest.windows.long is LongPolicy.FIRST else "only"
            yield Remark("cropped", f"Of the recording of {duration_s:.4g} s, {how} {wanted_s:g} s were used.")
        if block.flat_group == 1:
            for index in block.flat_leads():
                yield Remark("lead_flat", "The lead is flat: nothing to standardise.", self.manifest.input.leads[index])


def lead_missing(lead: str) -> Remark:
    """What is said of an optional lead that an ECG lacks."""
    return Remark(
        "lead_missing", "Not recorded; the model was given zeros in its place, as it was trained to take.", lead
    )


def _missing_lead(leads: list[str], standardised: bool) -> MissingLead:
    why = " (limb leads cannot be derived once amplitudes are standardised)" if standardised else ""
    named = ", ".join(leads)
    return MissingLead(f"The model needs lead {named}, which the recording does not have{why}.", leads=",".join(leads))


def _silent(manifest: Manifest, leads: tuple[str, ...], standardised: bool) -> tuple[str, ...]:
    """Optional leads that are neither among these nor derivable.

    Raises:
        MissingLead: others are not, too.
    """
    nothing = np.zeros(0)
    derivable = {} if standardised else derive_limb_leads({lead: nothing for lead in _EINTHOVEN if lead in leads})
    absent = [lead for lead in manifest.input.leads if lead not in leads and lead not in derivable]
    needed = [lead for lead in absent if lead not in manifest.input.optional_leads]
    if needed:
        raise _missing_lead(needed, standardised)
    return tuple(absent)


def _factor(manifest: Manifest, unit: Unit, standardised: bool) -> float:
    if standardised or manifest.input.unit is Unit.STANDARDISED:
        return 1.0
    if unit not in MILLIVOLTS_PER:
        raise ConditioningConflict("The signal has no physical unit.", step="")
    return MILLIVOLTS_PER[unit] / MILLIVOLTS_PER[manifest.input.unit]


def conditioner(
    manifest: Manifest, *, leads: tuple[str, ...], sample_rate_hz: float, unit: Unit, applied: tuple[Step, ...] = ()
) -> Conditioner:
    """Make a manifest's conditioning ready for signals of one kind; the same again is the same object.

    Raises:
        MissingLead: the input needs leads that are neither among these nor derivable.
        ConditioningConflict: the signals' history does not fit the contract.
        InvalidManifest: a step's numbers make no filter.
        InvalidArgument: the rate is none.
    """
    if not (np.isfinite(sample_rate_hz) and sample_rate_hz > 0):
        raise InvalidArgument("The sample rate is a positive number of hertz.", field="sample_rate_hz")
    asked = (id(manifest), tuple(leads), float(sample_rate_hz), unit, tuple(applied))
    met = _met.get(asked)
    if met is None or met.manifest is not manifest:
        met = _Met(manifest, _conditioner(_Key(manifest), *asked[1:]))
        if len(_met) >= _MOST_MET:
            _met.clear()
        _met[asked] = met
    return met.conditioner


class _Met(NamedTuple):
    """A manifest that was asked for, kept so that its place in memory stays its own, and its conditioner."""

    manifest: Manifest
    conditioner: Conditioner


_met: dict[tuple[int, tuple[str, ...], float, Unit, tuple[Step, ...]], _Met] = {}
_MOST_MET = 64
"""A service asks for the same few manifests again and again: the very object is found without a look at its parts."""


class _Key:
    """A manifest as a key of the cache: by what conditioning depends on."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.parts = (manifest.input, manifest.steps, manifest.windows)

    def __hash__(self) -> int:
        return hash(self.parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.parts == other.parts


@lru_cache(maxsize=512)
def _conditioner(
    key: _Key, leads: tuple[str, ...], sample_rate_hz: float, unit: Unit, applied: tuple[Step, ...]
) -> Conditioner:
    manifest = key.manifest
    standardised = is_standardised(unit, applied)
    planned = plan(manifest, sample_rate_hz=sample_rate_hz, unit=unit, applied=applied)
    return Conditioner(
        manifest=manifest,
        leads=leads,
        sample_rate_hz=sample_rate_hz,
        rows=tuple(leads.index(lead) if lead in leads else -1 for lead in manifest.input.leads),
        silent=_silent(manifest, leads, standardised),
        factor=_factor(manifest, unit, standardised),
        standardised=standardised,
        history=applied,
        plan=planned,
    )


def condition(signal: Signal, manifest: Manifest) -> Conditioned:
    """Make a model's input of a signal: x is float32 (windows, leads, samples).

    Leads go into the input's order, absent limb leads are derived where they follow from others, zeros
    stand for absent leads that the manifest calls optional (after all steps, with a remark),
    the unit is converted, gaps up to 40 ms are interpolated and longer ones masked, the steps run
    in the manifest's order except those the signal came with, short signals are padded and long
    ones cut into windows.

    Raises:
        MissingLead, ConditioningConflict, InvalidManifest, InvalidArgument: see `conditioner` and `Conditioner.run`.
    """
    ready = conditioner(
        manifest,
        leads=signal.leads,
        sample_rate_hz=signal.sample_rate_hz,
        unit=signal.unit,
        applied=signal.applied,
    )
    return ready.run(signal.values)


def condition_batch(
    values: NDArray[np.float32],
    manifest: Manifest,
    *,
    leads: tuple[str, ...],
    sample_rate_hz: float,
    unit: Unit,
    applied: tuple[Step, ...] = (),
) -> Conditioned:
    """Condition many signals of equal shape, (records, leads, samples), on the caller's thread.

    Kernels release the GIL: split the batch over threads where several are to work.

    Returns:
        x is float32 (records * windows, leads, samples), the windows of each record together.
    """
    ready = conditioner(manifest, leads=leads, sample_rate_hz=sample_rate_hz, unit=unit, applied=applied)
    return ready.run_batch(values)
