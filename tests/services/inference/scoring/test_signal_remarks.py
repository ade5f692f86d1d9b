"""What is wrong with an ECG is said beside its scores: by id, from a file, inline, in a split."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from precordia.catalog import Lineage, ModelRef
from precordia.client import Connection
from precordia.dataset import SplitRef, SplitRule
from precordia.errors import PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.prediction import KeptQuery, PredictInput, Prediction
from precordia.record import Remark, Signal, Unit
from precordia.signal.quality import assess_signal
from precordia.source import Source
from services.inference.engine.onnx_runtime import OnnxRuntimeEngine
from services.inference.engine.providers import Device
from services.inference.models.holding import Models
from services.inference.models.loading import ModelLoader
from services.inference.predicting.predictor import Predictor
from services.inference.queueing.profile import ServingLimits
from services.inference.queueing.profile_cache import ProfileCache
from services.inference.scoring.scorer import Scorer
from services.inference.scoring.scores import EcgJob, Scored
from services.inference.scoring.signal_remarks import NOT_ASSESSED, Known, quality_remarks
from tests.precordia.signal.synthetic_ecg import Leads, as_signal, leads, limb
from tests.services.inference.graphs import bias_graph, contract
from tests.services.inference.memory_recordings import MemoryRecordings
from tests.services.inference.memory_registry import MemoryRegistry

MODEL = ModelRef("m")


def clean() -> Leads:
    return leads()


def flat_v3() -> Leads:
    return leads() | {"V3": np.zeros(5000)}


def swapped_arms() -> Leads:
    made = leads()
    return limb(made, -made["I"], made["III"])


def noisy_v5() -> Leads:
    made = leads()
    made["V5"] = made["V5"] + np.random.default_rng(5).normal(0, 0.15, 5000)
    return made


ECGS = {
    "clean": (clean, set()),
    "flat": (flat_v3, {("quality_flat_line", "V3")}),
    "swapped": (swapped_arms, {("quality_arms_swapped", "I")}),
    "noisy": (noisy_v5, {("quality_noise", "V5")}),
}


def wfdb_of(made: Leads, name: str = "ecg") -> Source:
    """The leads as counts of 1 uV at 500 Hz."""
    counts = np.rint(1000 * np.stack(list(made.values()), axis=1)).astype("<i2")
    lines = [f"{name} {len(made)} 500 {len(counts)}"]
    for column, lead in enumerate(made):
        checksum = int(counts[:, column].astype(np.int64).sum()) & 0xFFFF
        lines.append(f"{name}.dat 16 1000/mV 16 0 {counts[0, column]} {checksum} 0 {lead}")
    return Source(f"{name}.hea", ("\n".join(lines) + "\n").encode(), {f"{name}.dat": counts.tobytes()})


def said(prediction: Prediction) -> set[tuple[str, str]]:
    """Quality remarks; whatever is said is said once."""
    assert prediction.scores, prediction.error_message
    assert len(set(prediction.remarks)) == len(prediction.remarks)
    return {(one.code, one.lead) for one in prediction.remarks if one.code.startswith("quality_")}


async def publish(precordia: Connection) -> None:
    await precordia.registry.publish("m", contract("a"), {"model.onnx": bias_graph(0.5)}, Lineage("imported"))


@pytest.mark.parametrize("name", ECGS)
async def test_an_ecg_is_predicted_with_its_warnings_by_id_from_a_file_and_inline(
    precordia: Connection, name: str
) -> None:
    make, expected = ECGS[name]
    await publish(precordia)
    from_file = await precordia.inference.predict_file(MODEL, wfdb_of(make()))
    recording_id = from_file.recordings[0].recording_id
    inputs = [PredictInput(recording_id), PredictInput(signal=as_signal(make()))]
    by_id, inline = await precordia.inference.predict(MODEL, inputs)
    assert said(from_file.predictions[0]) == said(by_id) == said(inline) == expected
    assert from_file.predictions[0].remarks == by_id.remarks
    kept = [one.prediction async for one in precordia.inference.kept(KeptQuery(recording_id=recording_id))]
    assert [one.remarks for one in kept] == [by_id.remarks] * 2
    unkept = await precordia.inference.predict_file(MODEL, wfdb_of(make()), keep=False)
    assert unkept.predictions[0].remarks == by_id.remarks


@pytest.mark.parametrize("factor", [1e30, 1000.0, 0.001])
async def test_a_wrong_unit_or_gain_is_said_beside_the_scores(precordia: Connection, factor: float) -> None:
    await publish(precordia)
    signal = as_signal({lead: values * factor for lead, values in leads().items()})
    (prediction,) = await precordia.inference.predict(MODEL, [PredictInput(signal=signal)])
    assert "quality_implausible_amplitude" in {code for code, _ in said(prediction)}
    (remark,) = [one for one in prediction.remarks if one.code == "quality_implausible_amplitude"]
    assert "are no heart's; check the unit and the gain." in remark.message


async def test_a_splits_predictions_carry_the_warnings_even_of_a_recording_that_is_gone(precordia: Connection) -> None:
    await publish(precordia)
    expected, ids = {}, {}
    for name, (make, warnings) in ECGS.items():
        answer = await precordia.ingest.import_source(wfdb_of(make(), name), dataset="ward")
        ids[name] = answer.recordings[0].recording_id
        expected[ids[name]] = warnings
    await precordia.ingest.create_snapshot("ward", (SplitRule("all", patient_fraction=1.0),))
    await precordia.ingest.delete_recording(ids["noisy"])
    started = await precordia.inference.predict_dataset(MODEL, SplitRef("ward", "all"))
    async with asyncio.timeout(60):
        await precordia.inference.operations.wait(started.operation_id)
    made = [one async for one in precordia.inference.predictions(started.operation_id)]
    assert {one.recording_id: said(one) for one in made} == expected
    kept = [one.prediction async for one in precordia.inference.kept(KeptQuery(operation_id=started.operation_id))]
    assert {one.recording_id: said(one) for one in kept} == expected


async def test_what_the_reader_noticed_and_what_was_derived_is_said_once(precordia: Connection) -> None:
    await publish(precordia)
    eight = {lead: values for lead, values in leads().items() if lead not in {"III", "aVR", "aVL", "aVF"}}
    predicted = await precordia.inference.predict_file(MODEL, wfdb_of(eight))
    (recording,), (prediction,) = predicted.recordings, predicted.predictions
    (by_id,) = await precordia.inference.predict(MODEL, [PredictInput(recording.recording_id)])
    for one in (prediction, by_id):
        assert said(one) == set()
        assert [remark.lead for remark in one.remarks if remark.code == "lead_derived"] == ["III", "aVR", "aVL", "aVF"]
        assert set(recording.remarks) <= set(one.remarks)


async def test_a_recording_that_was_never_assessed_is_assessed_when_it_is_scored(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    loader = ModelLoader(OnnxRuntimeEngine(device=Device.CPU), ServingLimits(workers=1), ProfileCache(tmp_path))
    models = Models(registry, loader)
    await registry.publish("m", contract("a"), bias_graph(0.5))
    recordings = MemoryRecordings({name: as_signal(make()) for name, (make, _) in ECGS.items()})
    answers = await Predictor(models, recordings).predict(MODEL, [PredictInput(name) for name in ECGS])
    assert [said(answer) for answer in answers] == [expected for _, expected in ECGS.values()]
    await models.close()


def test_a_signal_without_recorded_leads_is_not_called_good() -> None:
    made = as_signal(leads())
    derived = Signal(made.values, made.leads, made.sample_rate_hz, Unit.MILLIVOLT, derived=STANDARD_LEADS)
    assert quality_remarks(derived) == (NOT_ASSESSED,)


def test_assessing_leaves_the_scored_signal_as_it_is_in_any_unit() -> None:
    volts = as_signal(noisy_v5())
    micro = Signal(volts.values * np.float32(1000), volts.leads, volts.sample_rate_hz, Unit.MICROVOLT)
    before = micro.values.copy()
    assert {one.code for one in quality_remarks(micro)} == {one.code for one in assess_signal(volts).remarks()}
    assert np.array_equal(micro.values, before)


def only(scorer: Scorer, job: EcgJob) -> Scored:
    (answer,) = scorer([job])
    assert not isinstance(answer, PrecordiaError), answer
    return answer


def test_what_is_known_is_not_measured_again_and_stands_first() -> None:
    scorer = Scorer(OnnxRuntimeEngine(device=Device.CPU).load(bias_graph(0.5)), contract("a"))
    told = Remark("quality_noise", "Noise of 40 uV between the beats.", "II")
    signal = as_signal(flat_v3())
    remarks = only(scorer, EcgJob(signal, known=Known((told,), assessed=True))).remarks
    assert remarks[0] == told
    assert [one.code for one in remarks if one.code.startswith("quality_")] == ["quality_noise"]
    fresh = only(scorer, EcgJob(signal, known=Known((told,)))).remarks
    assert [one.code for one in fresh[:2]] == ["quality_flat_line", "quality_noise"]
    assert not [one for one in only(scorer, EcgJob(signal)).remarks if one.code.startswith("quality_")]
