"""The documents of a version, and the operating points that it is published with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from precordia.manifest import Manifest
from services.registry.operating_points import checked_operating_points
from services.trainer.job.folder import ABOUT, JobFolder
from services.trainer.jobs import _operating_points
from services.trainer.publication.documents import about_job, write_documents
from tests.precordia.report import made


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    job = JobFolder(tmp_path)
    job.outputs.mkdir()
    return job


def test_every_document_is_written_and_says_whose_it_is(job: JobFolder) -> None:
    job.write(ABOUT, {"name": "mine", "job": "7d1f"})
    report = made.training_report() | {"about": about_job(job.path)}
    write_documents(job.outputs, report)
    assert {path.name for path in job.outputs.iterdir()} == {
        "report.json",
        "report.html",
        "model_card.md",
        "operating_points.json",
    }
    kept = json.loads((job.outputs / "report.json").read_text())
    assert (kept["about"]["name"], kept["about"]["job"]) == ("mine", "7d1f")
    assert kept["about"]["finished_at"].endswith("UTC")
    assert (job.outputs / "model_card.md").read_text().startswith("# mine\n")
    assert "<h1>mine</h1>" in (job.outputs / "report.html").read_text()


def test_a_job_without_a_name_is_reported_all_the_same(job: JobFolder) -> None:
    assert about_job(job.path) == {}


def test_operating_points_go_with_the_version_as_the_registry_takes_them(job: JobFolder) -> None:
    report = made.training_report()
    write_documents(job.outputs, report)
    points = _operating_points(job)
    assert json.loads(points) == report["operating_points"]
    assert checked_operating_points(points, Manifest.from_json(report["manifest"]))


def test_where_nothing_was_measured_nothing_is_set(job: JobFolder) -> None:
    assert _operating_points(job) == ""
    (job.outputs / "operating_points.json").write_text("{}")
    assert _operating_points(job) == ""
