"""Every value comes back from its message as it was: recordings, datasets, models, training."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precordia.catalog import Artifact, Lineage, LineageStep, ModelChange, ModelEvent, ModelRef, ModelVersion
from precordia.dataset import (
    Dataset,
    GroupFacts,
    LabelChoices,
    LabelFacts,
    LabelGroup,
    LabelImport,
    LabelScheme,
    NumericFacts,
    RecordFilter,
    ShardTicket,
    Snapshot,
    SplitCount,
    SplitFacts,
    SplitRef,
    SplitRule,
)
from precordia.errors import InvalidArgument
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.operation import Operation, OperationEvent, OperationState
from precordia.quality import Grade
from precordia.record import Hints, Sex, Unit
from precordia.rpc.convert import (
    dataset,
    model,
    operation,
    record_filter,
    recording,
    training,
)
from precordia.rpc.convert.steps import step_from_proto, step_to_proto
from precordia.steps import Step
from precordia.stored import ImportPreview, StoredRecording
from precordia.training import Method, NetworkInfo, TrainerStatus, TrainingSpec
from precordia.v1 import ingest_pb2, trainer_pb2, types_pb2
from tests.precordia.convert.values import HINTS, NOON, REMARK, STEPS, STORED

MANIFEST = Manifest(
    InputSpec("input", ("I", "II"), 100.0, 10.0),
    Task.MULTILABEL,
    (Output("NORM", "426783006"), Output("MI")),
    STEPS,
    Activation.SIGMOID,
    origin={"seed": 3},
)
LINEAGE = Lineage("trained", "base:1", "ab", "ptbxl", "cd", "job-1", '{"seed":3}')
VERSION = ModelVersion(
    "net",
    2,
    "ef" * 32,
    MANIFEST,
    (Artifact("model.onnx", "12" * 32, 77),),
    LINEAGE,
    ("prod",),
    NOON,
    (REMARK,),
    4,
    "{}",
)
GROUPS = (LabelGroup("super_class", (("NORM", 9), ("MI", 1))), LabelGroup("", (("AF", 0),)))
DATASET = Dataset("ptbxl", 10, 9, 8, GROUPS, ("1", "2"), NOON, NOON)


@given(
    st.builds(
        Hints,
        sample_rate_hz=st.none() | st.floats(0.1, 1e6),
        unit=st.none() | st.sampled_from(Unit),
        gain_adu_per_mv=st.none() | st.floats(1e-3, 1e6),
        lead_names=st.lists(st.sampled_from(["I", "MLII", "?"]), max_size=3).map(tuple),
        applied=st.sampled_from([(), STEPS]),
        delimiter=st.sampled_from(["", ",", "\t"]),
        decimal_mark=st.sampled_from(["", ".", ","]),
        time_column=st.none() | st.integers(-1, 12),
        variable=st.text(max_size=8),
    )
)
@settings(max_examples=60)
def test_hints_come_back(hints: Hints) -> None:
    assert recording.hints_from_proto(recording.hints_to_proto(hints)) == hints


@pytest.mark.parametrize(
    "step", [*STEPS, Step("min_max", 1, {"by": "record"}), Step("clip", 1, {"low": -5, "high": 5})]
)
def test_a_step_comes_back_with_its_parameters(step: Step) -> None:
    assert step_from_proto(step_to_proto(step)) == step


def test_a_stored_recording_comes_back_whole() -> None:
    assert recording.stored_recording_from_proto(recording.stored_recording_to_proto(STORED)) == STORED


def test_a_finding_of_a_kind_not_known_here_is_left_out() -> None:
    message = recording.stored_recording_to_proto(STORED)
    message.quality.findings.add(defect="of a later version", grade=types_pb2.QUALITY_GRADE_POOR)
    assert recording.stored_recording_from_proto(message) == STORED


@given(
    st.builds(
        RecordFilter,
        least_age_years=st.none() | st.floats(0, 150),
        most_age_years=st.none() | st.floats(0, 150),
        sex=st.none() | st.sampled_from(Sex),
        least_grade=st.none() | st.sampled_from(Grade),
        labels=st.lists(st.text(max_size=4), max_size=2).map(tuple),
        without=st.lists(st.text(max_size=4), max_size=2).map(tuple),
    )
)
@settings(max_examples=40)
def test_filters_come_back(only: RecordFilter) -> None:
    assert record_filter.record_filter_from_proto(record_filter.record_filter_to_proto(only)) == only


def test_choices_of_a_label_table_come_back() -> None:
    choices = LabelChoices(("age", "LVEF"), b"x,y", 50.0, "table1", b"label,target")
    header = ingest_pb2.ImportLabelsHeader()
    dataset.label_choices_to_proto(choices, header)
    assert dataset.label_choices_from_proto(header) == choices


def test_a_recording_of_which_little_is_known_comes_back_with_nothing_made_up() -> None:
    bare = StoredRecording("", "x", "", 0, "", "csv", (), (), 0.0, 0, None)
    assert recording.stored_recording_from_proto(recording.stored_recording_to_proto(bare)) == bare


def test_a_time_without_a_zone_comes_back_without_one() -> None:
    local = StoredRecording("", "x", "", 0, "", "dicom", (), (), 0.0, 0, None, acquired_at=datetime(1999, 1, 2, 3))
    assert recording.stored_recording_from_proto(recording.stored_recording_to_proto(local)).acquired_at == datetime(
        1999, 1, 2, 3
    )


def test_a_time_of_another_zone_comes_back_as_the_same_moment() -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5)))
    event = OperationEvent(1, "state", {}, east)
    assert operation.operation_event_from_proto(operation.operation_event_to_proto(event)).at == NOON


def test_a_preview_comes_back() -> None:
    preview = ImportPreview("csv", HINTS, ("unit",), 2, "samples_by_leads", ("t", "I"), (REMARK,))
    assert recording.preview_from_proto(recording.preview_to_proto(preview)) == preview


@pytest.mark.parametrize("view", recording.VIEWS)
def test_a_view_comes_back(view: str) -> None:
    assert recording.view_from_proto(recording.view_to_proto(view)) == view


def test_an_unknown_view_names_its_field() -> None:
    with pytest.raises(InvalidArgument) as refused:
        recording.view_to_proto("upside_down")
    assert refused.value.field == "view"


@pytest.mark.parametrize(("field", "value"), [("sample_rate_hz", -1.0), ("gain_adu_per_mv", float("nan"))])
def test_a_hint_that_is_no_positive_number_is_refused(field: str, value: float) -> None:
    message = types_pb2.Hints()
    setattr(message, field, value)
    with pytest.raises(InvalidArgument) as refused:
        recording.hints_from_proto(message)
    assert refused.value.field == field


def test_a_hinted_unit_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgument) as refused:
        recording.hints_from_proto(types_pb2.Hints(unit="furlong"))
    assert refused.value.field == "unit"


def test_datasets_snapshots_and_tickets_come_back() -> None:
    facts = SplitFacts(
        "train",
        6,
        5,
        (GroupFacts("super_class", 6, (LabelFacts("MI", 2, 1),)),),
        (NumericFacts("age", 5, -1.5, 89.0),),
        ((("I", "II"), 4), (("V1",), 2)),
    )
    snapshot = Snapshot("s-1", "ptbxl", "ab" * 32, (SplitCount("train", 6, 5),), GROUPS, NOON, facts=(facts,))
    ticket = ShardTicket("sh-1", "cd" * 32, 1 << 33, 1000, "s3://bucket/key")
    labels = LabelImport(DATASET, 9, ("row 4",), ("17",), ("Column 'x' was not used.",))
    assert dataset.dataset_from_proto(dataset.dataset_to_proto(DATASET)) == DATASET
    assert dataset.snapshot_from_proto(dataset.snapshot_to_proto(snapshot)) == snapshot
    assert dataset.shard_ticket_from_proto(dataset.shard_ticket_to_proto(ticket)) == ticket
    assert dataset.label_import_from_proto(dataset.label_import_to_proto(labels)) == labels


@pytest.mark.parametrize("rule", [SplitRule("train", ("1", "2")), SplitRule("test", patient_fraction=0.2)])
def test_a_split_rule_comes_back(rule: SplitRule) -> None:
    assert dataset.split_rule_from_proto(dataset.split_rule_to_proto(rule)) == rule


@pytest.mark.parametrize("ref", [SplitRef("a"), SplitRef("a", "train"), SplitRef("a", "train", "s-1")])
def test_a_split_reference_comes_back(ref: SplitRef) -> None:
    assert dataset.split_ref_from_proto(dataset.split_ref_to_proto(ref)) == ref


def test_a_split_reference_without_a_dataset_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        dataset.split_ref_from_proto(types_pb2.SplitRef(split="train"))


@pytest.mark.parametrize("scheme", list(LabelScheme))
def test_a_label_scheme_comes_back(scheme: LabelScheme) -> None:
    assert dataset.label_scheme_from_proto(dataset.label_scheme_to_proto(scheme)) is scheme


@pytest.mark.parametrize("ref", [ModelRef("net"), ModelRef("net", 3), ModelRef("net", alias="prod")])
def test_a_model_reference_comes_back(ref: ModelRef) -> None:
    assert model.model_ref_from_proto(model.model_ref_to_proto(ref)) == ref


@pytest.mark.parametrize("name", ["", "../net", "a b"])
def test_a_model_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument):
        model.model_ref_from_proto(types_pb2.ModelRef(name=name))


def test_a_model_version_comes_back_with_the_same_manifest_digest() -> None:
    back = model.model_version_from_proto(model.model_version_to_proto(VERSION))
    assert back == VERSION
    assert back.manifest.digest() == MANIFEST.digest()


@pytest.mark.parametrize("change", list(ModelChange))
def test_a_model_event_comes_back(change: ModelChange) -> None:
    event = ModelEvent(9, change, "net", 2, "prod")
    assert model.model_event_from_proto(model.model_event_to_proto(event)) == event


def test_an_ancestor_comes_back() -> None:
    step = LineageStep("net:1", "ab", LINEAGE)
    assert model.lineage_step_from_proto(model.lineage_step_to_proto(step)) == step


@pytest.mark.parametrize(
    "spec",
    [
        TrainingSpec(SplitRef("ptbxl"), "InceptionTime"),
        TrainingSpec(
            SplitRef("ptbxl", "train", "s-1"),
            "net@prod",
            Method.HEAD,
            SplitRef("ptbxl", "validation"),
            SplitRef("other"),
            "super_class",
            ("NORM", "MI"),
            Task.MULTICLASS,
            100.0,
            10.0,
            ("I", "II"),
            STEPS,
            "published",
            7,
            50,
            32,
            0.01,
            0.1,
            2,
            {"mixup": 0.2},
            ("II",),
        ),
    ],
)
def test_a_training_spec_comes_back(spec: TrainingSpec) -> None:
    assert training.training_spec_from_proto(training.training_spec_to_proto(spec)) == spec


def test_training_without_a_base_is_refused() -> None:
    with pytest.raises(InvalidArgument) as refused:
        training.training_spec_from_proto(trainer_pb2.TrainingSpec(train=types_pb2.SplitRef(dataset="a")))
    assert refused.value.field == "spec.base"


def test_networks_and_trainer_status_come_back() -> None:
    network = NetworkInfo("InceptionTime", "Six modules", 457_000, "Ismail Fawaz 2020", 460_000_000, 100.0, 10.0)
    status = TrainerStatus(False, "Install the extra 'train'.", "local", ("cpu",), 1, 2, ("a", "b"))
    assert training.network_from_proto(training.network_to_proto(network)) == network
    assert training.trainer_status_from_proto(training.trainer_status_to_proto(status)) == status


@pytest.mark.parametrize("state", list(OperationState))
def test_an_operation_comes_back(state: OperationState) -> None:
    work = Operation("o-1", "train", state, {"a": [1]}, {"m": {"x": 0.5}}, "R", "Why.", NOON, NOON, 9, 2, 3, 4)
    assert operation.operation_from_proto(operation.operation_to_proto(work)) == work


def test_a_metric_that_could_not_be_measured_is_null_not_nan() -> None:
    event = OperationEvent(3, "epoch", {"auroc": float("nan"), "loss": [float("inf"), 0.5]}, NOON)
    back = operation.operation_event_from_proto(operation.operation_event_to_proto(event))
    assert back.payload == {"auroc": None, "loss": [None, 0.5]}
