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

class SignalView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIGNAL_VIEW_UNSPECIFIED: _ClassVar[SignalView]
    SIGNAL_VIEW_RAW: _ClassVar[SignalView]
    SIGNAL_VIEW_FILTERED: _ClassVar[SignalView]
    SIGNAL_VIEW_QRS: _ClassVar[SignalView]
    SIGNAL_VIEW_FIDUCIALS: _ClassVar[SignalView]
    SIGNAL_VIEW_MEDIAN: _ClassVar[SignalView]
    SIGNAL_VIEW_ALIGNED: _ClassVar[SignalView]

class LabelScheme(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LABEL_SCHEME_UNSPECIFIED: _ClassVar[LabelScheme]
    LABEL_SCHEME_EXCHANGEAI: _ClassVar[LabelScheme]
    LABEL_SCHEME_PTBXL: _ClassVar[LabelScheme]
    LABEL_SCHEME_CHALLENGE: _ClassVar[LabelScheme]
    LABEL_SCHEME_TABLE: _ClassVar[LabelScheme]
SIGNAL_VIEW_UNSPECIFIED: SignalView
SIGNAL_VIEW_RAW: SignalView
SIGNAL_VIEW_FILTERED: SignalView
SIGNAL_VIEW_QRS: SignalView
SIGNAL_VIEW_FIDUCIALS: SignalView
SIGNAL_VIEW_MEDIAN: SignalView
SIGNAL_VIEW_ALIGNED: SignalView
LABEL_SCHEME_UNSPECIFIED: LabelScheme
LABEL_SCHEME_EXCHANGEAI: LabelScheme
LABEL_SCHEME_PTBXL: LabelScheme
LABEL_SCHEME_CHALLENGE: LabelScheme
LABEL_SCHEME_TABLE: LabelScheme

class UploadHeader(_message.Message):
    __slots__ = ("file_name", "size_bytes", "sha256")
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    file_name: str
    size_bytes: int
    sha256: str
    def __init__(self, file_name: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class ImportRecordingRequest(_message.Message):
    __slots__ = ("header", "file", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: ImportHeader
    file: UploadHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[ImportHeader, _Mapping]] = ..., file: _Optional[_Union[UploadHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ImportHeader(_message.Message):
    __slots__ = ("request_id", "hints", "dataset", "validate_only", "deidentify", "profile", "with_signals")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    DEIDENTIFY_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    WITH_SIGNALS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    hints: _types_pb2.Hints
    dataset: str
    validate_only: bool
    deidentify: bool
    profile: str
    with_signals: bool
    def __init__(self, request_id: _Optional[str] = ..., hints: _Optional[_Union[_types_pb2.Hints, _Mapping]] = ..., dataset: _Optional[str] = ..., validate_only: _Optional[bool] = ..., deidentify: _Optional[bool] = ..., profile: _Optional[str] = ..., with_signals: _Optional[bool] = ...) -> None: ...

class ImportRecordingResponse(_message.Message):
    __slots__ = ("recordings", "created", "signals")
    RECORDINGS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    recordings: _containers.RepeatedCompositeFieldContainer[_types_pb2.Recording]
    created: bool
    signals: _containers.RepeatedCompositeFieldContainer[RecordingSignal]
    def __init__(self, recordings: _Optional[_Iterable[_Union[_types_pb2.Recording, _Mapping]]] = ..., created: _Optional[bool] = ..., signals: _Optional[_Iterable[_Union[RecordingSignal, _Mapping]]] = ...) -> None: ...

class RecordingSignal(_message.Message):
    __slots__ = ("signal", "error")
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    signal: _types_pb2.Signal
    error: SignalError
    def __init__(self, signal: _Optional[_Union[_types_pb2.Signal, _Mapping]] = ..., error: _Optional[_Union[SignalError, _Mapping]] = ...) -> None: ...

class SignalError(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class UploadSourceRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: UploadHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[UploadHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class UploadSourceResponse(_message.Message):
    __slots__ = ("upload_id", "sha256")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    sha256: str
    def __init__(self, upload_id: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class StageKnownFilesRequest(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[UploadHeader]
    def __init__(self, files: _Optional[_Iterable[_Union[UploadHeader, _Mapping]]] = ...) -> None: ...

class StageKnownFilesResponse(_message.Message):
    __slots__ = ("upload_ids",)
    UPLOAD_IDS_FIELD_NUMBER: _ClassVar[int]
    upload_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, upload_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class StagedSource(_message.Message):
    __slots__ = ("file_name", "upload_id", "companions")
    class CompanionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    COMPANIONS_FIELD_NUMBER: _ClassVar[int]
    file_name: str
    upload_id: str
    companions: _containers.ScalarMap[str, str]
    def __init__(self, file_name: _Optional[str] = ..., upload_id: _Optional[str] = ..., companions: _Optional[_Mapping[str, str]] = ...) -> None: ...

class StartImportRequest(_message.Message):
    __slots__ = ("request_id", "sources", "hints", "dataset", "deidentify", "profile")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    DEIDENTIFY_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    sources: _containers.RepeatedCompositeFieldContainer[StagedSource]
    hints: _types_pb2.Hints
    dataset: str
    deidentify: bool
    profile: str
    def __init__(self, request_id: _Optional[str] = ..., sources: _Optional[_Iterable[_Union[StagedSource, _Mapping]]] = ..., hints: _Optional[_Union[_types_pb2.Hints, _Mapping]] = ..., dataset: _Optional[str] = ..., deidentify: _Optional[bool] = ..., profile: _Optional[str] = ...) -> None: ...

class StartImportResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ...) -> None: ...

class PreviewImportRequest(_message.Message):
    __slots__ = ("header", "file", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: ImportHeader
    file: UploadHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[ImportHeader, _Mapping]] = ..., file: _Optional[_Union[UploadHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class PreviewImportResponse(_message.Message):
    __slots__ = ("format", "proposal", "missing_fields", "header_rows", "orientation", "column_names", "warnings")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELDS_FIELD_NUMBER: _ClassVar[int]
    HEADER_ROWS_FIELD_NUMBER: _ClassVar[int]
    ORIENTATION_FIELD_NUMBER: _ClassVar[int]
    COLUMN_NAMES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    format: str
    proposal: _types_pb2.Hints
    missing_fields: _containers.RepeatedScalarFieldContainer[str]
    header_rows: int
    orientation: str
    column_names: _containers.RepeatedScalarFieldContainer[str]
    warnings: _containers.RepeatedCompositeFieldContainer[_types_pb2.Warning]
    def __init__(self, format: _Optional[str] = ..., proposal: _Optional[_Union[_types_pb2.Hints, _Mapping]] = ..., missing_fields: _Optional[_Iterable[str]] = ..., header_rows: _Optional[int] = ..., orientation: _Optional[str] = ..., column_names: _Optional[_Iterable[str]] = ..., warnings: _Optional[_Iterable[_Union[_types_pb2.Warning, _Mapping]]] = ...) -> None: ...

class Profile(_message.Message):
    __slots__ = ("name", "hints", "updated_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    hints: _types_pb2.Hints
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., hints: _Optional[_Union[_types_pb2.Hints, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SaveProfileRequest(_message.Message):
    __slots__ = ("name", "hints")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    hints: _types_pb2.Hints
    def __init__(self, name: _Optional[str] = ..., hints: _Optional[_Union[_types_pb2.Hints, _Mapping]] = ...) -> None: ...

class SaveProfileResponse(_message.Message):
    __slots__ = ("profile",)
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    profile: Profile
    def __init__(self, profile: _Optional[_Union[Profile, _Mapping]] = ...) -> None: ...

class ListProfilesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListProfilesResponse(_message.Message):
    __slots__ = ("profiles",)
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    profiles: _containers.RepeatedCompositeFieldContainer[Profile]
    def __init__(self, profiles: _Optional[_Iterable[_Union[Profile, _Mapping]]] = ...) -> None: ...

class DeleteProfileRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteProfileResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRecordingRequest(_message.Message):
    __slots__ = ("recording_id",)
    RECORDING_ID_FIELD_NUMBER: _ClassVar[int]
    recording_id: str
    def __init__(self, recording_id: _Optional[str] = ...) -> None: ...

class GetRecordingResponse(_message.Message):
    __slots__ = ("recording",)
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    recording: _types_pb2.Recording
    def __init__(self, recording: _Optional[_Union[_types_pb2.Recording, _Mapping]] = ...) -> None: ...

class ListRecordingsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "dataset", "source_sha256")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SHA256_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    dataset: str
    source_sha256: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., dataset: _Optional[str] = ..., source_sha256: _Optional[_Iterable[str]] = ...) -> None: ...

class ListRecordingsResponse(_message.Message):
    __slots__ = ("recordings", "next_page_token")
    RECORDINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    recordings: _containers.RepeatedCompositeFieldContainer[_types_pb2.Recording]
    next_page_token: str
    def __init__(self, recordings: _Optional[_Iterable[_Union[_types_pb2.Recording, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteRecordingRequest(_message.Message):
    __slots__ = ("recording_id",)
    RECORDING_ID_FIELD_NUMBER: _ClassVar[int]
    recording_id: str
    def __init__(self, recording_id: _Optional[str] = ...) -> None: ...

class DeleteRecordingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamNativeSignalRequest(_message.Message):
    __slots__ = ("recording_id",)
    RECORDING_ID_FIELD_NUMBER: _ClassVar[int]
    recording_id: str
    def __init__(self, recording_id: _Optional[str] = ...) -> None: ...

class StreamNativeSignalResponse(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: _types_pb2.Recording
    chunk: ChannelChunk
    def __init__(self, header: _Optional[_Union[_types_pb2.Recording, _Mapping]] = ..., chunk: _Optional[_Union[ChannelChunk, _Mapping]] = ...) -> None: ...

class ChannelChunk(_message.Message):
    __slots__ = ("channel_index", "first_sample", "data", "missing")
    CHANNEL_INDEX_FIELD_NUMBER: _ClassVar[int]
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    channel_index: int
    first_sample: int
    data: bytes
    missing: bytes
    def __init__(self, channel_index: _Optional[int] = ..., first_sample: _Optional[int] = ..., data: _Optional[bytes] = ..., missing: _Optional[bytes] = ...) -> None: ...

class GetSignalRequest(_message.Message):
    __slots__ = ("recording_id", "lead_names", "sample_type")
    RECORDING_ID_FIELD_NUMBER: _ClassVar[int]
    LEAD_NAMES_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_TYPE_FIELD_NUMBER: _ClassVar[int]
    recording_id: str
    lead_names: _containers.RepeatedScalarFieldContainer[str]
    sample_type: _types_pb2.SampleType
    def __init__(self, recording_id: _Optional[str] = ..., lead_names: _Optional[_Iterable[str]] = ..., sample_type: _Optional[_Union[_types_pb2.SampleType, str]] = ...) -> None: ...

class GetSignalResponse(_message.Message):
    __slots__ = ("signal", "recording")
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    signal: _types_pb2.Signal
    recording: _types_pb2.Recording
    def __init__(self, signal: _Optional[_Union[_types_pb2.Signal, _Mapping]] = ..., recording: _Optional[_Union[_types_pb2.Recording, _Mapping]] = ...) -> None: ...

class StreamSourceRequest(_message.Message):
    __slots__ = ("recording_id",)
    RECORDING_ID_FIELD_NUMBER: _ClassVar[int]
    recording_id: str
    def __init__(self, recording_id: _Optional[str] = ...) -> None: ...

class StreamSourceResponse(_message.Message):
    __slots__ = ("file", "chunk")
    FILE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    file: UploadHeader
    chunk: bytes
    def __init__(self, file: _Optional[_Union[UploadHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ExportRecordingsRequest(_message.Message):
    __slots__ = ("recording_ids", "format", "view", "sample_rate_hz", "deidentify")
    RECORDING_IDS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    DEIDENTIFY_FIELD_NUMBER: _ClassVar[int]
    recording_ids: _containers.RepeatedScalarFieldContainer[str]
    format: str
    view: SignalView
    sample_rate_hz: float
    deidentify: bool
    def __init__(self, recording_ids: _Optional[_Iterable[str]] = ..., format: _Optional[str] = ..., view: _Optional[_Union[SignalView, str]] = ..., sample_rate_hz: _Optional[float] = ..., deidentify: _Optional[bool] = ...) -> None: ...

class ExportRecordingsResponse(_message.Message):
    __slots__ = ("file", "chunk", "warning")
    FILE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    file: UploadHeader
    chunk: bytes
    warning: _types_pb2.Warning
    def __init__(self, file: _Optional[_Union[UploadHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ..., warning: _Optional[_Union[_types_pb2.Warning, _Mapping]] = ...) -> None: ...

class ExportDatasetRequest(_message.Message):
    __slots__ = ("split", "format", "sample_rate_hz")
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    split: _types_pb2.SplitRef
    format: str
    sample_rate_hz: float
    def __init__(self, split: _Optional[_Union[_types_pb2.SplitRef, _Mapping]] = ..., format: _Optional[str] = ..., sample_rate_hz: _Optional[float] = ...) -> None: ...

class ExportDatasetResponse(_message.Message):
    __slots__ = ("file", "chunk")
    FILE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    file: UploadHeader
    chunk: bytes
    def __init__(self, file: _Optional[_Union[UploadHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ("name", "records", "labelled", "patients", "label_groups", "folds", "created_at", "updated_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    LABEL_GROUPS_FIELD_NUMBER: _ClassVar[int]
    FOLDS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    records: int
    labelled: int
    patients: int
    label_groups: _containers.RepeatedCompositeFieldContainer[LabelGroup]
    folds: _containers.RepeatedScalarFieldContainer[str]
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., records: _Optional[int] = ..., labelled: _Optional[int] = ..., patients: _Optional[int] = ..., label_groups: _Optional[_Iterable[_Union[LabelGroup, _Mapping]]] = ..., folds: _Optional[_Iterable[str]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LabelGroup(_message.Message):
    __slots__ = ("name", "labels")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    labels: _containers.RepeatedCompositeFieldContainer[LabelCount]
    def __init__(self, name: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[LabelCount, _Mapping]]] = ...) -> None: ...

class LabelCount(_message.Message):
    __slots__ = ("label", "records")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    label: str
    records: int
    def __init__(self, label: _Optional[str] = ..., records: _Optional[int] = ...) -> None: ...

class CreateDatasetRequest(_message.Message):
    __slots__ = ("request_id", "name")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class CreateDatasetResponse(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetDatasetResponse(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets", "next_page_token")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    next_page_token: str
    def __init__(self, datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteDatasetRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteDatasetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AddRecordingsRequest(_message.Message):
    __slots__ = ("dataset", "recording_ids")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    RECORDING_IDS_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    recording_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dataset: _Optional[str] = ..., recording_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class AddRecordingsResponse(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class UnionDatasetsRequest(_message.Message):
    __slots__ = ("request_id", "name", "sources")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    sources: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., sources: _Optional[_Iterable[str]] = ...) -> None: ...

class UnionDatasetsResponse(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class ImportLabelsRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: ImportLabelsHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[ImportLabelsHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ImportLabelsHeader(_message.Message):
    __slots__ = ("request_id", "dataset", "scheme", "file", "id_column", "patient_column", "fold_column", "target_columns", "statements", "minimum_likelihood", "mapping", "mapping_table")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    ID_COLUMN_FIELD_NUMBER: _ClassVar[int]
    PATIENT_COLUMN_FIELD_NUMBER: _ClassVar[int]
    FOLD_COLUMN_FIELD_NUMBER: _ClassVar[int]
    TARGET_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    STATEMENTS_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_LIKELIHOOD_FIELD_NUMBER: _ClassVar[int]
    MAPPING_FIELD_NUMBER: _ClassVar[int]
    MAPPING_TABLE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    dataset: str
    scheme: LabelScheme
    file: UploadHeader
    id_column: str
    patient_column: str
    fold_column: str
    target_columns: _containers.RepeatedScalarFieldContainer[str]
    statements: bytes
    minimum_likelihood: float
    mapping: str
    mapping_table: bytes
    def __init__(self, request_id: _Optional[str] = ..., dataset: _Optional[str] = ..., scheme: _Optional[_Union[LabelScheme, str]] = ..., file: _Optional[_Union[UploadHeader, _Mapping]] = ..., id_column: _Optional[str] = ..., patient_column: _Optional[str] = ..., fold_column: _Optional[str] = ..., target_columns: _Optional[_Iterable[str]] = ..., statements: _Optional[bytes] = ..., minimum_likelihood: _Optional[float] = ..., mapping: _Optional[str] = ..., mapping_table: _Optional[bytes] = ...) -> None: ...

class ImportLabelsResponse(_message.Message):
    __slots__ = ("dataset", "matched_records", "unmatched_rows", "unlabelled_records", "warnings", "unmapped_labels")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    MATCHED_RECORDS_FIELD_NUMBER: _ClassVar[int]
    UNMATCHED_ROWS_FIELD_NUMBER: _ClassVar[int]
    UNLABELLED_RECORDS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    UNMAPPED_LABELS_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    matched_records: int
    unmatched_rows: _containers.RepeatedScalarFieldContainer[str]
    unlabelled_records: _containers.RepeatedScalarFieldContainer[str]
    warnings: _containers.RepeatedCompositeFieldContainer[_types_pb2.Warning]
    unmapped_labels: _containers.RepeatedCompositeFieldContainer[LabelCount]
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ..., matched_records: _Optional[int] = ..., unmatched_rows: _Optional[_Iterable[str]] = ..., unlabelled_records: _Optional[_Iterable[str]] = ..., warnings: _Optional[_Iterable[_Union[_types_pb2.Warning, _Mapping]]] = ..., unmapped_labels: _Optional[_Iterable[_Union[LabelCount, _Mapping]]] = ...) -> None: ...

class SplitRule(_message.Message):
    __slots__ = ("name", "folds", "patient_fraction")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FOLDS_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FRACTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    folds: _containers.RepeatedScalarFieldContainer[str]
    patient_fraction: float
    def __init__(self, name: _Optional[str] = ..., folds: _Optional[_Iterable[str]] = ..., patient_fraction: _Optional[float] = ...) -> None: ...

class RecordFilter(_message.Message):
    __slots__ = ("least_age_years", "most_age_years", "sex", "least_grade", "labels", "without")
    LEAST_AGE_YEARS_FIELD_NUMBER: _ClassVar[int]
    MOST_AGE_YEARS_FIELD_NUMBER: _ClassVar[int]
    SEX_FIELD_NUMBER: _ClassVar[int]
    LEAST_GRADE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_FIELD_NUMBER: _ClassVar[int]
    least_age_years: float
    most_age_years: float
    sex: _types_pb2.Sex
    least_grade: _types_pb2.QualityGrade
    labels: _containers.RepeatedScalarFieldContainer[str]
    without: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, least_age_years: _Optional[float] = ..., most_age_years: _Optional[float] = ..., sex: _Optional[_Union[_types_pb2.Sex, str]] = ..., least_grade: _Optional[_Union[_types_pb2.QualityGrade, str]] = ..., labels: _Optional[_Iterable[str]] = ..., without: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateSnapshotRequest(_message.Message):
    __slots__ = ("request_id", "dataset", "splits", "seed", "only")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    dataset: str
    splits: _containers.RepeatedCompositeFieldContainer[SplitRule]
    seed: int
    only: RecordFilter
    def __init__(self, request_id: _Optional[str] = ..., dataset: _Optional[str] = ..., splits: _Optional[_Iterable[_Union[SplitRule, _Mapping]]] = ..., seed: _Optional[int] = ..., only: _Optional[_Union[RecordFilter, _Mapping]] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("snapshot_id", "dataset", "digest", "splits", "created_at", "label_groups", "only", "left_out", "facts")
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LABEL_GROUPS_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    dataset: str
    digest: str
    splits: _containers.RepeatedCompositeFieldContainer[SplitCount]
    created_at: _timestamp_pb2.Timestamp
    label_groups: _containers.RepeatedCompositeFieldContainer[LabelGroup]
    only: RecordFilter
    left_out: int
    facts: _containers.RepeatedCompositeFieldContainer[SplitFacts]
    def __init__(self, snapshot_id: _Optional[str] = ..., dataset: _Optional[str] = ..., digest: _Optional[str] = ..., splits: _Optional[_Iterable[_Union[SplitCount, _Mapping]]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., label_groups: _Optional[_Iterable[_Union[LabelGroup, _Mapping]]] = ..., only: _Optional[_Union[RecordFilter, _Mapping]] = ..., left_out: _Optional[int] = ..., facts: _Optional[_Iterable[_Union[SplitFacts, _Mapping]]] = ...) -> None: ...

class SplitFacts(_message.Message):
    __slots__ = ("split", "records", "patients", "groups", "numeric", "lead_sets")
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    NUMERIC_FIELD_NUMBER: _ClassVar[int]
    LEAD_SETS_FIELD_NUMBER: _ClassVar[int]
    split: str
    records: int
    patients: int
    groups: _containers.RepeatedCompositeFieldContainer[GroupFacts]
    numeric: _containers.RepeatedCompositeFieldContainer[NumericFacts]
    lead_sets: _containers.RepeatedCompositeFieldContainer[LeadSet]
    def __init__(self, split: _Optional[str] = ..., records: _Optional[int] = ..., patients: _Optional[int] = ..., groups: _Optional[_Iterable[_Union[GroupFacts, _Mapping]]] = ..., numeric: _Optional[_Iterable[_Union[NumericFacts, _Mapping]]] = ..., lead_sets: _Optional[_Iterable[_Union[LeadSet, _Mapping]]] = ...) -> None: ...

class GroupFacts(_message.Message):
    __slots__ = ("name", "records", "labels")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    records: int
    labels: _containers.RepeatedCompositeFieldContainer[LabelFacts]
    def __init__(self, name: _Optional[str] = ..., records: _Optional[int] = ..., labels: _Optional[_Iterable[_Union[LabelFacts, _Mapping]]] = ...) -> None: ...

class LabelFacts(_message.Message):
    __slots__ = ("name", "records", "patients")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    records: int
    patients: int
    def __init__(self, name: _Optional[str] = ..., records: _Optional[int] = ..., patients: _Optional[int] = ...) -> None: ...

class NumericFacts(_message.Message):
    __slots__ = ("name", "records", "lowest", "highest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    LOWEST_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    records: int
    lowest: float
    highest: float
    def __init__(self, name: _Optional[str] = ..., records: _Optional[int] = ..., lowest: _Optional[float] = ..., highest: _Optional[float] = ...) -> None: ...

class LeadSet(_message.Message):
    __slots__ = ("leads", "records")
    LEADS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    leads: _containers.RepeatedScalarFieldContainer[str]
    records: int
    def __init__(self, leads: _Optional[_Iterable[str]] = ..., records: _Optional[int] = ...) -> None: ...

class SplitCount(_message.Message):
    __slots__ = ("name", "records", "patients")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    PATIENTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    records: int
    patients: int
    def __init__(self, name: _Optional[str] = ..., records: _Optional[int] = ..., patients: _Optional[int] = ...) -> None: ...

class CreateSnapshotResponse(_message.Message):
    __slots__ = ("snapshot",)
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    snapshot: Snapshot
    def __init__(self, snapshot: _Optional[_Union[Snapshot, _Mapping]] = ...) -> None: ...

class ListSnapshotsRequest(_message.Message):
    __slots__ = ("dataset", "page_size", "page_token")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    page_size: int
    page_token: str
    def __init__(self, dataset: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSnapshotsResponse(_message.Message):
    __slots__ = ("snapshots", "next_page_token")
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    snapshots: _containers.RepeatedCompositeFieldContainer[Snapshot]
    next_page_token: str
    def __init__(self, snapshots: _Optional[_Iterable[_Union[Snapshot, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class OpenSnapshotRequest(_message.Message):
    __slots__ = ("split",)
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    split: _types_pb2.SplitRef
    def __init__(self, split: _Optional[_Union[_types_pb2.SplitRef, _Mapping]] = ...) -> None: ...

class ShardTicket(_message.Message):
    __slots__ = ("shard_id", "sha256", "size_bytes", "records", "url")
    SHARD_ID_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    shard_id: str
    sha256: str
    size_bytes: int
    records: int
    url: str
    def __init__(self, shard_id: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., records: _Optional[int] = ..., url: _Optional[str] = ...) -> None: ...

class OpenSnapshotResponse(_message.Message):
    __slots__ = ("snapshot", "shards")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    snapshot: Snapshot
    shards: _containers.RepeatedCompositeFieldContainer[ShardTicket]
    def __init__(self, snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., shards: _Optional[_Iterable[_Union[ShardTicket, _Mapping]]] = ...) -> None: ...

class StreamShardRequest(_message.Message):
    __slots__ = ("shard_id",)
    SHARD_ID_FIELD_NUMBER: _ClassVar[int]
    shard_id: str
    def __init__(self, shard_id: _Optional[str] = ...) -> None: ...

class StreamShardResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...
