"""Hostile callers against the four real services: a typed refusal each time, soon, and no harm done."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from precordia.catalog import Lineage, ModelRef
from precordia.client import Addresses, Connection, connect
from precordia.dataset import LabelScheme, SplitRef, SplitRule
from precordia.errors import InternalError, PrecordiaError, RequestReused
from precordia.source import Source
from precordia.v1 import inference_pb2, ingest_pb2, registry_pb2, trainer_pb2, types_pb2
from tests.e2e.conftest import run_cli
from tests.e2e.hostile_calls import (
    BIG,
    IDS,
    MODEL,
    SOUND,
    TOKENS,
    Wire,
    import_streams,
    publish_streams,
    signals,
    specs,
)
from tests.e2e.hostile_files import HARMLESS, HINTS, NAME, hostile_sources
from tests.e2e.hostile_models import hostile_models
from tests.services.ingest.ecg_files import CONDITIONED, many, table
from tests.services.registry.graphs import endless_model, linear_model, manifest

SLOWEST_S = 60.0
EXAMINED_S = 10
GROWTH_MIB = 300
SERVICES = ("ingest", "inference", "trainer", "registry")


@dataclass(frozen=True)
class Fleet:
    addresses: Addresses
    pids: dict[str, int]
    home: Path

    def memory_mib(self) -> dict[str, float]:
        """Resident memory of each service."""
        sizes = {}
        for service, pid in self.pids.items():
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            sizes[service] = int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024
        return sizes


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The four services, with one dataset, and a short patience for model files."""
    home = tmp_path_factory.mktemp("hostile")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PRECORDIA_")}
    command = [sys.executable, "-m", "cli", "up", "--detach", "--ports", "0", "--json"]
    environment = kept | {"PRECORDIA_HOME": str(home), "PRECORDIA_REGISTRY_CHECK_TIMEOUT_S": str(EXAMINED_S)}
    up = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert up.returncode == 0, up.stderr
    services = {row["service"]: row for row in json.loads(up.stdout)["services"]}
    fleet = Fleet(
        Addresses(**{service: services[service]["address"] for service in SERVICES}),
        {service: services[service]["pid"] for service in SERVICES},
        home,
    )
    try:
        asyncio.run(_furnish(fleet))
        yield fleet
    finally:
        assert run_cli(home, "down", "--json").status == 0


async def _furnish(fleet: Fleet) -> None:
    """A dataset, a snapshot, a prediction of it: something to lose; and every service has worked once."""
    async with connect(fleet.addresses) as precordia:
        await precordia.ingest.import_source(many(), CONDITIONED, dataset="real")
        await precordia.ingest.import_labels("real", "labels.csv", table())
        await precordia.ingest.create_snapshot("real")
        await precordia.registry.publish(
            "mine", manifest(), {"model.onnx": linear_model().SerializeToString()}, TRAINED
        )
        operation = await precordia.inference.predict_dataset(ModelRef(MODEL), SplitRef("real"))
        await precordia.inference.operations.wait(operation.operation_id)


TRAINED = Lineage("trained")


@asynccontextmanager
async def besieged(fleet: Fleet) -> AsyncIterator[Connection]:
    """A connection; at its end, all services serve, none has grown much, and nothing is new or gone."""
    sizes = fleet.memory_mib()
    async with connect(fleet.addresses) as precordia:
        state = await _state(precordia)
        yield precordia
        health = await asyncio.gather(*(precordia.health(service, timeout_s=SLOWEST_S) for service in SERVICES))
        assert [one.state for one in health] == ["serving"] * 4
        assert await _state(precordia) == state
    grown = {service: size - sizes[service] for service, size in fleet.memory_mib().items()}
    assert max(grown.values()) < GROWTH_MIB, grown
    logs = "".join(file.read_text() for file in (fleet.home / "logs").iterdir())
    assert "Traceback" not in logs, logs[logs.index("Traceback") :][:2000]
    assert NAME not in logs


async def _state(precordia: Connection) -> Any:
    """Everything that a caller can see to be there."""
    return (
        [recording.recording_id async for recording in precordia.ingest.recordings()],
        [(dataset.name, dataset.records, dataset.labelled) for dataset in await precordia.ingest.datasets()],
        [snapshot.digest for snapshot in await precordia.ingest.snapshots("real")],
        [(model.ref, model.aliases, model.digest) for model in await precordia.registry.models()],
        [operation.state.finished for operation in await precordia.trainer.operations.list()],
    )


async def refused(what: str, call: Awaitable[Any]) -> PrecordiaError:
    """The refusal of a call: typed, no fault of ours, soon, and silent about this host and its patients."""
    try:
        answer = await asyncio.wait_for(call, SLOWEST_S)
    except PrecordiaError as error:
        refusal = error
    else:
        raise AssertionError(f"{what} was not refused: {str(answer)[:300]}")
    assert not isinstance(refusal, InternalError), (what, refusal.message)
    assert refusal.message, what
    assert not any(word in refusal.message for word in ("Traceback", "/tmp", "/home", ".py")), (what, refusal.message)
    return refusal


async def test_files_that_mean_harm_are_refused_and_leave_nothing(fleet: Fleet, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    async with besieged(fleet) as precordia:
        for name, source in hostile_sources(trap).items():
            error = await refused(name, precordia.ingest.import_source(source, HINTS))
            assert "passwd" not in error.message
            assert NAME not in error.message
            await refused(name, precordia.ingest.import_source(source, dataset="never"))
    assert not trap.exists()


async def test_hostile_files_of_a_batch_have_their_verdicts_and_the_good_one_is_kept(fleet: Fleet) -> None:
    async with connect(fleet.addresses) as precordia:
        chosen = {name: hostile_sources(Path("trap"))[name] for name in ("npy-pickled", "npz-bomb", "wfdb-parent")}
        staged = [await precordia.ingest.stage(source) for source in [*chosen.values(), HARMLESS]]
        operation = await precordia.ingest.start_import(staged, HINTS)
        done = await precordia.ingest.operations.wait(operation.operation_id)
        assert (done.result["imported"], done.result["refused"]) == (1, 3)


NAMES = {
    "a\0b.npy": "ab.npy",
    "a\nb\r.npy": "ab.npy",
    "\u202egnp.npy": "gnp.npy",
    "../../etc/passwd": "passwd",
    "C:\\x\\y.npy": "y.npy",
    "\U0001fac0 \u00e9.npy": "\U0001fac0 \u00e9.npy",
    "x" * 5000: "x" * 255,
}


async def test_file_names_are_kept_without_folders_and_control_characters(fleet: Fleet) -> None:
    async with besieged(fleet) as precordia:
        for name, kept in NAMES.items():
            source = Source(name, HARMLESS.content)
            (recording,) = (await precordia.ingest.import_source(source, HINTS, validate_only=True)).recordings
            assert recording.source_name == kept


async def test_streams_out_of_order_are_refused(fleet: Fleet) -> None:
    async with besieged(fleet), Wire(fleet.addresses) as wire:
        for what, messages in import_streams(HARMLESS.content).items():
            await refused(what, wire.send("ingest", "ImportRecording", messages))
            await refused(what, wire.send("ingest", "PreviewImport", [_as_preview(one) for one in messages]))
        files = {"unknown": "upl-1", "format": "%s%n", "path": "../../etc/passwd"}
        for what, upload in files.items():
            staged = ingest_pb2.StagedSource(upload_id=upload)
            await refused(what, wire.ask("ingest", "StartImport", ingest_pb2.StartImportRequest(sources=[staged])))
        for method in ("ImportRecording", "UploadSource", "ImportLabels"):
            await refused(method, wire.raw_stream("ingest", method, [b"\xff" * 100]))
        for content in (b"\xff" * 100, b"\x0a\x02\xff\xfe"):  # no message; a text that is no UTF-8
            await refused("raw", wire.raw("ingest", "GetRecording", content))
        await refused("no such call", wire.raw("ingest", "Nothing", b""))
        await refused("70 MiB", wire.raw("inference", "Predict", bytes(70 << 20)))
        unserved = inference_pb2.ExplainPredictionRequest()
        assert (await refused("explain", wire.ask("inference", "ExplainPrediction", unserved))).reason == (
            "FAILED_PRECONDITION"
        )


def _as_preview(message: ingest_pb2.ImportRecordingRequest) -> ingest_pb2.PreviewImportRequest:
    return ingest_pb2.PreviewImportRequest.FromString(message.SerializeToString())


HOSTILE_HINTS = {
    "rate 0": types_pb2.Hints(sample_rate_hz=0),
    "rate NaN": types_pb2.Hints(sample_rate_hz=math.nan),
    "rate inf": types_pb2.Hints(sample_rate_hz=math.inf),
    "rate 1e300": types_pb2.Hints(sample_rate_hz=1e300),
    "unit": types_pb2.Hints(sample_rate_hz=500, unit="furlong"),
    "gain 0": types_pb2.Hints(sample_rate_hz=500, gain_adu_per_mv=0),
    "gain NaN": types_pb2.Hints(sample_rate_hz=500, gain_adu_per_mv=math.nan),
    "leads": types_pb2.Hints(sample_rate_hz=500, unit="mV", lead_names=["I"] * 100_000),
    "steps": types_pb2.Hints(applied=[types_pb2.Step(name="z_score")] * 100_000),
    "nested": types_pb2.Hints(applied=[types_pb2.Step(name="z_score", parameters_json="[" * 100_000)]),
    "surrogate": types_pb2.Hints(applied=[types_pb2.Step(name="z_score", parameters_json='{"\\ud800": 1}')]),
    "endless": types_pb2.Hints(
        applied=[types_pb2.Step(name="clip", parameters_json='{"low": 0, "high": ' + "9" * 400 + "}")]
    ),
}


async def test_hints_that_cannot_be_are_refused(fleet: Fleet) -> None:
    async with besieged(fleet), Wire(fleet.addresses) as wire:
        for what, hints in HOSTILE_HINTS.items():
            messages = import_streams(HARMLESS.content, hints=hints)["sound"]
            await refused(what, wire.send("ingest", "ImportRecording", messages))


async def test_identifiers_with_anything_in_them_are_not_found(fleet: Fleet) -> None:
    async with besieged(fleet), Wire(fleet.addresses) as wire:
        for name in IDS:
            await asyncio.gather(*(refused(f"{what} {name[:20]!r}", call) for what, call in wire.calls_with(name)))


async def test_page_tokens_that_were_never_given_are_refused(fleet: Fleet) -> None:
    scope = hashlib.sha256(json.dumps(["", []]).encode()).hexdigest()[:16]
    tokens = [*TOKENS, *(base64.urlsafe_b64encode(json.dumps([n, scope]).encode()).decode() for n in (10**30, True))]
    async with besieged(fleet) as precordia, Wire(fleet.addresses) as wire:
        (made,) = await precordia.inference.operations.list("predict_dataset")
        for token in tokens:
            for what, call in wire.pages_with(made.operation_id, token, 0):
                if not (token == "x" and what == "ListModels"):  # a model's name is a place in that list
                    await refused(f"{what} {token[:20]!r}", call)
        for what, call in wire.pages_with(made.operation_id, "", 2**32 - 1):
            if what != "ListOperations":  # takes as many as it gives
                await refused(f"{what} page size", call)


async def test_label_tables_that_are_none_are_refused(fleet: Fleet) -> None:
    wide = b"ecg_id," + b",".join(b"c%d" % index for index in range(1_000_000))
    tables = {
        "binary": os.urandom(100_000),
        "zip": b"PK\3\4" + bytes(1000),
        "empty": b"",
        "utf-16": "ecg_id,a\n1,1\n".encode("utf-16"),
        "a million columns": wide + b"\n" + b"1," * 1_000_000 + b"1\n",
        "huge cell": b"ecg_id,a\n100," + b"1" * (2 << 20) + b"\n",
        "huge fold": b"ecg_id,fold,a\n100," + b"9" * 5000 + b",1\n",
        "huge name": b"ecg_id," + b"a" * 100_000 + b"\n100,1\n",
        "NUL": b"ecg_id,a\0b\n100,1\n",
        "endless quote": b'ecg_id,a\n100,"' + b"x" * 1_000_000,
        "ragged": b"ecg_id,a\n1,2,3\n",
        "commas": b"," * (8 << 20),
        "short rows": b"1\n" * (4 << 20),
        "one record for ever": b"ecg_id,a\n" + b"1,1\n" * (2 << 20),
        "not a number": b"ecg_id,a\n100,nan\n101,1e999\n",
        "half a character": b"ecg_id,a\n100,\xed\xa0\x80\n",
    }
    async with besieged(fleet) as precordia:
        before = await precordia.ingest.get_dataset("real")
        for what, content in tables.items():
            await refused(what, precordia.ingest.import_labels("real", "l.csv", content, LabelScheme.TABLE))
        assert await precordia.ingest.get_dataset("real") == before
        formula = b"ecg_id,=cmd|' /C calc'!A0\n100,1\n"  # text like any other; a name, and nothing that is run
        assert (await precordia.ingest.import_labels("real", "l.csv", formula)).matched_records == 1
        await precordia.ingest.import_labels("real", "labels.csv", table())


async def test_numbers_out_of_all_bounds_are_refused(fleet: Fleet) -> None:
    async with besieged(fleet) as precordia, Wire(fleet.addresses) as wire:
        recording = (await precordia.ingest.list_recordings(page_size=1)).recordings[0].recording_id
        rules = {
            "NaN": [SplitRule("a", patient_fraction=math.nan)],
            "2": [SplitRule("a", patient_fraction=2)],
            "many": [SplitRule(f"a{index}", patient_fraction=1e-7) for index in range(100_000)],
            "folds": [SplitRule("a", folds=tuple(map(str, range(100_000))))],
        }
        for what, wanted in rules.items():
            await refused(f"split {what}", precordia.ingest.create_snapshot("real", wanted))
        for rate in (0.0, -1.0, math.nan, math.inf, 1e300, 1e-300):
            await refused(f"export {rate}", anext(aiter(precordia.ingest.export([recording], "csv", "raw", rate))))
        await refused("10001", anext(aiter(precordia.ingest.export([recording] * 10_001, "csv"))))
        points = ('{"temperature": ' + "9" * 400 + "}", '{"temperature": 1e-320}', '{"thresholds": {"MI": 1e999}}')
        for text in (*points, "[" * 100_000, '{"thresholds": {"\\ud800": 1}}'):
            await refused(text[:30], precordia.registry.set_operating_points(MODEL, 1, text))
        await refused("watch", wire.first("registry", "WatchModels", registry_pb2.WatchModelsRequest(after_number=BIG)))
        last = registry_pb2.SetAliasRequest(name=MODEL, alias="a", version=2**32 - 1)
        await refused("version", wire.ask("registry", "SetAlias", last))


async def test_a_request_id_never_means_two_things(fleet: Fleet) -> None:
    async with besieged(fleet) as precordia:
        model, split = ModelRef(MODEL), SplitRef("real")
        operation = await precordia.inference.predict_dataset(model, split, request_id="once")
        again = await precordia.inference.predict_dataset(model, split, request_id="once")
        assert again.operation_id == operation.operation_id
        error = await refused("reuse", precordia.inference.predict_dataset(model, SplitRef("other"), request_id="once"))
        assert isinstance(error, RequestReused)
        await precordia.ingest.import_source(many(), CONDITIONED, request_id="twice")
        other = precordia.ingest.import_source(many(first_id=900), CONDITIONED, request_id="twice")
        assert isinstance(await refused("reuse", other), RequestReused)


async def test_models_that_mean_harm_are_refused_and_leave_nothing(fleet: Fleet, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    async with besieged(fleet) as precordia, Wire(fleet.addresses) as wire:
        for name, content in hostile_models(trap).items():
            error = await refused(name, precordia.registry.import_model("evil", content))
            assert "passwd" not in error.message
        for name, messages in publish_streams(linear_model().SerializeToString(), manifest()).items():
            await refused(name, wire.send("registry", "PublishModel", messages))
    assert not trap.exists()


async def test_endless_models_of_callers_who_hang_up_keep_nobody_else_waiting(fleet: Fleet) -> None:
    async with besieged(fleet) as precordia:
        content = endless_model().SerializeToString()
        calls = [asyncio.create_task(precordia.registry.import_model("evil", content, manifest())) for _ in range(16)]
        await asyncio.sleep(0.5)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        async with asyncio.timeout(SLOWEST_S):  # two are still examined; who only reads does not feel it
            assert (await precordia.registry.get(ModelRef("mine"))).version == 1
        error = await refused_within(
            "endless", 16 * EXAMINED_S, precordia.registry.import_model("evil", content, manifest())
        )
        assert error.reason == "INVALID_MODEL"


async def refused_within(what: str, seconds: float, call: Awaitable[Any]) -> PrecordiaError:
    async with asyncio.timeout(seconds):
        with pytest.raises(PrecordiaError) as caught:
            await call
    assert not isinstance(caught.value, InternalError), what
    return caught.value


async def test_signals_that_are_no_ecg_are_refused_and_the_others_are_scored(fleet: Fleet) -> None:
    async with besieged(fleet), Wire(fleet.addresses) as wire:
        model = types_pb2.ModelRef(name=MODEL)
        sound = inference_pb2.PredictInput(signal=SOUND, tag="sound")
        for what, (hostile, reason) in signals().items():
            inputs = [inference_pb2.PredictInput(signal=hostile), sound]
            request = inference_pb2.PredictRequest(model=model, inputs=inputs)
            if reason == "":  # wrong in itself: alone, the request is refused
                await refused(what, wire.ask("inference", "Predict", _asking(model, inputs[:1])))
            async with asyncio.timeout(SLOWEST_S):
                bad, good = (await wire.ask("inference", "Predict", request)).predictions
            assert bad.error.reason == reason if reason else bad.error.reason, what
            assert len(bad.scores) == 0, what
            assert len(good.scores) == 5
        for age in (math.nan, math.inf, -5.0, 1e300):
            aged = inference_pb2.PredictInput(signal=SOUND, age_years=age)
            await refused(f"age {age}", wire.ask("inference", "Predict", _asking(model, [aged])))
        await refused("none", wire.ask("inference", "Predict", _asking(model, [])))
        await refused("257", wire.ask("inference", "Predict", _asking(model, [sound] * 257)))
        await refused("no source", wire.ask("inference", "Predict", _asking(model, [inference_pb2.PredictInput()])))


def _asking(model: types_pb2.ModelRef, inputs: list[inference_pb2.PredictInput]) -> inference_pb2.PredictRequest:
    return inference_pb2.PredictRequest(model=model, inputs=inputs)


async def test_training_runs_that_cannot_be_are_refused_before_they_begin(fleet: Fleet) -> None:
    async with besieged(fleet) as precordia, Wire(fleet.addresses) as wire:
        for what, (name, spec) in specs().items():
            request = trainer_pb2.StartTrainingRequest(request_id=f"train {what}", name=name, spec=spec)
            await refused(what, wire.ask("trainer", "StartTraining", request))
        assert await precordia.trainer.operations.list() == []
