from precordia.v1 import operations_pb2 as _operations_pb2
from precordia.v1 import registry_pb2 as _registry_pb2
from precordia.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TrainingMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRAINING_METHOD_UNSPECIFIED: _ClassVar[TrainingMethod]
    TRAINING_METHOD_SCRATCH: _ClassVar[TrainingMethod]
    TRAINING_METHOD_HEAD: _ClassVar[TrainingMethod]
    TRAINING_METHOD_ALL: _ClassVar[TrainingMethod]

class TrainingTask(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRAINING_TASK_UNSPECIFIED: _ClassVar[TrainingTask]
    TRAINING_TASK_MULTICLASS: _ClassVar[TrainingTask]
    TRAINING_TASK_MULTILABEL: _ClassVar[TrainingTask]
    TRAINING_TASK_REGRESSION: _ClassVar[TrainingTask]
TRAINING_METHOD_UNSPECIFIED: TrainingMethod
TRAINING_METHOD_SCRATCH: TrainingMethod
TRAINING_METHOD_HEAD: TrainingMethod
TRAINING_METHOD_ALL: TrainingMethod
TRAINING_TASK_UNSPECIFIED: TrainingTask
TRAINING_TASK_MULTICLASS: TrainingTask
TRAINING_TASK_MULTILABEL: TrainingTask
TRAINING_TASK_REGRESSION: TrainingTask

class TrainingSpec(_message.Message):
    __slots__ = ("train", "validation", "test", "label_group", "labels", "base", "method", "task", "sample_rate_hz", "duration_s", "lead_names", "conditioning", "recipe", "seed", "max_epochs", "batch_size", "max_learning_rate", "validation_fraction", "threads", "overrides_json", "optional_lead_names")
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    TEST_FIELD_NUMBER: _ClassVar[int]
    LABEL_GROUP_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    LEAD_NAMES_FIELD_NUMBER: _ClassVar[int]
    CONDITIONING_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MAX_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FRACTION_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    OVERRIDES_JSON_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_LEAD_NAMES_FIELD_NUMBER: _ClassVar[int]
    train: _types_pb2.SplitRef
    validation: _types_pb2.SplitRef
    test: _types_pb2.SplitRef
    label_group: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    base: str
    method: TrainingMethod
    task: TrainingTask
    sample_rate_hz: float
    duration_s: float
    lead_names: _containers.RepeatedScalarFieldContainer[str]
    conditioning: _containers.RepeatedCompositeFieldContainer[_types_pb2.Step]
    recipe: str
    seed: int
    max_epochs: int
    batch_size: int
    max_learning_rate: float
    validation_fraction: float
    threads: int
    overrides_json: str
    optional_lead_names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, train: _Optional[_Union[_types_pb2.SplitRef, _Mapping]] = ..., validation: _Optional[_Union[_types_pb2.SplitRef, _Mapping]] = ..., test: _Optional[_Union[_types_pb2.SplitRef, _Mapping]] = ..., label_group: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., base: _Optional[str] = ..., method: _Optional[_Union[TrainingMethod, str]] = ..., task: _Optional[_Union[TrainingTask, str]] = ..., sample_rate_hz: _Optional[float] = ..., duration_s: _Optional[float] = ..., lead_names: _Optional[_Iterable[str]] = ..., conditioning: _Optional[_Iterable[_Union[_types_pb2.Step, _Mapping]]] = ..., recipe: _Optional[str] = ..., seed: _Optional[int] = ..., max_epochs: _Optional[int] = ..., batch_size: _Optional[int] = ..., max_learning_rate: _Optional[float] = ..., validation_fraction: _Optional[float] = ..., threads: _Optional[int] = ..., overrides_json: _Optional[str] = ..., optional_lead_names: _Optional[_Iterable[str]] = ...) -> None: ...

class StartTrainingRequest(_message.Message):
    __slots__ = ("request_id", "name", "spec", "aliases")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    spec: TrainingSpec
    aliases: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., spec: _Optional[_Union[TrainingSpec, _Mapping]] = ..., aliases: _Optional[_Iterable[str]] = ...) -> None: ...

class StartTrainingResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ...) -> None: ...

class ListNetworksRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Network(_message.Message):
    __slots__ = ("name", "summary", "parameters", "reference", "flops", "sample_rate_hz", "duration_s")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    FLOPS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    name: str
    summary: str
    parameters: int
    reference: str
    flops: int
    sample_rate_hz: float
    duration_s: float
    def __init__(self, name: _Optional[str] = ..., summary: _Optional[str] = ..., parameters: _Optional[int] = ..., reference: _Optional[str] = ..., flops: _Optional[int] = ..., sample_rate_hz: _Optional[float] = ..., duration_s: _Optional[float] = ...) -> None: ...

class ListNetworksResponse(_message.Message):
    __slots__ = ("networks",)
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    networks: _containers.RepeatedCompositeFieldContainer[Network]
    def __init__(self, networks: _Optional[_Iterable[_Union[Network, _Mapping]]] = ...) -> None: ...

class ImportWeightsHeader(_message.Message):
    __slots__ = ("request_id", "name", "network", "file", "labels", "task", "lead_names", "sample_rate_hz", "duration_s", "conditioning", "aliases")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    LEAD_NAMES_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    CONDITIONING_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    network: str
    file: _registry_pb2.ArtifactHeader
    labels: _containers.RepeatedScalarFieldContainer[str]
    task: TrainingTask
    lead_names: _containers.RepeatedScalarFieldContainer[str]
    sample_rate_hz: float
    duration_s: float
    conditioning: _containers.RepeatedCompositeFieldContainer[_types_pb2.Step]
    aliases: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., network: _Optional[str] = ..., file: _Optional[_Union[_registry_pb2.ArtifactHeader, _Mapping]] = ..., labels: _Optional[_Iterable[str]] = ..., task: _Optional[_Union[TrainingTask, str]] = ..., lead_names: _Optional[_Iterable[str]] = ..., sample_rate_hz: _Optional[float] = ..., duration_s: _Optional[float] = ..., conditioning: _Optional[_Iterable[_Union[_types_pb2.Step, _Mapping]]] = ..., aliases: _Optional[_Iterable[str]] = ...) -> None: ...

class ImportWeightsRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: ImportWeightsHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[ImportWeightsHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ImportWeightsResponse(_message.Message):
    __slots__ = ("model_version", "created")
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    model_version: _registry_pb2.ModelVersion
    created: bool
    def __init__(self, model_version: _Optional[_Union[_registry_pb2.ModelVersion, _Mapping]] = ..., created: _Optional[bool] = ...) -> None: ...

class GetTrainerStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetTrainerStatusResponse(_message.Message):
    __slots__ = ("can_train", "message", "engine", "devices", "running", "waiting", "queue")
    CAN_TRAIN_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    can_train: bool
    message: str
    engine: str
    devices: _containers.RepeatedScalarFieldContainer[str]
    running: int
    waiting: int
    queue: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, can_train: _Optional[bool] = ..., message: _Optional[str] = ..., engine: _Optional[str] = ..., devices: _Optional[_Iterable[str]] = ..., running: _Optional[int] = ..., waiting: _Optional[int] = ..., queue: _Optional[_Iterable[str]] = ...) -> None: ...
