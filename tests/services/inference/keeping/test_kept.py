"""What was said of stored recordings: kept, listed, filtered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from precordia.errors import InvalidArgument
from precordia.prediction import KeptQuery, Prediction
from services.inference.keeping.kept import KeptPredictions
from services.inference.keeping.store import PlacedPrediction, PredictionStore
from tests.precordia.databases import database_url as database_url
from tests.services.inference.keeping.answers import NOON, listed, said
from tests.services.inference.keeping.answers import database as database


def test_answers_come_back_whole_and_newest_first(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(1), said(2)])
    kept.add([said(3)], operation_id="op")
    page, token = kept.page(KeptQuery())
    assert [one.prediction for one in page] == [said(3), said(2), said(1)]
    assert [one.operation_id for one in page] == ["op", "", ""]
    assert page[0].number > page[1].number > page[2].number
    assert token == ""


def test_the_same_recording_scored_again_is_an_answer_of_its_own(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(1)])
    kept.add([said(1, minute=5)])
    page, _ = kept.page(KeptQuery(recording_id="rec-1"))
    assert [one.prediction.predicted_at for one in page] == [NOON + timedelta(minutes=5), NOON]


def test_lists_are_narrowed_by_each_fact_and_by_all_together(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(n, minute=n) for n in range(10)])
    kept.add([said(20, model="other", version=3, recording="rec-1", minute=30)], operation_id="op")
    assert listed(kept, recording_id="rec-1") == ["rec-1", "rec-1"]
    assert listed(kept, model="other") == ["rec-1"]
    assert listed(kept, version=3) == ["rec-1"]
    assert listed(kept, model_digest="3" * 64) == ["rec-1"]
    assert listed(kept, operation_id="op") == ["rec-1"]
    since, until = NOON + timedelta(minutes=7), NOON + timedelta(minutes=9)
    assert listed(kept, since=since, until=until) == ["rec-8", "rec-7"]
    assert listed(kept, model="m", label="MI", at_least=0.8) == ["rec-9", "rec-8"]
    assert listed(kept, label='CLBBB|"L', at_least=0.95) == ["rec-0"]
    assert len(listed(kept, label="MI")) == 11
    assert listed(kept, label="AFIB") == []
    assert listed(kept, model="m", label="MI", at_least=0.3, until=NOON + timedelta(minutes=4)) == ["rec-3"]


def test_what_has_no_recording_or_no_scores_is_not_kept(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    refused = Prediction("m", 1, "d", None, recording_id="rec-9", error_reason="MISSING_LEAD", error_message="No V1.")
    kept.add([replace(said(1), recording_id=""), refused])
    assert listed(kept) == []


def test_pages_follow_each_other_without_gap_or_repetition(database: sa.Engine) -> None:
    kept = KeptPredictions(database)
    kept.add([said(n) for n in range(7)])
    found: list[str] = []
    token = ""
    while True:
        page, token = kept.page(KeptQuery(), page_size=3, page_token=token)
        found += [one.prediction.recording_id for one in page]
        if not token:
            break
    assert found == [f"rec-{n}" for n in reversed(range(7))]
    with pytest.raises(InvalidArgument):
        kept.page(KeptQuery(), page_token="x")
    with pytest.raises(InvalidArgument):
        kept.page(KeptQuery(), page_size=5000)


def test_an_operations_answers_are_listed_once_though_a_place_is_scored_twice(database: sa.Engine) -> None:
    store, kept = PredictionStore(database), KeptPredictions(database)
    store.add("op", [PlacedPrediction(0, said(1))], audited=True)
    store.add("op", [PlacedPrediction(0, said(1)), PlacedPrediction(1, said(2))], audited=True)
    store.add("measured", [PlacedPrediction(0, said(3))])
    assert listed(kept) == ["rec-2", "rec-1"]
    assert listed(kept, operation_id="op") == ["rec-2", "rec-1"]
