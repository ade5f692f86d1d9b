import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from precordia.v1 import ingest_pb2 as _ingest_pb2
from precordia.v1 import operations_pb2 as _operations_pb2
from precordia.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_STAT: _ClassVar[Priority]
    PRIORITY_ROUTINE: _ClassVar[Priority]
    PRIORITY_BACKGROUND: _ClassVar[Priority]

class ThresholdRule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    THRESHOLD_RULE_UNSPECIFIED: _ClassVar[ThresholdRule]
    THRESHOLD_RULE_F_MAX: _ClassVar[ThresholdRule]
    THRESHOLD_RULE_YOUDEN: _ClassVar[ThresholdRule]
    THRESHOLD_RULE_SENSITIVITY: _ClassVar[ThresholdRule]
    THRESHOLD_RULE_SPECIFICITY: _ClassVar[ThresholdRule]
PRIORITY_UNSPECIFIED: Priority
PRIORITY_STAT: Priority
PRIORITY_ROUTINE: Priority
PRIORITY_BACKGROUND: Priority
THRESHOLD_RULE_UNSPECIFIED: ThresholdRule
THRESHOLD_RULE_F_MAX: ThresholdRule
THRESHOLD_RULE_YOUDEN: ThresholdRule
THRESHOLD_RULE_SENSITIVITY: ThresholdRule
THRESHOLD_RULE_SPECIFICITY: ThresholdRule

class PredictInput(_message.Message):
    __slots__ = ("recording_id", "signal", "age_years", "sex", "tag")
    RECORDING_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    AGE_YEARS_FIELD_NUMBER: _ClassVar[int]
    SEX_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    recording_id: str
    signal: _types_pb2.Signal
    age_years: float
    sex: _types_pb2.Sex
    tag: str
    def __init__(self, recording_id: _Optional[str] = ..., signal: _Optional[_Union[_types_pb2.Signal, _Mapping]] = ..., age_years: _Optional[float] = ..., sex: _Optional[_Union[_types_pb2.Sex, str]] = ..., tag: _Optional[str] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("model", "inputs", "priority")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    model: _types_pb2.ModelRef
    inputs: _containers.RepeatedCompositeFieldContainer[PredictInput]
    priority: Priority
    def __init__(self, model: _Optional[_Union[_types_pb2.ModelRef, _Mapping]] = ..., inputs: _Optional[_Iterable[_Union[PredictInput, _Mapping]]] = ..., priority: _Optional[_Union[Priority, str]] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("name", "value", "code", "unit", "threshold")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    code: str
    unit: str
    threshold: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., code: _Optional[str] = ..., unit: _Optional[str] = ..., threshold: _Optional[float] = ...) -> None: ...

class Prediction(_message.Message):
    __slots__ = ("tag", "recording_id", "model", "version", "model_digest", "task", "scores", "warnings", "input_sha256", "predicted_at", "error", "windows", "operating_points_revision")
    TAG_FIELD_NUMBER: _ClassVar[int]
    RECORDING_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    INPUT_SHA256_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_AT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    OPERATING_POINTS_REVISION_FIELD_NUMBER: _ClassVar[int]
    tag: str
    recording_id: str
    model: str
    version: int
    model_digest: str
    task: str
    scores: _containers.RepeatedCompositeFieldContainer[Score]
    warnings: _containers.RepeatedCompositeFieldContainer[_types_pb2.Warning]
    input_sha256: str
    predicted_at: _timestamp_pb2.Timestamp
    error: PredictError
    windows: int
    operating_points_revision: int
    def __init__(self, tag: _Optional[str] = ..., recording_id: _Optional[str] = ..., model: _Optional[str] = ..., version: _Optional[int] = ..., model_digest: _Optional[str] = ..., task: _Optional[str] = ..., scores: _Optional[_Iterable[_Union[Score, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[_types_pb2.Warning, _Mapping]]] = ..., input_sha256: _Optional[str] = ..., predicted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[_Union[PredictError, _Mapping]] = ..., windows: _Optional[int] = ..., operating_points_revision: _Optional[int] = ...) -> None: ...

class PredictError(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("predictions",)
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[Prediction]
    def __init__(self, predictions: _Optional[_Iterable[_Union[Prediction, _Mapping]]] = ...) -> None: ...

class PredictFileHeader(_message.Message):
    __slots__ = ("request_id", "model", "hints", "profile", "dataset", "priority", "no_keep")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    NO_KEEP_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: _types_pb2.ModelRef
    hints: _types_pb2.Hints
    profile: str
    dataset: str
    priority: Priority
    no_keep: bool
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[_Union[_types_pb2.ModelRef, _Mapping]] = ..., hints: _Optional[_Union[_types_pb2.Hints, _Mapping]] = ..., profile: _Optional[str] = ..., dataset: _Optional[str] = ..., priority: _Optional[_Union[Priority, str]] = ..., no_keep: _Optional[bool] = ...) -> None: ...

class PredictFileRequest(_message.Message):
    __slots__ = ("header", "file", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: PredictFileHeader
    file: _ingest_pb2.UploadHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[PredictFileHeader, _Mapping]] = ..., file: _Optional[_Union[_ingest_pb2.UploadHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class PredictFileResponse(_message.Message):
    __slots__ = ("recordings", "created", "predictions")
    RECORDINGS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    recordings: _containers.RepeatedCompositeFieldContainer[_types_pb2.Recording]
    created: bool
    predictions: _containers.RepeatedCompositeFieldContainer[Prediction]
    def __init__(self, recordings: _Optional[_Iterable[_Union[_types_pb2.Recording, _Mapping]]] = ..., created: _Optional[bool] = ..., predictions: _Optional[_Iterable[_Union[Prediction, _Mapping]]] = ...) -> None: ...

class KeptPrediction(_message.Message):
    __slots__ = ("number", "prediction", "operation_id")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    number: int
    prediction: Prediction
    operation_id: str
    def __init__(self, number: _Optional[int] = ..., prediction: _Optional[_Union[Prediction, _Mapping]] = ..., operation_id: _Optional[str] = ...) -> None: ...

class ListKeptPredictionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "recording_id", "model", "version", "model_digest", "since", "until", "label", "at_least", "operation_id")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RECORDING_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    recording_id: str
    model: str
    version: int
    model_digest: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    label: str
    at_least: float
    operation_id: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., recording_id: _Optional[str] = ..., model: _Optional[str] = ..., version: _Optional[int] = ..., model_digest: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., label: _Optional[str] = ..., at_least: _Optional[float] = ..., operation_id: _Optional[str] = ...) -> None: ...

class ListKeptPredictionsResponse(_message.Message):
    __slots__ = ("predictions", "next_page_token")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[KeptPrediction]
    next_page_token: str
    def __init__(self, predictions: _Optional[_Iterable[_Union[KeptPrediction, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PredictDatasetRequest(_message.Message):
    __slots__ = ("request_id", "model", "split")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: _types_pb2.ModelRef
    split: _types_pb2.SplitRef
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[_Union[_types_pb2.ModelRef, _Mapping]] = ..., split: _Optional[_Union[_types_pb2.SplitRef, _Mapping]] = ...) -> None: ...

class PredictDatasetResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ...) -> None: ...

class ListPredictionsRequest(_message.Message):
    __slots__ = ("operation_id", "page_size", "page_token")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    page_size: int
    page_token: str
    def __init__(self, operation_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class RecordTruth(_message.Message):
    __slots__ = ("labelled", "labels", "values", "patient")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    labelled: bool
    labels: _containers.RepeatedScalarFieldContainer[str]
    values: _containers.ScalarMap[str, float]
    patient: str
    def __init__(self, labelled: _Optional[bool] = ..., labels: _Optional[_Iterable[str]] = ..., values: _Optional[_Mapping[str, float]] = ..., patient: _Optional[str] = ...) -> None: ...

class ListPredictionsResponse(_message.Message):
    __slots__ = ("predictions", "next_page_token", "truths", "splits")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TRUTHS_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[Prediction]
    next_page_token: str
    truths: _containers.RepeatedCompositeFieldContainer[RecordTruth]
    splits: _containers.RepeatedCompositeFieldContainer[_types_pb2.SplitRef]
    def __init__(self, predictions: _Optional[_Iterable[_Union[Prediction, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., truths: _Optional[_Iterable[_Union[RecordTruth, _Mapping]]] = ..., splits: _Optional[_Iterable[_Union[_types_pb2.SplitRef, _Mapping]]] = ...) -> None: ...

class EvaluateModelRequest(_message.Message):
    __slots__ = ("request_id", "model", "split", "label_group", "further_models", "further_splits", "thresholds", "answers", "draws")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    LABEL_GROUP_FIELD_NUMBER: _ClassVar[int]
    FURTHER_MODELS_FIELD_NUMBER: _ClassVar[int]
    FURTHER_SPLITS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: _types_pb2.ModelRef
    split: _types_pb2.SplitRef
    label_group: str
    further_models: _containers.RepeatedCompositeFieldContainer[_types_pb2.ModelRef]
    further_splits: _containers.RepeatedCompositeFieldContainer[_types_pb2.SplitRef]
    thresholds: ThresholdChoice
    answers: _containers.RepeatedCompositeFieldContainer[LabelAnswer]
    draws: int
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[_Union[_types_pb2.ModelRef, _Mapping]] = ..., split: _Optional[_Union[_types_pb2.SplitRef, _Mapping]] = ..., label_group: _Optional[str] = ..., further_models: _Optional[_Iterable[_Union[_types_pb2.ModelRef, _Mapping]]] = ..., further_splits: _Optional[_Iterable[_Union[_types_pb2.SplitRef, _Mapping]]] = ..., thresholds: _Optional[_Union[ThresholdChoice, _Mapping]] = ..., answers: _Optional[_Iterable[_Union[LabelAnswer, _Mapping]]] = ..., draws: _Optional[int] = ...) -> None: ...

class ThresholdChoice(_message.Message):
    __slots__ = ("split", "rule", "target", "store")
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    split: _types_pb2.SplitRef
    rule: ThresholdRule
    target: float
    store: bool
    def __init__(self, split: _Optional[_Union[_types_pb2.SplitRef, _Mapping]] = ..., rule: _Optional[_Union[ThresholdRule, str]] = ..., target: _Optional[float] = ..., store: _Optional[bool] = ...) -> None: ...

class LabelAnswer(_message.Message):
    __slots__ = ("label", "outputs")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    label: str
    outputs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, label: _Optional[str] = ..., outputs: _Optional[_Iterable[str]] = ...) -> None: ...

class EvaluateModelResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ...) -> None: ...

class QuantizeModelRequest(_message.Message):
    __slots__ = ("request_id", "model", "calibration", "check", "max_loss", "alias", "label_group")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    MAX_LOSS_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    LABEL_GROUP_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: _types_pb2.ModelRef
    calibration: _types_pb2.SplitRef
    check: _types_pb2.SplitRef
    max_loss: float
    alias: str
    label_group: str
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[_Union[_types_pb2.ModelRef, _Mapping]] = ..., calibration: _Optional[_Union[_types_pb2.SplitRef, _Mapping]] = ..., check: _Optional[_Union[_types_pb2.SplitRef, _Mapping]] = ..., max_loss: _Optional[float] = ..., alias: _Optional[str] = ..., label_group: _Optional[str] = ...) -> None: ...

class QuantizeModelResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ...) -> None: ...

class ExplainPredictionRequest(_message.Message):
    __slots__ = ("model", "input", "target")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    model: _types_pb2.ModelRef
    input: PredictInput
    target: str
    def __init__(self, model: _Optional[_Union[_types_pb2.ModelRef, _Mapping]] = ..., input: _Optional[_Union[PredictInput, _Mapping]] = ..., target: _Optional[str] = ...) -> None: ...

class ExplainPredictionResponse(_message.Message):
    __slots__ = ("prediction", "relevance")
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    RELEVANCE_FIELD_NUMBER: _ClassVar[int]
    prediction: Prediction
    relevance: _types_pb2.Signal
    def __init__(self, prediction: _Optional[_Union[Prediction, _Mapping]] = ..., relevance: _Optional[_Union[_types_pb2.Signal, _Mapping]] = ...) -> None: ...

class LoadModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: _types_pb2.ModelRef
    def __init__(self, model: _Optional[_Union[_types_pb2.ModelRef, _Mapping]] = ...) -> None: ...

class LoadedModel(_message.Message):
    __slots__ = ("name", "version", "digest", "aliases", "providers", "max_batch", "sessions", "max_delay_ms", "queue_depth", "queue_capacity", "executed", "dropped_expired", "dropped_cancelled", "measured_ms", "measured_rate", "threads", "memory_bytes", "refused")
    class MeasuredMsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: float
        def __init__(self, key: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...
    class MeasuredRateEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: float
        def __init__(self, key: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_DEPTH_FIELD_NUMBER: _ClassVar[int]
    QUEUE_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_CANCELLED_FIELD_NUMBER: _ClassVar[int]
    MEASURED_MS_FIELD_NUMBER: _ClassVar[int]
    MEASURED_RATE_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    digest: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    providers: _containers.RepeatedScalarFieldContainer[str]
    max_batch: int
    sessions: int
    max_delay_ms: float
    queue_depth: int
    queue_capacity: int
    executed: int
    dropped_expired: int
    dropped_cancelled: int
    measured_ms: _containers.ScalarMap[int, float]
    measured_rate: _containers.ScalarMap[int, float]
    threads: int
    memory_bytes: int
    refused: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., digest: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., providers: _Optional[_Iterable[str]] = ..., max_batch: _Optional[int] = ..., sessions: _Optional[int] = ..., max_delay_ms: _Optional[float] = ..., queue_depth: _Optional[int] = ..., queue_capacity: _Optional[int] = ..., executed: _Optional[int] = ..., dropped_expired: _Optional[int] = ..., dropped_cancelled: _Optional[int] = ..., measured_ms: _Optional[_Mapping[int, float]] = ..., measured_rate: _Optional[_Mapping[int, float]] = ..., threads: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., refused: _Optional[int] = ...) -> None: ...

class LoadModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: LoadedModel
    def __init__(self, model: _Optional[_Union[LoadedModel, _Mapping]] = ...) -> None: ...

class UnloadModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: _types_pb2.ModelRef
    def __init__(self, model: _Optional[_Union[_types_pb2.ModelRef, _Mapping]] = ...) -> None: ...

class UnloadModelResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListLoadedModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListLoadedModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[LoadedModel]
    def __init__(self, models: _Optional[_Iterable[_Union[LoadedModel, _Mapping]]] = ...) -> None: ...

class TrafficRule(_message.Message):
    __slots__ = ("model", "candidate_version", "canary_percent", "shadow_percent")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    CANARY_PERCENT_FIELD_NUMBER: _ClassVar[int]
    SHADOW_PERCENT_FIELD_NUMBER: _ClassVar[int]
    model: _types_pb2.ModelRef
    candidate_version: int
    canary_percent: float
    shadow_percent: float
    def __init__(self, model: _Optional[_Union[_types_pb2.ModelRef, _Mapping]] = ..., candidate_version: _Optional[int] = ..., canary_percent: _Optional[float] = ..., shadow_percent: _Optional[float] = ...) -> None: ...

class SetTrafficRequest(_message.Message):
    __slots__ = ("rule",)
    RULE_FIELD_NUMBER: _ClassVar[int]
    rule: TrafficRule
    def __init__(self, rule: _Optional[_Union[TrafficRule, _Mapping]] = ...) -> None: ...

class SetTrafficResponse(_message.Message):
    __slots__ = ("traffic",)
    TRAFFIC_FIELD_NUMBER: _ClassVar[int]
    traffic: Traffic
    def __init__(self, traffic: _Optional[_Union[Traffic, _Mapping]] = ...) -> None: ...

class ListTrafficRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListTrafficResponse(_message.Message):
    __slots__ = ("traffic",)
    TRAFFIC_FIELD_NUMBER: _ClassVar[int]
    traffic: _containers.RepeatedCompositeFieldContainer[Traffic]
    def __init__(self, traffic: _Optional[_Iterable[_Union[Traffic, _Mapping]]] = ...) -> None: ...

class TrafficSide(_message.Message):
    __slots__ = ("answered", "failed", "mean_ms", "max_ms")
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    MEAN_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_MS_FIELD_NUMBER: _ClassVar[int]
    answered: int
    failed: int
    mean_ms: float
    max_ms: float
    def __init__(self, answered: _Optional[int] = ..., failed: _Optional[int] = ..., mean_ms: _Optional[float] = ..., max_ms: _Optional[float] = ...) -> None: ...

class ScoreDifference(_message.Message):
    __slots__ = ("name", "mean_absolute", "max_absolute", "disagreements")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEAN_ABSOLUTE_FIELD_NUMBER: _ClassVar[int]
    MAX_ABSOLUTE_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    mean_absolute: float
    max_absolute: float
    disagreements: int
    def __init__(self, name: _Optional[str] = ..., mean_absolute: _Optional[float] = ..., max_absolute: _Optional[float] = ..., disagreements: _Optional[int] = ...) -> None: ...

class TrafficComparison(_message.Message):
    __slots__ = ("current", "candidate", "skipped", "compared", "disagreements", "outputs")
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    current: TrafficSide
    candidate: TrafficSide
    skipped: int
    compared: int
    disagreements: int
    outputs: _containers.RepeatedCompositeFieldContainer[ScoreDifference]
    def __init__(self, current: _Optional[_Union[TrafficSide, _Mapping]] = ..., candidate: _Optional[_Union[TrafficSide, _Mapping]] = ..., skipped: _Optional[int] = ..., compared: _Optional[int] = ..., disagreements: _Optional[int] = ..., outputs: _Optional[_Iterable[_Union[ScoreDifference, _Mapping]]] = ...) -> None: ...

class Traffic(_message.Message):
    __slots__ = ("rule", "since", "current", "canary", "shadow", "compared_current", "skipped", "compared", "disagreements", "outputs", "by_canary")
    RULE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    CANARY_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    COMPARED_CURRENT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    DISAGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    BY_CANARY_FIELD_NUMBER: _ClassVar[int]
    rule: TrafficRule
    since: _timestamp_pb2.Timestamp
    current: TrafficSide
    canary: TrafficSide
    shadow: TrafficSide
    compared_current: TrafficSide
    skipped: int
    compared: int
    disagreements: int
    outputs: _containers.RepeatedCompositeFieldContainer[ScoreDifference]
    by_canary: TrafficComparison
    def __init__(self, rule: _Optional[_Union[TrafficRule, _Mapping]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., current: _Optional[_Union[TrafficSide, _Mapping]] = ..., canary: _Optional[_Union[TrafficSide, _Mapping]] = ..., shadow: _Optional[_Union[TrafficSide, _Mapping]] = ..., compared_current: _Optional[_Union[TrafficSide, _Mapping]] = ..., skipped: _Optional[int] = ..., compared: _Optional[int] = ..., disagreements: _Optional[int] = ..., outputs: _Optional[_Iterable[_Union[ScoreDifference, _Mapping]]] = ..., by_canary: _Optional[_Union[TrafficComparison, _Mapping]] = ...) -> None: ...
