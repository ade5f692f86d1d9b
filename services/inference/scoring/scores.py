"""One ECG to score, and its scores: from the outputs of a graph for its windows, with what they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidInput, InvalidModel
from precordia.manifest import Activation, Aggregation, Manifest
from precordia.record import Remark, Sex, Signal
from services.inference.engine.host_buffers import Tensor
from services.inference.scoring.signal_remarks import Known
from services.inference.statistics import Phases

Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EcgJob:
    """One ECG to score, with what is known of the patient."""

    signal: Signal
    age_years: float | None = None
    sex: Sex | None = None
    temperature: float = 1.0
    """Calibration of the model version asked for: raw outputs are divided by it before activation."""
    known: Known | None = None
    """What is said of it beside its scores; where its quality is not among it, it is assessed. None: nobody asks."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of one ECG, in the manifest's order of outputs, and what they rest on."""

    values: Scores
    windows: int
    input_sha256: str
    remarks: tuple[Remark, ...]
    phases: Phases
    """The run that made them."""


def scored(
    raw: Tensor,
    manifest: Manifest,
    temperature: float,
    input_sha256: str,
    remarks: tuple[Remark, ...],
    phases: Phases,
) -> Scored | InvalidModel:
    """Scores of one ECG from the graph's outputs for its windows, (windows, outputs)."""
    if not np.isfinite(raw).all():
        return InvalidModel("The model gave no finite number for this ECG; it cannot be scored by this model.")
    values = activate(raw.astype(np.float64) / temperature, manifest.activation)
    return Scored(aggregate(values, manifest.windows.aggregation), int(raw.shape[0]), input_sha256, remarks, phases)


def co_input_remarks(manifest: Manifest, age_years: float | None, sex: Sex | None) -> tuple[Remark, ...]:
    """Where a default stands in for what is not known of the patient."""
    sources = {column.source for column in manifest.co_inputs.columns} if manifest.co_inputs else set()
    remarks = []
    if age_years is None and "age_years" in sources:
        remarks.append(Remark("age_missing", "The age is not known; the model's default stands in for it."))
    if sex is None and sources & {"sex_female", "sex_male"}:
        remarks.append(Remark("sex_missing", "The sex is not known; the model's default stands in for it."))
    return tuple(remarks)


def all_flat(x: Tensor, remarks: Iterable[Remark], manifest: Manifest) -> InvalidInput | None:
    """A model gives scores for a flat line as for any other; they say nothing of a heart.

    A lead that was off for one window of many has a remark and no refusal.
    """
    said = {code: {one.lead for one in remarks if one.code == code} for code in ("lead_flat", "lead_missing")}
    recorded = [lead not in said["lead_missing"] for lead in manifest.input.leads]
    flat = said["lead_flat"] | said["lead_missing"] >= set(manifest.input.leads)
    if flat and x[:, recorded].min() == x[:, recorded].max():
        return InvalidInput("Every lead is flat; there is nothing to score. Check the electrodes and the unit.")
    return None


def activate(raw: Scores, activation: Activation) -> Scores:
    """Scores from a graph's outputs, (windows, outputs), without overflow."""
    if activation is Activation.SOFTMAX:
        powers: Scores = np.exp(raw - raw.max(axis=1, keepdims=True))
        shares: Scores = powers / powers.sum(axis=1, keepdims=True)
        return shares
    if activation is Activation.SIGMOID:
        return 0.5 * (1.0 + np.tanh(0.5 * raw))
    return raw


def aggregate(values: Scores, aggregation: Aggregation) -> Scores:
    """One row of scores from those of the windows, (windows, outputs)."""
    if aggregation is Aggregation.MAX:
        largest: Scores = values.max(axis=0)
        return largest
    mean: Scores = values.mean(axis=0)
    return mean
