"""The documents of a model version, written beside its graph: report, page, model card, operating points."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from precordia.catalog import MODEL_CARD, OPERATING_POINTS, REPORT, REPORT_HTML
from precordia.report import card_markdown, training_page
from services.trainer.job.folder import ABOUT, JobFolder


def about_job(folder: Path) -> dict[str, str]:
    """Whose model it is, as the service left it in the job's folder; empty where nobody did."""
    said = JobFolder(folder).read(ABOUT) or {}
    return {str(name): str(value) for name, value in said.items()}


def write_documents(folder: Path, report: Mapping[str, Any]) -> None:
    """Write all of them."""
    finished_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    report = {**report, "about": {**report.get("about", {}), "finished_at": finished_at}}
    (folder / REPORT).write_text(json.dumps(report, indent=2, sort_keys=True, allow_nan=False) + "\n")
    # the page is made of what a reader of the file would see
    read_again = json.loads((folder / REPORT).read_text())
    (folder / REPORT_HTML).write_text(training_page(read_again), encoding="utf-8")
    (folder / MODEL_CARD).write_text(card_markdown(read_again), encoding="utf-8")
    (folder / OPERATING_POINTS).write_text(json.dumps(report.get("operating_points", {}), sort_keys=True) + "\n")
