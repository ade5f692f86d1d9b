"""Predictions as tables for other programs: CSV, one row a prediction, one column an output."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from precordia.prediction import KeptPrediction, Prediction, ScoredRecord


def kept_csv(found: Sequence[KeptPrediction]) -> bytes:
    """What was said of stored recordings."""
    rows = [
        {
            "number": one.number,
            "job": one.operation_id,
            **_facts(one.prediction),
            **_scores(one.prediction),
            **_thresholds(one.prediction),
        }
        for one in found
    ]
    return _csv(rows, ("number", "job", *_FACTS))


def scored_csv(found: Sequence[ScoredRecord]) -> bytes:
    """What an evaluation's models said, beside what the dataset says.

    `labels` are joined by "|"; targets of a regression have columns of their own, "true OUTPUT".
    """
    rows = []
    for one in found:
        row: dict[str, object] = {"record": one.prediction.tag, **_facts(one.prediction)}
        if one.split is not None and one.truth is not None:
            row |= {
                "dataset": one.split.dataset,
                "split": one.split.split,
                "patient": one.truth.patient,
                "labelled": int(one.truth.labelled),
                "labels": "|".join(one.truth.labels),
            }
            row |= {f"true {name}": value for name, value in one.truth.values.items()}
        rows.append(row | {"error": one.prediction.error_reason} | _scores(one.prediction))
    return _csv(rows, ("dataset", "split", "record", "patient", "labelled", "labels", "error", *_FACTS))


_FACTS = (
    "predicted_at",
    "recording",
    "model",
    "version",
    "digest",
    "operating_points_revision",
    "input_sha256",
    "windows",
    "warnings",
)


def _facts(prediction: Prediction) -> dict[str, object]:
    at, revision = prediction.predicted_at, prediction.operating_points_revision
    return {
        "predicted_at": at.isoformat() if at else "",
        "recording": prediction.recording_id,
        "model": prediction.model,
        "version": prediction.version,
        "digest": prediction.model_digest,
        "operating_points_revision": "" if revision is None else revision,
        "input_sha256": prediction.input_sha256,
        "windows": prediction.windows if prediction.scores else "",
        "warnings": "|".join(dict.fromkeys(remark.code for remark in prediction.remarks)),
    }


def _scores(prediction: Prediction) -> dict[str, object]:
    return {f"score {score.name}": score.value for score in prediction.scores}


def _thresholds(prediction: Prediction) -> dict[str, object]:
    known = (score for score in prediction.scores if score.threshold is not None)
    return {f"threshold {score.name}": score.threshold for score in known}


def _csv(rows: Iterable[Mapping[str, object]], first: Sequence[str]) -> bytes:
    """Columns in the order given, then as they come; a value that a row does not have is empty."""
    rows = list(rows)
    there = dict.fromkeys(name for row in rows for name in row)
    columns = [*(name for name in first if name in there or not rows), *(name for name in there if name not in first)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
