"""What goes into a prediction, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence

from precordia.errors import InvalidArgument
from precordia.manifest import Task
from precordia.prediction import (
    FilePrediction,
    KeptPrediction,
    KeptQuery,
    LoadedModel,
    PredictInput,
    Prediction,
    Priority,
    RecordTruth,
    Score,
    ScoredRecord,
)
from precordia.rpc.convert.dataset import split_ref_from_proto, split_ref_to_proto
from precordia.rpc.convert.recording import stored_recording_from_proto, stored_recording_to_proto
from precordia.rpc.convert.signal import (
    remarks_from_proto,
    remarks_to_proto,
    sex_from_proto,
    sex_to_proto,
    signal_from_proto,
    signal_to_proto,
)
from precordia.rpc.convert.timestamps import time_from_proto, time_to_proto
from precordia.v1 import inference_pb2

_PRIORITIES: dict[Priority, inference_pb2.Priority] = {
    Priority.STAT: inference_pb2.PRIORITY_STAT,
    Priority.ROUTINE: inference_pb2.PRIORITY_ROUTINE,
    Priority.BACKGROUND: inference_pb2.PRIORITY_BACKGROUND,
}
_PRIORITIES_BACK = {number: priority for priority, number in _PRIORITIES.items()}


OLDEST_YEARS = 150


def priority_to_proto(priority: Priority) -> inference_pb2.Priority:
    """Who waits for the answer."""
    return _PRIORITIES[priority]


def priority_from_proto(number: inference_pb2.Priority) -> Priority:
    """Who waits for the answer; UNSPECIFIED or unknown is ROUTINE."""
    return _PRIORITIES_BACK.get(number, Priority.ROUTINE)


def predict_input_to_proto(value: PredictInput) -> inference_pb2.PredictInput:
    """A stored recording, or a signal with what is known of the patient."""
    message = inference_pb2.PredictInput(age_years=value.age_years, sex=sex_to_proto(value.sex), tag=value.tag)
    if value.signal is not None:
        message.signal.CopyFrom(signal_to_proto(value.signal))
    else:
        message.recording_id = value.recording_id
    return message


def predict_input_from_proto(message: inference_pb2.PredictInput) -> PredictInput:
    """A stored recording, or a signal with what is known of the patient.

    Raises:
        InvalidArgument: it is neither; or the signal's block does not fit its header.
        MissingField, UnknownLead, UnknownStep: see `signal_from_proto`.
    """
    source = message.WhichOneof("source")
    if source is None or (source == "recording_id" and not message.recording_id):
        raise InvalidArgument("An input is a recording_id or a signal.", field="inputs.source")
    return PredictInput(
        recording_id=message.recording_id,
        signal=signal_from_proto(message.signal) if source == "signal" else None,
        age_years=_age(message),
        sex=sex_from_proto(message.sex),
        tag=message.tag,
    )


def _age(message: inference_pb2.PredictInput) -> float | None:
    if not message.HasField("age_years"):
        return None
    if not 0 <= message.age_years <= OLDEST_YEARS:  # NaN neither
        raise InvalidArgument(
            f"An age is 0 to {OLDEST_YEARS} years; leave it out where it is not known.", field="inputs.age_years"
        )
    return message.age_years


def score_to_proto(score: Score) -> inference_pb2.Score:
    """One output."""
    return inference_pb2.Score(
        name=score.name, value=score.value, code=score.code, unit=score.unit, threshold=score.threshold
    )


def score_from_proto(message: inference_pb2.Score) -> Score:
    """One output."""
    threshold = message.threshold if message.HasField("threshold") else None
    return Score(message.name, message.value, message.code, message.unit, threshold)


def prediction_to_proto(prediction: Prediction) -> inference_pb2.Prediction:
    """Scores with their provenance, or the error."""
    message = inference_pb2.Prediction(
        tag=prediction.tag,
        recording_id=prediction.recording_id,
        model=prediction.model,
        version=prediction.version,
        model_digest=prediction.model_digest,
        task=prediction.task.value if prediction.task else "",
        scores=[score_to_proto(score) for score in prediction.scores],
        warnings=remarks_to_proto(prediction.remarks),
        input_sha256=prediction.input_sha256,
        predicted_at=time_to_proto(prediction.predicted_at),
        windows=prediction.windows,
        operating_points_revision=prediction.operating_points_revision,
    )
    if prediction.error_reason:
        message.error.reason = prediction.error_reason
        message.error.message = prediction.error_message
    return message


def prediction_from_proto(message: inference_pb2.Prediction) -> Prediction:
    """Scores with their provenance, or the error."""
    revision = message.operating_points_revision if message.HasField("operating_points_revision") else None
    return Prediction(
        model=message.model,
        version=message.version,
        model_digest=message.model_digest,
        task=Task(message.task) if message.task else None,
        scores=tuple(score_from_proto(score) for score in message.scores),
        recording_id=message.recording_id,
        tag=message.tag,
        remarks=remarks_from_proto(message.warnings),
        input_sha256=message.input_sha256,
        predicted_at=time_from_proto(message, "predicted_at"),
        windows=message.windows,
        error_reason=message.error.reason,
        error_message=message.error.message,
        operating_points_revision=revision,
    )


def file_prediction_to_proto(value: FilePrediction) -> inference_pb2.PredictFileResponse:
    """A file's recordings and their scores."""
    return inference_pb2.PredictFileResponse(
        recordings=map(stored_recording_to_proto, value.recordings),
        created=value.created,
        predictions=map(prediction_to_proto, value.predictions),
    )


def file_prediction_from_proto(message: inference_pb2.PredictFileResponse) -> FilePrediction:
    """A file's recordings and their scores."""
    return FilePrediction(
        tuple(map(stored_recording_from_proto, message.recordings)),
        message.created,
        tuple(map(prediction_from_proto, message.predictions)),
    )


def kept_prediction_to_proto(kept: KeptPrediction) -> inference_pb2.KeptPrediction:
    """An answer that was given."""
    return inference_pb2.KeptPrediction(
        number=kept.number, prediction=prediction_to_proto(kept.prediction), operation_id=kept.operation_id
    )


def kept_prediction_from_proto(message: inference_pb2.KeptPrediction) -> KeptPrediction:
    """An answer that was given."""
    return KeptPrediction(message.number, prediction_from_proto(message.prediction), message.operation_id)


def kept_query_to_proto(query: KeptQuery) -> inference_pb2.ListKeptPredictionsRequest:
    """Which answers are asked for, without the page."""
    return inference_pb2.ListKeptPredictionsRequest(
        recording_id=query.recording_id,
        model=query.model,
        version=query.version,
        model_digest=query.model_digest,
        since=time_to_proto(query.since),
        until=time_to_proto(query.until),
        label=query.label,
        at_least=query.at_least,
        operation_id=query.operation_id,
    )


def kept_query_from_proto(message: inference_pb2.ListKeptPredictionsRequest) -> KeptQuery:
    """Which answers are asked for.

    Raises:
        InvalidArgument: a least score without a label.
    """
    at_least = message.at_least if message.HasField("at_least") else None
    if at_least is not None and not message.label:
        raise InvalidArgument("Name the label whose score is at least this.", field="label")
    return KeptQuery(
        recording_id=message.recording_id,
        model=message.model,
        version=message.version,
        model_digest=message.model_digest,
        since=time_from_proto(message, "since"),
        until=time_from_proto(message, "until"),
        label=message.label,
        at_least=at_least,
        operation_id=message.operation_id,
    )


def scored_records_to_proto(page: Sequence[ScoredRecord], token: str) -> inference_pb2.ListPredictionsResponse:
    """A page of what an operation made."""
    told = [one for one in page if one.truth is not None and one.split is not None]
    return inference_pb2.ListPredictionsResponse(
        predictions=[prediction_to_proto(one.prediction) for one in page],
        next_page_token=token,
        truths=[_truth_to_proto(one.truth) for one in told if one.truth is not None],
        splits=[split_ref_to_proto(one.split) for one in told if one.split is not None],
    )


def scored_records_from_proto(message: inference_pb2.ListPredictionsResponse) -> tuple[ScoredRecord, ...]:
    """A page of what an operation made."""
    predictions = map(prediction_from_proto, message.predictions)
    if not message.truths:
        return tuple(map(ScoredRecord, predictions))
    splits, truths = map(split_ref_from_proto, message.splits), map(_truth_from_proto, message.truths)
    return tuple(map(ScoredRecord, predictions, splits, truths))


def _truth_to_proto(truth: RecordTruth) -> inference_pb2.RecordTruth:
    return inference_pb2.RecordTruth(
        labelled=truth.labelled, labels=truth.labels, values=dict(truth.values), patient=truth.patient
    )


def _truth_from_proto(message: inference_pb2.RecordTruth) -> RecordTruth:
    return RecordTruth(message.labelled, tuple(message.labels), dict(message.values), message.patient)


def loaded_model_to_proto(model: LoadedModel) -> inference_pb2.LoadedModel:
    """A model as inference holds it."""
    return inference_pb2.LoadedModel(**vars(model))


def loaded_model_from_proto(message: inference_pb2.LoadedModel) -> LoadedModel:
    """A model as inference holds it."""
    return LoadedModel(
        name=message.name,
        version=message.version,
        digest=message.digest,
        aliases=tuple(message.aliases),
        providers=tuple(message.providers),
        max_batch=message.max_batch,
        sessions=message.sessions,
        max_delay_ms=message.max_delay_ms,
        queue_depth=message.queue_depth,
        queue_capacity=message.queue_capacity,
        executed=message.executed,
        dropped_expired=message.dropped_expired,
        dropped_cancelled=message.dropped_cancelled,
        measured_ms=dict(message.measured_ms),
        measured_rate=dict(message.measured_rate),
        threads=message.threads,
        memory_bytes=message.memory_bytes,
        refused=message.refused,
    )
