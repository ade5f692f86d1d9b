"""Facts in the words of the screen."""

from __future__ import annotations

from precordia.catalog import ModelRef, ModelVersion
from precordia.stored import StoredRecording
from tui.view import MM_PER_ROW, View

_FORMATS = {"dicom": "DICOM", "wfdb": "WFDB", "csv": "CSV", "npy": "NPY", "npz": "NPZ", "mat": "MAT"}


def rate(recording: StoredRecording) -> str:
    """Sampling rate, or that it differs."""
    return f"{recording.sample_rate_hz:g} Hz" if recording.sample_rate_hz else "mixed rates"


def duration(recording: StoredRecording) -> str:
    """Length, where there is one."""
    if not recording.sample_rate_hz or not recording.samples:
        return ""
    seconds = recording.samples / recording.sample_rate_hz
    return f"{seconds:.4g} s" if seconds < 100 else f"{seconds / 60:.3g} min"


def leads(recording: StoredRecording) -> str:
    """Number of leads, or of channels where none is a standard lead."""
    count = len(recording.leads) or len(recording.channels)
    kind = "lead" if recording.leads else "channel"
    return f"{count} {kind}{'' if count == 1 else 's'}"


def file_format(recording: StoredRecording) -> str:
    """The format's name."""
    return _FORMATS.get(recording.format, recording.format.upper())


def summary(recording: StoredRecording) -> str:
    """A recording in one line, without its name."""
    parts = [file_format(recording), leads(recording), rate(recording), duration(recording)]
    return " · ".join(part for part in parts if part)


def name(recording: StoredRecording) -> str:
    """What a person calls it: the file, and the record in it where it holds several."""
    if recording.source_record and recording.source_record not in recording.source_name:
        return f"{recording.source_name} · {recording.source_record}"
    return recording.source_name


def patient(recording: StoredRecording) -> str:
    """Age, sex and time, as far as they are known."""
    parts = []
    if recording.age_years is not None:
        parts.append(f"{recording.age_years:.0f} y")
    if recording.sex is not None:
        parts.append(recording.sex.value)
    if recording.acquired_at is not None:
        parts.append(f"{recording.acquired_at:%Y-%m-%d %H:%M}")
    return " · ".join(parts)


def scale(view: View) -> str:
    """Speed and gain, in paper's terms."""
    return f"{view.speed_mm_s:g} mm/s · {view.gain_mm_mv:g} mm/mV"


def cell(view: View) -> str:
    """What a character cell stands for."""
    return f"1 column = 1 mm = {1000 * view.column_s:g} ms, 1 row = {MM_PER_ROW:g} mm = {view.row_mv:g} mV"


def window(view: View, visible_s: float, duration_s: float) -> str:
    """The part of the recording that is on the page."""
    return f"{view.start_s:.1f} to {min(view.start_s + visible_s, duration_s):.1f} of {duration_s:.1f} s"


def model_name(model: ModelVersion) -> str:
    """A version in words."""
    return f"{model.name} · version {model.version}"


def reference(model: ModelVersion) -> ModelRef:
    """The reference that asks for this very version."""
    return ModelRef(model.name, model.version)
