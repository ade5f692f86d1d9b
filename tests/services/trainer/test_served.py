"""From labels to answers: models that the trainer made, or made of another's, are served by inference."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from safetensors.torch import load

from precordia.catalog import BASE_GRAPH, MODEL_ONNX, ModelRef, ModelVersion
from precordia.client import Addresses, Connection, connect
from precordia.dataset import LabelScheme, SplitRef, SplitRule
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, Task
from precordia.operation import Operation, OperationState
from precordia.prediction import PredictInput
from precordia.record import Hints, Signal, Unit
from precordia.rpc.server import serving
from precordia.signal import condition
from precordia.source import Source
from precordia.steps import Step
from precordia.training import Method
from services.inference.__main__ import build as build_inference
from services.inference.scoring.scores import activate
from services.inference.settings import InferenceSettings
from services.trainer.__main__ import build
from tests.services.trainer import synthetic
from tests.services.trainer.conftest import COUNT, Neighbours
from tests.services.trainer.synthetic import RATE_HZ
from tests.services.trainer.test_service import PROBE, settings, spec

TESTDATA = os.environ.get("PRECORDIA_TESTDATA", "")


@contextlib.asynccontextmanager
async def all_services(home: Path, neighbours: Neighbours) -> AsyncIterator[Connection]:
    await asyncio.to_thread(PROBE.capability)  # on a busy machine it takes longer than a call may
    told = InferenceSettings(
        home=home, listen="127.0.0.1:0", ingest=neighbours.ingest, registry=neighbours.registry, drain_s=5
    )
    async with (
        serving(build(settings(home, neighbours), PROBE)) as trainer,
        serving(build_inference(told)) as inference,
        connect(Addresses(neighbours.ingest, inference, trainer, neighbours.registry)) as precordia,
    ):
        yield precordia


async def test_a_number_is_learnt_and_served_in_its_unit(tmp_path: Path, neighbours: Neighbours) -> None:
    """The truth is the height of the QRS in lead II; a tenth of the table's cells are empty."""
    generator = np.random.default_rng(5)
    heights = generator.uniform(0.5, 3.0, 60)
    signals = np.stack([height * synthetic.ecg(fast=False, wide=True, generator=generator) for height in heights])
    rows = [
        f"{number},{number},{2 if number >= 44 else 1},{'' if number % 10 == 9 else f'{height:.4f}'}"
        for number, height in enumerate(heights)
    ]
    table = "\n".join(["ecg_id,patient_id,strat_fold,qrs_mv", *rows]).encode()
    wanted = spec(
        train=SplitRef("heights", "train"),
        test=SplitRef("heights", "test"),
        leads=("II",),
        conditioning=(Step("resample", 1, {"rate_hz": RATE_HZ}), Step("crop_or_pad", 1, {"duration_s": 4.0})),
        overrides={"augmentation": "off", "max_epochs": 20, "batch_size": 8, "averaging": 0.8, "dropout": 0.0},
    )
    async with all_services(tmp_path, neighbours) as precordia:
        await give(precordia, "heights", signals, table)
        operation = await precordia.trainer.train("qrs", wanted)
        done = await finished(precordia, operation)
        assert done.state is OperationState.SUCCEEDED, done.error_message
        version = await precordia.registry.get(ModelRef("qrs"))
        inputs = [
            PredictInput(signal=Signal(signal[:12], STANDARD_LEADS, RATE_HZ), tag=str(number))
            for number, signal in enumerate(signals[44:])
        ]
        answers = await precordia.inference.predict(ModelRef("qrs"), inputs)
    assert version.manifest.task is Task.REGRESSION
    assert [(output.name, output.unit) for output in version.manifest.outputs] == [("qrs_mv", "mV")]
    assert {answer.scores[0].unit for answer in answers} == {"mV"}
    served = np.array([answer.score("qrs_mv") for answer in answers])
    error = np.abs(served - heights[44:]).mean()
    error_of_the_mean = np.abs(heights[:44].mean() - heights[44:]).mean()
    assert error < 0.35 * error_of_the_mean, (error, error_of_the_mean)


async def test_a_model_that_learnt_to_do_without_a_lead_is_served_without_it(
    tmp_path: Path, neighbours: Neighbours
) -> None:
    """The served score is what the graph gives for the conditioned ECG with that row zeroed."""
    wanted = spec(
        leads=("II", "V1", "V5"),
        optional_leads=("V1",),
        overrides=synthetic.SMALL | {"max_epochs": 1, "lead_dropout": 0.3},
    )
    signal = synthetic.records(1)[0].signal
    lacking = Signal(signal.values[[1, 10]], ("II", "V5"), RATE_HZ)
    async with all_services(tmp_path, neighbours) as precordia:
        done = await finished(precordia, await precordia.trainer.train("fewer", wanted))
        assert done.state is OperationState.SUCCEEDED, done.error_message
        version, files = await precordia.registry.fetch(ModelRef("fewer"), [MODEL_ONNX])
        inputs = [PredictInput(signal=lacking), PredictInput(signal=signal), PredictInput(signal=without_v5(signal))]
        served, whole, refused = await precordia.inference.predict(ModelRef("fewer"), inputs)
    manifest = version.manifest
    assert manifest.input.optional_leads == ("V1",)
    x = condition(signal, manifest).x.copy()
    session = onnxruntime.InferenceSession(files[MODEL_ONNX])
    for answer, zeroed in ((whole, False), (served, True)):
        x[:, 1] *= not zeroed
        (logits,) = session.run([manifest.output_name], {manifest.input.name: x})
        expected = activate(logits.astype(np.float64) / temperature(version), manifest.activation)[0]
        assert [score.value for score in answer.scores] == pytest.approx(expected.tolist(), abs=1e-5)
    assert [remark.lead for remark in served.remarks if remark.code == "lead_missing"] == ["V1"]
    assert not any(remark.code == "lead_missing" for remark in whole.remarks)
    assert refused.error_reason == "MISSING_LEAD"


def without_v5(signal: Signal) -> Signal:
    return Signal(np.delete(signal.values, 10, axis=0), tuple(np.delete(STANDARD_LEADS, 10).tolist()), RATE_HZ)


def temperature(version: ModelVersion) -> float:
    return float(json.loads(version.operating_points_json or "{}").get("temperature", 1.0))


RUNS = {
    "head": {"method": Method.HEAD},
    "all": {"method": Method.ALL},
    "further": {"method": Method.HEAD, "base": "all", "label_group": "shape"},
}
"""Fine-tunings in their order; the last goes on from the one before it."""


@pytest.mark.skipif(not TESTDATA, reason="PRECORDIA_TESTDATA is not set: the models of another platform lie there")
@pytest.mark.parametrize(
    ("file", "rounds"),
    [
        ("xc_super_pretrained.onnx", ("head", "all", "further")),
        ("XceptionTime_untrained.onnx", ("all", "further")),
    ],
)
async def test_a_model_of_another_make_is_fine_tuned_twice_and_served(
    tmp_path: Path, neighbours: Neighbours, file: str, rounds: tuple[str, ...]
) -> None:
    quick = {"max_epochs": 1, "batch_size": 8, "averaging": 0.0}
    open_choices = spec(
        train=SplitRef("made", "train"),
        base="theirs",
        sample_rate_hz=None,
        duration_s=None,
        label_group="kind",
        overrides=quick,
    )
    async with all_services(tmp_path, neighbours) as precordia:
        await precordia.registry.import_model("theirs", Path(TESTDATA) / "models" / file)
        base, original = await precordia.registry.fetch(ModelRef("theirs"))
        await three_kinds(precordia)
        for name in rounds:
            done = await finished(precordia, await precordia.trainer.train(name, replace(open_choices, **RUNS[name])))
            assert done.state is OperationState.SUCCEEDED, (name, done.error_message)
        versions = {name: await precordia.registry.fetch(ModelRef(name)) for name in rounds}
        signal = Signal(synthetic.records(1)[0].signal.values, STANDARD_LEADS, RATE_HZ)
        answers = {
            name: (await precordia.inference.predict(ModelRef(name), [PredictInput(signal=signal)]))[0]
            for name in versions
        }
        with pytest.raises(Exception, match="1000 samples"):
            await precordia.trainer.train("never", replace(open_choices, method=Method.ALL, duration_s=5.0))

    assert base.manifest.input.unit is Unit.MICROVOLT or "pretrained" not in file
    weights = {name: load(files["weights.safetensors"]) for name, (_, files) in versions.items()}
    for name, (version, files) in versions.items():
        assert version.manifest.input.unit is base.manifest.input.unit
        assert version.manifest.input.rate_hz == base.manifest.input.rate_hz
        assert version.manifest.steps == base.manifest.steps
        assert files[BASE_GRAPH] == original[MODEL_ONNX], name
        assert version.lineage.origin == "finetuned"
    assert versions[rounds[0]][0].lineage.base_digest == base.digest
    assert versions["further"][0].lineage.base_model == "all:1"
    for name in rounds[:-1]:
        manifest = versions[name][0].manifest
        assert manifest.output_names == ("CALM", "HASTY", "BROAD")
        assert (manifest.task, manifest.activation) == (Task.MULTICLASS, Activation.SOFTMAX)
    assert sum(score.value for score in answers["all"].scores) == pytest.approx(1.0, abs=1e-5)
    assert [score.name for score in answers["further"].scores] == ["FAST", "WIDE"]
    frozen = {key for key in weights["all"] if not key.startswith("head.")}
    if "head" in rounds:
        assert not all(weights["all"][key].equal(weights["head"][key]) for key in frozen), "all layers learn"
    kept = {key for key in frozen if weights["further"][key].equal(weights["all"][key])}
    assert kept == frozen  # a second fine-tuning of the head goes on from the weights of the first


async def finished(precordia: Connection, operation: Operation) -> Operation:
    async with asyncio.timeout(900):
        return await precordia.trainer.operations.wait(operation.operation_id)


async def give(precordia: Connection, dataset: str, signals: np.ndarray, table: bytes) -> None:
    """A dataset of signals (records, 12, samples) with its labels and the splits "train" and "test"."""
    content = io.BytesIO()
    np.savez(content, x=signals.transpose(0, 2, 1), ecg_id=np.arange(len(signals)))
    hints = Hints(sample_rate_hz=RATE_HZ, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS)
    await precordia.ingest.import_source(Source(f"{dataset}.npz", content.getvalue()), hints, dataset=dataset)
    await label(precordia, dataset, table)
    await precordia.ingest.create_snapshot(dataset, (SplitRule("train", ("1",)), SplitRule("test", ("2",))))


async def label(precordia: Connection, dataset: str, table: bytes) -> None:
    await precordia.ingest.import_labels(
        dataset,
        "labels.csv",
        table,
        scheme=LabelScheme.TABLE,
        patient_column="patient_id",
        fold_column="strat_fold",
    )


async def three_kinds(precordia: Connection) -> None:
    """Label group "kind" of the dataset "made": one of three."""
    kinds = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 0)]
    rows = [
        f"{number},{number // 2},{3 if number >= 36 else 1 + number // 18},{','.join(map(str, kinds[number % 4]))}"
        for number in range(COUNT)
    ]
    head = "ecg_id,patient_id,strat_fold,kind:CALM,kind:HASTY,kind:BROAD"
    await label(precordia, "made", "\n".join([head, *rows]).encode())
    rules = (SplitRule("train", folds=("1", "2")), SplitRule("test", folds=("3",)))
    await precordia.ingest.create_snapshot("made", rules)
