"""What goes into a prediction, and what comes out."""

from __future__ import annotations

from precordia.errors import InvalidArgument
from precordia.manifest import Task
from precordia.prediction import LoadedModel, PredictInput, Prediction, Priority, Score
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
    )
    if prediction.error_reason:
        message.error.reason = prediction.error_reason
        message.error.message = prediction.error_message
    return message


def prediction_from_proto(message: inference_pb2.Prediction) -> Prediction:
    """Scores with their provenance, or the error."""
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
    )


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
    )
