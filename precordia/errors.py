"""Everything that can go wrong, as one tree.

PrecordiaError
├── InvalidInput                 what was sent cannot be used; sending it again will not help
│   ├── InvalidArgument          a request field has no usable value
│   ├── UnknownFormat            no reader knows these bytes
│   ├── UnreadableFile           a reader knows the format, but the file is broken
│   ├── UnsafeContent            pickles, bombs, anything that could do harm
│   ├── TooLarge                 beyond a stated limit
│   ├── ChecksumMismatch         the bytes that came are not the bytes announced
│   ├── MissingField             the file does not say a fact, and no hint does
│   ├── HintConflict             a hint contradicts the file
│   ├── UnknownLead              a lead name that is no standard lead
│   ├── MissingLead              a lead that is needed is not there
│   ├── UnsupportedView          a recording cannot be shown or exported in this way
│   ├── InvalidLabels            a label table that cannot be used
│   ├── InvalidSplit             a split that cannot be made
│   ├── InvalidManifest          a model contract that is malformed
│   ├── UnknownStep              a conditioning step that this version does not have
│   ├── ConditioningConflict     the signal's history does not fit the model's contract
│   ├── InvalidModel             a model file that is broken or cannot run here
│   └── InvalidTrainingSpec      a training run that cannot be made
├── NotFound
│   ├── RecordingNotFound  DatasetNotFound  SnapshotNotFound  ShardNotFound  UploadNotFound
│   ├── ModelNotFound  AliasNotFound  ArtifactNotFound  OperationNotFound  NetworkNotFound
│   └── PredictionsRemoved       what an operation made was removed for its age
├── Conflict                     true now, may change
│   ├── AlreadyExists            the name is taken
│   ├── InUse                    something else points at it
│   └── RequestReused            a request_id came back with other content
├── FailedPrecondition           the service is not in a state to do this
│   ├── MissingDependency        an optional package is not installed
│   └── AccuracyLost             a smaller version of a model would be less accurate than is allowed
├── Unavailable                  try again
│   ├── ServiceUnavailable       a service cannot be reached
│   ├── Overloaded               the queue is full; says when to come back
│   └── StorageFull              no space left
├── DeadlineExceeded
├── Cancelled
├── Unauthenticated
└── InternalError                a fault of ours; the detail is in the service's log

An error carries its facts in `details`, as text, so that it crosses the wire whole. Messages say
what to do; they hold no path, no identifier and no sample.
"""

from __future__ import annotations

from typing import ClassVar


class PrecordiaError(Exception):
    """Root of the tree. `reason` is stable and upper-snake; `details` are facts by name."""

    reason: ClassVar[str] = "PRECORDIA_ERROR"

    def __init__(self, message: str, **details: str | float) -> None:
        super().__init__(message)
        self.message = message
        self.details = {name: str(value) for name, value in details.items()}

    @property
    def field(self) -> str:
        """The request or file field concerned; empty where it is none in particular."""
        return self.details.get("field", "")


class InvalidInput(PrecordiaError):
    """What was sent cannot be used."""

    reason = "INVALID_INPUT"


class InvalidArgument(InvalidInput):
    """A request field has no usable value. Details: field."""

    reason = "INVALID_ARGUMENT"


class UnknownFormat(InvalidInput):
    """No reader knows these bytes."""

    reason = "UNKNOWN_FORMAT"


class UnreadableFile(InvalidInput):
    """The format is known, the file is broken. Details: format."""

    reason = "UNREADABLE_FILE"


class UnsafeContent(InvalidInput):
    """The file holds something that is never opened here: pickles, bombs, code."""

    reason = "UNSAFE_CONTENT"


class TooLarge(InvalidInput):
    """Beyond a stated limit. Details: limit."""

    reason = "TOO_LARGE"


class ChecksumMismatch(InvalidInput):
    """The bytes that came are not the bytes announced."""

    reason = "CHECKSUM_MISMATCH"


class MissingField(InvalidInput):
    """Neither the file nor a hint says a fact. Details: field."""

    reason = "MISSING_FIELD"


class HintConflict(InvalidInput):
    """A hint contradicts the file. Details: field, file_value, hint_value."""

    reason = "HINT_CONFLICT"


class UnknownLead(InvalidInput):
    """A name that is no standard lead. Details: lead."""

    reason = "UNKNOWN_LEAD"


class MissingLead(InvalidInput):
    """A lead that is needed is not in the recording. Details: leads (comma-separated)."""

    reason = "MISSING_LEAD"


class UnsupportedView(InvalidInput):
    """A recording cannot be shown or exported in this way."""

    reason = "UNSUPPORTED_VIEW"


class InvalidLabels(InvalidInput):
    """A label table that cannot be used."""

    reason = "INVALID_LABELS"


class InvalidSplit(InvalidInput):
    """A split that cannot be made."""

    reason = "INVALID_SPLIT"


class InvalidManifest(InvalidInput):
    """A model contract that is malformed. Details: field."""

    reason = "INVALID_MANIFEST"


class UnknownStep(InvalidInput):
    """A conditioning step that this version does not have. Details: step."""

    reason = "UNKNOWN_STEP"


class ConditioningConflict(InvalidInput):
    """The signal's history does not fit the model's contract. Details: step."""

    reason = "CONDITIONING_CONFLICT"


class InvalidModel(InvalidInput):
    """A model file that is broken or cannot run here. Details: operator where one is to blame."""

    reason = "INVALID_MODEL"


class InvalidTrainingSpec(InvalidInput):
    """A training run that cannot be made. Details: field."""

    reason = "INVALID_TRAINING_SPEC"


class NotFound(PrecordiaError):
    """What was named is not there. Details: name."""

    reason = "NOT_FOUND"


class RecordingNotFound(NotFound):
    """No recording has this id."""

    reason = "RECORDING_NOT_FOUND"


class DatasetNotFound(NotFound):
    """No dataset has this name."""

    reason = "DATASET_NOT_FOUND"


class SnapshotNotFound(NotFound):
    """No snapshot has this id, or none holds this split."""

    reason = "SNAPSHOT_NOT_FOUND"


class ShardNotFound(NotFound):
    """No shard has this id."""

    reason = "SHARD_NOT_FOUND"


class UploadNotFound(NotFound):
    """No staged upload has this id; it may have expired."""

    reason = "UPLOAD_NOT_FOUND"


class ModelNotFound(NotFound):
    """No model has this name or version."""

    reason = "MODEL_NOT_FOUND"


class AliasNotFound(NotFound):
    """The model has no such alias."""

    reason = "ALIAS_NOT_FOUND"


class ArtifactNotFound(NotFound):
    """The model version has no such file."""

    reason = "ARTIFACT_NOT_FOUND"


class OperationNotFound(NotFound):
    """No operation has this id."""

    reason = "OPERATION_NOT_FOUND"


class PredictionsRemoved(NotFound):
    """What an operation predicted was removed for its age; its result is still there. Details: days."""

    reason = "PREDICTIONS_REMOVED"


class NetworkNotFound(NotFound):
    """No network has this name here."""

    reason = "NETWORK_NOT_FOUND"


class Conflict(PrecordiaError):
    """Refused by the present state, which may change."""

    reason = "CONFLICT"


class AlreadyExists(Conflict):
    """The name is taken. Details: name."""

    reason = "ALREADY_EXISTS"


class InUse(Conflict):
    """Something else points at it. Details: name."""

    reason = "IN_USE"


class RequestReused(Conflict):
    """A request_id came back with other content."""

    reason = "REQUEST_REUSED"


class FailedPrecondition(PrecordiaError):
    """The service is not in a state to do this."""

    reason = "FAILED_PRECONDITION"


class MissingDependency(FailedPrecondition):
    """An optional package is not installed. Details: package, extra."""

    reason = "MISSING_DEPENDENCY"


class AccuracyLost(FailedPrecondition):
    """A smaller version of a model is less accurate than is allowed. Details: base, int8, loss, allowed."""

    reason = "ACCURACY_LOST"


class Unavailable(PrecordiaError):
    """Try again later."""

    reason = "UNAVAILABLE"


class ServiceUnavailable(Unavailable):
    """A service cannot be reached. Details: service, address."""

    reason = "SERVICE_UNAVAILABLE"


class Overloaded(Unavailable):
    """The queue is full. Details: retry_after_s; places, where so many were wanted in it at once."""

    reason = "OVERLOADED"

    @property
    def retry_after_s(self) -> float:
        """Seconds after which a new attempt makes sense."""
        return float(self.details.get("retry_after_s", "1"))


class StorageFull(Unavailable):
    """No space is left where data is kept."""

    reason = "STORAGE_FULL"


class DeadlineExceeded(PrecordiaError):
    """The caller's deadline passed before the work was done."""

    reason = "DEADLINE_EXCEEDED"


class Cancelled(PrecordiaError):
    """The caller, or an operator, called it off."""

    reason = "CANCELLED"


class Unauthenticated(PrecordiaError):
    """The call carries no valid token."""

    reason = "UNAUTHENTICATED"


class InternalError(PrecordiaError):
    """A fault of ours. Details: request_id, under which the service's log has the cause."""

    reason = "INTERNAL"


def _subclasses(root: type[PrecordiaError]) -> list[type[PrecordiaError]]:
    # What others derive from this tree for themselves does not cross the wire, and takes no reason's place.
    children = [child for child in root.__subclasses__() if child.__module__ == __name__]
    return [root] + [leaf for child in children for leaf in _subclasses(child)]


def by_reason() -> dict[str, type[PrecordiaError]]:
    """Every error class of this tree by its reason: the fixed table that a client turns replies back with."""
    return {error.reason: error for error in _subclasses(PrecordiaError)}
