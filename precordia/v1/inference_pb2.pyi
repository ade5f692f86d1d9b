import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
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
PRIORITY_UNSPECIFIED: Priority
PRIORITY_STAT: Priority
PRIORITY_ROUTINE: Priority
PRIORITY_BACKGROUND: Priority

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
    __slots__ = ("tag", "recording_id", "model", "version", "model_digest", "task", "scores", "warnings", "input_sha256", "predicted_at", "error", "windows")
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
    def __init__(self, tag: _Optional[str] = ..., recording_id: _Optional[str] = ..., model: _Optional[str] = ..., version: _Optional[int] = ..., model_digest: _Optional[str] = ..., task: _Optional[str] = ..., scores: _Optional[_Iterable[_Union[Score, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[_types_pb2.Warning, _Mapping]]] = ..., input_sha256: _Optional[str] = ..., predicted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[_Union[PredictError, _Mapping]] = ..., windows: _Optional[int] = ...) -> None: ...

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

class ListPredictionsResponse(_message.Message):
    __slots__ = ("predictions", "next_page_token")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[Prediction]
    next_page_token: str
    def __init__(self, predictions: _Optional[_Iterable[_Union[Prediction, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class EvaluateModelRequest(_message.Message):
    __slots__ = ("request_id", "model", "split", "label_group")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    LABEL_GROUP_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: _types_pb2.ModelRef
    split: _types_pb2.SplitRef
    label_group: str
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[_Union[_types_pb2.ModelRef, _Mapping]] = ..., split: _Optional[_Union[_types_pb2.SplitRef, _Mapping]] = ..., label_group: _Optional[str] = ...) -> None: ...

class EvaluateModelResponse(_message.Message):
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
    __slots__ = ("name", "version", "digest", "aliases", "providers", "max_batch", "sessions", "max_delay_ms", "queue_depth", "queue_capacity", "executed", "dropped_expired", "dropped_cancelled", "measured_ms")
    class MeasuredMsEntry(_message.Message):
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
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., digest: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., providers: _Optional[_Iterable[str]] = ..., max_batch: _Optional[int] = ..., sessions: _Optional[int] = ..., max_delay_ms: _Optional[float] = ..., queue_depth: _Optional[int] = ..., queue_capacity: _Optional[int] = ..., executed: _Optional[int] = ..., dropped_expired: _Optional[int] = ..., dropped_cancelled: _Optional[int] = ..., measured_ms: _Optional[_Mapping[int, float]] = ...) -> None: ...

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
