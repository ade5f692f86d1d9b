"""Predictions as JSON objects in the database, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from precordia.manifest import Task
from precordia.prediction import Prediction, Score
from precordia.record import Remark


def prediction_to_json(prediction: Prediction) -> dict[str, Any]:
    """As a JSON object; the inverse of `prediction_from_json`."""
    at = prediction.predicted_at
    return {
        **vars(prediction),
        "task": prediction.task.value if prediction.task else None,
        "scores": [vars(score) for score in prediction.scores],
        "remarks": [vars(remark) for remark in prediction.remarks],
        "predicted_at": at.isoformat() if at else None,
    }


def prediction_from_json(value: Mapping[str, Any]) -> Prediction:
    """From a JSON object."""
    at = value["predicted_at"]
    return Prediction(
        **{
            **value,
            "task": Task(value["task"]) if value["task"] else None,
            "scores": tuple(Score(**score) for score in value["scores"]),
            "remarks": tuple(Remark(**remark) for remark in value["remarks"]),
            "predicted_at": datetime.fromisoformat(at) if at else None,
        }
    )
