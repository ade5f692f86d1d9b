"""The JSON forms of documents. Scripts rely on these names: add, never rename."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cli.model_card import lineage_details
from precordia.catalog import Lineage, ModelVersion
from precordia.dataset import Dataset, LabelGroup, LabelImport, RecordFilter, Snapshot
from precordia.operation import Operation
from precordia.prediction import KeptPrediction, Prediction
from precordia.quality import Quality
from precordia.record import Remark
from precordia.stored import ImportPreview, StoredRecording
from precordia.traffic import Traffic


def time_form(value: datetime | None) -> str | None:
    """ISO 8601, or null."""
    return value.isoformat() if value else None


def remarks_form(remarks: Iterable[Remark]) -> list[dict[str, str]]:
    """Warnings, with the lead they concern."""
    return [{"code": remark.code, "message": remark.message, "lead": remark.lead} for remark in remarks]


def quality_form(quality: Quality | None) -> dict[str, Any] | None:
    """Grade, reasons and measures; null where a signal was not assessed."""
    return quality.to_json() if quality else None


def remarks_text(remarks: Iterable[Remark]) -> str:
    """Warnings for people: each said once, with all the leads it concerns."""
    leads: dict[str, list[str]] = {}
    for remark in remarks:
        leads.setdefault(remark.message, []).append(remark.lead)
    return "; ".join(
        f"{' '.join(filter(None, concerned))}: {message}" if any(concerned) else message
        for message, concerned in leads.items()
    )


def imported_form(source: str, stored: StoredRecording, created: bool) -> dict[str, Any]:
    """A recording that an import made; `source` is the path as given."""
    return {
        "source": source,
        "recording": stored.recording_id,
        "record": stored.source_record,
        "sha256": stored.source_sha256,
        "format": stored.format,
        "leads": list(stored.leads),
        "rate_hz": stored.sample_rate_hz,
        "samples": stored.samples,
        "unit": stored.unit.value if stored.unit else None,
        "created": created,
        "warnings": remarks_form(stored.remarks),
        "quality": quality_form(stored.quality),
    }


def preview_form(source: str, preview: ImportPreview) -> dict[str, Any]:
    """What an import would do."""
    return {
        "source": source,
        "format": preview.format,
        "proposal": preview.proposal.to_json(),
        "missing": list(preview.missing_fields),
        "header_rows": preview.header_rows,
        "orientation": preview.orientation,
        "columns": list(preview.columns),
        "warnings": remarks_form(preview.remarks),
    }


def recording_form(stored: StoredRecording) -> dict[str, Any]:
    """A recording in a list."""
    return {
        "recording": stored.recording_id,
        "source": stored.source_name,
        "record": stored.source_record,
        "format": stored.format,
        "leads": list(stored.leads),
        "rate_hz": stored.sample_rate_hz,
        "samples": stored.samples,
        "labels": list(stored.labels),
        "grade": stored.quality.grade.value if stored.quality else None,
    }


def full_recording_form(stored: StoredRecording) -> dict[str, Any]:
    """Everything known about a recording."""
    return recording_form(stored) | {
        "sha256": stored.source_sha256,
        "unit": stored.unit.value if stored.unit else None,
        "applied": [step.to_json() for step in stored.applied],
        "channels": [dict(vars(channel)) for channel in stored.channels],
        "patient_key": stored.patient_key,
        "acquired_at": time_form(stored.acquired_at),
        "age_years": stored.age_years,
        "sex": stored.sex.value if stored.sex else None,
        "warnings": remarks_form(stored.remarks),
        "reader": stored.reader,
        "reader_version": stored.reader_version,
        "hints": stored.hints.to_json(),
        "transforms": list(stored.transforms),
        "quality": quality_form(stored.quality),
        "supersedes": stored.supersedes,
        "created_at": time_form(stored.created_at),
        "device": {
            "manufacturer": stored.device.manufacturer,
            "model": stored.device.model,
            "filters": dict(stored.device.filters),
            "measurements": dict(stored.device.measurements),
            "statements": list(stored.device.statements),
        },
    }


def prediction_form(source: str, record: str, prediction: Prediction) -> dict[str, Any]:
    """The scores of one ECG."""
    return {
        "source": source,
        "record": record,
        "recording": prediction.recording_id,
        "model": prediction.model,
        "version": prediction.version,
        "digest": prediction.model_digest,
        "task": prediction.task.value if prediction.task else None,
        "scores": {score.name: score.value for score in prediction.scores},
        "thresholds": {score.name: score.threshold for score in prediction.scores if score.threshold is not None},
        "codes": {score.name: score.code for score in prediction.scores if score.code},
        "operating_points_revision": prediction.operating_points_revision,
        "windows": prediction.windows,
        "input_sha256": prediction.input_sha256,
        "predicted_at": time_form(prediction.predicted_at),
        "warnings": remarks_form(prediction.remarks),
    }


def scored_by_text(prediction: Prediction) -> str:
    """The version that scored, and the operating points that it had then, for a screen."""
    revision = prediction.operating_points_revision
    return f"{prediction.model}:{prediction.version}" + (f", operating points {revision}" if revision else "")


def kept_prediction_form(kept: KeptPrediction) -> dict[str, Any]:
    """An answer that was given for a stored recording."""
    form = prediction_form("", "", kept.prediction)
    del form["source"], form["record"]
    return {"number": kept.number, "job": kept.operation_id or None, **form}


def _groups_form(groups: Iterable[LabelGroup]) -> list[dict[str, Any]]:
    return [{"group": group.name, "labels": dict(group.labels)} for group in groups]


def dataset_form(dataset: Dataset) -> dict[str, Any]:
    """A dataset."""
    return {
        "dataset": dataset.name,
        "records": dataset.records,
        "labelled": dataset.labelled,
        "patients": dataset.patients,
        "label_groups": _groups_form(dataset.label_groups),
        "folds": list(dataset.folds),
        "created_at": time_form(dataset.created_at),
        "updated_at": time_form(dataset.updated_at),
    }


def snapshot_form(snapshot: Snapshot) -> dict[str, Any]:
    """A frozen dataset."""
    return {
        "snapshot": snapshot.snapshot_id,
        "dataset": snapshot.dataset,
        "digest": snapshot.digest,
        "splits": [
            {"split": split.name, "records": split.records, "patients": split.patients} for split in snapshot.splits
        ],
        "label_groups": _groups_form(snapshot.label_groups),
        "only": _filter_form(snapshot.only),
        "left_out": snapshot.left_out,
        "created_at": time_form(snapshot.created_at),
    }


def _filter_form(only: RecordFilter) -> dict[str, Any]:
    return {
        "least_age_years": only.least_age_years,
        "most_age_years": only.most_age_years,
        "sex": only.sex.value if only.sex else None,
        "least_grade": only.least_grade.value if only.least_grade else None,
        "labels": list(only.labels),
        "without": list(only.without),
    }


def labels_form(outcome: LabelImport) -> dict[str, Any]:
    """What became of a label table."""
    return {
        "dataset": dataset_form(outcome.dataset),
        "matched": outcome.matched_records,
        "unmatched_rows": list(outcome.unmatched_rows),
        "unlabelled_records": list(outcome.unlabelled_records),
        "unmapped": dict(outcome.unmapped),
        "warnings": list(outcome.remarks),
    }


def model_form(version: ModelVersion) -> dict[str, Any]:
    """One version of a model."""
    manifest = version.manifest
    return {
        "model": version.name,
        "version": version.version,
        "digest": version.digest,
        "aliases": list(version.aliases),
        "task": manifest.task.value,
        "outputs": list(manifest.output_names),
        "leads": list(manifest.input.leads),
        "optional_leads": list(manifest.input.optional_leads),
        "rate_hz": manifest.input.rate_hz,
        "duration_s": manifest.input.duration_s,
        "origin": version.lineage.origin,
        "base": version.lineage.base_model,
        "lineage": _lineage_form(version.lineage),
        "operating_points": json.loads(version.operating_points_json or "{}"),
        "artifacts": {artifact.name: artifact.size_bytes for artifact in version.artifacts},
        "created_at": time_form(version.created_at),
        "warnings": remarks_form(version.remarks),
    }


def _lineage_form(lineage: Lineage) -> dict[str, Any]:
    return {
        "base_digest": lineage.base_digest,
        "dataset": lineage.dataset,
        "snapshot_digest": lineage.snapshot_digest,
        "job": lineage.training_job,
        "details": lineage_details(lineage),
    }


def traffic_form(traffic: Traffic) -> dict[str, Any]:
    """A rule and what it has shown."""
    rule = traffic.rule
    return {
        "model": str(rule.model),
        "candidate_version": rule.candidate_version,
        "canary_percent": rule.canary_percent,
        "shadow_percent": rule.shadow_percent,
        "since": time_form(traffic.since),
        **{side: asdict(getattr(traffic, side)) for side in ("current", "canary", "shadow", "compared_current")},
        "skipped": traffic.skipped,
        "compared": traffic.compared,
        "disagreements": traffic.disagreements,
        "outputs": [asdict(one) for one in traffic.outputs],
        "by_canary": asdict(traffic.by_canary),
    }


def job_form(operation: Operation, service: str) -> dict[str, Any]:
    """A piece of long work."""
    failed = {"reason": operation.error_reason, "message": operation.error_message}
    return {
        "job": operation.operation_id,
        "service": service,
        "kind": operation.kind,
        "state": operation.state.value,
        "done": operation.done,
        "total": operation.total,
        "attempt": operation.attempt,
        "request": dict(operation.request),
        "result": dict(operation.result),
        "error": failed if operation.error_reason else None,
        "created_at": time_form(operation.created_at),
        "updated_at": time_form(operation.updated_at),
    }
