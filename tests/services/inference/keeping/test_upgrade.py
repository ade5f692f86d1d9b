"""A database from before: what it holds stays readable, and what nobody noted is told as not known."""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa

from precordia.prediction import KeptQuery
from precordia.storage.database import migrate, open_database
from services.inference.keeping.kept import KeptPredictions
from services.inference.keeping.prediction_json import prediction_to_json
from tests.precordia.databases import sqlite_url
from tests.services.inference.keeping.answers import said


def _as_before_revisions(database: sa.Engine) -> None:
    """The schema and one entry as version 0002 left them."""
    with database.begin() as connection:
        connection.execute(sa.text("DROP TABLE removed_predictions"))
        connection.execute(sa.text("ALTER TABLE kept_predictions DROP COLUMN operating_points_revision"))
        connection.execute(sa.text("UPDATE version_services_inference SET version_num = '0002'"))
        old = prediction_to_json(said(1))
        del old["operating_points_revision"]
        connection.execute(sa.text("UPDATE kept_predictions SET prediction = :old"), {"old": json.dumps(old)})


def test_entries_from_before_revisions_were_noted_are_listed_without_one(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path), "services.inference.migrations")
    kept = KeptPredictions(database)
    kept.add([said(1)])
    _as_before_revisions(database)
    migrate(database, "services.inference.migrations")
    kept.add([said(2)])
    page, _ = kept.page(KeptQuery())
    assert [(one.prediction.recording_id, one.prediction.operating_points_revision) for one in page] == [
        ("rec-2", 3),
        ("rec-1", None),
    ]
    assert page[1].prediction.scores == said(1).scores
    database.dispose()
