import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SampleType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SAMPLE_TYPE_UNSPECIFIED: _ClassVar[SampleType]
    SAMPLE_TYPE_FLOAT32: _ClassVar[SampleType]
    SAMPLE_TYPE_INT16: _ClassVar[SampleType]
    SAMPLE_TYPE_INT32: _ClassVar[SampleType]
    SAMPLE_TYPE_FLOAT64: _ClassVar[SampleType]

class SignalUnit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIGNAL_UNIT_UNSPECIFIED: _ClassVar[SignalUnit]
    SIGNAL_UNIT_MILLIVOLT: _ClassVar[SignalUnit]
    SIGNAL_UNIT_MICROVOLT: _ClassVar[SignalUnit]
    SIGNAL_UNIT_STANDARDISED: _ClassVar[SignalUnit]

class Sex(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEX_UNSPECIFIED: _ClassVar[Sex]
    SEX_FEMALE: _ClassVar[Sex]
    SEX_MALE: _ClassVar[Sex]

class QualityGrade(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUALITY_GRADE_UNSPECIFIED: _ClassVar[QualityGrade]
    QUALITY_GRADE_GOOD: _ClassVar[QualityGrade]
    QUALITY_GRADE_USABLE: _ClassVar[QualityGrade]
    QUALITY_GRADE_POOR: _ClassVar[QualityGrade]
    QUALITY_GRADE_UNUSABLE: _ClassVar[QualityGrade]
SAMPLE_TYPE_UNSPECIFIED: SampleType
SAMPLE_TYPE_FLOAT32: SampleType
SAMPLE_TYPE_INT16: SampleType
SAMPLE_TYPE_INT32: SampleType
SAMPLE_TYPE_FLOAT64: SampleType
SIGNAL_UNIT_UNSPECIFIED: SignalUnit
SIGNAL_UNIT_MILLIVOLT: SignalUnit
SIGNAL_UNIT_MICROVOLT: SignalUnit
SIGNAL_UNIT_STANDARDISED: SignalUnit
SEX_UNSPECIFIED: Sex
SEX_FEMALE: Sex
SEX_MALE: Sex
QUALITY_GRADE_UNSPECIFIED: QualityGrade
QUALITY_GRADE_GOOD: QualityGrade
QUALITY_GRADE_USABLE: QualityGrade
QUALITY_GRADE_POOR: QualityGrade
QUALITY_GRADE_UNUSABLE: QualityGrade

class Step(_message.Message):
    __slots__ = ("name", "version", "parameters_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    parameters_json: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., parameters_json: _Optional[str] = ...) -> None: ...

class Signal(_message.Message):
    __slots__ = ("lead_names", "samples", "sample_rate_hz", "unit", "sample_type", "scale", "data", "applied", "derived_leads")
    LEAD_NAMES_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_TYPE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    DERIVED_LEADS_FIELD_NUMBER: _ClassVar[int]
    lead_names: _containers.RepeatedScalarFieldContainer[str]
    samples: int
    sample_rate_hz: float
    unit: SignalUnit
    sample_type: SampleType
    scale: float
    data: bytes
    applied: _containers.RepeatedCompositeFieldContainer[Step]
    derived_leads: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lead_names: _Optional[_Iterable[str]] = ..., samples: _Optional[int] = ..., sample_rate_hz: _Optional[float] = ..., unit: _Optional[_Union[SignalUnit, str]] = ..., sample_type: _Optional[_Union[SampleType, str]] = ..., scale: _Optional[float] = ..., data: _Optional[bytes] = ..., applied: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., derived_leads: _Optional[_Iterable[str]] = ...) -> None: ...

class Warning(_message.Message):
    __slots__ = ("code", "message", "lead")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LEAD_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    lead: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., lead: _Optional[str] = ...) -> None: ...

class QualityFinding(_message.Message):
    __slots__ = ("defect", "grade", "message", "lead", "value", "limit")
    DEFECT_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LEAD_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    defect: str
    grade: QualityGrade
    message: str
    lead: str
    value: float
    limit: float
    def __init__(self, defect: _Optional[str] = ..., grade: _Optional[_Union[QualityGrade, str]] = ..., message: _Optional[str] = ..., lead: _Optional[str] = ..., value: _Optional[float] = ..., limit: _Optional[float] = ...) -> None: ...

class LeadQuality(_message.Message):
    __slots__ = ("lead", "grade", "missing_fraction", "flat_fraction", "clipped_fraction", "hum_uv", "hum_hz", "baseline_mv", "noise_uv")
    LEAD_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    MISSING_FRACTION_FIELD_NUMBER: _ClassVar[int]
    FLAT_FRACTION_FIELD_NUMBER: _ClassVar[int]
    CLIPPED_FRACTION_FIELD_NUMBER: _ClassVar[int]
    HUM_UV_FIELD_NUMBER: _ClassVar[int]
    HUM_HZ_FIELD_NUMBER: _ClassVar[int]
    BASELINE_MV_FIELD_NUMBER: _ClassVar[int]
    NOISE_UV_FIELD_NUMBER: _ClassVar[int]
    lead: str
    grade: QualityGrade
    missing_fraction: float
    flat_fraction: float
    clipped_fraction: float
    hum_uv: float
    hum_hz: float
    baseline_mv: float
    noise_uv: float
    def __init__(self, lead: _Optional[str] = ..., grade: _Optional[_Union[QualityGrade, str]] = ..., missing_fraction: _Optional[float] = ..., flat_fraction: _Optional[float] = ..., clipped_fraction: _Optional[float] = ..., hum_uv: _Optional[float] = ..., hum_hz: _Optional[float] = ..., baseline_mv: _Optional[float] = ..., noise_uv: _Optional[float] = ...) -> None: ...

class Quality(_message.Message):
    __slots__ = ("grade", "findings", "leads")
    GRADE_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    LEADS_FIELD_NUMBER: _ClassVar[int]
    grade: QualityGrade
    findings: _containers.RepeatedCompositeFieldContainer[QualityFinding]
    leads: _containers.RepeatedCompositeFieldContainer[LeadQuality]
    def __init__(self, grade: _Optional[_Union[QualityGrade, str]] = ..., findings: _Optional[_Iterable[_Union[QualityFinding, _Mapping]]] = ..., leads: _Optional[_Iterable[_Union[LeadQuality, _Mapping]]] = ...) -> None: ...

class Hints(_message.Message):
    __slots__ = ("sample_rate_hz", "unit", "gain_adu_per_mv", "lead_names", "applied", "delimiter", "decimal_mark", "time_column", "variable")
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    GAIN_ADU_PER_MV_FIELD_NUMBER: _ClassVar[int]
    LEAD_NAMES_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    DELIMITER_FIELD_NUMBER: _ClassVar[int]
    DECIMAL_MARK_FIELD_NUMBER: _ClassVar[int]
    TIME_COLUMN_FIELD_NUMBER: _ClassVar[int]
    VARIABLE_FIELD_NUMBER: _ClassVar[int]
    sample_rate_hz: float
    unit: str
    gain_adu_per_mv: float
    lead_names: _containers.RepeatedScalarFieldContainer[str]
    applied: _containers.RepeatedCompositeFieldContainer[Step]
    delimiter: str
    decimal_mark: str
    time_column: int
    variable: str
    def __init__(self, sample_rate_hz: _Optional[float] = ..., unit: _Optional[str] = ..., gain_adu_per_mv: _Optional[float] = ..., lead_names: _Optional[_Iterable[str]] = ..., applied: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., delimiter: _Optional[str] = ..., decimal_mark: _Optional[str] = ..., time_column: _Optional[int] = ..., variable: _Optional[str] = ...) -> None: ...

class Channel(_message.Message):
    __slots__ = ("label", "source_label", "unit", "sample_rate_hz", "samples", "sample_type", "gain", "baseline", "missing_fraction", "derived", "standard_lead")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LABEL_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_TYPE_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    MISSING_FRACTION_FIELD_NUMBER: _ClassVar[int]
    DERIVED_FIELD_NUMBER: _ClassVar[int]
    STANDARD_LEAD_FIELD_NUMBER: _ClassVar[int]
    label: str
    source_label: str
    unit: str
    sample_rate_hz: float
    samples: int
    sample_type: SampleType
    gain: float
    baseline: float
    missing_fraction: float
    derived: bool
    standard_lead: bool
    def __init__(self, label: _Optional[str] = ..., source_label: _Optional[str] = ..., unit: _Optional[str] = ..., sample_rate_hz: _Optional[float] = ..., samples: _Optional[int] = ..., sample_type: _Optional[_Union[SampleType, str]] = ..., gain: _Optional[float] = ..., baseline: _Optional[float] = ..., missing_fraction: _Optional[float] = ..., derived: _Optional[bool] = ..., standard_lead: _Optional[bool] = ...) -> None: ...

class Recording(_message.Message):
    __slots__ = ("recording_id", "source_name", "source_sha256", "source_index", "source_record", "format", "channels", "lead_names", "sample_rate_hz", "samples", "unit", "applied", "patient_key", "acquired_at", "age_years", "sex", "warnings", "labels", "reader", "reader_version", "hints", "created_at", "supersedes", "device_json", "transforms", "acquired_at_is_local", "quality")
    RECORDING_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SHA256_FIELD_NUMBER: _ClassVar[int]
    SOURCE_INDEX_FIELD_NUMBER: _ClassVar[int]
    SOURCE_RECORD_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    LEAD_NAMES_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    PATIENT_KEY_FIELD_NUMBER: _ClassVar[int]
    ACQUIRED_AT_FIELD_NUMBER: _ClassVar[int]
    AGE_YEARS_FIELD_NUMBER: _ClassVar[int]
    SEX_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    READER_FIELD_NUMBER: _ClassVar[int]
    READER_VERSION_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDES_FIELD_NUMBER: _ClassVar[int]
    DEVICE_JSON_FIELD_NUMBER: _ClassVar[int]
    TRANSFORMS_FIELD_NUMBER: _ClassVar[int]
    ACQUIRED_AT_IS_LOCAL_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    recording_id: str
    source_name: str
    source_sha256: str
    source_index: int
    source_record: str
    format: str
    channels: _containers.RepeatedCompositeFieldContainer[Channel]
    lead_names: _containers.RepeatedScalarFieldContainer[str]
    sample_rate_hz: float
    samples: int
    unit: SignalUnit
    applied: _containers.RepeatedCompositeFieldContainer[Step]
    patient_key: str
    acquired_at: _timestamp_pb2.Timestamp
    age_years: float
    sex: Sex
    warnings: _containers.RepeatedCompositeFieldContainer[Warning]
    labels: _containers.RepeatedScalarFieldContainer[str]
    reader: str
    reader_version: str
    hints: Hints
    created_at: _timestamp_pb2.Timestamp
    supersedes: str
    device_json: str
    transforms: _containers.RepeatedScalarFieldContainer[str]
    acquired_at_is_local: bool
    quality: Quality
    def __init__(self, recording_id: _Optional[str] = ..., source_name: _Optional[str] = ..., source_sha256: _Optional[str] = ..., source_index: _Optional[int] = ..., source_record: _Optional[str] = ..., format: _Optional[str] = ..., channels: _Optional[_Iterable[_Union[Channel, _Mapping]]] = ..., lead_names: _Optional[_Iterable[str]] = ..., sample_rate_hz: _Optional[float] = ..., samples: _Optional[int] = ..., unit: _Optional[_Union[SignalUnit, str]] = ..., applied: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., patient_key: _Optional[str] = ..., acquired_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., age_years: _Optional[float] = ..., sex: _Optional[_Union[Sex, str]] = ..., warnings: _Optional[_Iterable[_Union[Warning, _Mapping]]] = ..., labels: _Optional[_Iterable[str]] = ..., reader: _Optional[str] = ..., reader_version: _Optional[str] = ..., hints: _Optional[_Union[Hints, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., supersedes: _Optional[str] = ..., device_json: _Optional[str] = ..., transforms: _Optional[_Iterable[str]] = ..., acquired_at_is_local: _Optional[bool] = ..., quality: _Optional[_Union[Quality, _Mapping]] = ...) -> None: ...

class ModelRef(_message.Message):
    __slots__ = ("name", "version", "alias")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    alias: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., alias: _Optional[str] = ...) -> None: ...

class SplitRef(_message.Message):
    __slots__ = ("dataset", "split", "snapshot_id")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    split: str
    snapshot_id: str
    def __init__(self, dataset: _Optional[str] = ..., split: _Optional[str] = ..., snapshot_id: _Optional[str] = ...) -> None: ...
